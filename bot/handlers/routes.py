"""Routes: which update goes to which handler. Telegram's kinds of updates are told apart here and nowhere else."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from telegram import Message, Update
from telegram.ext import (
    Application,
    CallbackQueryHandler,
    ChatMemberHandler,
    CommandHandler,
    InlineQueryHandler,
    MessageHandler,
    TypeHandler,
    filters,
)

from bot.conversation import CAUSE, MessageKey
from bot.handlers.context import Context
from bot.transport.triggers import command_of

Dispatcher = Application[Any, Any, Any, Any, Any, Any]
Callback = Callable[[Update, Context], Coroutine[Any, Any, None]]

GATE = -1
"""The group of handlers that every update passes before the others."""

PAUSE = -2
"""Before the gate, which counts: whoever types an inline query is waited for."""


class _CaptionCommand(filters.MessageFilter):
    """A command in a caption; CommandHandler looks for commands in texts alone."""

    def __init__(self, command: str) -> None:
        super().__init__()
        self._command = command

    def filter(self, message: Message) -> bool:
        return message.caption is not None and command_of(message) == self._command


@dataclass(frozen=True, slots=True)
class Routes:
    """The handlers. `gate` sees every update first and may stop it; `commands` are by name.

    `typed` sees inline queries even before the gate. Those of `captions` are also heard below a picture or a file.
    """

    gate: Callback
    commands: Mapping[str, Callback]
    captions: Mapping[str, Callback]
    words: Callback
    media: Callback
    edited: Callback
    pressed: Callback
    membership: Callback
    typed: Callback
    inline: Callback
    migrated: Callback
    failed: Callable[[object, Context], Coroutine[Any, Any, None]]

    def add_to(self, dispatcher: Dispatcher) -> None:
        """Let `dispatcher` choose among them."""
        new, edited = filters.UpdateType.MESSAGE, filters.UpdateType.EDITED_MESSAGE
        dispatcher.add_handler(InlineQueryHandler(self.typed), group=PAUSE)
        dispatcher.add_handler(TypeHandler(Update, self.gate), group=GATE)
        for name, handler in self.commands.items():
            dispatcher.add_handler(CommandHandler(name, handler, filters=new))
        for name, handler in self.captions.items():
            dispatcher.add_handler(MessageHandler(new & _CaptionCommand(name), handler))
        dispatcher.add_handler(MessageHandler(new & (filters.TEXT | filters.CAPTION), self.words))
        dispatcher.add_handler(MessageHandler(new & filters.ATTACHMENT, self.media))
        dispatcher.add_handler(MessageHandler(edited, self.edited))
        dispatcher.add_handler(MessageHandler(new & filters.StatusUpdate.MIGRATE, self.migrated))
        dispatcher.add_handler(CallbackQueryHandler(self.pressed))
        dispatcher.add_handler(InlineQueryHandler(self.inline))
        dispatcher.add_handler(ChatMemberHandler(self.membership, ChatMemberHandler.MY_CHAT_MEMBER))
        dispatcher.add_error_handler(self.failed)


async def handle(dispatcher: Dispatcher, update: Update) -> None:
    """Let the right handler have the update; what is done meanwhile is done for its message."""
    message = update.effective_message
    CAUSE.set(None if message is None else MessageKey(message.chat.id, message.message_id))
    await dispatcher.process_update(update)
