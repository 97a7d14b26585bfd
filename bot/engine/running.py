"""Running: a request that holds a slot, and its part in the pass that is being packed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from torch import Tensor

from bot.engine.decoder import Batch, Span
from bot.engine.guess import Belief, Guess, Recall, Source
from bot.engine.kv import Slot
from bot.engine.requests import Counts, Generate, Read, Request, Score
from bot.engine.sampling import Row

R = TypeVar("R", bound=Request, covariant=True)


@dataclass(eq=False, slots=True)
class Running(Generic[R]):
    """`tokens` is the prompt and what was drawn; the slot's tokens are computed. `wanted` are its rows' places."""

    request: R
    slot: Slot
    tokens: list[int]
    cached: int
    feeding: Sequence[int] = ()
    wanted: range = range(0)

    @property
    def pending(self) -> int:
        """Number of tokens still to compute."""
        return len(self.tokens) - len(self.slot.tokens)

    @property
    def counts(self) -> Counts:
        """What it cost so far."""
        prompt = len(self.request.tokens)
        return Counts(prompt, self.cached, len(self.tokens) - prompt)

    def feed(self, count: int) -> tuple[Span, bool]:
        """The next `count` tokens as a span, and whether they are the last."""
        start = len(self.slot.tokens)
        last = count == self.pending
        self.feeding = self.tokens[start : start + count]
        return Span(self.slot, self.feeding, start, start), last


@dataclass(eq=False, slots=True)
class Stream(Running[Generate]):
    """A Generate. `guesses` are fed behind its last token, which was drawn from `state`, float32 [hidden]."""

    guesses: Sequence[Guess] = ()
    source: Source | None = None
    recall: Recall = field(default_factory=Recall)
    state: Tensor | None = None

    @property
    def left(self) -> int:
        """How many tokens may still be drawn behind the next."""
        return self.request.max_new_tokens - self.counts.generated - 1

    @property
    def start(self) -> tuple[int, ...]:
        """The constant start of its prompt, as long as not all of that is computed."""
        length = self.request.prefix
        return tuple(self.tokens[:length]) if len(self.slot.tokens) < length else ()

    @property
    def chances(self) -> list[float]:
        """How probable each guess is, by what its source was worth so far."""
        return [guess.chance * self.source.factor for guess in self.guesses] if self.source else []

    def guess(self, recalled: Sequence[Guess], drafted: Sequence[Guess], belief: Belief) -> None:
        """Check those whose first is more probable, and no more than may still be drawn."""
        drafts = bool(drafted) and (not recalled or drafted[0].chance * belief.factor > recalled[0].chance)
        self.guesses = (drafted if drafts else recalled)[: max(self.left, 0)]
        self.source = belief if drafts else self.recall

    def pack(self, batch: Batch, count: int) -> None:
        """Join the pass; the last token of what is known wants a successor, and so does every guess."""
        span, last = self.feed(count)
        guesses = [guess.token for guess in self.guesses]
        self.feeding = [*self.feeding, *guesses]
        batch_span = Span(span.slot, self.feeding, span.start, span.context)
        self.wanted = batch.add(batch_span, wanted=1 + len(guesses) if last else 0)

    def rows(self) -> Iterator[Row]:
        """What the sampler must know of each wanted row: as if the guesses before it had been drawn."""
        seen = [*self.tokens, *(guess.token for guess in self.guesses)]
        for length in range(len(self.tokens), len(self.tokens) + len(self.wanted)):
            yield Row(self.request.sampling, length, seen[:length])

    def guessed(self, drawn: Sequence[int]) -> bool:
        """Whether the last of the drawn tokens was guessed, so that one more can be drawn behind it."""
        place = len(drawn) - 1
        return place < len(self.guesses) and self.guesses[place].token == drawn[place]

    def accept(self, drawn: Sequence[int], state: Tensor) -> None:
        """They are right guesses but for the last, which was drawn from `state`."""
        if self.source and self.guesses:
            self.source.learn(self.guesses, len(drawn) - 1)
        self.guesses, self.state = (), state


@dataclass(eq=False, slots=True)
class Scoring(Running[Score]):
    """A Score. `branches` are the places of the rows of each candidate's tokens behind its first."""

    branches: Sequence[range] = ()

    def pack(self, batch: Batch, count: int) -> None:
        """Join the pass; behind the whole prompt the candidates continue it side by side."""
        span, last = self.feed(count)
        self.wanted = batch.add(span, wanted=1 if last else 0)
        self.branches = list(self._add_branches(batch)) if last else ()

    def _add_branches(self, batch: Batch) -> Iterator[range]:
        prompt = start = len(self.tokens)
        for candidate in self.request.candidates:
            span = Span(self.slot, candidate[:-1], start, prompt)
            yield batch.add(span, wanted=len(candidate) - 1) if len(candidate) > 1 else range(0)
            start += len(candidate) - 1


@dataclass(eq=False, slots=True)
class Reading(Running[Read]):
    """A Read. `total` is the sum of the text's states so far; the first `text_rows` wanted rows belong to it."""

    total: Tensor | None = None
    text_rows: int = 0

    def pack(self, batch: Batch, count: int) -> None:
        """Join the pass, to leave it early; the text's tokens are wanted, and the prompt's last."""
        span, last = self.feed(count)
        text = self.request.text
        rows = list(range(max(text.start - span.start, 0), min(text.stop - span.start, count)))
        self.text_rows = len(rows)
        if last and count - 1 not in rows:
            rows.append(count - 1)
        self.wanted = batch.add_early(span, self.request.layers, rows)

    def add(self, states: Tensor) -> None:
        """Take the states of the wanted rows."""
        own = states[: self.text_rows].sum(0)
        self.total = own if self.total is None else self.total + own
