"""Inline mode: `@bot some text`, written in any chat, offers its mood as a card that can be sent there."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from cachetools import LRUCache
from telegram import InlineQueryResultArticle, InputTextMessageContent, LinkPreviewOptions, Update
from telegram.ext import ApplicationHandlerStop

from bot.handlers.context import Context
from bot.handlers.words import translate_for, verdict_line
from bot.model.api import ModelError
from bot.tasks.sentiment import Sentiment
from bot.transport.content import well_formed
from bot.transport.outbox import Outbox

PAUSE_S = 0.6
"""Whoever has not typed for so long is done. The apps send a query at almost every letter."""

REMEMBERED_S = 3600
"""So long Telegram answers the same words of the same person by itself."""

log = logging.getLogger(__name__)


class InlineHandler:
    """Judges what people type behind the bot's name. Telegram lets nobody but the typist see it."""

    def __init__(
        self,
        sentiment: Sentiment,
        outbox: Outbox,
        on: bool,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._sentiment = sentiment
        self._outbox = outbox
        self._on = on
        self._sleep = sleep
        self._newest: LRUCache[int, str] = LRUCache(10_000)

    async def settle(self, update: Update, _context: Context) -> None:
        """Wait until the typist pauses, before anything is counted; what they typed on from is dropped.

        So is everything where inline mode is off: Telegram may have kept a query from before.
        """
        query = update.inline_query
        if query is None or not self._on:
            raise ApplicationHandlerStop
        self._newest[query.from_user.id] = query.id
        await self._sleep(PAUSE_S)
        if self._newest.get(query.from_user.id) != query.id:
            raise ApplicationHandlerStop

    async def on_query(self, update: Update, _context: Context) -> None:
        """One card; none for no words."""
        query = update.inline_query
        if query is None:
            return
        text = well_formed(query.query).strip()
        if not text:
            await self._outbox.answer_inline(query.id, [], cache_s=REMEMBERED_S)
            return
        try:
            verdict = await self._sentiment.judge(text)
        except ModelError as error:
            log.warning("an inline query was not judged: %s", type(error).__name__)
            await self._outbox.answer_inline(query.id, [])
            return
        card = _card(text, verdict_line(verdict, translate_for(update)))
        await self._outbox.answer_inline(query.id, [card], cache_s=REMEMBERED_S)


def _card(text: str, line: str) -> InlineQueryResultArticle:
    content = InputTextMessageContent(
        f"{text}\n\n{line}", link_preview_options=LinkPreviewOptions(is_disabled=True)
    )
    return InlineQueryResultArticle("mood", line, content, description=text)
