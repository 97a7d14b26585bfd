"""The journal: nothing accepted is lost, nothing comes twice, and no text stays behind."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.history.database import Database
from bot.history.journal import Journal
from bot.history.records import Entry
from bot.history.tables import updates


@pytest.fixture
def journal(database: Database, bot_id: int, clock: Callable[[], object]) -> Journal:
    return Journal(database, bot_id, clock)


def text_update(update_id: object, text: str = "你好") -> dict[str, object]:
    return {"update_id": update_id, "message": {"message_id": 1, "text": text}}


def ids(entries: list[Entry]) -> list[int]:
    return [entry.update_id for entry in entries]


async def test_a_batch_is_pending_in_order_until_it_is_done(journal: Journal) -> None:
    entries = await journal.append([text_update(n) for n in (7, 8, 9)])
    await journal.done(entries[1].id)
    assert ids(entries) == [7, 8, 9]
    assert ids(await journal.pending()) == [7, 9]


async def test_an_update_comes_back_as_it_was(journal: Journal, clock: Callable[[], object]) -> None:
    raw = text_update(1, "👩‍🚀 \ud83d \0 ‮ “引号”")
    await journal.append([raw])
    (entry,) = await journal.pending()
    assert entry.update == raw
    assert entry.received_at == clock()


async def test_repetitions_are_left_out(journal: Journal) -> None:
    await journal.append([text_update(1), text_update(2)])
    again = await journal.append([text_update(2), text_update(3), text_update(3)])
    assert ids(again) == [3]
    assert ids(await journal.pending()) == [1, 2, 3]


async def test_what_is_done_does_not_come_back_within_telegrams_day(journal: Journal, clock) -> None:
    (entry,) = await journal.append([text_update(1)])
    await journal.done(entry.id)
    clock.advance(hours=25)
    assert await journal.append([text_update(1)]) == []


async def test_ids_that_start_again_after_an_idle_week_are_new_updates(journal: Journal, clock) -> None:
    (old, waiting) = await journal.append([text_update(1000), text_update(1001, "still waiting")])
    await journal.done(old.id)
    clock.advance(days=8)
    fresh = await journal.append([text_update(1000), text_update(1001), text_update(3)])
    assert ids(fresh) == [1000, 1001, 3]
    assert [entry.id for entry in await journal.pending()] == [waiting.id, *(entry.id for entry in fresh)]
    assert await journal.append([text_update(1000)]) == []


async def test_bots_do_not_see_each_others_updates(journal: Journal, database: Database) -> None:
    other = Journal(database, 1)
    await journal.append([text_update(1)])
    assert ids(await other.append([text_update(1)])) == [1]
    assert len(await other.pending()) == 1


@pytest.mark.parametrize("update_id", [None, "7", 7.5, True, -1, 2**70, [1]])
async def test_an_update_without_a_usable_id_does_not_stop_the_others(
    journal: Journal, database: Database, update_id: object
) -> None:
    assert ids(await journal.append([text_update(update_id), text_update(8)])) == [8]
    assert await states(database) == ["received", "unreadable"]


async def test_a_batch_of_nonsense_is_survived(journal: Journal) -> None:
    nonsense: list = [None, "update", 3, [], {}, {"message": {}}]
    assert await journal.append(nonsense) == []
    assert await journal.append([]) == []
    assert await journal.pending() == []


async def test_attempts_are_counted_for_the_next_start(journal: Journal) -> None:
    (entry,) = await journal.append([text_update(1)])
    await journal.started(entry.id)
    await journal.started(entry.id)
    assert entry.attempts == 0
    assert [entry.attempts for entry in await journal.pending()] == [2]


async def test_closed_entries_keep_no_text(journal: Journal, database: Database) -> None:
    done, bad, lost = await journal.append([text_update(n, "a secret") for n in (1, 2, 3)])
    await journal.done(done.id)
    await journal.unreadable(bad.id, "message.date is missing")
    await journal.failed(lost.id, "three attempts")
    assert await journal.pending() == []
    assert await states(database) == ["done", "failed", "unreadable"]
    async with database.engine.connect() as connection:
        rows = (await connection.execute(select(updates))).all()
    assert "secret" not in repr(rows)


async def test_a_done_updates_text_leaves_the_file_too(sqlite_url: str, bot_id: int) -> None:
    database = Database(sqlite_url)
    await database.migrate()
    journal = Journal(database, bot_id)
    entries = await journal.append([text_update(n, f"a secret {'x' * 500}") for n in range(20)])
    for entry in entries:
        await journal.done(entry.id)
    await database.close()
    assert b"a secret" not in everything_beside(Path(str(database.url.database)))


def everything_beside(file: Path) -> bytes:
    return b"".join(path.read_bytes() for path in file.parent.iterdir())


async def test_fifty_writers_at_once_lose_nothing(journal: Journal) -> None:
    batches = [[text_update(n * 10 + k) for k in range(4)] for n in range(50)]
    await asyncio.gather(*(journal.append(batch) for batch in batches))
    assert sorted(ids(await journal.pending())) == sorted(n * 10 + k for n in range(50) for k in range(4))


CHILD = """
import asyncio, os, signal, sys
from bot.history.database import Database
from bot.history.journal import Journal

async def main():
    database = Database(sys.argv[1])
    await database.migrate()
    await Journal(database, 1).append([{"update_id": n} for n in range(3)])
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@pytest.fixture
def killed(url: str) -> str:
    """A database whose process was killed right after an append."""
    child = subprocess.run([sys.executable, "-c", CHILD, url])
    assert child.returncode == -signal.SIGKILL
    return url


async def test_what_was_appended_survives_kill_9(killed: str) -> None:
    database = Database(killed)
    await database.migrate()
    assert ids(await Journal(database, 1).pending()) == [0, 1, 2]
    await database.close()


async def test_commits_wait_for_the_disk(sqlite_url: str) -> None:
    """Power loss cannot be had in a test; that every commit is synced can be asked for."""
    database = Database(sqlite_url)
    async with database.engine.connect() as connection:
        pragmas = {
            name: (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete", "busy_timeout")
        }
    await database.close()
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "secure_delete": 1,
        "busy_timeout": 10_000,
    }
    assert sqlite3.sqlite_version_info >= (3, 35), "RETURNING"


async def states(database: Database) -> list[str]:
    async with database.engine.connect() as connection:
        return list(await connection.scalars(select(updates.c.state).order_by(updates.c.state)))
