"""What happens when a handler fails: one line in the log without anybody's words, one polite line in the chat."""

import logging
import traceback

from telegram import Update
from telegram.ext import ApplicationHandlerStop

from bot.handlers.context import Context
from bot.handlers.replies import Replies
from bot.handlers.words import translate_for
from bot.history.store import UnknownTurn
from bot.observe.counters import Counters
from bot.transport.errors import CallFailed, Closed
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
        """What Telegram refuses says so itself; everything else is a fault of ours, and its place matters."""
        if isinstance(error, UnknownTurn):
            log.info("update %s has no answer: its sender was forgotten in between", update.update_id)
            return
        if isinstance(error, Undeliverable | Closed):
            self._counters.unreachable += 1
            log.info("update %s has no answer: %s", update.update_id, error)
            return
        self._counters.errors += 1
        if isinstance(error, CallFailed):
            log.error("update %s failed: %s", update.update_id, error)
        else:
            # The message of an exception may quote what somebody wrote: only its kind and place are logged.
            where = "".join(traceback.format_tb(error.__traceback__))
            log.error("update %s failed with %s\n%s", update.update_id, type(error).__name__, where)
        await self._apologise(update)

    async def _apologise(self, update: Update) -> None:
        _ = translate_for(update)
        try:
            await self._replies.say(
                update, _("⚠️ Something went wrong on my side. Please send your message again.")
            )
        except CallFailed:
            return  # the log has it already
