"""Traces: what the model was asked, what it answered and what that took, for whoever wants to see it done.

Kept in memory only, the last ones. Nothing records any unless a Traced is put around the model, as the sandbox does.
"""

import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Hashable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from bot.model.api import ChatMessage, Choice, Delta, Finish, Load, ModelError, Queued, Sampling, Usage
from bot.model.results import Forgetful

MOST_TRACES = 200


@dataclass(eq=False, slots=True)
class Trace:
    """One request. `cause` is what it was made for; a verdict has a `task` and later a `choice`, an answer a `text`.

    `began` is in seconds of the recorder's clock, `pieces` are the seconds since then at which the text grew.
    `finish` ends it; what a verdict failed with is its detail.
    """

    cause: Hashable
    messages: tuple[ChatMessage, ...]
    began: float
    task: str = ""
    sampling: Sampling | None = None
    choice: Choice | None = None
    queued: Queued | None = None
    text: str = ""
    pieces: list[float] = field(default_factory=list)
    finish: Finish | None = None
    load: Load | None = None


class Traces:
    """The last traces, oldest first. `listeners` hear of a trace when it begins, first answers, and ends."""

    def __init__(self, most: int = MOST_TRACES) -> None:
        self.listeners: list[Callable[[Trace], None]] = []
        self._kept: deque[Trace] = deque(maxlen=most)

    def of(self, cause: Hashable) -> list[Trace]:
        """All that was asked for `cause`."""
        return [trace for trace in self._kept if trace.cause == cause]

    def causes(self) -> list[Hashable]:
        """What there are traces of, each once, in the order of its first."""
        return list(dict.fromkeys(trace.cause for trace in self._kept))

    def clear(self) -> None:
        """Keep none of them."""
        self._kept.clear()

    def begin(self, trace: Trace) -> None:
        """Keep a trace from now on."""
        self._kept.append(trace)
        self.tell(trace)

    def tell(self, trace: Trace) -> None:
        """Let the listeners look at it again."""
        for listener in self.listeners:
            listener(trace)


class Traced:
    """Implements Model around another one. `cause` tells what a request is made for."""

    def __init__(
        self,
        model: Forgetful,
        traces: Traces,
        cause: Callable[[], Hashable],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._model = model
        self._traces = traces
        self._cause = cause
        self._clock = clock

    async def classify(self, task: str, messages: Sequence[ChatMessage], labels: Sequence[str]) -> Choice:
        """See Model."""
        trace = Trace(self._cause(), tuple(messages), self._clock(), task=task)
        self._traces.begin(trace)
        finish = Finish("cancelled", Usage())
        try:
            trace.choice = await self._model.classify(task, messages, labels)
            finish = Finish("stop", trace.choice.usage)
        except ModelError as error:
            finish = Finish("error", Usage(), type(error).__name__)
            raise
        finally:
            self._end(trace, finish)
        return trace.choice

    async def stream(
        self, messages: Sequence[ChatMessage], sampling: Sampling, *, conversation: str | None = None
    ) -> AsyncGenerator[Queued | Delta | Finish]:
        """See Model."""
        stream = self._model.stream(messages, sampling, conversation=conversation)
        trace = Trace(self._cause(), tuple(messages), self._clock(), sampling=sampling)
        self._traces.begin(trace)
        finish = Finish("cancelled", Usage())
        try:
            async with aclosing(stream) as events:
                async for event in events:
                    if isinstance(event, Finish):
                        finish = event
                    else:
                        self._grow(trace, event)
                    yield event
        finally:
            self._end(trace, finish)

    def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """See Model."""
        return self._model.count_tokens(messages)

    def forget(self, conversation: str) -> None:
        """See Model."""
        self._model.forget(conversation)

    def clear(self) -> None:
        """See Forgetful."""
        self._traces.clear()
        self._model.clear()

    def load(self) -> Load:
        """See Model."""
        return self._model.load()

    def _grow(self, trace: Trace, event: Queued | Delta) -> None:
        if isinstance(event, Queued):
            trace.queued = event
            return
        trace.text += event.text
        trace.pieces.append(self._clock() - trace.began)
        if len(trace.pieces) == 1:
            self._traces.tell(trace)

    def _end(self, trace: Trace, finish: Finish) -> None:
        trace.finish, trace.load = finish, self._model.load()
        self._traces.tell(trace)
