"""Lanes: what waits to be written into one chat, and which of it may go next. Pure; knows no asyncio tasks.

One call of a lane runs at a time, so that edits of a message arrive in order and a penalty is known
before the next call.
"""

import asyncio
import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any

from bot.transport.calls import Edit, Request, Send
from bot.transport.content import Content
from bot.transport.pace import GROUP_RESERVE, PRIVATE_RESERVE, Budget, chat_budget, frame_interval

# A message that has not grown for so long is not growing.
STALE_SECONDS = 120.0
# How often a send that asked for it is repeated when Telegram's answer got lost.
MOST_REPEATS = 3


class Priority(IntEnum):
    """What goes first where not everything can go at once."""

    FINAL = 0
    SENTIMENT = 1
    PLACEHOLDER = 2
    FRAME = 3


@dataclass(eq=False, slots=True)
class Ticket:
    """A call that waits or runs, and whoever waits for it, if anybody does."""

    request: Request[Any]
    priority: Priority
    order: int
    done: asyncio.Future[Any] | None = None
    unknown: int = 0

    def __lt__(self, other: "Ticket") -> bool:
        return (self.priority, self.order) < (other.priority, other.order)

    @property
    def abandoned(self) -> bool:
        """Whether nobody waits any more. A final that can be repeated goes out nevertheless."""
        kept = self.priority is Priority.FINAL and self.request.repeatable
        return self.done is not None and self.done.cancelled() and not kept

    @property
    def may_repeat(self) -> bool:
        """Whether to call again after an unknown outcome. Even a send that asked for it ends some time."""
        return self.request.repeatable and (
            self.unknown <= MOST_REPEATS or not isinstance(self.request, Send)
        )

    def asking(self, request: Request[Any]) -> "Ticket":
        """The same place and waiter for another request."""
        return replace(self, request=request)

    def succeed(self, result: object) -> None:
        if self.done is not None and not self.done.done():
            self.done.set_result(result)

    def fail(self, error: Exception) -> None:
        if self.done is not None and not self.done.done():
            self.done.set_exception(error)


@dataclass(eq=False, slots=True)
class Frame(Ticket):
    """One state of a growing message. It is sent or not; the next one follows anyway."""

    request: Edit


@dataclass(slots=True)
class Stream:
    """A message that grows: what it shows, and what it should show next. `since` and `at` are times."""

    since: float
    at: float = -math.inf
    shown: Content | None = None
    pending: Content | None = None
    dead: bool = False


@dataclass(frozen=True, slots=True)
class Offer:
    """The next call of a lane, not before `at`; the smallest `rank` of all lanes goes first.

    `message_id` is that of a frame.
    """

    at: float
    rank: tuple[int, float]
    lane: "Lane"
    message_id: int | None = None


@dataclass(eq=False, slots=True)
class Lane:
    """One chat's calls (or, without a chat, one call), its budget and its penalty."""

    chat_id: int | None
    budget: Budget = field(init=False)
    queue: list[Ticket] = field(default_factory=list)
    streams: dict[int, Stream] = field(default_factory=dict)
    running: Ticket | None = None
    blocked_until: float = -math.inf
    failures: int = 0

    def __post_init__(self) -> None:
        self.budget = chat_budget(self.chat_id)

    def push(self, ticket: Ticket) -> None:
        heapq.heappush(self.queue, ticket)

    def frame(self, message_id: int, content: Content, now: float) -> bool:
        """Show `content` next in a growing message. False if it takes the place of something unsent."""
        stream = self.streams.setdefault(message_id, Stream(since=now))
        if stream.dead or self._being_finished(message_id):
            return False
        overtakes = stream.pending is not None
        stream.pending = None if content.same(stream.shown) else content
        return not overtakes

    def finish(self, message_id: int, content: Content | None = None) -> bool:
        """The message stops growing; frames that were not sent are forgotten.

        True if it shows `content` already and no call is under way that could change that.
        """
        stream = self.streams.pop(message_id, None)
        return stream is not None and content is not None and content.same(stream.shown) and not self.running

    def keep_finals(self) -> list[Ticket]:
        """Take everything but finals out of the queue."""
        others = [ticket for ticket in self.queue if ticket.priority is not Priority.FINAL]
        self.queue = sorted(ticket for ticket in self.queue if ticket.priority is Priority.FINAL)
        return others

    def block(self, until: float) -> None:
        """Nothing goes out before `until`."""
        self.blocked_until = max(self.blocked_until, until)

    def offer(self, now: float) -> Offer | None:
        """What this lane would do next; None if there is nothing, or while a call runs."""
        while self.queue and self.queue[0].abandoned:
            heapq.heappop(self.queue)
        if self.running is not None:
            return None
        if self.queue:
            at = max(self.blocked_until, self.budget.when(now))
            return Offer(at, (self.queue[0].priority, self.queue[0].order), self)
        return min(self._frame_offers(now), key=lambda offer: offer.at, default=None)

    def take(self, offer: Offer) -> Ticket:
        """Begin what was offered."""
        if offer.message_id is None:
            self.running = heapq.heappop(self.queue)
        else:
            stream = self.streams[offer.message_id]
            content, stream.pending = stream.pending or Content(""), None
            self.running = Frame(Edit(offer.message_id, content), Priority.FRAME, order=0)
        self.budget.begin()
        return self.running

    def release(self, now: float) -> None:
        """The running call ended."""
        self.running = None
        self.budget.end(now)

    def shown(self, frame: Edit, now: float) -> None:
        """A frame arrived."""
        if stream := self.streams.get(frame.message_id):
            stream.at, stream.shown = now, frame.content
            if stream.pending is not None and stream.pending.same(stream.shown):
                stream.pending = None

    def unshown(self, frame: Edit, now: float, *, again: bool = False, dead: bool = False) -> None:
        """A frame did not arrive. With `again` it is sent later, unless a newer one has come."""
        if stream := self.streams.get(frame.message_id):
            stream.at, stream.shown, stream.dead = now, None, dead
            if dead:
                stream.pending = None
            elif again and stream.pending is None:
                stream.pending = frame.content

    def idle(self, now: float) -> bool:
        """Whether nothing would be lost by forgetting this lane. Forgets growing messages that stopped."""
        for message_id in [
            m for m, s in self.streams.items() if s.pending is None and s.at < now - STALE_SECONDS
        ]:
            del self.streams[message_id]
        busy = self.queue or self.streams or self.running or self.blocked_until > now
        return not busy and self.budget.idle(now)

    def _frame_offers(self, now: float) -> Iterator[Offer]:
        if self.chat_id is None:
            return
        reserve = PRIVATE_RESERVE if self.chat_id > 0 else GROUP_RESERVE
        free = max(self.blocked_until, self.budget.when(now, reserve))
        for message_id, stream in self.streams.items():
            if stream.pending is not None:
                age = max(0.0, stream.at - stream.since)
                due = stream.at + frame_interval(self.chat_id, age, len(stream.pending.text))
                yield Offer(max(free, due), (Priority.FRAME, stream.at), self, message_id)

    def _being_finished(self, message_id: int) -> bool:
        tickets = [*self.queue, self.running] if self.running else self.queue
        return any(
            isinstance(ticket.request, Edit) and ticket.request.message_id == message_id and ticket.done
            for ticket in tickets
        )
