"""Restoring: only a sound, known copy, only while the bot is stopped, and nothing is thrown away."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bot.history.backup import backup
from bot.history.database import Database
from bot.history.errors import DatabaseError, SchemaTooNew
from bot.history.journal import Journal
from bot.history.restore import restore
from bot.history.schema import upgrade


def write(url: str, update_id: int) -> None:
    """Start the bot, take an update, stop."""

    async def session() -> None:
        database = Database(url)
        await database.migrate()
        await Journal(database, 1).append([{"update_id": update_id}])
        await database.close()

    asyncio.run(session())


def update_ids(file: Path) -> list[int]:
    with closing(sqlite3.connect(file)) as connection:
        return [row[0] for row in connection.execute("SELECT update_id FROM updates ORDER BY id")]


@pytest.fixture
def file(sqlite_url: str) -> Path:
    write(sqlite_url, 1)
    return Path(sqlite_url.removeprefix("sqlite+aiosqlite:///"))


@pytest.fixture
def copy(sqlite_url: str, file: Path, tmp_path: Path) -> Path:
    """A backup with update 1; the database has update 2 as well."""
    made = backup(sqlite_url, tmp_path / "copy.sqlite3")
    write(sqlite_url, 2)
    return made


def test_the_copy_comes_back_and_the_replaced_file_is_kept(sqlite_url: str, file: Path, copy: Path) -> None:
    kept = restore(sqlite_url, copy)
    assert update_ids(file) == update_ids(copy) == [1]
    assert update_ids(kept) == [1, 2]
    assert set(file.parent.iterdir()) == {file, kept}
    write(sqlite_url, 3)
    assert update_ids(file) == [1, 3]


def test_a_first_database_from_a_copy(copy: Path, tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/new/folder/t.sqlite3"
    assert restore(url, copy) is None
    write(url, 3)
    assert update_ids(tmp_path / "new" / "folder" / "t.sqlite3") == [1, 3]


@pytest.fixture
def running(sqlite_url: str, copy: Path) -> Iterator[None]:
    """Another process has the database open, and does nothing with it at the moment."""
    program = (
        "import asyncio, sys; from bot.history.database import Database; from bot.history.journal import Journal\n"
        "async def main():\n"
        "    database = Database(sys.argv[1])\n"
        "    await Journal(database, 1).pending()\n"
        "    print('ready', flush=True)\n"
        "    sys.stdin.read()\n"
        "    await database.close()\n"
        "asyncio.run(main())"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, sqlite_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "ready\n"
    yield
    child.communicate()
    assert child.returncode == 0


@pytest.mark.usefixtures("running")
def test_a_running_bot_is_left_alone(sqlite_url: str, file: Path, copy: Path) -> None:
    with pytest.raises(DatabaseError, match="stop the bot"):
        restore(sqlite_url, copy)
    assert update_ids(file) == [1, 2]
    assert not list(file.parent.glob("*restoring*"))


def test_a_newer_copy_is_refused(
    sqlite_url: str, file: Path, copy: Path, next_version: Callable[[str], None]
) -> None:
    next_version(f"sqlite+aiosqlite:///{copy}")
    with pytest.raises(SchemaTooNew, match=r"copy\.sqlite3 was written by a newer version"):
        restore(sqlite_url, copy)
    assert update_ids(file) == [1, 2]


def test_an_older_copy_is_migrated_by_the_next_start(
    sqlite_url: str, file: Path, copy: Path, next_version: Callable[[str], None]
) -> None:
    restore(sqlite_url, copy)
    next_version(sqlite_url)
    assert update_ids(file) == [1]


def damage(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))


def test_a_damaged_copy_is_refused(sqlite_url: str, file: Path, copy: Path) -> None:
    damage(copy)
    with pytest.raises(DatabaseError, match=r"copy\.sqlite3 is damaged"):
        restore(sqlite_url, copy)
    assert update_ids(file) == [1, 2]


def test_what_is_no_backup_is_refused(sqlite_url: str, file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite3"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE recipes (id INTEGER)")
    (tmp_path / "letter").write_text("Dear aunt, this is no database at all. " * 100)
    for wrong, why in (
        (other, "no backup of this bot"),
        (tmp_path / "letter", "not an SQLite"),
        (tmp_path, "no backup"),
    ):
        with pytest.raises(DatabaseError, match=why):
            restore(sqlite_url, wrong)
    assert update_ids(file) == [1]


@pytest.mark.parametrize("how", ["damaged", "overwritten"])
def test_a_database_beyond_repair_is_replaced_and_kept(
    sqlite_url: str, file: Path, copy: Path, how: str
) -> None:
    """With the log of a process that was killed beside it, which must not be applied to the copy."""
    (file.parent / f"{file.name}-wal").write_bytes(b"\x37\x7f\x06\x82 an old log")
    if how == "damaged":
        damage(file)
    else:
        file.write_bytes(b"\0" * 5000)
    broken = file.read_bytes()
    kept = restore(sqlite_url, copy)
    assert update_ids(file) == [1]
    assert kept.read_bytes()[4096:] == broken[4096:]
    upgrade(sqlite_url)
