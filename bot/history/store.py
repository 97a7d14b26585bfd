"""Store: turns and users, the memory of the bot. Knows nothing of prompts, models or Telegram's calls."""

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.conversation import ConversationKey
from bot.history.database import Database, insert_new, reads, writes
from bot.history.moving import move_conversations
from bot.history.personal import FORGOTTEN
from bot.history.records import Day, Stats, Turn, TurnState, utc_now
from bot.history.rows import SINCE_RESET, TURNS, turn_of, usage_columns
from bot.history.stats import read_moods, read_stats
from bot.history.tables import conversations, feedback, turns, updates, users
from bot.model.api import Usage


class UnknownTurn(LookupError):
    """The turn is not in the history (any more): its user may have asked to be forgotten."""


class Store:
    """The turns and users of one bot. Every method is one short transaction."""

    def __init__(self, database: Database, bot_id: int, clock: Callable[[], datetime] = utc_now) -> None:
        self.database = database
        self._bot_id = bot_id
        self._clock = clock

    @writes
    async def begin_turn(
        self,
        connection: AsyncConnection,
        key: ConversationKey,
        *,
        update_id: int,
        chat_type: str,
        user_id: int,
        message_id: int,
        question: str,
        context: str = "",
        task: str = "",
        waiting: bool = False,
    ) -> Turn:
        """The turn of a journalled update: a new one, or on a replay the existing one, its attempts counted.

        One that only waits for its turn has none yet, and what it asks is what it asks when its turn has come.
        """
        entry_id = await self._entry(connection, update_id)
        begun = turns.c.entry_id == entry_id
        attempt = 0 if waiting else 1
        newest = update(turns).where(begun, turns.c.attempts == 0)
        await connection.execute(newest.values(question=question, context=context))
        counted = update(turns).where(begun).values(attempts=turns.c.attempts + attempt)
        if (await connection.execute(counted)).rowcount == 0:
            await connection.execute(
                insert_new(connection, turns).values(
                    conversation_id=await self._conversation(connection, key, chat_type),
                    entry_id=entry_id,
                    user_id=user_id,
                    message_id=message_id,
                    question=question,
                    context=context,
                    task=task,
                    created_at=self._clock(),
                    attempts=attempt,
                    state="running",
                    answer_ids=[],
                    reply="",
                    delivered=False,
                )
            )
        return await self._turn(connection, begun)

    @writes
    async def record_sentiment(
        self, connection: AsyncConnection, turn_id: int, label: str, probability: float, seconds: float
    ) -> Turn:
        """Store the verdict, right before it is sent: a turn that has one never sends it again."""
        verdict = {"sentiment": label, "sentiment_probability": probability, "sentiment_s": seconds}
        return await self._change(connection, turn_id, sentiment_state="sending", **verdict)

    @writes
    async def record_sentiment_sent(
        self, connection: AsyncConnection, turn_id: int, message_id: int | None
    ) -> Turn:
        """Telegram confirmed the verdict; a reaction has no message id."""
        return await self._change(
            connection, turn_id, sentiment_state="sent", sentiment_message_id=message_id
        )

    @writes
    async def record_answer(self, connection: AsyncConnection, turn_id: int, message_id: int) -> Turn:
        """Another message of the answer is on the screen; the first is the placeholder."""
        turn = await self._held(connection, turn_id)
        return await self._change(connection, turn_id, answer_ids=[*turn.answer_ids, message_id])

    @writes
    async def record_answers(
        self, connection: AsyncConnection, turn_id: int, message_ids: Sequence[int]
    ) -> Turn:
        """These are the messages of the answer now, in order."""
        return await self._change(connection, turn_id, answer_ids=list(message_ids))

    @writes
    async def finish_turn(
        self,
        connection: AsyncConnection,
        turn_id: int,
        reply: str,
        state: TurnState,
        usage: Usage | None = None,
    ) -> Turn:
        """Store the final text, before it is delivered. The first final wins; the stored turn comes back."""
        turn = await self._held(connection, turn_id)
        if turn.state != "running":
            return turn
        return await self._change(connection, turn_id, reply=reply, state=state, **usage_columns(usage))

    @writes
    async def mark_delivered(self, connection: AsyncConnection, turn_id: int) -> Turn:
        """The screen shows the final text."""
        return await self._change(connection, turn_id, delivered=True)

    @writes
    async def reopen_turn(
        self, connection: AsyncConnection, turn_id: int, question: str | None = None
    ) -> Turn:
        """Let a turn be answered again, in its place. Another question makes its verdict outdated."""
        turn = await self._held(connection, turn_id)
        again: dict[str, object] = {"state": "running", "reply": "", "delivered": False, "attempts": 1}
        if question is not None and question != turn.question:
            again["question"] = question
            await connection.execute(delete(feedback).where(feedback.c.turn_id == turn_id))
            if turn.verdict is not None:
                again["sentiment_state"] = "outdated"
        return await self._change(connection, turn_id, **again)

    @reads
    async def recent_turns(self, connection: AsyncConnection, key: ConversationKey, limit: int) -> list[Turn]:
        """The newest answered turns of chat since the last reset, oldest first: what a prompt may know."""
        answered = turns.c.state.in_(("done", "stopped")) & (turns.c.reply != "") & (turns.c.task == "")
        return await self._turns(connection, self._of(key), SINCE_RESET, answered, newest=limit)

    @reads
    async def last_turn(self, connection: AsyncConnection, key: ConversationKey) -> Turn | None:
        """The newest turn since the last reset, in whatever state."""
        found = await self._turns(connection, self._of(key), SINCE_RESET, newest=1)
        return found[0] if found else None

    @writes
    async def drop_turn(self, connection: AsyncConnection, turn_id: int) -> Turn | None:
        """Forget a turn that was never begun; it comes back as it was. None if it was begun."""
        found = await self._turns(connection, turns.c.id == turn_id, turns.c.attempts == 0)
        if found:
            await connection.execute(delete(turns).where(turns.c.id == turn_id))
        return found[0] if found else None

    @reads
    async def turn_before(self, connection: AsyncConnection, turn: Turn) -> Turn | None:
        """The turn before `turn` in its conversation, also from before a reset."""
        found = await self._turns(connection, self._of(turn.conversation), turns.c.id < turn.id, newest=1)
        return found[0] if found else None

    @reads
    async def unfinished_turns(self, connection: AsyncConnection) -> list[Turn]:
        """Turns whose final text is not on the screen, oldest first: running ones and undelivered ones."""
        return await self._turns(connection, turns.c.delivered.is_(False))

    @writes
    async def reset(self, connection: AsyncConnection, key: ConversationKey) -> None:
        """Start the conversation anew: what was said stays stored, but is out of the prompt."""
        last = select(func.max(turns.c.id)).where(turns.c.conversation_id == conversations.c.id)
        values = {"reset_turn_id": func.coalesce(last.scalar_subquery(), 0)}
        await connection.execute(update(conversations).where(self._of(key)).values(values))

    @writes
    async def touch_user(self, connection: AsyncConnection, user_id: int, language: str | None) -> None:
        """Remember that this user was here, and the language of their Telegram if it is known."""
        now = self._clock()
        new = {"bot_id": self._bot_id, "id": user_id, "first_seen": now, "last_seen": now}
        await connection.execute(insert_new(connection, users).values(new))
        seen = {"last_seen": now} | ({"language": language} if language else {})
        is_user = (users.c.bot_id == self._bot_id, users.c.id == user_id)
        await connection.execute(update(users).where(*is_user).values(seen))

    @reads
    async def language(self, connection: AsyncConnection, user_id: int) -> str | None:
        """The language of a user's Telegram, as an IETF tag; None where it is not known."""
        is_user = (users.c.bot_id == self._bot_id) & (users.c.id == user_id)
        found: str | None = await connection.scalar(select(users.c.language).where(is_user))
        return found

    @writes
    async def move_chat(self, connection: AsyncConnection, old_id: int, new_id: int) -> None:
        """A group has another id from now on, and keeps its history."""
        await move_conversations(connection, self._bot_id, old_id, new_id)

    @reads
    async def stats(self, connection: AsyncConnection, now: datetime) -> Stats:
        """Counts and times up to `now`; today begins at midnight in the time zone of `now`."""
        return await read_stats(connection, self._bot_id, now)

    @reads
    async def moods(
        self, connection: AsyncConnection, user_id: int, now: datetime, chat_id: int | None = None
    ) -> tuple[Day, ...]:
        """A person's own turns by day, with the moods as the person corrected them; of one chat or of all."""
        return await read_moods(connection, self._bot_id, now, user_id, chat_id)

    @reads
    async def conversations_before(
        self, connection: AsyncConnection, moment: datetime
    ) -> list[ConversationKey]:
        """The conversations with turns that are older than `moment`."""
        place = conversations.c
        query = select(place.chat_id, place.thread_id, place.user_id).distinct().join(turns)
        old = query.where(place.bot_id == self._bot_id, turns.c.created_at < moment)
        return sorted(ConversationKey(*row) for row in await connection.execute(old))

    @writes
    async def delete_turns_before(self, connection: AsyncConnection, moment: datetime, limit: int) -> int:
        """Delete at most `limit` turns that are older than `moment`; how many there were."""
        of_bot = turns.c.conversation_id.in_(
            select(conversations.c.id).where(conversations.c.bot_id == self._bot_id)
        )
        old = select(turns.c.id).where(of_bot, turns.c.created_at < moment).limit(limit)
        return (await connection.execute(delete(turns).where(turns.c.id.in_(old)))).rowcount

    async def _entry(self, connection: AsyncConnection, update_id: int) -> int:
        """The journal's entry, which is one update for ever: Telegram may use its id again."""
        journalled = (updates.c.bot_id == self._bot_id) & (updates.c.update_id == update_id)
        found = await connection.execute(select(updates.c.id, updates.c.state).where(journalled))
        entry = found.first()
        if entry is None:
            raise LookupError(
                f"update {update_id} is not in the journal: a turn begins with a journalled update"
            )
        if entry.state == FORGOTTEN:
            raise UnknownTurn("whoever asked this has asked since then to be forgotten")
        return int(entry.id)

    async def _conversation(self, connection: AsyncConnection, key: ConversationKey, chat_type: str) -> int:
        place = {"chat_id": key.chat_id, "thread_id": key.thread_id, "user_id": key.user_id}
        new = {"bot_id": self._bot_id, "chat_type": chat_type, "reset_turn_id": 0}
        await connection.execute(insert_new(connection, conversations).values(new | place))
        found = await connection.execute(select(conversations.c.id).where(self._of(key)))
        return int(found.scalar_one())

    async def _turn(self, connection: AsyncConnection, which: ColumnElement[bool]) -> Turn:
        found = await self._turns(connection, which)
        if not found:
            raise UnknownTurn("this turn is not in the history any more")
        return found[0]

    async def _held(self, connection: AsyncConnection, turn_id: int) -> Turn:
        """The turn, which nobody else changes before this transaction ends."""
        await connection.execute(select(turns.c.id).where(turns.c.id == turn_id).with_for_update())
        return await self._turn(connection, turns.c.id == turn_id)

    async def _turns(
        self, connection: AsyncConnection, *which: ColumnElement[bool], newest: int | None = None
    ) -> list[Turn]:
        """Turns of this bot, oldest first; at most the `newest`."""
        query = TURNS.where(conversations.c.bot_id == self._bot_id, *which)
        rows = (await connection.execute(query.order_by(turns.c.id.desc()).limit(newest))).all()
        return [turn_of(row) for row in reversed(rows)]

    async def _change(self, connection: AsyncConnection, turn_id: int, **values: object) -> Turn:
        await connection.execute(update(turns).where(turns.c.id == turn_id).values(values))
        return await self._turn(connection, turns.c.id == turn_id)

    def _of(self, key: ConversationKey) -> ColumnElement[bool]:
        columns = conversations.c
        place = (columns.chat_id == key.chat_id) & (columns.thread_id == key.thread_id)
        return (columns.bot_id == self._bot_id) & place & (columns.user_id == key.user_id)
