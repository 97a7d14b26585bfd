"""Rate: how fast somebody may write. Pure arithmetic over times in seconds; knows neither people nor messages."""

from collections.abc import Hashable

from cachetools import LRUCache

REMEMBERED = 10_000


class RateLimit:
    """`per_minute` at once, and then one more whenever that share of a minute has passed; 0 is no limit."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        # When everything of somebody's minute will be there again; who is not in it has spent nothing.
        self._full_at: LRUCache[Hashable, float] = LRUCache(REMEMBERED)

    def wait(self, who: Hashable, now: float) -> float:
        """Count a message of `who`. More than 0: it is too early, by so many seconds, and not counted."""
        if not self._per_minute:
            return 0.0
        share = 60 / self._per_minute
        full_at = max(now, self._full_at.get(who, now)) + share
        early = full_at - now - 60
        if early > 1e-6:
            return early
        self._full_at[who] = full_at
        return 0.0


class OnceInAWhile:
    """Lets something through once in `seconds`, by key."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last: LRUCache[Hashable, float] = LRUCache(REMEMBERED)

    def passes(self, key: Hashable, now: float) -> bool:
        """Whether it is time again; if so, it is remembered."""
        if now - self._last.get(key, -self._seconds) < self._seconds:
            return False
        self._last[key] = now
        return True
