"""Engine: admit → schedule → forward → deliver, one step at a time.

One thread owns an engine and calls `submit`, `cancel` and `step`. Every request that was submitted gets exactly
one Done from some later step, whatever happens.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Self

import torch

from bot.engine.decoder import Batch, Forward, Span
from bot.engine.guess import Trust, propose
from bot.engine.kv import Pool, PoolExhausted, Slot
from bot.engine.requests import (
    Counts,
    Done,
    Event,
    FinishReason,
    Generate,
    Request,
    Score,
    Scored,
    Started,
    Tokens,
)
from bot.engine.sampling import Row, sample
from bot.engine.scheduler import Budget, Costs, schedule


@dataclass(eq=False, slots=True)
class Running:
    """A request that holds a slot. `tokens` is the prompt and what was drawn; the slot's tokens are computed."""

    request: Request
    slot: Slot
    tokens: list[int]
    cached: int
    feeding: Sequence[int] = ()
    guesses: Sequence[int] = ()
    trust: Trust = field(default_factory=Trust)
    wanted: range = range(0)
    branches: Sequence[range] = ()

    @property
    def pending(self) -> int:
        """Number of tokens still to compute."""
        return len(self.tokens) - len(self.slot.tokens)

    @property
    def counts(self) -> Counts:
        """What it cost so far."""
        prompt = len(self.request.tokens)
        return Counts(prompt, self.cached, len(self.tokens) - prompt)


