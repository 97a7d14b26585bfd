"""Replies: a short message of the bot's own in answer to an update."""

from telegram import Update

from bot.transport.content import Content
from bot.transport.outbox import Outbox, Priority
from bot.transport.triggers import conversation_key


class Replies:
    """Says something where an update came from."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def say(self, update: Update, text: str, *, reply_to: int | None = None) -> None:
        """Plain text, in the update's chat and topic; in a group as a reply, so that it is clear to whom."""
        message, key = update.effective_message, conversation_key(update)
        if message is None or key is None:
            return
        if reply_to is None and message.chat.type != message.chat.PRIVATE:
            reply_to = message.message_id
        await self._outbox.send(
            key.chat_id, Content(text), priority=Priority.FINAL, thread_id=key.thread_id, reply_to=reply_to
        )
