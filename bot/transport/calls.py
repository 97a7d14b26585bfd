"""Calls: everything that the outbox can ask of the Bot API, as values. They know no budgets and no order."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Generic, Protocol, TypeVar

from telegram import (
    Bot,
    InlineKeyboardMarkup,
    InlineQueryResultArticle,
    InlineQueryResultsButton,
    LinkPreviewOptions,
    ReplyParameters,
)
from telegram.constants import ChatAction

from bot.transport.content import Content

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

# The General topic of a forum: sends must not name it, chat actions must.
_GENERAL = 1
INLINE_START = "inline"
"""What /start gets from whoever follows a note of inline mode into the private chat."""
_NO_PREVIEW = LinkPreviewOptions(is_disabled=True)


class Request(Protocol[T_co]):
    """One call. `repeatable`: doing it twice is as good as doing it once."""

    @property
    def method(self) -> str: ...
    @property
    def repeatable(self) -> bool: ...
    async def make(self, bot: Bot, chat_id: int) -> T_co: ...


@dataclass(frozen=True, slots=True)
class Send:
    """A new message; gives its id."""

    method: ClassVar[str] = "sendMessage"
    content: Content
    thread_id: int = 0
    reply_to: int | None = None
    silent: bool = False
    repeatable: bool = False

    async def make(self, bot: Bot, chat_id: int) -> int:
        reply = ReplyParameters(self.reply_to, allow_sending_without_reply=True) if self.reply_to else None
        message = await bot.send_message(
            chat_id,
            self.content.text,
            entities=self.content.entities or None,
            reply_markup=self.content.markup,
            message_thread_id=None if self.thread_id in (0, _GENERAL) else self.thread_id,
            reply_parameters=reply,
            disable_notification=self.silent or None,
            link_preview_options=_NO_PREVIEW,
        )
        return message.message_id


@dataclass(frozen=True, slots=True)
class Edit:
    """Another text for a message of ours; its buttons become those of `content`."""

    method: ClassVar[str] = "editMessageText"
    repeatable: ClassVar[bool] = True
    message_id: int
    content: Content

    async def make(self, bot: Bot, chat_id: int) -> None:
        await bot.edit_message_text(
            self.content.text,
            chat_id,
            self.message_id,
            entities=self.content.entities or None,
            reply_markup=self.content.markup,
            link_preview_options=_NO_PREVIEW,
        )


@dataclass(frozen=True, slots=True)
class EditMarkup:
    """Other buttons, or none, for a message of ours."""

    method: ClassVar[str] = "editMessageReplyMarkup"
    repeatable: ClassVar[bool] = True
    message_id: int
    markup: InlineKeyboardMarkup | None

    async def make(self, bot: Bot, chat_id: int) -> None:
        await bot.edit_message_reply_markup(chat_id, self.message_id, reply_markup=self.markup)


@dataclass(frozen=True, slots=True)
class Delete:
    method: ClassVar[str] = "deleteMessage"
    repeatable: ClassVar[bool] = True
    message_id: int

    async def make(self, bot: Bot, chat_id: int) -> None:
        await bot.delete_message(chat_id, self.message_id)


@dataclass(frozen=True, slots=True)
class React:
    """Our one reaction to a message; None takes it away."""

    method: ClassVar[str] = "setMessageReaction"
    repeatable: ClassVar[bool] = True
    message_id: int
    emoji: str | None

    async def make(self, bot: Bot, chat_id: int) -> None:
        await bot.set_message_reaction(chat_id, self.message_id, self.emoji)


@dataclass(frozen=True, slots=True)
class Typing:
    """ "typing…" for five seconds."""

    method: ClassVar[str] = "sendChatAction"
    repeatable: ClassVar[bool] = True
    thread_id: int = 0

    async def make(self, bot: Bot, chat_id: int) -> None:
        await bot.send_chat_action(chat_id, ChatAction.TYPING, message_thread_id=self.thread_id or None)


@dataclass(frozen=True, slots=True)
class AnswerButton:
    """The end of the waiting sign on a pressed button, with a note or an alert."""

    method: ClassVar[str] = "answerCallbackQuery"
    repeatable: ClassVar[bool] = True
    query_id: str
    text: str = ""
    alert: bool = False

    async def make(self, bot: Bot, chat_id: int) -> None:
        await bot.answer_callback_query(self.query_id, self.text or None, show_alert=self.alert or None)


@dataclass(frozen=True, slots=True)
class AnswerInline:
    """Cards for what somebody types behind the bot's name, for that person alone.

    A `note` stands above them and leads into the private chat.
    """

    method: ClassVar[str] = "answerInlineQuery"
    repeatable: ClassVar[bool] = True
    query_id: str
    cards: Sequence[InlineQueryResultArticle]
    cache_s: int = 0
    note: str = ""

    async def make(self, bot: Bot, chat_id: int) -> None:
        button = InlineQueryResultsButton(self.note, start_parameter=INLINE_START) if self.note else None
        await bot.answer_inline_query(
            self.query_id, self.cards, cache_time=self.cache_s, is_personal=True, button=button
        )


@dataclass(frozen=True, slots=True)
class Other(Generic[T]):
    """Any other method of the Bot API."""

    method: str
    ask: Callable[[Bot], Awaitable[T]]
    repeatable: bool = True

    async def make(self, bot: Bot, chat_id: int) -> T:
        return await self.ask(bot)


def without_formatting(request: Request[T]) -> Request[T] | None:
    """The same message in plain text; None if it was that already."""
    if isinstance(request, Send | Edit) and request.content.entities:
        return replace(request, content=request.content.plain())
    return None
