"""Forgetting by age: what is older than the operator wants to keep is deleted for good.

Knows no clock and no schedule; the application calls it every day.
"""

from dataclasses import dataclass
from datetime import datetime

from bot.history.journal import Journal
from bot.history.personal import PersonalData
from bot.history.store import Store

BATCH = 500  # rows of one transaction, so that a message never waits long for the broom


@dataclass(frozen=True, slots=True)
class Removed:
    """How much is gone: turns with their feedback, updates, people with all that they chose."""

    turns: int = 0
    updates: int = 0
    people: int = 0


async def forget_before(moment: datetime, store: Store, journal: Journal, personal: PersonalData) -> Removed:
    """Delete the turns and updates of before `moment`, whatever their state, also from the database's log.

    Of people who were not here since then nothing is left.
    """
    turns = updates = people = 0
    while count := await store.delete_turns_before(moment, BATCH):
        turns += count
    while count := await journal.delete_before(moment, BATCH):
        updates += count
    while count := await personal.forget_unseen(moment):
        people += count
    if turns or updates or people:
        await store.database.empty_log()
    return Removed(turns, updates, people)
