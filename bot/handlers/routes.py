"""Routes: which update goes to which handler. Telegram's kinds of updates are told apart here and nowhere else."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from telegram import Update
from telegram.ext import (
    Application,
    CallbackQueryHandler,
    ChatMemberHandler,
    CommandHandler,
    MessageHandler,
    TypeHandler,
    filters,
)

from bot.handlers.context import Context

Dispatcher = Application[Any, Any, Any, Any, Any, Any]
Callback = Callable[[Update, Context], Coroutine[Any, Any, None]]

GATE = -1
"""The group of handlers that every update passes before the others."""


@dataclass(frozen=True, slots=True)
class Routes:
    """The handlers. `gate` sees every update first and may stop it; `commands` are by name."""

    gate: Callback
    commands: Mapping[str, Callback]
    words: Callback
    media: Callback
    edited: Callback
    pressed: Callback
    membership: Callback
    failed: Callable[[object, Context], Coroutine[Any, Any, None]]

    def add_to(self, dispatcher: Dispatcher) -> None:
        """Let `dispatcher` choose among them."""
        new, edited = filters.UpdateType.MESSAGE, filters.UpdateType.EDITED_MESSAGE
        dispatcher.add_handler(TypeHandler(Update, self.gate), group=GATE)
        for name, handler in self.commands.items():
            dispatcher.add_handler(CommandHandler(name, handler, filters=new))
        dispatcher.add_handler(MessageHandler(new & (filters.TEXT | filters.CAPTION), self.words))
        dispatcher.add_handler(MessageHandler(new & filters.ATTACHMENT, self.media))
        dispatcher.add_handler(MessageHandler(edited, self.edited))
        dispatcher.add_handler(CallbackQueryHandler(self.pressed))
        dispatcher.add_handler(ChatMemberHandler(self.membership, ChatMemberHandler.MY_CHAT_MEMBER))
        dispatcher.add_error_handler(self.failed)
