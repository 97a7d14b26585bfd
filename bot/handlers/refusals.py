"""Refusals: how the bot says no. One line in a private chat, and in a group one reaction, which disturbs nobody."""

from telegram import Update

from bot.handlers.replies import Replies
from bot.transport.errors import CallFailed
from bot.transport.outbox import Outbox

REACTION = "😴"


class Refusals:
    """Says no where an update came from."""

    def __init__(self, outbox: Outbox, replies: Replies) -> None:
        self._outbox = outbox
        self._replies = replies

    async def refuse(self, update: Update, text: str) -> None:
        """`text` is for private chats, and for whoever pressed a button or typed the bot's name."""
        message = update.effective_message
        if update.inline_query is not None:
            await self._outbox.answer_inline(update.inline_query.id, [], note=text)
            return
        if update.callback_query is not None:
            await self._outbox.answer_button(update.callback_query.id, text, alert=True)
        elif message is None:
            return
        elif message.chat.type == message.chat.PRIVATE:
            await self._replies.say(update, text)
        else:
            await self._react(message.chat.id, message.message_id)

    async def _react(self, chat_id: int, message_id: int) -> None:
        try:
            await self._outbox.react(chat_id, message_id, REACTION)
        except CallFailed:
            return  # a group that does not allow this reaction gets silence
