"""Preferences: what people and groups chose for themselves. An id is that of a person or of a group.

What was read once stays in memory, so that every message may ask; this process is the only one that writes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cachetools import LRUCache
from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.history.database import Database, insert_new, reads, writes
from bot.history.records import utc_now
from bot.history.tables import preferences

SentimentMode = Literal["message", "reaction", "both", "off"]

REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Preference:
    """The choices of one person or group; None is the default. Only groups are quiet."""

    sentiment: SentimentMode | None = None
    persona: str | None = None
    language: str | None = None
    quiet_until: datetime | None = None


class Preferences:
    """The choices of everybody who talks with one bot."""

    def __init__(self, database: Database, bot_id: int, clock: Callable[[], datetime] = utc_now) -> None:
        self.database = database
        self._bot_id = bot_id
        self._clock = clock
        self._known: LRUCache[int, Preference] = LRUCache(REMEMBERED)

    async def of(self, one: int) -> Preference:
        """What a person or group chose."""
        known = self._known.get(one)
        # Whoever chose while this was read has told the newer truth.
        return known or self._known.setdefault(one, await self._read(one))

    async def choose(self, one: int, **choices: str | datetime | None) -> Preference:
        """Change some of the choices of a person or group; None takes one back. All of them come back."""
        chosen = self._known[one] = await self._write(one, choices)
        return chosen

    async def move(self, old_id: int, new_id: int) -> None:
        """A group has another id from now on."""
        await self._rename(old_id, new_id)
        self.clear()

    def clear(self) -> None:
        """Empty the memory: somebody's choices were deleted."""
        self._known.clear()

    @writes
    async def hint(self, connection: AsyncConnection, person: int) -> bool:
        """Note that a person is told about privacy mode now. False if that was done before."""
        await self._insert(connection, person)
        new = self._about(person) & preferences.c.hinted_at.is_(None)
        told = update(preferences).where(new).values(hinted_at=self._clock())
        return (await connection.execute(told)).rowcount > 0

    @reads
    async def _read(self, connection: AsyncConnection, one: int) -> Preference:
        return await self._select(connection, one)

    @writes
    async def _write(
        self, connection: AsyncConnection, one: int, choices: dict[str, str | datetime | None]
    ) -> Preference:
        await self._insert(connection, one)
        await connection.execute(update(preferences).where(self._about(one)).values(choices))
        return await self._select(connection, one)

    @writes
    async def _rename(self, connection: AsyncConnection, old_id: int, new_id: int) -> None:
        known = await connection.scalar(select(preferences.c.id).where(self._about(new_id)))
        if known is None:
            await connection.execute(update(preferences).where(self._about(old_id)).values(id=new_id))
        else:
            await connection.execute(delete(preferences).where(self._about(old_id)))

    async def _select(self, connection: AsyncConnection, one: int) -> Preference:
        row = (await connection.execute(select(preferences).where(self._about(one)))).first()
        return Preference(row.sentiment, row.persona, row.language, row.quiet_until) if row else Preference()

    async def _insert(self, connection: AsyncConnection, one: int) -> None:
        await connection.execute(insert_new(connection, preferences).values(bot_id=self._bot_id, id=one))

    def _about(self, one: int) -> ColumnElement[bool]:
        return (preferences.c.bot_id == self._bot_id) & (preferences.c.id == one)
