"""Moving: a group became a supergroup and has another id, under which everything that was said goes on."""

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.history.tables import conversations, turns


async def move_conversations(connection: AsyncConnection, bot_id: int, old_id: int, new_id: int) -> None:
    """Give the conversations of a chat its new id. Where there is one already, the old turns join it."""
    columns = conversations.c
    ours = columns.bot_id == bot_id
    for row in (await connection.execute(select(conversations).where(ours, columns.chat_id == old_id))).all():
        place = (columns.chat_id == new_id) & (columns.thread_id == row.thread_id)
        same = ours & place & (columns.user_id == row.user_id)
        there = await connection.scalar(select(columns.id).where(same))
        if there is None:
            move = {"chat_id": new_id, "chat_type": "supergroup"}
            await connection.execute(update(conversations).where(columns.id == row.id).values(move))
            continue
        await connection.execute(
            update(turns).where(turns.c.conversation_id == row.id).values(conversation_id=there)
        )
        reset = select(func.max(columns.reset_turn_id)).where(columns.id.in_((row.id, there)))
        last_reset = await connection.scalar(reset)
        await connection.execute(
            update(conversations).where(columns.id == there).values(reset_turn_id=last_reset)
        )
        await connection.execute(delete(conversations).where(columns.id == row.id))
