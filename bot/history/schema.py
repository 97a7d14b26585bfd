"""The schema's version: brings a database up to this code's, with Alembic. Knows no table.

Alembic's `op` and `context` belong to the whole process, and its work would block an event loop: so these
functions are synchronous, one at a time, each with a connection of its own.
"""

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, inspect

import bot
from bot.history.backup import before_migration
from bot.history.connections import create_engine, is_sqlite, parse
from bot.history.errors import DatabaseError, SchemaTooNew, explained, name_of

BUSY_TIMEOUT_S = 60.0  # how long one start waits for another one's migration
POSTGRESQL_LOCK = 0x7461_6E64  # "tand"

R = TypeVar("R")

_log = logging.getLogger(__name__)
logging.getLogger("alembic").setLevel(logging.WARNING)  # every start would have its lines

_one_at_a_time = threading.Lock()


def upgrade(url: str | URL, target: str = "head") -> None:
    """Create the database or bring it up to this version's schema; safe when two processes start at once.

    A populated SQLite file is copied first. Raises SchemaTooNew, or DatabaseError.
    """
    parsed = parse(url)
    in_transaction(parsed, lambda connection: _upgrade(connection, parsed, target))


def downgrade(url: str | URL, target: str) -> None:
    """Take the schema back to the revision `target` ("base": no tables at all)."""

    def work(connection: Connection) -> None:
        command.downgrade(_config(connection), target)
        _check_foreign_keys(connection)

    in_transaction(parse(url), work)


def revision(url: str | URL) -> str | None:
    """The revision of a database's schema; None where it has none yet."""
    return in_transaction(parse(url), revision_of, writes=False)


def revision_of(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def refuse_newer(revision: str, database: URL | Path) -> None:
    """Raise SchemaTooNew if this code does not know `revision`."""
    if revision not in {script.revision for script in ScriptDirectory(str(folder())).walk_revisions()}:
        raise SchemaTooNew(
            f"the database {name_of(database)} was written by a newer version of the bot (schema {revision}, "
            f"this version knows up to {head()}): install that version, or restore a backup"
        )


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


def in_transaction(url: URL, work: Callable[[Connection], R], *, writes: bool = True) -> R:
    """Do `work` in one transaction, whole or not at all, on a connection of its own."""
    with _one_at_a_time:
        return asyncio.run(_in_transaction(url, work, writes))


async def _in_transaction(url: URL, work: Callable[[Connection], R], writes: bool) -> R:
    engine = create_engine(url, busy_timeout_s=BUSY_TIMEOUT_S, foreign_keys=False)
    if not writes:
        engine = engine.execution_options(sqlite_begin="DEFERRED")
    _check_file(url)
    try:
        with explained(url):
            async with engine.begin() as connection:
                return await connection.run_sync(work)
    finally:
        await engine.dispose()


def _check_file(url: URL) -> None:
    """Fail before the driver does: its thread outlives a failure and the event loop, and complains aloud."""
    if not is_sqlite(url):
        return
    file = Path(str(url.database))
    with explained(url):
        if not file.exists():
            file.touch(mode=0o600)  # it will hold what people wrote; SQLite gives its logs the same mode
        with closing(sqlite3.connect(file, BUSY_TIMEOUT_S)) as connection:
            connection.execute("PRAGMA schema_version")


def _upgrade(connection: Connection, url: URL, target: str) -> None:
    _wait_for_others(connection)
    current = revision_of(connection)
    if current == head():
        return
    if current is not None:
        refuse_newer(current, url)
        if is_sqlite(url):
            _log.info("copied the database to %s", before_migration(url, head()))
    elif inspect(connection).has_table("updates"):
        raise DatabaseError(f"the database {name_of(url)} belongs to another program: change database.url")
    command.upgrade(_config(connection), target)
    _check_foreign_keys(connection)
    _log.info("the database has schema %s now", head())


def _wait_for_others(connection: Connection) -> None:
    """One start migrates at a time; on SQLite the transaction began with that lock."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({POSTGRESQL_LOCK})")


def _check_foreign_keys(connection: Connection) -> None:
    """They are off while tables are rebuilt (SQLite does that to change a column), so look afterwards."""
    if connection.dialect.name == "sqlite" and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
        raise DatabaseError("the migration would leave rows without their owners; nothing was changed")


def _config(connection: Connection) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(folder()).replace("%", "%%"))
    return config
