"""Feedback: what askers say about the verdicts on their own messages. Knows no moods by name."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import delete, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.history.database import Database, reads, writes
from bot.history.records import Turn, utc_now
from bot.history.rows import TURNS, turn_of
from bot.history.tables import conversations, feedback, turns


class Feedback:
    """The corrections that one bot got. Every method is one short transaction."""

    def __init__(self, database: Database, bot_id: int, clock: Callable[[], datetime] = utc_now) -> None:
        self.database = database
        self._bot_id = bot_id
        self._clock = clock

    @reads
    async def judged(self, connection: AsyncConnection, chat_id: int, message_id: int) -> Turn | None:
        """The turn whose verdict, or else whose question, is this message of a chat."""
        is_verdict, is_question = turns.c.sentiment_message_id == message_id, turns.c.message_id == message_id
        in_chat = TURNS.where(
            conversations.c.bot_id == self._bot_id,
            conversations.c.chat_id == chat_id,
            turns.c.sentiment.is_not(None),
            is_verdict | is_question,
        )
        newest = in_chat.order_by(is_verdict.desc(), turns.c.id.desc()).limit(1)
        row = (await connection.execute(newest)).first()
        return turn_of(row) if row else None

    @writes
    async def correct(self, connection: AsyncConnection, turn: Turn, correction: str) -> None:
        """The asker of a judged turn says which verdict is right. The last word counts."""
        if turn.verdict is None:
            raise ValueError("this turn has no verdict that could be corrected")
        await connection.execute(delete(feedback).where(feedback.c.turn_id == turn.id))
        await connection.execute(
            insert(feedback).values(
                turn_id=turn.id,
                user_id=turn.user_id,
                verdict=turn.verdict.label,
                probability=turn.verdict.probability,
                correction=correction,
                created_at=self._clock(),
            )
        )
