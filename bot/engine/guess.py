"""Guesses the next tokens, to be checked in the same forward pass: which are worth a row, and what was said before.

Prompt lookup decoding (Saxena 2023): where the last few tokens have occurred before, what followed then is likely to
follow again. A guess never changes what is drawn. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, Self

from bot.engine.scheduler import FEW, Costs

LONGEST, SHORTEST = 4, 2
"""Lengths of the endings that are looked up, in tokens."""

LOOKBACK = 2048
"""Tokens of what stands there at first that are known, newest first."""

MOST = 4
"""Tokens that are guessed at once, at most."""


class Guess(NamedTuple):
    """A token, and how probable it is that this one and all guessed before it are right."""

    token: int
    chance: float


@dataclass(frozen=True, slots=True)
class Guessing:
    """How many tokens are guessed at once. `few` and `more` are what one more row costs, up to FEW rows and beyond,

    as shares of a step with one.
    """

    most: int
    few: float
    more: float

    @classmethod
    def for_costs(cls, costs: Costs) -> Self:
        """As this machine computes."""
        return cls(MOST, costs.few_s / costs.step_s, costs.more_s / costs.step_s)

    def least_chance(self, rows: int, tokens: float) -> float:
        """From which chance on a guess is worth a row: it brings more tokens per second.

        A step with `rows` brings `tokens`; one more row must not bring less for the time that it takes.
        """
        return self._row(rows) * tokens / self._step(rows)

    def worthwhile(self, rows: int, chances: Sequence[Sequence[float]]) -> list[int]:
        """How many of each stream's guesses to check, in a step with `rows` of which one is each stream's own.

        The likeliest first, whosever they are. Behind a guess none has a better chance.
        """
        counts, tokens = [0] * len(chances), float(len(chances))
        places = [(stream, place) for stream, own in enumerate(chances) for place in range(len(own))]
        for stream, place in sorted(places, key=lambda at: (-chances[at[0]][at[1]], at[1])):
            chance = chances[stream][place]
            if chance < self.least_chance(rows, tokens):
                break
            counts[stream], rows, tokens = place + 1, rows + 1, tokens + chance
        return counts

    def _row(self, rows: int) -> float:
        return self.few if rows < FEW else self.more

    def _step(self, rows: int) -> float:
        return 1 + self.few * max(min(rows, FEW) - 1, 0) + self.more * max(rows - FEW, 0)


OFF = Guessing(0, 1.0, 1.0)


class Source(Protocol):
    """Where guesses came from, and what learns from them."""

    @property
    def factor(self) -> float:
        """What the chance that it gives a guess is worth."""
        ...

    def learn(self, guesses: Sequence[Guess], right: int) -> None:
        """Some guesses were checked: the first `right` came true, and the next, if there was one, did not."""
        ...


@dataclass(slots=True)
class Belief:
    """How far a draft can be believed: how many of its guesses came true, and by their chances should have.

    Never so little that nothing is guessed any more, and nothing learned.
    """

    kept: float = 10.0
    promised: float = 10.0
    MEMORY = 0.98
    LEAST = 0.3

    @property
    def factor(self) -> float:
        """See Source."""
        return min(max(self.kept / self.promised, self.LEAST), 1.0)

    def learn(self, guesses: Sequence[Guess], right: int) -> None:
        """See Source."""
        self.kept = self.MEMORY * self.kept + right
        self.promised = self.MEMORY * self.promised + sum(guess.chance for guess in guesses)


@dataclass(slots=True)
class Recall:
    """What followed the endings of a growing text when they occurred last, and how often that came again lately."""

    rate: float = 0.5
    ends: dict[tuple[int, ...], int] = field(default_factory=dict)
    indexed: int = 0
    factor: float = 1.0
    MEMORY = 0.9

    def propose(self, tokens: Sequence[int], most: int, least_chance: float) -> list[Guess]:
        """What followed the longest known ending of `tokens`, up to `most` of it, while that is probable enough."""
        if not most or self.rate < least_chance:
            return []
        self._index(tokens)
        for length in range(LONGEST, SHORTEST - 1, -1):
            if end := self.ends.get(tuple(tokens[-length:])):
                guesses = (
                    Guess(token, self.rate**place)
                    for place, token in enumerate(tokens[end : end + most], start=1)
                )
                return [guess for guess in guesses if guess.chance >= least_chance]
        return []

    def learn(self, guesses: Sequence[Guess], right: int) -> None:
        """See Source."""
        for came_true in [True] * right + [False] * (len(guesses) > right):
            self.rate = self.MEMORY * self.rate + (1 - self.MEMORY) * came_true

    def _index(self, tokens: Sequence[int]) -> None:
        """Every ending that has something behind it; the newest counts."""
        for end in range(max(self.indexed, len(tokens) - LOOKBACK), len(tokens)):
            for length in range(SHORTEST, min(LONGEST, end) + 1):
                self.ends[tuple(tokens[end - length : end])] = end
        self.indexed = len(tokens)
