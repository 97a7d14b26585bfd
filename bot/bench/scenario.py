"""What an engine is asked while the clock runs, and what the clock said. Standard library only, JSON both ways.

A scenario goes to the engine's process as a whole and comes back with all times: nothing is said in between, so the
measuring costs the engine nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Ask:
    """One request. `tokens` are `messages` in the chat template, for engines that take token ids.

    A verdict is one forward pass; an answer is exactly `new` tokens, whatever the model would say at its end.
    """

    kind: Literal["verdict", "answer"]
    messages: Sequence[tuple[str, str]]
    tokens: Sequence[int]
    new: int = 1
    conversation: str | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """`steps` run one after another, the requests of a step together; `pauses` (seconds) come before them.

    The answers of `background` begin first, each with `warm` pieces out before the first step, and end unfinished.
    """

    steps: Sequence[Sequence[Ask]]
    pauses: Sequence[float] = ()
    background: Sequence[Ask] = ()
    warm: int = 4


@dataclass(slots=True)
class Timing:
    """One request in seconds of the system's monotonic clock.

    `pieces` are (when, how much); the unit of the second differs between engines, their sum stands for `generated`
    tokens.
    """

    submitted: float = 0.0
    ended: float = 0.0
    generated: int = 0
    text: str = ""
    pieces: list[tuple[float, float]] = field(default_factory=list)

    @property
    def first_s(self) -> float:
        """From the request to the first piece."""
        return self.pieces[0][0] - self.submitted

    @property
    def total_s(self) -> float:
        """From the request to the end."""
        return self.ended - self.submitted

    def tokens_between(self, begin: float, end: float) -> float:
        """Tokens that came out after `begin`, up to and including `end`."""
        total = sum(size for _, size in self.pieces)
        return self.generated * sum(size for when, size in self.pieces if begin < when <= end) / total

    def gaps(self, begin: float, end: float) -> list[float]:
        """Seconds from piece to piece, of those that came out between `begin` and `end`."""
        times = [when for when, _ in self.pieces]
        return [after - before for before, after in pairwise(times) if begin < after <= end]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The timings of a scenario, in its order."""

    steps: Sequence[Sequence[Timing]]
    background: Sequence[Timing]


def scenario_from(data: Mapping[str, Any]) -> Scenario:
    """What `dataclasses.asdict` and JSON made of a scenario."""
    steps = [[Ask(**ask) for ask in step] for step in data["steps"]]
    return Scenario(steps, data["pauses"], [Ask(**ask) for ask in data["background"]], data["warm"])


def outcome_from(data: Mapping[str, Any]) -> Outcome:
    """What `dataclasses.asdict` and JSON made of an outcome."""
    steps = [[Timing(**timing) for timing in step] for step in data["steps"]]
    return Outcome(steps, [Timing(**timing) for timing in data["background"]])
