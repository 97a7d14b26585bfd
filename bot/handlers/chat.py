"""A message and its answer, straight down: journalled turn → both requests → verdict → placeholder → edits → final.

Every step is stored before the next one, so that a turn which was cut off anywhere goes on from there.
"""

import logging
import time
from collections.abc import Callable

from telegram import Update, User

from bot.handlers.context import Context
from bot.handlers.words import (
    Translate,
    failure_line,
    interrupted_line,
    queued_line,
    translate_for,
    verdict_line,
)
from bot.history.records import Turn, TurnState
from bot.history.store import Store
from bot.model.api import Finish, ModelError
from bot.tasks.chat import Answer, Chat, Exchange
from bot.tasks.sentiment import Sentiment
from bot.transport.content import Content
from bot.transport.outbox import Outbox, Priority, SendUnknown
from bot.transport.render import CURSOR, frame, render
from bot.transport.triggers import addressed_text, conversation_key

log = logging.getLogger(__name__)

ATTEMPTS = 3
"""A turn that was begun so often, and never ended, is not begun again: it may be what ends the process."""

PAST_TURNS = 200
"""Turns that are looked at for a prompt; the token budget takes far fewer."""


class ChatHandler:
    """Answers what is said to the bot."""

    def __init__(
        self,
        me: User,
        store: Store,
        outbox: Outbox,
        sentiment: Sentiment,
        chat: Chat,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._me = me
        self._clock = clock
        self._store = store
        self._outbox = outbox
        self._sentiment = sentiment
        self._chat = chat

    async def on_message(self, update: Update, _context: Context) -> None:
        """Any text; what is not meant for the bot is left alone."""
        message, key = update.message, conversation_key(update)
        text = addressed_text(message, self._me) if message else None
        if message is None or key is None or not text:
            return
        turn = await self._store.begin_turn(
            key,
            update_id=update.update_id,
            chat_type=message.chat.type,
            user_id=message.from_user.id if message.from_user else key.user_id,
            message_id=message.message_id,
            question=text,
        )
        await self.take(turn, translate_for(update))

    async def take(self, turn: Turn, _: Translate) -> None:
        """Bring a turn to its end, from wherever it is."""
        if turn.state == "running" and turn.attempts > ATTEMPTS:
            turn = await self._store.finish_turn(turn.id, interrupted_line(_), "interrupted")
        if turn.state == "running":
            turn = await self._answer(turn, _)
        if not turn.delivered:
            await self._deliver(turn)

    async def _answer(self, turn: Turn, _: Translate) -> Turn:
        """Verdict and answer, asked for together; returns the turn with its final text stored."""
        past = await self._store.recent_turns(turn.conversation, PAST_TURNS)
        exchanges = [Exchange(old.id, old.question, old.reply) for old in past]
        async with self._chat.start(turn.conversation, exchanges, turn.question) as answer:
            await self._show_verdict(turn, _)
            placeholder = await self._show_placeholder(turn)
            finish = await self._show_growth(turn, answer, placeholder, _)
            return await self._store.finish_turn(turn.id, *_final(answer, finish, _), finish.usage)

    async def _show_verdict(self, turn: Turn, _: Translate) -> None:
        """One silent reply. A model that cannot judge now costs the verdict, never the answer."""
        if turn.verdict is not None:
            return
        begun = self._clock()
        try:
            verdict = await self._sentiment.judge(turn.question)
        except ModelError as error:
            log.warning("a message was not judged: %s", type(error).__name__)
            return
        await self._store.record_sentiment(turn.id, verdict.mood, verdict.probability, self._clock() - begun)
        try:
            message_id = await self._outbox.send(
                turn.conversation.chat_id,
                Content(verdict_line(verdict, _)),
                priority=Priority.SENTIMENT,
                thread_id=turn.conversation.thread_id,
                reply_to=turn.message_id,
                silent=True,
            )
        except SendUnknown:
            log.warning("it is not known whether a verdict arrived; it is not sent again")
        else:
            await self._store.record_sentiment_sent(turn.id, message_id)

    async def _show_placeholder(self, turn: Turn) -> int:
        """The message that will become the answer; its id is stored, so that the final can be repeated."""
        if turn.answer_ids:
            return turn.answer_ids[0]
        message_id = await self._outbox.send(
            turn.conversation.chat_id,
            frame("", CURSOR),
            priority=Priority.PLACEHOLDER,
            thread_id=turn.conversation.thread_id,
            reply_to=turn.message_id if turn.chat_type != "private" else None,
            repeat=True,
        )
        await self._store.record_answer(turn.id, message_id)
        return message_id

    async def _show_growth(self, turn: Turn, answer: Answer, placeholder: int, _: Translate) -> Finish:
        """Edits as the text arrives; how often is the outbox's business."""
        async for _news in answer.changes():
            if answer.text:
                self._outbox.frame(turn.conversation.chat_id, placeholder, frame(answer.text))
            elif answer.queued:
                self._outbox.frame(
                    turn.conversation.chat_id, placeholder, Content(queued_line(answer.queued, _))
                )
        assert answer.finish is not None
        return answer.finish

    async def _deliver(self, turn: Turn) -> None:
        """Put the stored reply on the screen: the placeholder becomes its first message, others follow."""
        shown = turn.answer_ids
        for index, content in enumerate(render(turn.reply)):
            if index < len(shown):
                await self._outbox.edit(
                    turn.conversation.chat_id, shown[index], content, priority=Priority.FINAL
                )
            else:
                message_id = await self._outbox.send(
                    turn.conversation.chat_id,
                    content,
                    priority=Priority.FINAL,
                    thread_id=turn.conversation.thread_id,
                    silent=index > 0,
                )
                await self._store.record_answer(turn.id, message_id)
        await self._store.mark_delivered(turn.id)


def _final(answer: Answer, finish: Finish, _: Translate) -> tuple[str, TurnState]:
    """What is stored as the reply: the answer, or a line that says why there is none."""
    text = answer.text.strip()
    match finish.reason:
        case "stop" | "length":
            return text or _("(I have nothing to say to that.)"), "done"
        case "cancelled":
            return text, "stopped"
        case _:
            return failure_line(finish, _), "failed"
