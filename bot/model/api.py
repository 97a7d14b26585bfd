"""The model as the rest of the bot sees it: messages in, verdicts and text out.

Standard library only. Knows no torch, no Telegram and no SQL, so that anyone can import it.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

Role = Literal["system", "user", "assistant"]
Reason = Literal["stop", "length", "cancelled", "too_long", "overloaded", "error"]


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of a prompt. `text` is plain: control tokens typed in it stay text."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How an answer is drawn. `temperature` 0 is greedy; `top_k` 0 and `top_p` 1 switch those filters off.

    With `ignore_eos` the answer goes on behind its end, up to `max_new_tokens`: for measurements.
    """

    max_new_tokens: int = 128
    temperature: float = 0.7
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    stop: tuple[str, ...] = ()
    seed: int | None = None
    ignore_eos: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """What a request cost: token counts, and seconds since it was submitted."""

    prompt: int = 0
    cached: int = 0
    generated: int = 0
    queued_s: float = 0.0
    first_token_s: float = 0.0
    total_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Choice:
    """The most probable label; `probabilities` sums to 1 over all labels asked for.

    `neither` is how probable it is that none of them fits, where the model knows: where it has a probe.
    `usage` is what it cost, and all zero where it was remembered; `read` is what the model read, where that are
    other messages than those that were asked. Two choices are equal without both.
    """

    label: str
    probability: float
    probabilities: Mapping[str, float]
    neither: float | None = None
    usage: Usage = field(default=Usage(), compare=False)
    read: Sequence[ChatMessage] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Queued:
    """The request waits: `place` 1 is next; `estimate_s` comes from measured speed."""

    place: int
    estimate_s: float


@dataclass(frozen=True, slots=True)
class Delta:
    """The next piece of the answer, never half a character."""

    text: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The last event of every stream, exactly one."""

    reason: Reason
    usage: Usage
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Load:
    """How busy the model is now: `tokens_per_s` over the last busy seconds, `memory_bytes` resident.

    `step_s` is how long the step under way has taken so far; many seconds mean that it hangs.
    """

    running: int
    waiting: int
    tokens_per_s: float
    memory_bytes: int
    step_s: float = 0.0


class ModelError(Exception):
    """A request that the model did not answer."""


class Overloaded(ModelError):
    """The queue is full; nothing was started."""


class TooLong(ModelError):
    """The prompt does not fit the model's context."""


class ModelCrashed(ModelError):
    """The engine failed while this request was in it."""


class Model(Protocol):
    """One model, two verbs. Implemented by LocalModel and ReferenceModel."""

    async def classify(self, task: str, messages: Sequence[ChatMessage], labels: Sequence[str]) -> Choice:
        """Score `labels` as the assistant's next words and return the most probable one.

        `task` names the constant start of the prompt, which is kept computed, and a probe where the model has one.
        Raises Overloaded, TooLong or ModelCrashed.
        """
        ...

    def stream(
        self, messages: Sequence[ChatMessage], sampling: Sampling, *, conversation: str | None = None
    ) -> AsyncGenerator[Queued | Delta | Finish]:
        """Answer `messages` piece by piece; the last event is the one Finish. Closing the iterator cancels.

        `conversation` names whose computed past may be continued. Without one, everything but the last message
        is taken for the constant start of a task's prompts, which is kept computed.
        """
        ...

    def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """Number of tokens that `messages` take in the prompt, template included."""
        ...

    def forget(self, conversation: str) -> None:
        """Drop everything computed for `conversation`."""
        ...

    def load(self) -> Load:
        """How busy the model is now."""
        ...
