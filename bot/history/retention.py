"""Forgetting by age: what is older than the operator wants to keep is deleted for good.

Knows no clock and no schedule; the application calls it every day.
"""

from dataclasses import dataclass
from datetime import datetime

from bot.history.journal import Journal
from bot.history.store import Store

BATCH = 500  # rows of one transaction, so that a message never waits long for the broom


@dataclass(frozen=True, slots=True)
class Removed:
    """How many rows are gone."""

    turns: int
    updates: int


async def forget_before(moment: datetime, store: Store, journal: Journal) -> Removed:
    """Delete the turns and updates of before `moment`, whatever their state, also from the database's log.

    Who the users are and what they chose stays; it goes when they ask for it.
    """
    turns = updates = 0
    while count := await store.delete_turns_before(moment, BATCH):
        turns += count
    while count := await journal.delete_before(moment, BATCH):
        updates += count
    if turns or updates:
        await store.database.empty_log()
    return Removed(turns, updates)
