"""Journal: every update is written down before anything is done with it, and ticked off afterwards.

Knows updates as raw JSON objects; what they mean is for others.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.history.database import Database, insert_new, reads, writes
from bot.history.records import Entry, utc_now
from bot.history.tables import updates as journal

# Telegram repeats an update for at most a day, and may start again with any id after a week without
# updates: an id seen longer ago than this is not a repetition, it is a new update that must not be lost.
REPEATED_WITHIN = timedelta(days=3)

_log = logging.getLogger(__name__)


class Journal:
    """The updates of one bot. An entry is received, then done, unreadable, failed or forgotten, without its text."""

    def __init__(self, database: Database, bot_id: int, clock: Callable[[], datetime] = utc_now) -> None:
        self.database = database
        self._bot_id = bot_id
        self._clock = clock

    @writes
    async def append(
        self, connection: AsyncConnection, updates: Sequence[Mapping[str, object]]
    ) -> list[Entry]:
        """Write a batch down, safe from power loss on return; the new ones come back, in order.

        Repetitions are left out. So are updates without a usable `update_id`: nobody could tell them apart
        or answer them; they are marked unreadable.
        """
        now = self._clock()
        usable = [(update_id, raw) for raw in updates if (update_id := _usable_id(raw)) is not None]
        await self._release_old_ids(connection, [update_id for update_id, _ in usable], now)
        entries = [await self._add(connection, update_id, raw, now) for update_id, raw in usable]
        if unusable := len(updates) - len(usable):
            _log.warning("%d updates have no usable update_id and were skipped", unusable)
            await self._add_unusable(connection, unusable, now)
        return [entry for entry in entries if entry is not None]

    @reads
    async def pending(self, connection: AsyncConnection) -> list[Entry]:
        """What was received and not dealt with, in order: the work of a restart."""
        query = select(journal).where(journal.c.bot_id == self._bot_id, journal.c.state == "received")
        return [_entry(row) for row in await connection.execute(query.order_by(journal.c.id))]

    @writes
    async def started(self, connection: AsyncConnection, entry_id: int) -> None:
        """Count an attempt, before it is made: an update that kills the process is then known by its count."""
        attempts = journal.c.attempts + 1
        await connection.execute(update(journal).where(journal.c.id == entry_id).values(attempts=attempts))

    async def done(self, entry_id: int) -> None:
        """The update was dealt with; what remains is its id."""
        await self._close(entry_id, "done", None)

    async def unreadable(self, entry_id: int, error: str) -> None:
        """The update is not what Telegram describes. `error` must not quote it."""
        await self._close(entry_id, "unreadable", error)

    async def failed(self, entry_id: int, error: str) -> None:
        """The update could not be dealt with and will not be tried again. `error` must not quote it."""
        await self._close(entry_id, "failed", error)

    @writes
    async def delete_before(self, connection: AsyncConnection, moment: datetime, limit: int) -> int:
        """Delete at most `limit` entries older than `moment`; those that Telegram may still repeat stay."""
        certain = min(moment, self._clock() - REPEATED_WITHIN)
        of_bot = journal.c.bot_id == self._bot_id
        old = select(journal.c.id).where(of_bot, journal.c.received_at < certain).limit(limit)
        return (await connection.execute(delete(journal).where(journal.c.id.in_(old)))).rowcount

    @writes
    async def _close(self, connection: AsyncConnection, entry_id: int, state: str, error: str | None) -> None:
        closed = {"state": state, "error": error, "payload": None}
        await connection.execute(update(journal).where(journal.c.id == entry_id).values(closed))

    async def _release_old_ids(self, connection: AsyncConnection, ids: list[int], now: datetime) -> None:
        """Old entries give up an id that Telegram uses again; they stay, with their turns, without it."""
        old = (journal.c.bot_id == self._bot_id, journal.c.received_at < now - REPEATED_WITHIN)
        await connection.execute(
            update(journal).where(*old, journal.c.update_id.in_(ids)).values(update_id=None)
        )

    async def _add(
        self, connection: AsyncConnection, update_id: int, raw: Mapping[str, object], now: datetime
    ) -> Entry | None:
        row = await connection.execute(
            insert_new(connection, journal)
            .values(
                bot_id=self._bot_id,
                update_id=update_id,
                payload=json.dumps(raw),
                received_at=now,
                state="received",
                attempts=0,
            )
            .returning(journal.c.id)
        )
        entry_id = row.scalar()
        return None if entry_id is None else Entry(entry_id, update_id, now, 0, raw)

    async def _add_unusable(self, connection: AsyncConnection, count: int, now: datetime) -> None:
        row = {"bot_id": self._bot_id, "received_at": now, "attempts": 0, "state": "unreadable"}
        await connection.execute(insert(journal), [row | {"error": "no usable update_id"}] * count)


def _usable_id(raw: object) -> int | None:
    """The id of an update, if it has one that Telegram would give."""
    update_id = raw.get("update_id") if isinstance(raw, Mapping) else None
    usable = isinstance(update_id, int) and not isinstance(update_id, bool) and 0 <= update_id < 2**63
    return update_id if usable else None


def _entry(row: Row[tuple[Any, ...]]) -> Entry:
    raw = json.loads(row.payload)
    return Entry(row.id, raw["update_id"], row.received_at, row.attempts, raw)
