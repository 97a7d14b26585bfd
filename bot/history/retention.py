"""Forgetting by age: what is older than the operator wants to keep is deleted for good.

Once at every start, and then every day.
"""

import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.conversation import ConversationKey
from bot.history.access import Access
from bot.history.errors import DatabaseError
from bot.history.journal import Journal
from bot.history.personal import PersonalData
from bot.history.store import Store

DAY_S = 86_400.0
BATCH = 500  # rows of one transaction, so that a message never waits long for the broom


Clear = Callable[[Collection[ConversationKey]], None]
"""What is kept in memory of these conversations, and of anybody's words and choices, goes too."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Removed:
    """How much is gone: turns with their feedback, updates, people with all that they chose."""

    turns: int = 0
    updates: int = 0
    people: int = 0


async def forget_before(
    moment: datetime, store: Store, journal: Journal, personal: PersonalData, clear: Clear
) -> Removed:
    """Delete the turns and updates of before `moment`, whatever their state, also from the database's log.

    Of people who were not here since then nothing is left, in no cache either.
    """
    conversations = await store.conversations_before(moment)
    turns = updates = people = 0
    while count := await store.delete_turns_before(moment, BATCH):
        turns += count
    while count := await journal.delete_before(moment, BATCH):
        updates += count
    while count := await personal.forget_unseen(moment):
        people += count
    if turns or updates or people:
        clear(conversations)
        await store.database.empty_log()
    return Removed(turns, updates, people)


async def enforce(
    keep_days: int,
    store: Store,
    journal: Journal,
    personal: PersonalData,
    access: Access,
    clear: Clear,
    clock: Callable[[], datetime],
    sleep: Callable[[float], Awaitable[None]],
) -> None:
    """Every day for ever: forget what is older than `keep_days`, 0 for nothing, and yesterday's counts."""
    while True:
        try:
            await access.delete_expired()
            if keep_days:
                moment = clock() - timedelta(days=keep_days)
                log.info("retention: %s", await forget_before(moment, store, journal, personal, clear))
        except DatabaseError as error:
            log.warning("what is too old was not deleted; I try again tomorrow: %s", error)
        await sleep(DAY_S)
