"""The examination of a database tells what an operator needs, and changes nothing."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bot.conversation import ConversationKey
from bot.history.database import Database
from bot.history.errors import DatabaseError, SchemaTooNew
from bot.history.examine import examine
from bot.history.journal import Journal
from bot.history.schema import head, upgrade
from bot.history.store import Store
from bot.history.tables import metadata


@pytest.fixture
def populated(url: str) -> str:
    async def fill() -> None:
        database = Database(url)
        await database.migrate()
        journal, store = Journal(database, 1), Store(database, 1)
        entries = await journal.append([{"update_id": n} for n in range(3)])
        await store.begin_turn(
            ConversationKey(11, 0, 11),
            update_id=0,
            chat_type="private",
            user_id=11,
            message_id=1,
            question="?",
        )
        await journal.done(entries[1].id)
        await database.close()

    asyncio.run(fill())
    return url


def test_a_sound_database(populated: str) -> None:
    found = examine(populated)
    assert found.problems == ()
    assert found.revision == found.head == head()
    assert set(found.rows) == set(metadata.tables)
    assert {name: count for name, count in found.rows.items() if count} == {
        "conversations": 1,
        "turns": 1,
        "updates": 3,
    }
    assert (found.waiting_updates, found.undelivered_turns) == (2, 1)


def test_a_writer_is_not_held_up(sqlite_url: str) -> None:
    upgrade(sqlite_url)
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite+aiosqlite:///"))) as connection:
        connection.execute("BEGIN IMMEDIATE")
        assert examine(sqlite_url).problems == ()


@pytest.fixture
def file(sqlite_url: str) -> Path:
    """A database with a turn that has lost its conversation."""
    upgrade(sqlite_url)
    file = Path(sqlite_url.removeprefix("sqlite+aiosqlite:///"))
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(
            "INSERT INTO turns (conversation_id, user_id, message_id, question, created_at, attempts, state,"
            " answer_ids, reply, delivered) VALUES (99, 1, 1, 'a secret', '2026-11-22', 1, 'done', '[]', '', 1)"
        )
        connection.commit()
    return file


def test_rows_without_owners_are_told(sqlite_url: str, file: Path) -> None:
    assert examine(sqlite_url).problems == ("row 1 of turns refers to a missing row of conversations",)


def test_damage_is_told_without_the_texts_in_it(sqlite_url: str, file: Path) -> None:
    """An index that is not what it says it is."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        wrong = "CREATE INDEX ix_turns_created_at ON turns (question)"
        connection.execute("UPDATE sqlite_schema SET sql = ? WHERE name = 'ix_turns_created_at'", [wrong])
        connection.commit()
    problems = "\n".join(examine(sqlite_url).problems)
    assert "damaged: row 1 missing from index ix_turns_created_at" in problems
    assert "secret" not in problems


def test_a_newer_database(sqlite_url: str, next_version: Callable[[str], None]) -> None:
    next_version(sqlite_url)
    with pytest.raises(SchemaTooNew):
        examine(sqlite_url)


def test_nothing_is_made_where_nothing_was(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="made when the bot first starts"):
        examine(f"sqlite+aiosqlite:///{tmp_path}/none.sqlite3")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_database(url: str) -> None:
    if url.startswith("sqlite"):
        file = Path(url.removeprefix("sqlite+aiosqlite:///"))
        file.parent.mkdir()
        file.touch()
    with pytest.raises(DatabaseError, match="no tables of this bot yet"):
        examine(url)