@dataclass(frozen=True, slots=True)
class Guessing:
    """How many tokens are guessed per stream and step, and up to how many streams rows are cheap enough."""

    most_tokens: int
    most_streams: int

    @classmethod
    def for_costs(cls, costs: Costs) -> Self:
        """As many rows as a step can take before it becomes slower, shared by the streams."""
        free = int(costs.step_s / costs.row_s)
        return cls(min(free // 2, 4), max(free // 4, 1)) if free >= 4 else cls(0, 0)


OFF = Guessing(0, 0)


class Engine:
    """Continuous batching over one decoder and one pool of slots."""

    def __init__(
        self,
        decoder: Forward,
        pool: Pool,
        *,
        running: int,
        context: int,
        budget: Budget,
        guessing: Guessing = OFF,
    ) -> None:
        self.decoder = decoder
        self.pool = pool
        self.max_running = running
        self.context = context
        self.budget = budget
        self.guessing = guessing
        self._waiting: deque[Generate] = deque()
        self._scores: deque[Score] = deque()
        self._streams: list[Running] = []
        self._verdicts: list[Running] = []
        self._events: list[Event] = []

    @property
    def busy(self) -> bool:
        """Whether another step has anything to do."""
        return bool(self._waiting or self._scores or self._streams or self._verdicts or self._events)

    @property
    def running(self) -> int:
        """Number of answers being generated."""
        return len(self._streams)

    @property
    def waiting(self) -> Sequence[Generate]:
        """Answers that have not been started, in their order."""
        return self._waiting

    @property
    def scores_waiting(self) -> Sequence[Score]:
        """Verdicts that have not been started, in their order."""
        return self._scores

    def submit(self, request: Request) -> None:
        """Take a request; a prompt that can never fit is finished as too_long."""
        if isinstance(request, Generate):
            room = request.max_new_tokens
        else:
            assert isinstance(request, Score)
            room = _branch_room(request)
        size = len(request.tokens) + room
        if not request.tokens or size > self.context or not self.pool.fits(size):
            detail = f"{len(request.tokens)} prompt tokens and {room} new ones do not fit {self.context}"
            self._events.append(Done(request, "too_long", Counts(len(request.tokens)), detail))
        elif isinstance(request, Generate):
            self._waiting.append(request)
        else:
            self._scores.append(request)

    def finish(self, request: Request, reason: FinishReason, detail: str = "") -> None:
        """End a request before the next step, wherever it is; unknown or finished ones are left alone."""
        for running in [*self._streams, *self._verdicts]:
            if running.request is request:
                self._end(running, reason, detail)
                return
        if isinstance(request, Generate) and request in self._waiting:
            self._waiting.remove(request)
        elif isinstance(request, Score) and request in self._scores:
            self._scores.remove(request)
        else:
            return
        self._events.append(Done(request, reason, Counts(len(request.tokens)), detail))

    def finish_all(self, reason: FinishReason, detail: str = "") -> None:
        """End everything."""
        running = [running.request for running in [*self._streams, *self._verdicts]]
        for request in [*running, *self._waiting, *self._scores]:
            self.finish(request, reason, detail)

    def forget(self, conversation: str) -> None:
        """Free what is kept for a conversation; a running answer will leave nothing behind either."""
        self.pool.forget(conversation)
        for request in [*(running.request for running in self._streams), *self._waiting]:
            if isinstance(request, Generate) and request.conversation == conversation:
                request.conversation = None

    def take_events(self) -> list[Event]:
        """What happened since the last call."""
        events, self._events = self._events, []
        return events

    @torch.inference_mode()
    def step(self) -> list[Event]:
        """One forward pass for everybody who has something to compute."""
        self._admit()
        batch, aboard = self._pack()
        if aboard:
            states = self.decoder.forward(batch)
            for running in aboard:
                running.slot.tokens.extend(running.feeding)
            self._deliver(aboard, states)
        return self.take_events()

    def _admit(self) -> None:
        """Give slots to all verdicts and to as many answers as may run."""
        while self._scores and (running := self._start(self._scores[0], _branch_room(self._scores[0]))):
            self._scores.popleft()
            self._verdicts.append(running)
        while self._waiting and len(self._streams) < self.max_running:
            request = self._waiting[0]
            if (running := self._start(request, request.max_new_tokens, request.conversation)) is None:
                break
            self._waiting.popleft()
            self._streams.append(running)

    def _start(self, request: Request, room: int, conversation: str | None = None) -> Running | None:
        """None while the memory cap leaves no slot for it."""
        try:
            slot = self.pool.take(request.tokens, room, conversation)
        except PoolExhausted:
            return None
        self._events.append(Started(request))
        return Running(request, slot, list(request.tokens), cached=len(slot.tokens))

    def _pack(self) -> tuple[Batch, list[Running]]:
        """The next batch, and whose rows are wanted from it."""
        streams, verdicts = schedule(
            [running.pending for running in self._streams],
            [running.pending for running in self._verdicts],
            self.budget,
        )
        batch = Batch()
        aboard = []
        for running, count in zip([*self._verdicts, *self._streams], [*verdicts, *streams], strict=True):
            if count:
                self._add(batch, running, count)
                aboard.append(running)
        return batch, aboard

    def _add(self, batch: Batch, running: Running, count: int) -> None:
        start = len(running.slot.tokens)
        last = count == running.pending
        running.guesses = self._guess(running) if last and count == 1 else ()
        running.feeding = [*running.tokens[start : start + count], *running.guesses]
        wanted = 1 + len(running.guesses) if last else 0
        running.wanted = batch.add(Span(running.slot, running.feeding, start, start), wanted)
        if last and isinstance(running.request, Score):
            running.branches = list(_add_branches(batch, running, running.request))

    def _deliver(self, aboard: Iterable[Running], states: torch.Tensor) -> None:
        """Keep constant starts, score what can be scored, draw what can be drawn."""
        ready = []
        for running in aboard:
            if running.request.prefix and len(running.slot.tokens) >= running.request.prefix:
                self.pool.keep_prefix(running.slot, running.request.prefix)
            if running.wanted:
                ready.append(running)
        for running in ready:
            if isinstance(running.request, Score):
                self._score(running, running.request, states)
        self._draw([running for running in ready if isinstance(running.request, Generate)], states)

    def _score(self, running: Running, request: Score, states: torch.Tensor) -> None:
        """log p(first token) + log p(the others | those before), for each candidate."""
        first = [candidate[0] for candidate in request.candidates]
        totals = self.decoder.scores(states[list(running.wanted)], first)[0].tolist()
        for index, (candidate, rows) in enumerate(zip(request.candidates, running.branches, strict=True)):
            if rows:
                log_probabilities = self.decoder.logits(states[list(rows)]).log_softmax(dim=1)
                totals[index] += log_probabilities[range(len(rows)), list(candidate[1:])].sum().item()
        self._events.append(Scored(request, totals))
        self._end(running, "stop")

    def _guess(self, running: Running) -> list[int]:
        """Tokens to check in advance: only while rows are cheap, and no more than may still be drawn."""
        if not isinstance(running.request, Generate) or len(self._streams) > self.guessing.most_streams:
            return []
        left = running.request.max_new_tokens - running.counts.generated - 1
        return propose(running.tokens, min(left, running.trust.most(self.guessing.most_tokens)))

    def _draw(self, streams: Sequence[Running], states: torch.Tensor) -> None:
        """Draw a token for every row. What was drawn behind a wrong guess does not count."""
        if not streams:
            return
        logits = self.decoder.logits(states[[row for running in streams for row in running.wanted]])
        rows = [row for running in streams for row in _rows(running)]
        drawn = iter(sample(logits, rows, self.decoder.top))
        for running in streams:
            tokens = [next(drawn) for _ in running.wanted]
            right = sum(
                1
                for _ in takewhile(
                    lambda pair: pair[0] == pair[1], zip(running.guesses, tokens, strict=False)
                )
            )
            running.trust.learn(len(running.guesses), right)
            self._append(running, tokens[: right + 1])

    def _append(self, running: Running, tokens: Sequence[int]) -> None:
        """New tokens, up to the end of the answer. Keys and values of wrong guesses are dropped."""
        request = _generate(running)
        shown = list(takewhile(lambda token: token not in request.stop_tokens, tokens))
        running.tokens += shown
        running.slot.truncate(len(running.tokens) - 1)
        if shown:
            self._events.append(Tokens(request, shown))
        if len(shown) < len(tokens):
            self._end(running, "stop")
        elif running.counts.generated == request.max_new_tokens:
            self._end(running, "length")

    def _end(self, running: Running, reason: FinishReason, detail: str = "") -> None:
        request = running.request
        if isinstance(request, Generate):
            self._streams.remove(running)
            self.pool.release(running.slot, request.conversation)
        else:
            self._verdicts.remove(running)
            self.pool.release(running.slot)
        self._events.append(Done(request, reason, running.counts, detail))


def _rows(running: Running) -> Iterator[Row]:
    """What the sampler must know of each wanted row: as if the guesses before it had been drawn."""
    seen = [*running.tokens, *running.guesses]
    for index in range(len(running.wanted)):
        length = len(running.tokens) + index
        yield Row(_generate(running).sampling, length, seen[:length])


def _agreeing(guesses: Sequence[int], tokens: Sequence[int]) -> int:
    """How many guesses from the first on were right; there is one token more than guesses."""
    wrong = (place for place, guess in enumerate(guesses) if guess != tokens[place])
    return next(wrong, len(guesses))


def _generate(running: Running) -> Generate:
    assert isinstance(running.request, Generate)
    return running.request


def _branch_room(request: Score) -> int:
    """Slot places for all candidates: the last token of each is never fed."""
    return sum(len(candidate) - 1 for candidate in request.candidates)


def _add_branches(batch: Batch, running: Running, request: Score) -> Iterator[range]:
    """Candidates of several tokens continue the prompt side by side in the same pass."""
    prompt = start = len(running.tokens)
    for candidate in request.candidates:
        span = Span(running.slot, candidate[:-1], start, prompt)
        yield batch.add(span, wanted=len(candidate) - 1) if len(candidate) > 1 else range(0)
        start += len(candidate) - 1
