"""The schema's version: brings a database up to this code's, with Alembic. Knows no table.

Alembic's `op` and `context` belong to the whole process, and its work would block an event loop: so these
functions are synchronous, one at a time, each with a connection of its own.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, inspect

import bot
from bot.history.database import create_engine, is_sqlite, parse
from bot.history.errors import DatabaseError, SchemaTooNew, explained, name_of

BUSY_TIMEOUT_S = 60.0  # how long one start waits for another one's migration
POSTGRESQL_LOCK = 0x7461_6E64  # "tand"

_one_at_a_time = threading.Lock()


def upgrade(url: str | URL, target: str = "head") -> None:
    """Create the database or bring it up to this version's schema; safe when two processes start at once."""
    parsed = parse(url)
    _run(parsed, lambda connection: _upgrade(connection, parsed, target))


def downgrade(url: str | URL, revision: str) -> None:
    """Take the schema back to `revision` ("base": no tables at all)."""
    _run(parse(url), lambda connection: command.downgrade(_config(connection), revision))


def revision(url: str | URL) -> str | None:
    """The revision of a database's schema; None where it has none yet."""
    found: list[str | None] = []
    _run(parse(url), lambda connection: found.append(_revision(connection)))
    return found[0]


def head() -> str:
    """The revision of this code's schema."""
    return ScriptDirectory(str(folder())).get_current_head() or ""


def folder() -> Path:
    """The migrations: inside the package in a wheel, beside it in a checkout."""
    package = Path(bot.__file__).parent
    places = (package / "migrations", package.parent / "migrations")
    found = next((place for place in places if (place / "env.py").is_file()), None)
    if found is None:
        raise DatabaseError(f"the migrations are missing from {package}: install the bot again")
    return found


def _run(url: URL, work: Callable[[Connection], None]) -> None:
    with _one_at_a_time:
        asyncio.run(_in_transaction(url, work))


async def _in_transaction(url: URL, work: Callable[[Connection], None]) -> None:
    """All migrations are one transaction: a start that is killed in the middle leaves the old schema."""
    engine = create_engine(url, busy_timeout_s=BUSY_TIMEOUT_S, foreign_keys=False)
    _check_file(url)
    try:
        with explained(url):
            async with engine.begin() as connection:
                await connection.run_sync(_lock)
                await connection.run_sync(work)
                await connection.run_sync(_check_foreign_keys)
    finally:
        await engine.dispose()


def _check_file(url: URL) -> None:
    """Fail before the driver does: its thread outlives a failure and the event loop, and complains aloud."""
    if is_sqlite(url):
        with explained(url), closing(sqlite3.connect(str(url.database), BUSY_TIMEOUT_S)) as connection:
            connection.execute("PRAGMA schema_version")


def _upgrade(connection: Connection, url: URL, target: str) -> None:
    current = _revision(connection)
    if current == head():
        return
    if current is not None and current not in _known():
        raise SchemaTooNew(
            f"the database {name_of(url)} was written by a newer version of the bot (schema {current}, "
            f"this version knows up to {head()}): install that version, or restore a backup"
        )
    if current is None and inspect(connection).has_table("updates"):
        raise DatabaseError(f"the database {name_of(url)} belongs to another program: change database.url")
    command.upgrade(_config(connection), target)


def _lock(connection: Connection) -> None:
    """SQLite's BEGIN IMMEDIATE already holds the lock that lets one start in."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({POSTGRESQL_LOCK})")


def _check_foreign_keys(connection: Connection) -> None:
    """They are off while tables are rebuilt (SQLite does that to change a column), so look afterwards."""
    if connection.dialect.name == "sqlite" and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
        raise DatabaseError("the migration would leave rows without their owners; nothing was changed")


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _known() -> set[str]:
    return {script.revision for script in ScriptDirectory(str(folder())).walk_revisions()}


def _config(connection: Connection) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(folder()).replace("%", "%%"))
    return config
