"""Pace: how fast Telegram may be written to. Pure arithmetic over times in seconds; knows no calls.

A call counts from its beginning until some time after its end, for Telegram may have counted it at any
moment between: whoever keeps to these budgets is never refused, however slow the connection is.
Figures: https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this
"""

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

# What frames leave over, so that a final never waits for them.
PRIVATE_RESERVE, GROUP_RESERVE, TOTAL_RESERVE = 1, 8, 8


class Budget(Protocol):
    """Of one chat, or of all."""

    def when(self, now: float, reserve: int = 0) -> float:
        """The earliest time for a call that leaves `reserve` more; inf until a running call ends."""
        ...

    def begin(self) -> None: ...
    def end(self, now: float) -> None: ...
    def idle(self, now: float) -> bool:
        """Whether it is as good as new."""
        ...


@dataclass(slots=True)
class Bucket:
    """`burst` calls at once, and one more every `interval` seconds."""

    burst: int
    interval: float
    running: int = 0
    full_at: float = -math.inf

    def when(self, now: float, reserve: int = 0) -> float:
        missing = self.running + 1 + reserve - self.burst
        return max(now, self.full_at + missing * self.interval)

    def begin(self) -> None:
        self.running += 1

    def end(self, now: float) -> None:
        self.running -= 1
        self.full_at = max(now, self.full_at) + self.interval

    def idle(self, now: float) -> bool:
        return self.running == 0 and self.full_at <= now


@dataclass(slots=True)
class Window:
    """At most `calls` in any `seconds`."""

    calls: int
    seconds: float
    running: int = 0
    ends: deque[float] = field(default_factory=deque)

    def when(self, now: float, reserve: int = 0) -> float:
        self._forget(now)
        excess = self.running + len(self.ends) + reserve + 1 - self.calls
        if excess <= 0:
            return now
        return self.ends[excess - 1] + self.seconds if excess <= len(self.ends) else math.inf

    def begin(self) -> None:
        self.running += 1

    def end(self, now: float) -> None:
        self.running -= 1
        self.ends.append(now)

    def idle(self, now: float) -> bool:
        self._forget(now)
        return self.running == 0 and not self.ends

    def _forget(self, now: float) -> None:
        while self.ends and self.ends[0] + self.seconds <= now:
            self.ends.popleft()


class Unlimited:
    """Calls that are no business of any chat count only towards the total."""

    def when(self, now: float, reserve: int = 0) -> float:
        return now

    def begin(self) -> None: ...
    def end(self, now: float) -> None: ...
    def idle(self, now: float) -> bool:
        return True


def chat_budget(chat_id: int | None) -> Budget:
    """Sends, edits, deletes, reactions and chat actions of a chat together."""
    if chat_id is None:
        return Unlimited()
    return Bucket(burst=3, interval=1.0) if chat_id > 0 else Window(calls=20, seconds=60.0)


def total_budget() -> Budget:
    return Window(calls=30, seconds=1.0)


def frame_interval(chat_id: int, age: float, length: int) -> float:
    """Seconds between two edits of a growing message, `age` seconds old and `length` characters long.

    Lively at first; later a reader needs no more than the 20 edits a minute that are fine for ever.
    """
    grown = min(1.0, max(age / 30, length / 2000))
    return 1.2 + 1.8 * grown if chat_id > 0 else 3.5 + 2.5 * grown


def backoff(failures: int) -> float:
    """Seconds to wait after so many failures in a row."""
    return float(min(30, 2 ** min(failures, 5) / 2))
