"""What happens when a handler fails: one line in the log without anybody's words, one polite line in the chat."""

import logging
import traceback

from telegram import Update
from telegram.ext import ApplicationHandlerStop

from bot.handlers.context import Context
from bot.handlers.replies import Replies
from bot.handlers.words import translate_for
from bot.observe.counters import Counters
from bot.transport.errors import CallFailed
from bot.transport.outbox import Undeliverable

log = logging.getLogger(__name__)


class ErrorHandler:
    """The end of every exception that a handler lets through."""

    def __init__(self, replies: Replies, counters: Counters) -> None:
        self._replies = replies
        self._counters = counters

    async def on_error(self, update: object, context: Context) -> None:
        """No other handler gets the update: above all, nobody passes a gate that failed."""
        if context.error is not None and isinstance(update, Update):
            await self._tell(update, context.error)
        raise ApplicationHandlerStop

    async def _tell(self, update: Update, error: Exception) -> None:
        """A chat that cannot be reached is told in one line; everything else is a fault of ours."""
        if isinstance(error, Undeliverable):
            self._counters.unreachable += 1
            log.info("a chat cannot be reached: %s", error)
            return
        self._counters.errors += 1
        # The message of an exception may quote what somebody wrote: only its kind and place are logged.
        where = "".join(traceback.format_tb(error.__traceback__))
        log.error("update %s failed with %s\n%s", update.update_id, type(error).__name__, where)
        _ = translate_for(update)
        try:
            await self._replies.say(
                update, _("⚠️ Something went wrong on my side. Please send your message again.")
            )
        except CallFailed as failed:
            log.info("nor could that be said: %s", failed)
