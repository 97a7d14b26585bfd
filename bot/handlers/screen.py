"""Screen: what of a turn is on the screen, at every moment. Stores each step, so that another process can go on.

Knows messages and their ids; knows neither the model nor who asked for what.
"""

import logging
from dataclasses import replace

from bot.handlers.keyboards import again_button, stop_button
from bot.handlers.words import REACTIONS, Translate, correction_line, queued_line, verdict_line
from bot.history.preferences import SentimentMode
from bot.history.records import Turn
from bot.history.store import Store
from bot.tasks.chat import Answer
from bot.tasks.sentiment import Mood, Verdict
from bot.transport.content import Content
from bot.transport.outbox import MessageGone, Outbox, Priority, Refused, SendUnknown
from bot.transport.render import CURSOR, frames, render

log = logging.getLogger(__name__)


class Screen:
    """Shows turns: verdict, placeholder, growth, final."""

    def __init__(self, store: Store, outbox: Outbox) -> None:
        self._store = store
        self._outbox = outbox

    async def show_verdict(self, turn: Turn, verdict: Verdict, mode: SentimentMode, _: Translate) -> None:
        """One silent reply, a reaction, or both. Where a reaction is not allowed, the reply stands for it.

        Of a question that was changed, the reply that is there already is changed, too.
        """
        content = Content(verdict_line(verdict, _))
        old = turn.verdict.message_id if turn.verdict else None
        reacted = mode in ("reaction", "both") and await self._react(turn, verdict.mood)
        if mode == "reaction" and reacted and old is None:
            await self._store.record_sentiment_sent(turn.id, None)
            return
        try:
            if old is None or not await self._changed(turn, old, content):
                old = await self._send(
                    turn, content, Priority.SENTIMENT, reply_to=turn.message_id, silent=True
                )
        except SendUnknown:
            log.warning("it is not known whether a verdict arrived; it is not sent again")
        else:
            await self._store.record_sentiment_sent(turn.id, old)

    async def show_correction(self, turn: Turn, mood: Mood, mode: SentimentMode, _: Translate) -> bool:
        """What showed the verdict says what the asker says: message, reaction, or both. False if nothing did."""
        verdict = turn.verdict
        if verdict is None:
            return False
        was_reaction = verdict.state == "sent" and verdict.message_id is None
        reacted = (was_reaction or mode in ("reaction", "both")) and await self._react(turn, mood)
        if verdict.message_id is None:
            return reacted
        line = Content(correction_line(verdict, mood, _))
        return await self._changed(turn, verdict.message_id, line) or reacted

    async def _react(self, turn: Turn, mood: Mood) -> bool:
        try:
            await self._outbox.react(turn.conversation.chat_id, turn.message_id, REACTIONS[mood])
        except Refused:
            return False
        return True

    async def announce(self, turn: Turn, content: Content) -> Turn:
        """What stands in the answer's place before it is begun."""
        if not turn.answer_ids:
            return await self._add_message(turn, content, Priority.PLACEHOLDER)
        self._outbox.frame(turn.conversation.chat_id, turn.answer_ids[0], content)
        return turn

    async def clear(self, turn: Turn) -> None:
        """Nothing of the answer is on the screen any more."""
        for message_id in turn.answer_ids:
            await self._outbox.delete(turn.conversation.chat_id, message_id)

    async def open(self, turn: Turn, _: Translate) -> Turn:
        """The message that will become the answer; its id is stored, so that the final can be repeated."""
        turn = await self.announce(turn, Content(CURSOR, markup=stop_button(turn, _)))
        return await self._drop_messages(turn, kept=1)

    async def grow(self, turn: Turn, answer: Answer, _: Translate) -> Turn:
        """Frames as the text arrives, in as many messages as it needs; how often is the outbox's business."""
        markup = stop_button(turn, _)
        async for _news in answer.changes():
            *finished, last = _frames(answer, _)
            shown = [*finished, replace(last, markup=markup)]
            while len(turn.answer_ids) < len(shown):
                turn = await self._add_message(turn, Content(CURSOR, markup=markup), Priority.PLACEHOLDER)
            for message_id, content in zip(turn.answer_ids, shown, strict=False):
                self._outbox.frame(turn.conversation.chat_id, message_id, content)
        return turn

    async def deliver(self, turn: Turn, _: Translate) -> None:
        """Put the stored reply on the screen: into the messages that are there, and into more if it needs them."""
        *others, last = render(turn.reply)
        contents = [*others, replace(last, markup=again_button(turn, _))]
        while len(turn.answer_ids) < len(contents):
            turn = await self._add_message(turn, Content(CURSOR), Priority.FINAL)
        for index, content in enumerate(contents):
            turn = await self._finish_message(turn, index, content)
        await self._drop_messages(turn, kept=len(contents))
        await self._store.mark_delivered(turn.id)

    def strip(self, turn: Turn | None) -> None:
        """The turn is not the last one any more: nothing can be asked about it with a button."""
        if turn is not None and turn.delivered and turn.answer_ids:
            self._outbox.strip_buttons(turn.conversation.chat_id, turn.answer_ids[-1])

    async def _finish_message(self, turn: Turn, index: int, content: Content) -> Turn:
        """The final text of one message. Where somebody deleted it, there will be another."""
        if await self._changed(turn, turn.answer_ids[index], content, Priority.FINAL):
            return turn
        message_id = await self._send(turn, content, Priority.FINAL, silent=True)
        ids = (*turn.answer_ids[:index], message_id, *turn.answer_ids[index + 1 :])
        return await self._store.record_answers(turn.id, ids)

    async def _changed(
        self, turn: Turn, message_id: int, content: Content, priority: Priority = Priority.SENTIMENT
    ) -> bool:
        """Whether the message shows `content` now; False if it is gone."""
        try:
            await self._outbox.edit(turn.conversation.chat_id, message_id, content, priority=priority)
        except MessageGone:
            return False
        return True

    async def _add_message(self, turn: Turn, content: Content, priority: Priority) -> Turn:
        """Another message of the answer. Only the first one may ring, and in a group it says whom it answers."""
        first = not turn.answer_ids
        reply_to = turn.message_id if first and turn.chat_type != "private" else None
        message_id = await self._send(
            turn, content, priority, reply_to=reply_to, silent=not first, repeat=True
        )
        return await self._store.record_answer(turn.id, message_id)

    async def _drop_messages(self, turn: Turn, kept: int) -> Turn:
        """Delete what an earlier, longer answer has left."""
        surplus = turn.answer_ids[kept:]
        if not surplus:
            return turn
        for message_id in surplus:
            await self._outbox.delete(turn.conversation.chat_id, message_id)
        return await self._store.record_answers(turn.id, turn.answer_ids[:kept])

    async def _send(
        self,
        turn: Turn,
        content: Content,
        priority: Priority,
        *,
        reply_to: int | None = None,
        silent: bool = False,
        repeat: bool = False,
    ) -> int:
        place = turn.conversation
        return await self._outbox.send(
            place.chat_id,
            content,
            priority=priority,
            thread_id=place.thread_id,
            reply_to=reply_to,
            silent=silent,
            repeat=repeat,
        )


def _frames(answer: Answer, _: Translate) -> list[Content]:
    if not answer.text and answer.queued is not None:
        return [Content(queued_line(answer.queued, _))]
    return frames(answer.text)
