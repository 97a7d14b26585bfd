"""Intake: fetches updates, has them written down before anything else, and hands each to its conversation.

Knows how updates arrive and that none may be lost; knows nothing of what they ask for.
"""

import asyncio
import logging
import math
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from itertools import count
from typing import TypeVar

from telegram import Bot
from telegram.error import BadRequest, Conflict, EndPointNotFound, InvalidToken, RetryAfter, TelegramError

from bot.transport.client import ANSWER_SECONDS, CONNECT_SECONDS, POLL_SECONDS
from bot.transport.errors import TokenRejected, judge
from bot.transport.pace import backoff
from bot.transport.queues import Queues
from bot.transport.reception import MOST_ATTEMPTS, Dispatch, Journal, KeyOf, OnWaiting, Reception
from bot.transport.triggers import conversation_key

T = TypeVar("T")

ALLOWED_UPDATES = ("message", "edited_message", "callback_query", "my_chat_member")
INLINE_UPDATES = ("inline_query",)
BATCH = 100
# Beyond so many updates that wait or are being answered, Telegram keeps the others for us.
MOST_UNDONE = 1000
CONFLICT_SECONDS = 15.0
# A trouble that comes and goes, as a second poller does, is told again after so long.
TOLD_AGAIN_SECONDS = 600.0
SLACK_SECONDS = 5.0

log = logging.getLogger(__name__)


class Intake:
    """The only one who asks Telegram for updates.

    `last_round_trip` is when Telegram last answered, on `clock`; a growing age means that it does not.
    """

    def __init__(
        self,
        bot: Bot,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        poll_seconds: float = POLL_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
        most_undone: int = MOST_UNDONE,
        inline: bool = False,
    ) -> None:
        self.last_round_trip: float | None = None
        self._bot = bot
        self._clock = clock
        self._sleep = sleep
        self._poll_seconds = poll_seconds
        self._answer_seconds = answer_seconds
        self._most_undone = most_undone
        self._kinds = [*ALLOWED_UPDATES, *(INLINE_UPDATES if inline else ())]
        self._trouble = ""
        self._told_at: dict[str, float] = {}
        self._aloud = False
        self._fetching: asyncio.Task[None] | None = None
        self._queues: Queues | None = None

    async def connect(self) -> None:
        """Make `bot` ready: it knows who it is, and no webhook takes its updates. Waits for Telegram.

        Raises TokenRejected.
        """
        try:
            await self._insist(self._bot.initialize)
            await self._insist(self._bot.delete_webhook)
        except BaseException:
            await self._bot.shutdown()
            raise

    async def run(
        self,
        journal: Journal,
        dispatch: Dispatch,
        on_waiting: OnWaiting | None = None,
        key_of: KeyOf = conversation_key,
    ) -> None:
        """Handle what is left from before, then what Telegram sends, until `stop`.

        `on_waiting` is told, beside all work, of each update that has to wait for others: of those that `key_of`
        puts into the same line.
        Raises TokenRejected, and whatever the journal raises: an update that cannot be written down
        stays with Telegram.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                self._queues = queues = Queues(tasks, self._most_undone)
                reception = Reception(self._bot, journal, dispatch, queues, self._sleep, on_waiting, key_of)
                self._fetching = tasks.create_task(self._fetch(journal, reception, queues))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None

    async def stop(self, within: float = 10.0) -> None:
        """Fetch nothing more; give running handlers `within` seconds. What is undone stays journalled."""
        if self._fetching is not None and self._queues is not None:
            self._fetching.cancel()
            await self._queues.close(within)

    async def _fetch(self, journal: Journal, reception: Reception, queues: Queues) -> None:
        entries, offset = await journal.pending(), 0
        while True:
            for entry in entries:
                await reception.accept(entry)
            await queues.room()
            updates = await self._insist(partial(self._get_updates, offset))
            entries = await journal.append(updates)
            # Confirms this batch. When nothing follows it, 0 asks for whatever comes: after a quiet week
            # Telegram may go on with smaller ids.
            offset = max(map(_update_id, updates), default=-1) + 1
            if updates and not offset:
                await self._sleep(backoff(MOST_ATTEMPTS))  # the same useless batch will come again

    async def _get_updates(self, offset: int) -> list[dict[str, object]]:
        """One long poll, unparsed: Bot.get_updates would refuse a whole batch for one malformed update."""
        asked = {
            "offset": offset,
            "limit": BATCH,
            "timeout": int(self._poll_seconds),
            "allowed_updates": self._kinds,
        }
        patience = self._poll_seconds + self._answer_seconds
        try:
            # This spelling names the method without the library's advice to call Bot.get_updates.
            updates = await self._bot.do_api_request("get_Updates", asked, read_timeout=patience)
        except Conflict as error:
            if "webhook" in error.message:
                await self._bot.delete_webhook()
            raise
        if not isinstance(updates, list):
            raise TelegramError("Invalid server response")
        return updates

    async def _insist(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask until Telegram answers, and tell once when it does not and once when it does again."""
        longest = self._poll_seconds + self._answer_seconds + CONNECT_SECONDS + SLACK_SECONDS
        for failures in count(1):
            try:
                async with asyncio.timeout(longest):
                    answer = await ask()
            except (InvalidToken, EndPointNotFound):
                raise TokenRejected from None
            except (TelegramError, TimeoutError) as error:
                self._tell(_explain(error), type(error.__cause__ or error).__name__)
                await self._sleep(_pause(error, failures))
            else:
                self.last_round_trip = self._clock()
                self._tell("")
                return answer
        raise AssertionError("count() ends")

    def _tell(self, trouble: str, kind: str = "") -> None:
        """One line when something goes wrong, not one for every try; and one when it is over."""
        now = self._clock()
        lately = now - self._told_at.get(trouble, -math.inf) < TOLD_AGAIN_SECONDS
        if trouble and trouble != self._trouble and not lately:
            self._told_at[trouble], self._aloud = now, True
            log.warning("%s (%s)", trouble, kind)
        elif self._aloud and not trouble:
            self._aloud = False
            log.info("Telegram answers again")
        self._trouble = trouble


def _explain(error: Exception) -> str:
    match error:
        case Conflict() if "webhook" in error.message:
            return "a webhook takes this bot's updates; it is removed"
        case Conflict():
            return "another process polls this bot: stop it, or give this one a bot of its own; trying again"
        case RetryAfter():
            return "Telegram asks to wait before it gives more updates"
        case BadRequest():
            return f"Telegram refuses to give updates: {error.message}"
    return (
        "Telegram cannot be reached; trying again until it can. Check the network; "
        "where Telegram is blocked, set telegram.proxy"
    )


def _pause(error: Exception, failures: int) -> float:
    """Seconds until the next try, uneven, so that many bots do not come back at once."""
    if isinstance(error, RetryAfter):
        return judge(error).value
    if isinstance(error, Conflict) and "webhook" not in error.message:
        return CONFLICT_SECONDS
    return backoff(failures) * random.uniform(0.5, 1.0)


def _update_id(raw: object) -> int:
    """The id of a raw update; -1 if it has none."""
    found = raw.get("update_id") if isinstance(raw, Mapping) else None
    return found if isinstance(found, int) else -1
