"""Engine: admit → schedule → forward → deliver, one step at a time.

One thread owns an engine and calls `submit`, `cancel` and `step`. Every request that was submitted gets exactly
one Done from some later step, whatever happens.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import accumulate, takewhile
from typing import Self

import torch
from torch import Tensor

from bot.engine.decoder import Batch, Forward
from bot.engine.draft import Draft
from bot.engine.guess import OFF, Belief, Guess, Guessing
from bot.engine.kv import Pool, PoolExhausted
from bot.engine.requests import (
    Counts,
    Done,
    Event,
    FinishReason,
    Generate,
    Read,
    Request,
    Score,
    Scored,
    Seen,
    Started,
    Tokens,
    Verdict,
)  # fmt: skip
from bot.engine.running import Reading, Scoring, Stream
from bot.engine.sampling import sample
from bot.engine.scheduler import Budget, Pending, schedule

RARE = 0.2
"""So probable are few guesses of a draft: where they must be, asking it takes longer than its guesses save."""


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
        draft: Draft | None = None,
    ) -> None:
        self.decoder = decoder
        self.pool = pool
        self.max_running = running
        self.context = context
        self.budget = budget
        self.guessing = guessing
        self.draft = draft
        self.belief = Belief()
        self.waiting: deque[Generate] = deque()
        self.verdicts_waiting: deque[Verdict] = deque()
        self._streams: list[Stream] = []
        self._verdicts: list[Scoring | Reading] = []
        self._events: list[Event] = []
        self._prompts_waited = False

    @property
    def busy(self) -> bool:
        """Whether another step has anything to do."""
        return bool(self.waiting or self.verdicts_waiting or self._streams or self._verdicts or self._events)

    @property
    def running(self) -> int:
        """Number of answers being generated."""
        return len(self._streams)

    def submit(self, request: Request) -> None:
        """Take a request; a prompt that can never fit is finished as too_long."""
        room = _room(request)
        size = len(request.tokens) + room
        if not request.tokens or size > self.context or not self.pool.fits(size):
            detail = f"{len(request.tokens)} prompt tokens and {room} new ones do not fit {self.context}"
            self._events.append(Done(request, "too_long", Counts(len(request.tokens)), detail))
        elif isinstance(request, Generate):
            self.waiting.append(request)
        elif isinstance(request, Score | Read):
            self.verdicts_waiting.append(request)

    def finish(self, request: Request, reason: FinishReason, detail: str = "") -> None:
        """End a request before the next step, wherever it is; unknown or finished ones are left alone."""
        for running in [*self._streams, *self._verdicts]:
            if running.request is request:
                self._end(running, reason, detail)
                return
        if isinstance(request, Generate) and request in self.waiting:
            self.waiting.remove(request)
        elif isinstance(request, Score | Read) and request in self.verdicts_waiting:
            self.verdicts_waiting.remove(request)
        else:
            return
        self._events.append(Done(request, reason, Counts(len(request.tokens)), detail))

    def finish_all(self, reason: FinishReason, detail: str = "") -> None:
        """End everything."""
        running = [running.request for running in [*self._streams, *self._verdicts]]
        for request in [*running, *self.waiting, *self.verdicts_waiting]:
            self.finish(request, reason, detail)

    def forget(self, conversation: str) -> None:
        """Free what is kept for a conversation; a running answer will leave nothing behind either."""
        self.pool.forget(conversation)
        for request in [*(stream.request for stream in self._streams), *self.waiting]:
            if request.conversation == conversation:
                request.conversation = None

    def go_on_like(self, fresh: Self) -> None:
        """Compute with another engine's decoder of the same model, from the next step on; nobody loses anything."""
        self.decoder, self.draft = fresh.decoder, fresh.draft
        self.budget, self.guessing = fresh.budget, fresh.guessing
        self.pool.convert(fresh.pool.shape)

    def take_events(self) -> list[Event]:
        """What happened since the last call."""
        events, self._events = self._events, []
        return events

    @torch.inference_mode()
    def step(self, tell: Callable[[list[Event]], None] | None = None) -> list[Event]:
        """One forward pass for everybody who has something to compute.

        `tell` gets what is known in the middle of the pass: whoever left it early does not wait for the others.
        """
        self._admit()
        batch, aboard = self._pack()
        if aboard:
            early = [running for running in aboard if isinstance(running, Reading)]

            def deliver_early(states: Tensor) -> None:
                self._deliver(early, states)
                if tell:
                    tell(self.take_events())

            states = self.decoder.forward(batch, deliver_early)
            self._deliver(aboard[len(early) :], states)
        return self.take_events()

    def _admit(self) -> None:
        """Give slots to all verdicts and to as many answers as may run, while the memory cap leaves some."""
        with suppress(PoolExhausted):
            while self.verdicts_waiting:
                self._verdicts.append(self._start_verdict(self.verdicts_waiting[0]))
                self.verdicts_waiting.popleft()
        with suppress(PoolExhausted):
            while self.waiting and len(self._streams) < self.max_running:
                self._streams.append(self._start_stream(self.waiting[0]))
                self.waiting.popleft()

    def _start_verdict(self, request: Verdict) -> Scoring | Reading:
        tokens = list(request.tokens)
        running: Scoring | Reading
        if isinstance(request, Score):
            slot = self.pool.take(tokens, _room(request))
            running = Scoring(request, slot, tokens, cached=len(slot.tokens))
        else:
            slot = self.pool.take(tokens, 0, depth=request.layers, reusable=request.prefix)
            running = Reading(request, slot, tokens, cached=len(slot.tokens))
        self._events.append(Started(request))
        return running

    def _start_stream(self, request: Generate) -> Stream:
        slot = self.pool.take(request.tokens, _room(request), request.conversation)
        self._events.append(Started(request))
        return Stream(request, slot, list(request.tokens), cached=len(slot.tokens))

    def _pack(self) -> tuple[Batch, list[Stream | Scoring | Reading]]:
        """The next batch, and whose rows are in it. Those that leave it early come first."""
        streams = self._ready_streams()
        verdicts = sorted(self._verdicts, key=lambda running: isinstance(running, Scoring))
        stream_counts, verdict_counts = schedule(
            [Pending(stream.pending, len(stream.slot.tokens)) for stream in streams],
            [verdict.pending for verdict in verdicts],
            self.budget,
            waited=self._prompts_waited,
        )
        self._prompts_waited = any(verdict_counts) and 0 in stream_counts and not self._prompts_waited
        batch = Batch()
        aboard: list[Stream | Scoring | Reading] = []
        for verdict, count in zip(verdicts, verdict_counts, strict=True):
            if count:
                verdict.pack(batch, count)
                aboard.append(verdict)
        if not aboard:  # guesses would hold a verdict up
            self._guess([stream for stream in streams if stream.pending == 1], sum(stream_counts))
        for stream, count in zip(streams, stream_counts, strict=True):
            if count:
                stream.pack(batch, count)
                aboard.append(stream)
        return batch, aboard

    def _ready_streams(self) -> list[Stream]:
        """All but those whose prompts start with what one before them is computing: they take it from there."""
        ready, computing = [], set[tuple[int, ...]]()
        for stream in self._streams:
            if stream.start:
                stream.cached += self.pool.catch_up(stream.slot, stream.start)
            if (start := stream.start) not in computing:
                ready.append(stream)
            if start:
                computing.add(start)
        return ready

    def _guess(self, streams: Sequence[Stream], rows: int) -> None:
        """Tokens to check in advance, where that is worth their rows in a step that has so many without them."""
        most, least = self.guessing.most, self.guessing.least_chance(rows, len(streams))
        drafted = self._draft(streams, most, least)
        for stream in streams:
            recalled = stream.recall.propose(stream.tokens, most, least)
            stream.guess(recalled, drafted.get(stream, ()), self.belief)
        counts = self.guessing.worthwhile(rows, [stream.chances for stream in streams])
        for stream, count in zip(streams, counts, strict=True):
            stream.guesses = stream.guesses[:count]

    def _draft(self, streams: Sequence[Stream], most: int, least: float) -> dict[Stream, list[Guess]]:
        states = {stream: stream.state for stream in streams if stream.state is not None and stream.left > 0}
        if self.draft is None or not states or least > RARE:
            return {}
        last = [stream.tokens[-1] for stream in states]
        guesses = self.draft.propose(
            torch.stack(list(states.values())), last, most=most, least_chance=least / self.belief.factor
        )
        return dict(zip(states, guesses, strict=True))

    def _deliver(self, aboard: Iterable[Stream | Scoring | Reading], states: Tensor) -> None:
        """Keep constant starts, judge what can be judged, draw what can be drawn."""
        drawing = []
        for running in aboard:
            running.slot.tokens.extend(running.feeding)
            if running.request.prefix and len(running.slot.tokens) >= running.request.prefix:
                self.pool.keep_prefix(running.slot, running.request.prefix)
            own = states[running.wanted.start : running.wanted.stop]
            match running:
                case Stream() if running.wanted:
                    drawing.append(running)
                case Scoring() if running.wanted:
                    self._score(running, own, states)
                case Reading():
                    self._read(running, own)
        if drawing:
            self._draw(drawing, states)

    def _score(self, running: Scoring, own: Tensor, states: Tensor) -> None:
        """log p(first token) + log p(the others | those before), for each candidate."""
        candidates = running.request.candidates
        first = torch.tensor([candidate[0] for candidate in candidates])
        totals = (own @ self.decoder.output_rows(first).T)[0].tolist()
        for index, (candidate, rows) in enumerate(zip(candidates, running.branches, strict=True)):
            if rows:
                log_probabilities = self.decoder.logits(states[list(rows)]).log_softmax(dim=1)
                totals[index] += log_probabilities[range(len(rows)), list(candidate[1:])].sum().item()
        self._events.append(Scored(running.request, totals))
        self._end(running, "stop")

    def _read(self, running: Reading, own: Tensor) -> None:
        """The mean over the text grows with every piece; the last row is that of the last piece."""
        running.add(own)
        if not running.pending and running.total is not None:
            mean = running.total / max(len(running.request.text), 1)
            self._events.append(Seen(running.request, own[-1], mean))
            self._end(running, "stop")

    def _draw(self, streams: Sequence[Stream], states: Tensor) -> None:
        """Draw a token for every stream, and behind each guess that is drawn so another."""
        states = states[[row for stream in streams for row in stream.wanted]]
        logits = self.decoder.logits(states)
        rows = [list(stream.rows()) for stream in streams]
        first = list(accumulate(map(len, rows), initial=0))
        drawn: list[list[int]] = [[] for _ in streams]
        going: Sequence[int] = range(len(streams))
        while going:
            places = {first[index] + len(drawn[index]): index for index in going}
            wanted = {place: rows[index][len(drawn[index])] for place, index in places.items()}
            for place, token in sample(logits, wanted, self.decoder.top).items():
                drawn[places[place]].append(token)
            going = [index for index in going if streams[index].guessed(drawn[index])]
        for stream, tokens, place in zip(streams, drawn, first[:-1], strict=True):
            stream.accept(tokens, states[place + len(tokens) - 1])
            self._append(stream, tokens)

    def _append(self, stream: Stream, tokens: Sequence[int]) -> None:
        """New tokens, up to the end of the answer. Keys and values of wrong guesses are dropped."""
        request = stream.request
        shown = list(takewhile(lambda token: token not in request.stop_tokens, tokens))
        stream.tokens += shown
        stream.slot.truncate(len(stream.tokens) - 1)
        if shown:
            self._events.append(Tokens(request, shown))
        if len(shown) < len(tokens):
            self._end(stream, "stop")
        elif stream.counts.generated == request.max_new_tokens:
            self._end(stream, "length")

    def _end(self, running: Stream | Scoring | Reading, reason: FinishReason, detail: str = "") -> None:
        if isinstance(running, Stream):
            self._streams.remove(running)
            self.pool.release(running.slot, running.request.conversation)
        else:
            self._verdicts.remove(running)
            self.pool.release(running.slot)
        self._events.append(Done(running.request, reason, running.counts, detail))


def _room(request: Request) -> int:
    """Places in the slot behind the prompt: the last token of a candidate is never fed."""
    match request:
        case Generate():
            return request.max_new_tokens
        case Score():
            return sum(len(candidate) - 1 for candidate in request.candidates)
    return 0
