"""Migrations: up, down, with data, from a wheel, by two at once, and never on a newer database."""

import logging
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from asyncio import gather, to_thread
from collections.abc import Sequence
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from bot.history import schema, tables
from bot.history.database import Database
from bot.history.errors import DatabaseError, SchemaTooNew

PROJECT = Path(__file__).parents[2]


async def sql(url: str, *statements: str) -> list[Sequence[object]]:
    """Run statements in one transaction; the rows of the last one come back."""
    database = Database(url)
    async with database.engine.begin() as connection:
        results = [await connection.execute(text(statement)) for statement in statements]
        rows = [tuple(row) for row in results[-1]] if results[-1].returns_rows else []
    await database.close()
    return rows


async def table_names(url: str) -> set[str]:
    database = Database(url)
    async with database.engine.connect() as connection:
        names = await connection.run_sync(lambda sync: set(inspect(sync).get_table_names()))
    await database.close()
    return names


# Rows as the first schema knew them; every later migration has to carry them along.
FIRST_ROWS = (
    "INSERT INTO updates (id, bot_id, update_id, received_at, state, attempts)"
    " VALUES (1, 4242, 77, '2026-11-22 12:00:00', 'done', 1)",
    "INSERT INTO conversations (id, bot_id, chat_id, thread_id, user_id, chat_type, reset_turn_id)"
    " VALUES (1, 4242, -1001234567890, 0, 4503599627370496, 'supergroup', 0)",
    "INSERT INTO turns (id, conversation_id, entry_id, user_id, message_id, question, created_at, attempts,"
    " state, answer_ids, reply, delivered)"
    " VALUES (1, 1, 1, 4503599627370496, 5, '你好', '2026-11-22 12:00:00', 1, 'done', '[7]', '你好！', true)",
    "INSERT INTO users (bot_id, id, language, first_seen, last_seen)"
    " VALUES (4242, 4503599627370496, 'zh-hans', '2026-11-22 12:00:00', '2026-11-22 12:00:00')",
)


async def contents(url: str) -> list[object]:
    turn = "SELECT question, reply, conversation_id, entry_id FROM turns"
    return [await sql(url, turn), await sql(url, "SELECT id, language FROM users")]


async def test_migrations_make_the_tables_that_the_code_uses(database: Database) -> None:
    async with database.engine.connect() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(
                MigrationContext.configure(sync, opts={"compare_type": True}), tables.metadata
            )
        )
    assert differences == []


async def test_a_populated_database_goes_up_and_down(database: Database, url: str) -> None:
    await database.close()
    await to_thread(schema.downgrade, url, "base")
    assert await table_names(url) == {"alembic_version"}
    await to_thread(schema.upgrade, url, "0001")
    await sql(url, *FIRST_ROWS)
    before = await contents(url)
    for script in reversed(list(ScriptDirectory(str(schema.folder())).walk_revisions())):
        await to_thread(schema.upgrade, url, script.revision)
        assert await contents(url) == before
    await to_thread(schema.downgrade, url, "0001")
    assert await contents(url) == before
    await to_thread(schema.upgrade, url)
    assert await contents(url) == before
    assert await to_thread(schema.revision, url) == schema.head()


async def test_a_second_start_changes_nothing(database: Database, url: str) -> None:
    await database.migrate()
    assert await to_thread(schema.revision, url) == schema.head()


async def test_a_newer_database_is_refused_untouched(database: Database, url: str, next_version) -> None:
    await sql(url, *FIRST_ROWS)
    before = await contents(url)
    await database.close()
    await to_thread(next_version, url)
    with pytest.raises(SchemaTooNew, match=r"schema next.*install that version"):
        await database.migrate()
    assert await to_thread(schema.revision, url) == "next"
    assert await contents(url) == before


async def test_another_programs_database_is_refused_untouched(url: str) -> None:
    await sql(url, "CREATE TABLE updates (id INTEGER)")
    with pytest.raises(DatabaseError, match="belongs to another program"):
        await Database(url).migrate()
    assert await table_names(url) == {"updates"}


async def test_a_migration_that_fails_changes_nothing(url: str) -> None:
    """`users` is made last: when it is in the way, nothing of what came before may stay."""
    await sql(url, "CREATE TABLE users (id INTEGER)")
    with pytest.raises(DatabaseError):
        await Database(url).migrate()
    assert await table_names(url) == {"users"}


async def test_two_databases_of_one_process_migrate_at_once(tmp_path: Path) -> None:
    databases = [Database(f"sqlite+aiosqlite:///{tmp_path}/{n}.sqlite3") for n in range(4)]
    await gather(*(database.migrate() for database in databases))
    for database in databases:
        assert await to_thread(schema.revision, database.url) == schema.head()
        await database.close()


CHILD = "import sys; from bot.history import schema; sys.stdin.readline(); schema.upgrade(sys.argv[1])"


def test_processes_that_start_at_once_do_not_disturb_each_other(url: str) -> None:
    children = [
        subprocess.Popen([sys.executable, "-c", CHILD, url], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    for child in children:
        child.stdin.write(b"go\n")
        child.stdin.flush()
    assert [child.communicate()[1].decode() for child in children] == [""] * 4
    assert schema.revision(url) == schema.head()


async def test_logging_stays_as_it_was(sqlite_url: str) -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers), logging.getLogger("bot.history").disabled)
    await Database(sqlite_url).migrate()
    assert (root.level, list(root.handlers), logging.getLogger("bot.history").disabled) == before


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The python of an environment where the bot is installed from its wheel; the rest is ours."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    ignored = shutil.ignore_patterns(".*", "__pycache__", "tests", "dist", "build")
    shutil.copytree(PROJECT, source, ignore=ignored)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(folder), str(source)], check=True)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    subprocess.run(
        [*pip, "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)], check=True
    )
    (packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (packages / "ours.pth").write_text(sysconfig.get_path("purelib"))
    return python


def test_an_installed_wheel_brings_its_migrations(installed: Path, sqlite_url: str, tmp_path: Path) -> None:
    script = (
        "import bot, sys; from bot.history import schema; schema.upgrade(sys.argv[1]); print(bot.__file__)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    child = subprocess.run(
        [installed, "-c", script, sqlite_url],
        cwd=tmp_path,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert Path(child.stdout.strip()).is_relative_to(installed.parents[1])
    assert schema.revision(sqlite_url) == schema.head()
