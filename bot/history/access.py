"""Access: whom the operator let in or blocked, the invitations, and how much everybody used today.

Keeps ids, codes and counts. What follows from them is decided elsewhere. An id is that of a person or of a group.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.history.database import Database, insert_new, reads, writes
from bot.history.records import utc_now
from bot.history.tables import admissions, invites, updates, usage


@dataclass(frozen=True, slots=True)
class Standing:
    """What the operator decided about an id; by default nothing."""

    admitted: bool = False
    blocked: bool = False


class Access:
    """Who may use one bot. Every method is one short transaction."""

    def __init__(self, database: Database, bot_id: int, clock: Callable[[], datetime] = utc_now) -> None:
        self.database = database
        self._bot_id = bot_id
        self._clock = clock

    @reads
    async def standings(self, connection: AsyncConnection, ids: Collection[int]) -> dict[int, Standing]:
        """What was decided about each of `ids`."""
        found = select(admissions).where(admissions.c.bot_id == self._bot_id, admissions.c.id.in_(ids))
        rows = await connection.execute(found)
        known = {row.id: Standing(row.admitted_at is not None, row.blocked_at is not None) for row in rows}
        return {each: known.get(each, Standing()) for each in ids}

    @writes
    async def admit(self, connection: AsyncConnection, admitted_id: int) -> None:
        """Let somebody in, or a whole group."""
        await self._decide(connection, admitted_id, admitted_at=self._clock())

    @writes
    async def block(self, connection: AsyncConnection, blocked_id: int) -> None:
        """Shut somebody out, whatever else holds."""
        await self._decide(connection, blocked_id, blocked_at=self._clock())

    @writes
    async def unblock(self, connection: AsyncConnection, blocked_id: int) -> bool:
        """As it was before the block. False if there was none."""
        was_blocked = self._about(blocked_id) & admissions.c.blocked_at.is_not(None)
        lifted = update(admissions).where(was_blocked).values(blocked_at=None)
        return (await connection.execute(lifted)).rowcount > 0

    @writes
    async def invite(
        self, connection: AsyncConnection, code: str, uses: int, expires_at: datetime, by: int
    ) -> None:
        """Let the first `uses` people in who bring `code` in time."""
        row = {"code": code, "uses_left": uses, "expires_at": expires_at, "created_by": by}
        await connection.execute(
            insert_new(connection, invites).values(bot_id=self._bot_id, created_at=self._clock(), **row)
        )

    @writes
    async def redeem(self, connection: AsyncConnection, code: str, user_id: int) -> bool:
        """Let a person in for an invitation, which has one use less then. False if it is not valid (any more)."""
        valid = (invites.c.uses_left > 0) & (invites.c.expires_at > self._clock())
        named = (invites.c.bot_id == self._bot_id) & (invites.c.code == code)
        used = update(invites).where(named, valid).values(uses_left=invites.c.uses_left - 1)
        if (await connection.execute(used)).rowcount == 0:
            return False
        await self._decide(connection, user_id, admitted_at=self._clock())
        return True

    @writes
    async def spend(self, connection: AsyncConnection, update_id: int, spender: int, limit: int) -> bool:
        """Count one turn of a person or group for today, unless `limit` is reached.

        An update that was begun before, and then interrupted, has been counted and is not refused now.
        """
        begun = select(updates.c.attempts).where(
            updates.c.bot_id == self._bot_id, updates.c.update_id == update_id
        )
        if (await connection.scalar(begun) or 0) > 1:
            return True
        today = {"bot_id": self._bot_id, "id": spender, "day": self._clock().astimezone().date()}
        await connection.execute(insert_new(connection, usage).values(turns=0, **today))
        of_today = [usage.c[name] == value for name, value in today.items()]
        counted = update(usage).where(*of_today, usage.c.turns < limit).values(turns=usage.c.turns + 1)
        return (await connection.execute(counted)).rowcount > 0

    @writes
    async def move(self, connection: AsyncConnection, old_id: int, new_id: int) -> None:
        """A group has another id from now on."""
        for table in (admissions, usage):
            ours = table.c.bot_id == self._bot_id
            known = select(table.c.id).where(ours, table.c.id == new_id)
            if await connection.scalar(known.limit(1)) is None:
                await connection.execute(update(table).where(ours, table.c.id == old_id).values(id=new_id))

    @writes
    async def delete_expired(self, connection: AsyncConnection) -> None:
        """Counts of earlier days and invitations that nobody can use any more."""
        now = self._clock()
        of_bot, spent = invites.c.bot_id == self._bot_id, invites.c.uses_left == 0
        await connection.execute(delete(invites).where(of_bot, spent | (invites.c.expires_at <= now)))
        old = usage.c.day < now.astimezone().date()
        await connection.execute(delete(usage).where(usage.c.bot_id == self._bot_id, old))

    async def _decide(self, connection: AsyncConnection, about: int, **moment: datetime) -> None:
        new = {"bot_id": self._bot_id, "id": about}
        await connection.execute(insert_new(connection, admissions).values(new))
        await connection.execute(update(admissions).where(self._about(about)).values(moment))

    def _about(self, one: int) -> ColumnElement[bool]:
        return (admissions.c.bot_id == self._bot_id) & (admissions.c.id == one)
