"""The database: what goes wrong is said clearly, without anybody's text, and never as a stuck lock."""

import asyncio
import itertools
import logging
import sqlite3
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.history.database import Database
from bot.history.errors import DatabaseError
from bot.history.journal import Journal

SECRET = "a very private sentence"


def update(update_id: int) -> dict[str, object]:
    return {"update_id": update_id, "message": {"text": SECRET}}


@pytest.fixture
def file(sqlite_url: str) -> Path:
    path = Path(sqlite_url.removeprefix("sqlite+aiosqlite:///"))
    path.parent.mkdir(parents=True)
    return path


@pytest.fixture
async def journal(sqlite_url: str, file: Path) -> Journal:
    """A journal that gives up on a lock after a moment. Its connections are opened on first use."""
    setup = Database(sqlite_url)
    await setup.migrate()
    await setup.close()
    database = Database(sqlite_url, busy_timeout_s=0.05)
    yield Journal(database, 1)
    await database.close()


def pragma(database: Database, setting: str) -> None:
    """Every connection opened from now on has this setting."""
    event.listen(
        database.engine.sync_engine, "connect", lambda raw, _: raw.cursor().execute(f"PRAGMA {setting}")
    )


def damage(file: Path) -> None:
    """Keep the first page, so that it is still known as a database."""
    content = file.read_bytes()
    file.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))


async def failure(journal: Journal, count: int = 1) -> str:
    """What appending says when it fails, with everything that a traceback shows."""
    with pytest.raises(DatabaseError) as caught:
        await journal.append([update(n) for n in range(count)])
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)


async def test_the_folder_is_made(tmp_path: Path) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/a/b c/百分%41?/t.sqlite3".replace("?", "%3F"))
    await database.migrate()
    assert await Journal(database, 1).append([update(1)])
    await database.close()


async def test_a_full_disk(journal: Journal) -> None:
    pragma(journal.database, "max_page_count = 20")
    message = await failure(journal, count=2000)
    assert "the disk is full" in message
    assert str(journal.database.url.database) in message


async def test_a_read_only_database(journal: Journal) -> None:
    pragma(journal.database, "query_only = ON")
    assert "cannot be written" in await failure(journal)
    assert await journal.pending() == []


async def test_a_database_that_another_process_holds(journal: Journal, file: Path) -> None:
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert "locked by another process" in await failure(journal)
    other.execute("ROLLBACK")
    other.close()
    assert await journal.append([update(1)])


async def test_a_short_lock_is_waited_for(sqlite_url: str, journal: Journal, file: Path) -> None:
    patient = Database(sqlite_url)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    append = asyncio.ensure_future(Journal(patient, 1).append([update(1)]))
    assert await journal.pending() == []  # a reader does not wait
    other.execute("ROLLBACK")
    other.close()
    assert await append
    await patient.close()


async def test_two_processes_take_turns(sqlite_url: str, file: Path) -> None:
    """A transaction that reads first is a writer from its beginning: nobody writes between."""
    two = [Database(sqlite_url), Database(sqlite_url)]
    await two[0].migrate()

    async def increment(connection: AsyncConnection) -> None:
        number = await connection.scalar(text("SELECT MAX(update_id) FROM updates")) or 0
        row = f"(1, {number + 1}, '2026-11-22', 'done', 0)"
        columns = "bot_id, update_id, received_at, state, attempts"
        await connection.execute(text(f"INSERT INTO updates ({columns}) VALUES {row}"))

    await asyncio.gather(*(database.run(increment, writes=True) for database in two * 50))
    async with two[0].engine.connect() as connection:
        assert await connection.scalar(text("SELECT MAX(update_id) FROM updates")) == 100
    for database in two:
        await database.close()


async def test_a_damaged_database(journal: Journal, file: Path) -> None:
    damage(file)
    assert "restore a backup" in await failure(journal)


