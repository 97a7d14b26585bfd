"""What happens when a handler fails: one line in the log without anybody's words, one polite line in the chat."""

import logging
import traceback

from telegram import Update

from bot.handlers.context import Context
from bot.handlers.replies import Replies
from bot.handlers.words import translate_for
from bot.transport.outbox import Undeliverable

log = logging.getLogger(__name__)


class ErrorHandler:
    """The end of every exception that a handler lets through."""

    def __init__(self, replies: Replies) -> None:
        self._replies = replies

    async def on_error(self, update: object, context: Context) -> None:
        """An undeliverable answer is told in one line; everything else is a fault of ours."""
        error = context.error
        if error is None or not isinstance(update, Update):
            return
        if isinstance(error, Undeliverable):
            log.info("%s", error)
            return
        # The message of an exception may quote what somebody wrote: only its kind and place are logged.
        where = "".join(traceback.format_tb(error.__traceback__))
        log.error("update %s failed with %s\n%s", update.update_id, type(error).__name__, where)
        _ = translate_for(update)
        await self._replies.say(
            update, _("⚠️ Something went wrong on my side. Please send your message again.")
        )
