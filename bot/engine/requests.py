"""What the engine is asked, and what it answers: requests go in, events come out. Token ids only."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from bot.engine.sampling import SamplingParameters

FinishReason = Literal["stop", "length", "cancelled", "too_long", "overloaded", "error"]


@dataclass(eq=False, slots=True)
class Request:
    """A prompt. The first `prefix` tokens are the constant start of a task's prompts and worth keeping."""

    tokens: Sequence[int]
    prefix: int = 0


@dataclass(eq=False, slots=True)
class Generate(Request):
    """Continue the prompt. `conversation` names whose past may be reused and is kept for the next turn."""

    sampling: SamplingParameters = field(default_factory=SamplingParameters)
    max_new_tokens: int = 128
    stop_tokens: frozenset[int] = frozenset()
    conversation: str | None = None


@dataclass(eq=False, slots=True)
class Score(Request):
    """How probable is each of `candidates` (token ids, one or several) as the continuation of the prompt?"""

    candidates: Sequence[Sequence[int]] = ()


@dataclass(eq=False, slots=True)
class Read(Request):
    """What does the model make of the prompt after `layers` layers? The later layers and the head never run.

    `text` are the places of the tokens that the mean is taken over; they lie behind the first `prefix` tokens.
    """

    layers: int = 0
    text: range = range(0)


@dataclass(frozen=True, slots=True)
class Counts:
    """What a request cost so far, in tokens; `cached` of the prompt's tokens were not computed again."""

    prompt: int = 0
    cached: int = 0
    generated: int = 0


@dataclass(frozen=True, slots=True)
class Started:
    """The request left the queue."""

    request: Request


@dataclass(frozen=True, slots=True)
class Tokens:
    """Newly drawn tokens of a Generate, in order; stop tokens are not among them."""

    request: Generate
    tokens: Sequence[int]


@dataclass(frozen=True, slots=True)
class Scored:
    """Log-probabilities of a Score's candidates, up to a constant that is the same for all of them."""

    request: Score
    log_probabilities: Sequence[float]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a Read asked for, float32 [hidden] each: states normed by their own size, without weights."""

    request: Read
    last: Tensor
    mean: Tensor


@dataclass(frozen=True, slots=True)
class Done:
    """The last event of every request, exactly one."""

    request: Request
    reason: FinishReason
    counts: Counts
    detail: str = ""


Verdict = Score | Read
Event = Started | Tokens | Scored | Seen | Done
