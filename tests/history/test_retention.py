"""Retention: what is old is gone, from the files too; what is young, or another bot's, stays."""

from datetime import timedelta
from pathlib import Path

import pytest

from bot.conversation import ConversationKey
from bot.history.access import Access
from bot.history.database import Database
from bot.history.journal import Journal
from bot.history.personal import PersonalData
from bot.history.records import Entry
from bot.history.retention import BATCH, Removed, enforce, forget_before
from bot.history.store import Store

ANN = ConversationKey(11, 0, 11)


def nothing(_conversations: object) -> None:
    """There are no caches."""


async def take(store: Store, journal: Journal, update_id: int, question: str) -> None:
    await journal.append([{"update_id": update_id, "text": question}])
    turn = await store.begin_turn(
        ANN, update_id=update_id, chat_type="private", user_id=11, message_id=1, question=question
    )
    await store.finish_turn(turn.id, f"answer to {question}", "done")


def ids(entries: list[Entry]) -> list[int]:
    return [entry.update_id for entry in entries]


async def test_old_turns_and_updates_go_young_ones_stay(database: Database, clock) -> None:
    store, journal = Store(database, 1, clock), Journal(database, 1, clock)
    other_store, other_journal = Store(database, 2, clock), Journal(database, 2, clock)
    await take(store, journal, 1, "old")
    await take(other_store, other_journal, 1, "another bot's")
    clock.advance(days=20)
    await take(store, journal, 2, "young")
    clock.advance(days=20)
    moment, personal, cleared = clock() - timedelta(days=30), PersonalData(database, 1, clock), []
    removed = await forget_before(moment, store, journal, personal, cleared.append)
    assert removed == Removed(turns=1, updates=1)
    assert await forget_before(moment, store, journal, personal, cleared.append) == Removed()
    assert cleared == [[ANN]]
    assert [turn.question for turn in await store.recent_turns(ANN, 9)] == ["young"]
    assert ids(await journal.pending()) == [2]
    assert [turn.question for turn in await other_store.recent_turns(ANN, 9)] == ["another bot's"]
    assert ids(await other_journal.pending()) == [1]


async def test_more_than_one_batch(database: Database, clock) -> None:
    store, journal = Store(database, 1, clock), Journal(database, 1, clock)
    await journal.append([{"update_id": n} for n in range(BATCH + 10)])
    clock.advance(days=31)
    assert await forget_before(
        clock(), store, journal, PersonalData(store.database, 1, clock), nothing
    ) == Removed(turns=0, updates=BATCH + 10)


class Over(Exception):
    """The test has seen enough days."""


async def test_every_day_what_has_become_too_old_goes(database: Database, clock) -> None:
    store, journal, personal = (part(database, 1, clock) for part in (Store, Journal, PersonalData))
    left = []

    async def until_tomorrow(seconds: float) -> None:
        left.append([turn.question for turn in await store.recent_turns(ANN, 9)])
        if len(left) == 4:
            raise Over
        clock.advance(seconds=seconds)

    await store.touch_user(11, "en")
    await take(store, journal, 1, "one")
    clock.advance(days=1)
    await store.touch_user(11, "en")
    await take(store, journal, 2, "two")
    with pytest.raises(Over):
        await enforce(2, store, journal, personal, Access(database, 1, clock), nothing, clock, until_tomorrow)
    assert left == [["one", "two"], ["one", "two"], ["two"], []]
    assert (await personal.export(11))["users"] == []


async def test_nothing_goes_that_is_to_be_kept_for_ever(database: Database, clock) -> None:
    store, journal, personal = (part(database, 1, clock) for part in (Store, Journal, PersonalData))
    access = Access(database, 1, clock)
    await take(store, journal, 1, "one")
    await access.spend(1, 11, 5)
    clock.advance(days=10_000)

    async def enough(_seconds: float) -> None:
        raise Over

    with pytest.raises(Over):
        await enforce(0, store, journal, personal, access, nothing, clock, enough)
    assert [turn.question for turn in await store.recent_turns(ANN, 9)] == ["one"]
    assert (await personal.export(11))["usage"] == []


async def test_an_update_that_telegram_may_repeat_is_still_known(database: Database, clock) -> None:
    store, journal = Store(database, 1, clock), Journal(database, 1, clock)
    await take(store, journal, 1, "yesterday")
    clock.advance(days=1)
    assert await forget_before(
        clock(), store, journal, PersonalData(store.database, 1, clock), nothing
    ) == Removed(turns=1, updates=0)
    assert await journal.append([{"update_id": 1}]) == []


@pytest.fixture
async def open_database(sqlite_url: str) -> Database:
    database = Database(sqlite_url)
    await database.migrate()
    yield database
    await database.close()


async def test_no_file_holds_what_was_forgotten(open_database: Database, clock) -> None:
    """While the database is in use, with its log beside it."""
    store, journal = Store(open_database, 1, clock), Journal(open_database, 1, clock)
    for number in range(20):
        await take(store, journal, number, f"a secret {number} {'x' * 300}")
    clock.advance(days=31)
    assert b"a secret" in everything_beside(Path(str(open_database.url.database)))
    await forget_before(clock(), store, journal, PersonalData(store.database, 1, clock), nothing)
    assert b"a secret" not in everything_beside(Path(str(open_database.url.database)))


def everything_beside(file: Path) -> bytes:
    return b"".join(path.read_bytes() for path in file.parent.iterdir())
