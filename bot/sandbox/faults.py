"""Faults: trouble that a test orders in advance, for the calls that it names.

    sandbox.faults.order(TooMany(seconds=(1, 30)), every=5)              # 429 on every 5th write
    sandbox.faults.order(Lost(), method="sendMessage", times=1)          # done, but never answered
    sandbox.faults.order(Failure(502), method="getUpdates", times=3)
    sandbox.faults.order(Reset(), method="editMessageText", times=1)     # connection cut, nothing done
    sandbox.faults.order(Stall(), method="getUpdates", times=1)          # never answered, nothing done

Malformed updates are queued with `world.inject`. Knows no world and no HTTP: `botapi` acts on it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

WRITES = frozenset(
    {
        "sendmessage",
        "senddocument",
        "sendphoto",
        "editmessagetext",
        "editmessagereplymarkup",
        "deletemessage",
        "sendchataction",
        "setmessagereaction",
    }
)


@dataclass(frozen=True, slots=True)
class TooMany:
    """429 with the next of these `retry_after` seconds, in turn; a real penalty for that chat."""

    seconds: Sequence[int] = (3,)


@dataclass(frozen=True, slots=True)
class Failure:
    """An answer of Telegram's own trouble, 500 or 502; nothing is done."""

    status: int = 502


@dataclass(frozen=True, slots=True)
class Lost:
    """The work is done, then the connection is cut (`silent`: left open without an answer)."""

    silent: bool = False


@dataclass(frozen=True, slots=True)
class Reset:
    """The connection is cut before anything is done."""


@dataclass(frozen=True, slots=True)
class Stall:
    """No answer, ever, and nothing is done."""


Effect = TooMany | Failure | Lost | Reset | Stall


@dataclass(slots=True)
class Fault:
    """An ordered fault; `hits` counts how often it struck."""

    effect: Effect
    method: str | None
    chat_id: int | None
    every: int
    times: int | None
    seen: int = 0
    hits: int = 0

    def strikes(self, method: str, chat_id: int | None) -> bool:
        if self.times is not None and self.hits >= self.times:
            return False
        wanted = method == self.method.lower() if self.method else method in WRITES
        if not wanted or self.chat_id not in (None, chat_id):
            return False
        self.seen += 1
        struck = self.seen % self.every == 0
        self.hits += struck
        return struck


class Faults:
    """What was ordered; the first fault that fits strikes."""

    def __init__(self) -> None:
        self.ordered: list[Fault] = []

    def order(
        self,
        effect: Effect,
        *,
        method: str | None = None,
        chat_id: int | None = None,
        every: int = 1,
        times: int | None = None,
    ) -> Fault:
        """Let `effect` strike on every `every`-th fitting call, at most `times` times.

        Without `method` every call that writes into a chat fits.
        """
        fault = Fault(effect, method, chat_id, every, times)
        self.ordered.append(fault)
        return fault

    def clear(self) -> None:
        self.ordered.clear()

    def strike(self, method: str, chat_id: int | None) -> Fault | None:
        """The fault that hits this call, if any."""
        return next((fault for fault in self.ordered if fault.strikes(method, chat_id)), None)
