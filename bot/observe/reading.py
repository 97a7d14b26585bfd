"""Reading: what can be read off the running bot at one moment, and the instruments that it is read from.

Numbers only. Knows of the bot's parts no more than the numbers that they keep.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from bot.model.api import Load
from bot.observe.counters import Counters


@dataclass(frozen=True, slots=True)
class Reading:
    """Counts since the start, and how things are now.

    `remembered` of `asked` results came from memory; `silence_s` is how long Telegram has given no updates.
    """

    uptime_s: float = 0.0
    running: int = 0
    waiting: int = 0
    tokens_per_s: float = 0.0
    memory_bytes: int = 0
    remembered: int = 0
    asked: int = 0
    restarts: int = 0
    penalties: int = 0
    penalty_s: float = 0.0
    errors: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    silence_s: float = 0.0


class Results(Protocol):
    """A memory of results."""

    @property
    def hits(self) -> int: ...
    @property
    def misses(self) -> int: ...


class Calls(Protocol):
    """What became of the calls to Telegram."""

    @property
    def penalties(self) -> int: ...
    @property
    def penalty_s(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Instruments:
    """Where the numbers are. `last_update` is when Telegram last answered a question for updates, on `clock`."""

    load: Callable[[], Load]
    restarts: Callable[[], int]
    results: Results
    calls: Calls
    counters: Counters
    last_update: Callable[[], float | None]
    clock: Callable[[], float] = time.monotonic
    started: float = field(default_factory=time.monotonic)

    def read(self) -> Reading:
        """All numbers, as they are now."""
        load, now, last = self.load(), self.clock(), self.last_update()
        return Reading(
            uptime_s=now - self.started,
            running=load.running,
            waiting=load.waiting,
            tokens_per_s=load.tokens_per_s,
            memory_bytes=load.memory_bytes,
            remembered=self.results.hits,
            asked=self.results.hits + self.results.misses,
            restarts=self.restarts(),
            penalties=self.calls.penalties,
            penalty_s=self.calls.penalty_s,
            errors=self.counters.errors,
            refused=dict(self.counters.refused),
            silence_s=now - (self.started if last is None else last),
        )
