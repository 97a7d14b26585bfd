"""Media: messages without a word. A sticker has a mood, a file of text is a question; of the rest the bot says once
what it can do with it."""

import time
from collections.abc import Callable

from telegram import Update, User

from bot.handlers.chat import ChatHandler
from bot.handlers.context import Context
from bot.handlers.rate import OnceInAWhile
from bot.handlers.replies import Replies
from bot.handlers.sentiment import SentimentHandler
from bot.handlers.words import translate_for
from bot.transport.files import text_document
from bot.transport.triggers import conversation_key, is_addressed

DAY_S = 24 * 3600.0


class MediaHandler:
    """Stickers, pictures, voices, files, polls, places and whatever else Telegram invents."""

    def __init__(
        self,
        me: User,
        replies: Replies,
        chat: ChatHandler,
        sentiment: SentimentHandler,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._me = me
        self._replies = replies
        self._chat = chat
        self._sentiment = sentiment
        self._clock = clock
        self._told = OnceInAWhile(DAY_S)

    async def on_media(self, update: Update, context: Context) -> None:
        """Something that is no text and has no caption. In a group only if it is for the bot."""
        message, key = update.message, conversation_key(update)
        if message is None or key is None or not is_addressed(message, self._me):
            return
        if text_document(message) is not None:
            await self._chat.on_message(update, context)
        elif message.sticker is not None and message.sticker.emoji:
            await self._sentiment.show(update, message.sticker.emoji)
        elif self._told.passes(key, self._clock()):
            _ = translate_for(update)
            await self._replies.say(
                update,
                _(
                    "🙈 I see and hear nothing, I only read: write to me, or send me a text file "
                    "(.txt, .md, source code). What you write below a picture I read too."
                ),
            )