def test_a_file_that_is_no_database(sqlite_url: str, file: Path) -> None:
    file.write_text("a letter to my aunt, which is no database" * 50)
    with pytest.raises(DatabaseError, match="is not an SQLite database"):
        asyncio.run(Database(sqlite_url).migrate())


async def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseError, match=r"t\.sqlite3"):
        Database(f"sqlite+aiosqlite:///{tmp_path}/file/t.sqlite3")


async def test_a_path_that_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="cannot be opened"):
        await Database(f"sqlite+aiosqlite:///{tmp_path}").migrate()


@pytest.mark.parametrize(
    "url",
    ["sqlite+aiosqlite:///:memory:", "sqlite+aiosqlite://", "sqlite+aiosqlite:///a?mode=ro", "nonsense"],
)
def test_urls_that_cannot_work(url: str) -> None:
    with pytest.raises(DatabaseError, match=r"database\.url"):
        Database(url)


async def test_an_unreachable_server_is_named_without_its_password(
    postgresql: object, tmp_path: Path
) -> None:
    database = Database(f"postgresql+asyncpg://bot:hunter2@/tandem?host={tmp_path}")
    with pytest.raises(DatabaseError, match="cannot be reached") as caught:
        await database.migrate()
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


async def test_a_database_that_the_server_does_not_have(postgresql: Callable[[], str]) -> None:
    with pytest.raises(DatabaseError, match="does not exist on the server"):
        await Database(postgresql().replace("@/tandem", "@/nobody")).migrate()


@pytest.fixture
def everything_logged() -> Iterator[list[str]]:
    """Every line of every logger, as if someone had asked for DEBUG."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(handler.format(record))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield lines
    root.setLevel(level)
    root.removeHandler(handler)


async def test_no_text_reaches_a_log(url: str, everything_logged: list[str]) -> None:
    database = Database(url)
    await database.migrate()
    journal = Journal(database, 1)
    await journal.append([update(1), {"message": {"text": SECRET}}])
    await journal.pending()
    await database.close()
    assert any("the database has schema" in line for line in everything_logged)
    assert SECRET not in "\n".join(everything_logged)


async def test_cancelled_writers_leave_no_lock_behind(database: Database) -> None:
    """Cancelled at any of its statements, a write is whole or absent, and the next one is not held up."""
    journal = Journal(database, 1)
    statement = itertools.count()
    victim: asyncio.Task[object] | None = None

    def cancel_at(number: int) -> Callable[..., None]:
        return lambda *_: victim.cancel() if next(statement) == number else None

    for number in itertools.count():
        statement = itertools.count()
        listener = cancel_at(number)
        event.listen(database.engine.sync_engine, "before_cursor_execute", listener)
        victim = asyncio.ensure_future(journal.append([update(2 * number), update(2 * number + 1)]))
        await asyncio.wait({victim})
        event.remove(database.engine.sync_engine, "before_cursor_execute", listener)
        if not victim.cancelled():
            break
        await journal.append([update(1000 + number)])
    stored = {entry.update_id for entry in await journal.pending()}
    assert number >= 3
    assert stored >= {1000 + n for n in range(number)}
    assert all((n ^ 1) in stored for n in stored if n < 1000)


async def test_closing_waits_for_a_write_that_nobody_waits_for(url: str) -> None:
    database = Database(url)
    await database.migrate()
    task = asyncio.ensure_future(Journal(database, 1).append([update(1)]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    await database.close()
    reopened = Database(url)
    assert len(await Journal(reopened, 1).pending()) == 1
    await reopened.close()


async def test_the_event_loop_is_never_held_up(journal: Journal, file: Path) -> None:
    """Another process' lock is waited for in a thread, not in the loop."""
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    loop = asyncio.get_running_loop()
    append = asyncio.ensure_future(journal.append([update(1)]))
    longest, last = 0.0, loop.time()
    while not append.done():
        await asyncio.sleep(0)
        longest, last = max(longest, loop.time() - last), loop.time()
    other.close()
    assert isinstance(append.exception(), DatabaseError)
    assert longest < 0.05
