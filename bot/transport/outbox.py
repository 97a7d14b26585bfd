"""Outbox: the only writer to Telegram. Everything sent, edited, deleted or shown passes through here.

Knows budgets, order and repetition; knows nothing of what the texts mean.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from telegram import Bot, InlineKeyboardMarkup, InlineQueryResultArticle

from bot.transport.calls import (
    AnswerButton,
    AnswerInline,
    Delete,
    Edit,
    EditMarkup,
    Other,
    React,
    Send,
    Typing,
)
from bot.transport.content import Content
from bot.transport.dispatcher import Clock, Dispatcher, Migrated, Sleep, Stats
from bot.transport.errors import Closed, MessageGone, Refused, SendUnknown, TransportError, Undeliverable
from bot.transport.lanes import Priority
from bot.transport.pace import GROUP_RESERVE

__all__ = [
    "Closed",
    "MessageGone",
    "Outbox",
    "Priority",
    "Refused",
    "SendUnknown",
    "Stats",
    "TransportError",
    "Undeliverable",
]

T = TypeVar("T")


async def _nobody(old_chat_id: int, new_chat_id: int) -> None:
    return


class Outbox:
    """What can be asked of Telegram. Waiting calls are bounded by their callers, frames by one a message."""

    def __init__(
        self,
        bot: Bot,
        *,
        on_migrated: Migrated = _nobody,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._dispatcher = Dispatcher(bot, on_migrated, clock, sleep)

    async def run(self) -> None:
        """Make the calls, until `close` or until cancelled; then everybody who still waits gets Closed."""
        await self._dispatcher.run()

    async def close(self, within: float = 10.0) -> None:
        """Send the finals that wait, for at most `within` seconds; everybody else gets Closed at once."""
        await self._dispatcher.close(within)

    @property
    def stats(self) -> Stats:
        return self._dispatcher.stats

    @property
    def in_flight(self) -> int:
        """Calls that Telegram has not answered yet."""
        return len(self._dispatcher.calls)

    @property
    def chats(self) -> int:
        """Chats that something is remembered about."""
        return len(self._dispatcher.lanes)

    async def send(
        self,
        chat_id: int,
        content: Content,
        *,
        priority: Priority,
        thread_id: int = 0,
        reply_to: int | None = None,
        silent: bool = False,
        repeat: bool = False,
    ) -> int:
        """Send a message and give its id. `reply_to` is left out if that message is gone.

        Raises SendUnknown if Telegram did not answer; only with `repeat` (a first placeholder) it is then
        sent again. Raises Undeliverable, Refused or Closed.
        """
        return await self._dispatcher.ask(
            chat_id, Send(content, thread_id, reply_to, silent, repeat), priority
        )

    def frame(self, chat_id: int, message_id: int, content: Content) -> None:
        """Show `content` in a growing message as soon as that is polite. Only the newest frame counts."""
        self._dispatcher.frame(chat_id, message_id, content)

    async def edit(
        self, chat_id: int, message_id: int, content: Content, *, priority: Priority = Priority.FINAL
    ) -> None:
        """Let a message show `content`, for good: repeated until Telegram confirms it. Ends its frames.

        Raises MessageGone, Undeliverable, Refused or Closed. A final goes out even if its caller is cancelled.
        """
        if self._dispatcher.lane(chat_id).finish(message_id, content):
            self.stats.unchanged += 1
            return
        await self._dispatcher.ask(chat_id, Edit(message_id, content), priority)

    async def edit_markup(
        self,
        chat_id: int,
        message_id: int,
        markup: InlineKeyboardMarkup | None,
        *,
        priority: Priority = Priority.SENTIMENT,
    ) -> None:
        """Change the buttons of a message and nothing else. Raises like `edit`."""
        await self._dispatcher.ask(chat_id, EditMarkup(message_id, markup), priority)

    def strip_buttons(self, chat_id: int, message_id: int) -> None:
        """Take the buttons off an old message, behind everything else; in a group only if that costs nobody."""
        strip = EditMarkup(message_id, None)
        if chat_id > 0:
            self._dispatcher.leave(chat_id, strip, Priority.FRAME)
        else:
            self._dispatcher.offer(chat_id, strip, Priority.FRAME, GROUP_RESERVE)

    async def delete(self, chat_id: int, message_id: int, *, priority: Priority = Priority.SENTIMENT) -> None:
        """Delete a message; one that is gone already is no error. Raises like `edit`."""
        self._dispatcher.lane(chat_id).finish(message_id)
        await self._dispatcher.ask(chat_id, Delete(message_id), priority)

    async def react(
        self, chat_id: int, message_id: int, emoji: str | None, *, priority: Priority = Priority.SENTIMENT
    ) -> None:
        """Set the bot's one reaction. Raises Refused where the chat does not allow this one."""
        await self._dispatcher.ask(chat_id, React(message_id, emoji), priority)

    def typing(self, chat_id: int, thread_id: int = 0) -> None:
        """Show "typing…", if the chat's budget has room to spare now. The General topic's thread is 1."""
        self._dispatcher.offer(chat_id, Typing(thread_id), Priority.PLACEHOLDER)

    async def answer_button(self, query_id: str, text: str = "", *, alert: bool = False) -> None:
        """End the waiting sign of a pressed button. One that was pressed too long ago is no error."""
        await self._dispatcher.ask(None, AnswerButton(query_id, text, alert), Priority.SENTIMENT)

    async def answer_inline(
        self,
        query_id: str,
        cards: Sequence[InlineQueryResultArticle],
        *,
        cache_s: int = 0,
        note: str = "",
    ) -> None:
        """Offer cards to somebody who types, for `cache_s` seconds. One who typed on is no error."""
        await self._dispatcher.ask(None, AnswerInline(query_id, cards, cache_s, note), Priority.SENTIMENT)

    async def call(
        self,
        method: str,
        ask: Callable[[Bot], Awaitable[T]],
        *,
        chat_id: int | None = None,
        priority: Priority = Priority.SENTIMENT,
        repeatable: bool = True,
    ) -> T:
        """Any other method of the Bot API, with the same patience; `chat_id` if it writes into a chat."""
        return await self._dispatcher.ask(chat_id, Other(method, ask, repeatable), priority)
