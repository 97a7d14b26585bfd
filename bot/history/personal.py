"""Personal data: all rows of one person, to be handed over or deleted. Knows no table by what it is for.

Whose a row is says its column `user_id` or `chat_id` (a private chat has the id of its person), or an `id` beside
`bot_id` in the key, or a column marked as OWNER. So a table that is added later takes part by itself; a test
holds that.
"""

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Row, Table, delete, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.conversation import ConversationKey
from bot.history.database import Database, reads, writes
from bot.history.records import Turn, utc_now
from bot.history.rows import TURNS, turn_of
from bot.history.tables import conversations, metadata, turns, updates, users

FORGOTTEN = "forgotten"
"""The state of an update in the journal that its sender took back before it was handled."""

KEPT = frozenset({"admissions", "invites", "usage"})
"""What the operator decided outlives people, and today's count the day: else forgetting would undo them."""

IMPERSONAL = {"updates": "its payload, which is emptied once it is handled, names the sender; see _take_back"}
"""Tables whose rows belong to nobody, and why."""

PAGE = 500  # rows that are fetched at once, so that a long history does not hold up the others

Export = dict[str, list[dict[str, object]]]


class PersonalData:
    """What one bot keeps about people. Every method is one transaction."""

    def __init__(self, database: Database, bot_id: int, clock: Callable[[], datetime] = utc_now) -> None:
        self.database = database
        self._bot_id = bot_id
        self._clock = clock

    @reads
    async def export(self, connection: AsyncConnection, user_id: int) -> Export:
        """All rows of a person, by table. Values are those of JSON, times in ISO 8601 (UTC)."""
        found: Export = {}
        for table in metadata.sorted_tables:
            if (owner := owner_of(table)) is None:
                continue
            query = select(table).where(owner == user_id, self._of_bot(table))
            rows: list[dict[str, object]] = []
            async with connection.stream(query.order_by(*table.primary_key)) as result:
                async for page in result.partitions(PAGE):
                    rows += map(_plain, page)
            found[table.name] = rows
        return found

    @reads
    async def conversations(self, connection: AsyncConnection, user_id: int) -> list[ConversationKey]:
        """Where a person spoke with the bot, in order; also conversations that a group shares."""
        place = conversations.c
        spoke = select(turns.c.conversation_id).where(turns.c.user_id == user_id)
        mine = (place.user_id == user_id) | place.id.in_(spoke)
        query = select(place.chat_id, place.thread_id, place.user_id).where(self._of_bot(conversations), mine)
        return sorted(ConversationKey(*row) for row in await connection.execute(query))

    @writes
    async def forget(self, connection: AsyncConnection, user_id: int, before: int) -> list[Turn]:
        """Delete all rows of a person, and take back what waits in the journal from before update `before`.

        Turns that were still to be shown come back as they were. What was KEPT stays.
        """
        await self._take_back(connection, user_id, before)
        undelivered = TURNS.where(
            self._of_bot(conversations), turns.c.user_id == user_id, turns.c.delivered.is_(False)
        )
        unfinished = [turn_of(row) for row in await connection.execute(undelivered)]
        await self._delete(connection, user_id)
        return unfinished

    @writes
    async def forget_unseen(self, connection: AsyncConnection, moment: datetime) -> int:
        """Delete all about people who were not here since `moment`; how many they were."""
        unseen = select(users.c.id).where(self._of_bot(users), users.c.last_seen < moment)
        people = list(await connection.scalars(unseen.limit(PAGE)))
        for user_id in people:
            await self._delete(connection, user_id)
        return len(people)

    async def _delete(self, connection: AsyncConnection, user_id: int) -> None:
        for table in reversed(metadata.sorted_tables):
            owner = owner_of(table)
            if owner is not None and table.name not in KEPT:
                await connection.execute(delete(table).where(owner == user_id, self._of_bot(table)))

    async def _take_back(self, connection: AsyncConnection, user_id: int, before: int) -> None:
        """What waits is not handled any more. Its id stays known, so that it is not taken for a new update."""
        of_bot = updates.c.bot_id == self._bot_id
        press = select(updates.c.id).where(of_bot, updates.c.update_id == before)
        waiting = select(updates.c.id, updates.c.payload).where(
            of_bot, updates.c.state == "received", updates.c.id < press.scalar_subquery()
        )
        ids = [row.id for row in await connection.execute(waiting) if user_id in _senders(row.payload)]
        taken = update(updates).where(updates.c.id.in_(ids)).values(state=FORGOTTEN, payload=None)
        await connection.execute(taken)

    def _of_bot(self, table: Table) -> ColumnElement[bool]:
        """Rows of this bot: by their own column, or by the row that they belong to."""
        if "bot_id" in table.c:
            return table.c.bot_id == self._bot_id
        parents = [key for key in table.foreign_keys if key.ondelete == "CASCADE"]
        chosen = (select(key.column).where(self._of_bot(key.column.table)) for key in parents)
        return (
            or_(*(key.parent.in_(ids) for key, ids in zip(parents, chosen, strict=True)))
            if parents
            else true()
        )


def owner_of(table: Table) -> Column[Any] | None:
    """The column that says whose a row is; None for tables that belong to nobody."""
    marked = [column for column in table.c if column.info.get("owner")]
    named = [table.c[name] for name in ("user_id", "chat_id") if name in table.c]
    key = [column for column in table.primary_key if column.name == "id" and "bot_id" in table.primary_key]
    return next(iter(marked + named + key), None)


def _plain(row: Row[Any]) -> dict[str, object]:
    values = ((name, value) for name, value in row._mapping.items() if name != "bot_id")
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in values}


def _senders(payload: str) -> Iterable[int]:
    """Who sent a raw update."""
    bodies = [body for body in json.loads(payload).values() if isinstance(body, dict)]
    return [body["from"]["id"] for body in bodies if isinstance(body.get("from"), dict)]
