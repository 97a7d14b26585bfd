"""Backups: made while the bot writes, whole, for this user's eyes only; and by themselves before a migration."""

import asyncio
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bot.history.backup import KEPT, backup
from bot.history.database import Database
from bot.history.errors import DatabaseError
from bot.history.journal import Journal
from bot.history.schema import upgrade


@pytest.fixture
def file(sqlite_url: str) -> Path:
    """A database with its tables."""
    upgrade(sqlite_url)
    return Path(sqlite_url.removeprefix("sqlite+aiosqlite:///"))


def update_ids(file: Path) -> list[int]:
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [row[0] for row in connection.execute("SELECT update_id FROM updates ORDER BY id")]


async def test_a_backup_of_a_database_that_is_written_to(sqlite_url: str, file: Path, tmp_path: Path) -> None:
    """Batches of two are written all the time: a copy has whole batches, and no writer fails."""
    database = Database(sqlite_url, busy_timeout_s=0)
    journal = Journal(database, 1)
    stop = asyncio.Event()

    async def write() -> int:
        number = 0
        while not stop.is_set():
            await journal.append([{"update_id": number}, {"update_id": number + 1}])
            number += 2
        return number

    writing = asyncio.ensure_future(write())
    copies = [await asyncio.to_thread(backup, sqlite_url, tmp_path / f"{n}.sqlite3") for n in range(20)]
    stop.set()
    written = await writing
    await database.close()
    lengths = [len(update_ids(copy)) for copy in copies]
    assert lengths == sorted(lengths)
    assert all(length % 2 == 0 for length in lengths)
    assert lengths[-1] <= written == len(update_ids(file))


async def test_a_backup_holds_nothing_that_was_deleted(sqlite_url: str, file: Path) -> None:
    database = Database(sqlite_url)
    journal = Journal(database, 1)
    (entry,) = await journal.append([{"update_id": 1, "text": "a secret"}])
    await journal.done(entry.id)
    copy = await asyncio.to_thread(backup, sqlite_url)
    await database.close()
    assert b"a secret" not in content(copy)
    assert update_ids(copy) == [1]


def content(file: Path) -> bytes:
    return file.read_bytes()


def test_only_the_bots_user_may_read_what_people_wrote(sqlite_url: str, file: Path) -> None:
    assert file.stat().st_mode & 0o077 == 0
    assert backup(sqlite_url).stat().st_mode & 0o077 == 0


def test_an_existing_file_is_never_overwritten(sqlite_url: str, file: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    with pytest.raises(DatabaseError, match="precious exists already"):
        backup(sqlite_url, tmp_path / "precious")
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_backup_that_fails_leaves_nothing_behind(sqlite_url: str, file: Path) -> None:
    damaged = file.read_bytes()
    file.write_bytes(damaged[:4096] + b"\xff" * (len(damaged) - 4096))
    with pytest.raises(DatabaseError, match="is damaged"):
        backup(sqlite_url)
    assert list(file.parent.iterdir()) == [file]


def test_a_folder_that_is_not_there(sqlite_url: str, file: Path, tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="No such file or directory"):
        backup(sqlite_url, tmp_path / "nowhere" / "copy")


def test_no_database_yet(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="made when the bot first starts"):
        backup(f"sqlite+aiosqlite:///{tmp_path}/none.sqlite3")
    assert list(tmp_path.iterdir()) == []


def test_postgresql_has_its_own_tool() -> None:
    with pytest.raises(DatabaseError, match="pg_dump"):
        backup("postgresql+asyncpg://localhost/tandem")


async def test_a_migration_copies_the_database_first(
    sqlite_url: str, file: Path, next_version: Callable[[str], None]
) -> None:
    database = Database(sqlite_url)
    await Journal(database, 1).append([{"update_id": 7}])
    await database.close()
    await asyncio.to_thread(next_version, sqlite_url)
    [copy] = copies(file)
    assert update_ids(copy) == update_ids(file) == [7]
    assert "title" not in columns(copy, "conversations")
    assert "title" in columns(file, "conversations")


def test_only_a_few_of_these_copies_are_kept(
    sqlite_url: str, file: Path, next_version: Callable[[str], None]
) -> None:
    older = [file.with_name(f"tandem-before-{n}-20250101T00000{n}.sqlite3") for n in range(5)]
    for number, copy in enumerate(older):
        copy.touch()
        os.utime(copy, (number, number))
    next_version(sqlite_url)
    kept = copies(file)
    assert len(kept) == KEPT
    assert set(older[-KEPT + 1 :]) < set(kept)


def copies(file: Path) -> list[Path]:
    return list(file.parent.glob("*-before-*"))


def columns(file: Path, table: str) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


def test_a_first_start_copies_nothing(file: Path) -> None:
    assert list(file.parent.iterdir()) == [file]
