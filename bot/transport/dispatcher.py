"""Dispatcher: decides which waiting call is made when, and what follows from Telegram's answer.

Knows budgets, order and repetition; knows nothing of what the calls are for.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from typing import TypeVar

from telegram import Bot
from telegram.error import TelegramError

from bot.transport.calls import Edit, Request, Send, without_formatting
from bot.transport.content import Content
from bot.transport.errors import CallFailed, Closed, Meaning, SendUnknown, Verdict, failure, judge
from bot.transport.lanes import Frame, Lane, Offer, Priority, Ticket
from bot.transport.pace import TOTAL_RESERVE, backoff, total_budget

T = TypeVar("T")
Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]
Migrated = Callable[[int, int], Awaitable[None]]

SWEEP_SECONDS = 60.0

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Stats:
    """What was done since the start. `dropped` frames were overtaken or came to nothing."""

    sent: int = 0
    edited: int = 0
    frames: int = 0
    other: int = 0
    dropped: int = 0
    unchanged: int = 0
    unformatted: int = 0
    repeated: int = 0
    failed: int = 0
    penalties: int = 0
    penalty_s: float = 0.0


@dataclass(eq=False)
class Dispatcher:
    """One owner task, `run`, begins all calls. Everything here belongs to its event loop."""

    bot: Bot
    on_migrated: Migrated
    clock: Clock
    sleep: Sleep
    stats: Stats = field(default_factory=Stats)
    closing: bool = False

    def __post_init__(self) -> None:
        self.calls: set[asyncio.Task[None]] = set()
        self.lanes: dict[int | str, Lane] = {}
        self._total = total_budget()
        self._moved: dict[int, int] = {}
        self._orders = count()
        self._wake = asyncio.Event()
        self._stopped = asyncio.Event()
        self._running = self._late = False
        self._swept_at = -math.inf

    def lane(self, chat_id: int) -> Lane:
        chat_id = self._moved.get(chat_id, chat_id)
        return self.lanes.setdefault(chat_id, Lane(chat_id))

    def frame(self, chat_id: int, message_id: int, content: Content) -> None:
        """Show `content` in a growing message when there is time."""
        if not self.closing:
            self.stats.dropped += not self.lane(chat_id).frame(message_id, content, self.clock())
            self._wake.set()

    def offer(self, chat_id: int, request: Request[object], priority: Priority, reserve: int = 1) -> None:
        """Make a call that nobody waits for, if it can be made at once and leaves room for others."""
        lane, now = self.lane(chat_id), self.clock()
        if not (lane.queue or lane.running or lane.budget.when(now, reserve) > now):
            self.leave(chat_id, request, priority)

    def leave(self, chat_id: int, request: Request[object], priority: Priority) -> None:
        """Make a call that nobody waits for, when its turn comes. It is tried once."""
        if not self.closing:
            self._queue(self.lane(chat_id), Ticket(request, priority, next(self._orders)))

    async def ask(self, chat_id: int | None, request: Request[T], priority: Priority) -> T:
        """Make a call as soon as its turn comes, and give its result. Raises CallFailed."""
        if self.closing:
            raise Closed(request.method, chat_id, "the bot is stopping")
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue(self._lane_for(chat_id), Ticket(request, priority, next(self._orders), done))
        return await done

    def _queue(self, lane: Lane, ticket: Ticket) -> None:
        lane.push(ticket)
        self._wake.set()

    def _lane_for(self, chat_id: int | None) -> Lane:
        """Calls that concern no chat wait for nobody: each has a lane of its own."""
        if chat_id is not None:
            return self.lane(chat_id)
        return self.lanes.setdefault(f"call {next(self._orders)}", Lane(None))

    # The owner task

    async def run(self) -> None:
        """Make the calls, until `close` or until cancelled; then everybody who still waits is told."""
        self._running = True
        try:
            while not self._finished():
                self._wake.clear()
                now = self.clock()
                offer, later = self._next(now)
                if offer is None:
                    await self._pause(later - now)
                else:
                    self._begin(offer)
        finally:
            self.closing = True
            await self._abandon()
            self._stopped.set()

    async def close(self, within: float) -> None:
        """Make the final calls that wait, for at most `within` seconds; the others are refused at once."""
        self.closing = True
        for lane in self.lanes.values():
            lane.streams.clear()
            for ticket in lane.keep_finals():
                ticket.fail(_closed(lane, ticket))
        if self._running:
            self._wake.set()
            await self._first_of(self._stopped.wait(), self.sleep(within))
            self._late = True
            self._wake.set()
            await self._stopped.wait()
        else:
            await self._abandon()

    def _finished(self) -> bool:
        waiting = any(lane.queue for lane in self.lanes.values())
        return self._late or (self.closing and not self.calls and not waiting)

    def _next(self, now: float) -> tuple[Offer | None, float]:
        """What may begin now, and otherwise the time from which something may."""
        free, frames_free = self._total.when(now), self._total.when(now, TOTAL_RESERVE)
        best, later = None, math.inf
        for offer in filter(None, [lane.offer(now) for lane in self.lanes.values()]):
            at = max(offer.at, free if offer.message_id is None else frames_free)
            if at > now:
                later = min(later, at)
            elif best is None or offer.rank < best.rank:
                best = offer
        return best, later

    async def _pause(self, seconds: float) -> None:
        """Until something changes, at most `seconds`."""
        if seconds == math.inf:
            await self._wake.wait()
        else:
            await self._first_of(self._wake.wait(), self.sleep(seconds))

    @staticmethod
    async def _first_of(*waits: Awaitable[object]) -> None:
        tasks = [asyncio.ensure_future(wait) for wait in waits]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    def _begin(self, offer: Offer) -> None:
        ticket = offer.lane.take(offer)
        self._total.begin()
        task = asyncio.create_task(self._perform(offer.lane, ticket))
        self.calls.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.calls.discard(task)
        self._wake.set()

    async def _perform(self, lane: Lane, ticket: Ticket) -> None:
        try:
            await self._attempt(lane, ticket)
        except asyncio.CancelledError:
            ticket.fail(_cut_off(lane, ticket))
            raise
        except Exception as error:
            # A defect, ours or the library's: whoever waits must learn of it, and others must not suffer.
            _log.error("%s could not be called: %s", ticket.request.method, type(error).__name__)
            ticket.fail(error)
        finally:
            now = self.clock()
            lane.release(now)
            self._total.end(now)
            self._sweep(now)

    async def _attempt(self, lane: Lane, ticket: Ticket) -> None:
        try:
            result = await ticket.request.make(self.bot, lane.chat_id or 0)
        except TelegramError as error:
            await self._failed(lane, ticket, error, judge(error))
        else:
            self._succeeded(lane, ticket, result)

    def _succeeded(self, lane: Lane, ticket: Ticket, result: object) -> None:
        lane.failures = 0
        if isinstance(ticket, Frame):
            self.stats.frames += 1
            lane.shown(ticket.request, self.clock())
        elif isinstance(ticket.request, Send):
            self.stats.sent += 1
        elif isinstance(ticket.request, Edit):
            self.stats.edited += 1
        else:
            self.stats.other += 1
        ticket.succeed(result)

    # What follows from a refusal

    async def _failed(self, lane: Lane, ticket: Ticket, error: TelegramError, verdict: Verdict) -> None:
        match verdict.meaning:
            case Meaning.SUCCESS:
                self._succeeded(lane, ticket, None)
            case Meaning.WAIT:
                self._penalised(lane, ticket, verdict.value)
            case Meaning.MOVED:
                self._requeue(await self._move(lane, int(verdict.value)), ticket)
            case Meaning.UNREACHED | Meaning.UNKNOWN:
                self._unanswered(lane, ticket, error, verdict.meaning)
            case Meaning.PLAIN if plain := without_formatting(ticket.request):
                self.stats.unformatted += 1
                self._requeue(lane, ticket.asking(plain))
            case _:
                self._refused(lane, ticket, error, verdict.meaning)

    def _penalised(self, lane: Lane, ticket: Ticket, seconds: float) -> None:
        """Too fast, or so Telegram finds: nothing is sent to this chat until the time has passed."""
        self.stats.penalties += 1
        self.stats.penalty_s += seconds
        lane.block(self.clock() + seconds)
        self._requeue(lane, ticket)

    def _unanswered(self, lane: Lane, ticket: Ticket, error: TelegramError, meaning: Meaning) -> None:
        """Only what is harmless to repeat is repeated, unless it is certain that nothing was done."""
        lane.failures += 1
        lane.block(self.clock() + backoff(lane.failures))
        ticket.unknown += meaning is Meaning.UNKNOWN
        if meaning is Meaning.UNKNOWN and not ticket.may_repeat:
            self._refused(lane, ticket, error, meaning)
        else:
            self.stats.repeated += 1
            self._requeue(lane, ticket)

    def _refused(self, lane: Lane, ticket: Ticket, error: TelegramError, meaning: Meaning) -> None:
        if isinstance(ticket, Frame):
            self.stats.dropped += 1
            lane.unshown(ticket.request, self.clock(), dead=True)
        else:
            self.stats.failed += 1
            ticket.fail(failure(meaning, ticket.request.method, lane.chat_id, error))

    def _requeue(self, lane: Lane, ticket: Ticket) -> None:
        """Its turn comes again, in its old place."""
        if isinstance(ticket, Frame):
            lane.unshown(ticket.request, self.clock(), again=True)
        elif ticket.done is None:
            self.stats.dropped += 1
        elif self.closing and ticket.priority is not Priority.FINAL:
            ticket.fail(_closed(lane, ticket))
        else:
            lane.push(ticket)

    async def _move(self, lane: Lane, chat_id: int) -> Lane:
        """The group has another id from now on, for calls that wait as well as for later ones."""
        old, new = lane.chat_id or 0, self.lanes.setdefault(chat_id, Lane(chat_id))
        if self._moved.get(old) != chat_id:
            self._moved[old] = chat_id
            for ticket in lane.queue:
                new.push(ticket)
            lane.queue.clear()
            lane.streams.clear()
            await self.on_migrated(old, chat_id)
        return new

    # The end

    async def _abandon(self) -> None:
        """Nobody may wait for ever: calls in flight are cut off, waiting ones are refused."""
        calls = list(self.calls)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        for lane in self.lanes.values():
            for ticket in lane.queue:
                ticket.fail(_closed(lane, ticket))
            lane.queue.clear()

    def _sweep(self, now: float) -> None:
        """Forget chats in which nothing happens any more."""
        if now - self._swept_at >= SWEEP_SECONDS:
            self._swept_at = now
            self.lanes = {key: lane for key, lane in self.lanes.items() if not lane.idle(now)}


def _closed(lane: Lane, ticket: Ticket) -> Closed:
    return Closed(ticket.request.method, lane.chat_id, "the bot stopped before it was called")


def _cut_off(lane: Lane, ticket: Ticket) -> CallFailed:
    if ticket.request.repeatable:
        return _closed(lane, ticket)
    return SendUnknown(ticket.request.method, lane.chat_id, "the bot stopped before Telegram answered")
