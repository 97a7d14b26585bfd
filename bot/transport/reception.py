"""Reception: a journalled update on its way: read, put together, put in line, handled, ticked off.

Knows neither how updates are fetched nor what they ask for.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Any, Protocol

from telegram import Bot, Update

from bot.transport.pastes import goes_on, joined, may_go_on
from bot.transport.queues import Place, Queues
from bot.transport.triggers import conversation_key, is_control

Dispatch = Callable[[Update], Awaitable[None]]
OnWaiting = Callable[[Update, Place], Awaitable[None]]
KeyOf = Callable[[Update], Hashable | None]
Sleep = Callable[[float], Awaitable[None]]

# An update whose handling was begun so often and never ended kills the process. Handlers that count for
# themselves stop earlier, and can still tell the user.
MOST_ATTEMPTS = 4
# So long a long message waits for its next part. The apps send all parts at once.
PATIENCE_SECONDS = 1.0

log = logging.getLogger(__name__)


class Entry(Protocol):
    """One journalled update; `attempts` counts how often its handling was begun before."""

    @property
    def id(self) -> int: ...
    @property
    def attempts(self) -> int: ...
    @property
    def update(self) -> Mapping[str, object]: ...


class Journal(Protocol):
    """Where updates are written down; see bot.history.journal."""

    async def append(self, updates: Sequence[Mapping[str, object]]) -> Sequence[Entry]: ...
    async def pending(self) -> Sequence[Entry]: ...
    async def started(self, entry_id: int) -> None: ...
    async def done(self, entry_id: int) -> None: ...
    async def unreadable(self, entry_id: int, error: str) -> None: ...
    async def failed(self, entry_id: int, error: str) -> None: ...


class Arrival:
    """What one person sent at once: one update, or the parts of a long text."""

    def __init__(self, entry: Entry) -> None:
        self.entries = [entry]
        self._more = asyncio.Event()
        self._closed = False

    @property
    def parts(self) -> list[Mapping[str, Any]]:
        return [entry.update for entry in self.entries]

    def takes(self, entry: Entry) -> bool:
        """Add the next part, if it is one and comes in time."""
        if self._closed or not goes_on(self.parts, entry.update):
            return False
        self.entries.append(entry)
        self._more.set()
        return True

    async def whole(self, sleep: Sleep) -> None:
        """Until no further part is to be expected."""
        while may_go_on(self.entries[-1].update):
            self._more.clear()
            patience = asyncio.ensure_future(sleep(PATIENCE_SECONDS))
            more = asyncio.ensure_future(self._more.wait())
            try:
                await asyncio.wait((patience, more), return_when=asyncio.FIRST_COMPLETED)
            finally:
                patience.cancel()
                more.cancel()
            if not self._more.is_set():
                break
        self._closed = True


class Reception:
    """Brings updates to their handlers: in order within a conversation, and none twice."""

    def __init__(
        self,
        bot: Bot,
        journal: Journal,
        dispatch: Dispatch,
        queues: Queues,
        sleep: Sleep,
        on_waiting: OnWaiting | None,
        key_of: KeyOf = conversation_key,
    ) -> None:
        self._bot = bot
        self._journal = journal
        self._dispatch = dispatch
        self._queues = queues
        self._sleep = sleep
        self._on_waiting = on_waiting
        self._key_of = key_of
        self._open: dict[Hashable, Arrival] = {}

    async def accept(self, entry: Entry) -> None:
        """Give an update to its conversation. What cannot wait goes past the queue."""
        if entry.attempts >= MOST_ATTEMPTS:
            log.error(
                "update %s was begun %d times and never ended; it is given up", entry.id, entry.attempts
            )
            await self._journal.failed(entry.id, "never ended")
            return
        try:
            update = Update.de_json(dict(entry.update), self._bot)
            key = None if is_control(update) else self._key_of(update)
        except Exception as error:
            # Whatever the library stumbles over: the next update is not to suffer, nor the log to quote.
            log.warning("an update could not be read and was skipped: %s", type(error).__name__)
            await self._journal.unreadable(entry.id, type(error).__name__)
            return
        if key is None or key not in self._open or not self._open[key].takes(entry):
            self._enqueue(key, entry, update)

    def _enqueue(self, key: Hashable | None, entry: Entry, update: Update) -> None:
        arrival = Arrival(entry)
        place = self._queues.put(key, lambda: self._handle(key, arrival))
        if key is not None and may_go_on(entry.update):
            self._open[key] = arrival
        if place.ahead and self._on_waiting is not None:
            self._queues.watch(self._tell(self._on_waiting, update, place))

    async def _handle(self, key: Hashable | None, arrival: Arrival) -> None:
        await arrival.whole(self._sleep)
        if key is not None and self._open.get(key) is arrival:
            del self._open[key]
        # The first part owns the turn: as long as it is not ticked off, no other part is taken for a message.
        ids = [entry.id for entry in reversed(arrival.entries)]
        for entry_id in ids:
            await self._journal.started(entry_id)
        try:
            await self._dispatch(Update.de_json(dict(joined(arrival.parts)), self._bot))
        except Exception as error:
            log.error("an update could not be handled: %s", type(error).__name__)
            for entry_id in ids:
                await self._journal.failed(entry_id, type(error).__name__)
        else:
            for entry_id in ids:
                await self._journal.done(entry_id)

    async def _tell(self, on_waiting: OnWaiting, update: Update, place: Place) -> None:
        """A defect here costs a word about the wait, and nothing else."""
        try:
            await on_waiting(update, place)
        except Exception as error:
            log.error("somebody was not told about a wait: %s", type(error).__name__)
