"""FloodControl: how much the bot may write, refused beyond with Telegram's growing penalties.

Sends, edits, deletes, reactions and chat actions of a chat share one budget: private 1 a second with
bursts of 3, groups 20 a minute; 30 a second over all chats. Knows no world and no HTTP; its clock is given.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

PRIVATE_BURST = 3
PRIVATE_PER_S = 1.0
GROUP_CALLS, GROUP_WINDOW_S = 20, 60.0
TOTAL_CALLS, TOTAL_WINDOW_S = 30, 1.0
LONGEST_PENALTY_S = 600.0


class Flooded(Exception):
    """The call was refused; `inside` tells that an earlier refusal was not waited out."""

    def __init__(self, retry_after: int, *, inside: bool) -> None:
        super().__init__(f"retry after {retry_after}")
        self.retry_after = retry_after
        self.inside = inside


@dataclass(slots=True)
class _Bucket:
    """Tokens that grow back evenly; one call takes one."""

    burst: int
    per_s: float
    tokens: float
    at: float

    def wait(self, now: float) -> float:
        """Take a token, or tell in how many seconds there will be one."""
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.per_s)
        self.at = now
        # Clocks count in binary fractions: a full second must not turn out as 0.9999999 of one.
        if self.tokens >= 1 - 1e-6:
            self.tokens -= 1
            return 0.0
        return (1 - self.tokens) / self.per_s


@dataclass(slots=True)
class _Window:
    """At most `calls` in any `seconds`."""

    calls: int
    seconds: float
    times: deque[float] = field(default_factory=deque)

    def wait(self, now: float) -> float:
        while self.times and self.times[0] <= now - self.seconds + 1e-6:
            self.times.popleft()
        if len(self.times) < self.calls:
            self.times.append(now)
            return 0.0
        return self.times[0] + self.seconds - now


@dataclass(slots=True)
class _Penalty:
    until: float
    seconds: float


class FloodControl:
    """The budgets of all chats. `enabled` switches them off; ordered penalties still hold."""

    def __init__(self, clock: Callable[[], float], *, enabled: bool = True) -> None:
        self.clock = clock
        self.enabled = enabled
        self._total = _Window(TOTAL_CALLS, TOTAL_WINDOW_S)
        self._chats: dict[int, _Bucket | _Window] = {}
        self._penalties: dict[int, _Penalty] = {}
        self._ordered: dict[int, int] = {}

    def spend(self, chat_id: int) -> None:
        """Take one call from the chat's budget and from the overall one. Raises Flooded."""
        now = self.clock()
        self._check_penalty(chat_id, now)
        if chat_id in self._ordered:
            raise self.punish(chat_id, self._ordered.pop(chat_id))
        if not self.enabled:
            return
        for budget in (self._budget(chat_id, now), self._total):
            if wait := budget.wait(now):
                raise self.punish(chat_id, wait)

    def refuse_next(self, chat_id: int, seconds: int) -> None:
        """Let the next call of this chat that is not refused anyway earn a penalty."""
        self._ordered[chat_id] = seconds

    def punish(self, chat_id: int, seconds: float) -> Flooded:
        """Refuse every call of this chat, and of this chat alone, for so many seconds, at least one."""
        whole = max(1, math.ceil(seconds - 1e-6))
        self._penalties[chat_id] = _Penalty(self.clock() + whole, whole)
        return Flooded(whole, inside=False)

    def _check_penalty(self, chat_id: int, now: float) -> None:
        penalty = self._penalties.get(chat_id)
        if penalty is None:
            return
        if now >= penalty.until - 1e-6:
            del self._penalties[chat_id]
            return
        # Calling again before the time has come makes it longer, as bots learnt the hard way.
        penalty.until = min(penalty.until + penalty.seconds, now + LONGEST_PENALTY_S)
        raise Flooded(math.ceil(penalty.until - now), inside=True)

    def _budget(self, chat_id: int, now: float) -> _Bucket | _Window:
        if chat_id not in self._chats:
            private = chat_id > 0
            self._chats[chat_id] = (
                _Bucket(PRIVATE_BURST, PRIVATE_PER_S, PRIVATE_BURST, now)
                if private
                else _Window(GROUP_CALLS, GROUP_WINDOW_S)
            )
        return self._chats[chat_id]
