"""Replies: a short message of the bot's own in answer to an update."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from telegram import Bot, InlineKeyboardMarkup, InputFile, ReplyParameters, Update

from bot.transport.content import Content
from bot.transport.outbox import Outbox, Priority
from bot.transport.triggers import conversation_key


class Replies:
    """Says something where an update came from."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def say(
        self,
        update: Update,
        text: str,
        *,
        reply_to: int | None = None,
        markup: InlineKeyboardMarkup | None = None,
        silent: bool = False,
    ) -> None:
        """Plain text, in the update's chat and topic; in a group as a reply, so that it is clear to whom."""
        message, key = update.effective_message, conversation_key(update)
        if message is None or key is None:
            return
        if reply_to is None and message.chat.type != message.chat.PRIVATE:
            reply_to = message.message_id
        await self._outbox.send(
            key.chat_id,
            Content(text, markup=markup),
            priority=Priority.FINAL,
            thread_id=key.thread_id,
            reply_to=reply_to,
            silent=silent,
        )

    async def send_photo(self, update: Update, picture: bytes, caption: str = "") -> None:
        """A PNG or JPEG, as a silent reply. Raises CallFailed."""
        await self._send_file(update, "sendPhoto", partial(_send_photo, picture, caption))

    async def send_document(self, update: Update, content: bytes, name: str, caption: str = "") -> None:
        """A file, as a silent reply. Raises CallFailed."""
        file = InputFile(content, filename=name)
        await self._send_file(update, "sendDocument", partial(_send_document, file, caption))

    async def _send_file(self, update: Update, method: str, send: Callable[..., Awaitable[None]]) -> None:
        message, key = update.effective_message, conversation_key(update)
        if message is None or key is None:
            return
        place: dict[str, Any] = {
            "chat_id": key.chat_id,
            "message_thread_id": key.thread_id or None,
            "reply_parameters": ReplyParameters(message.message_id, allow_sending_without_reply=True),
            "disable_notification": True,
        }
        await self._outbox.call(method, partial(send, place), chat_id=key.chat_id, repeatable=False)


async def _send_photo(picture: bytes, caption: str, place: dict[str, Any], bot: Bot) -> None:
    await bot.send_photo(photo=picture, caption=caption or None, **place)


async def _send_document(file: InputFile, caption: str, place: dict[str, Any], bot: Bot) -> None:
    await bot.send_document(document=file, caption=caption or None, **place)
