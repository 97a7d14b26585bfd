"""Copies of an SQLite database, also while the bot runs. Knows files and no table; PostgreSQL has pg_dump."""

import os
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from sqlalchemy import URL

from bot.history.connections import parse
from bot.history.errors import DatabaseError, explained
from bot.history.records import utc_now

NO_DATABASE = "there is no database at {}: it is made when the bot first starts"
KEPT = 3  # automatic copies from before a migration; older ones are deleted


def file_of(url: URL) -> Path:
    """Where an SQLite database is, or will be; DatabaseError for any other."""
    if url.get_backend_name() != "sqlite":
        raise DatabaseError("this is for SQLite only: use pg_dump and pg_restore for PostgreSQL")
    return Path(str(url.database))


def backup(url: str, target: Path | None = None) -> Path:
    """Copy the database as it is now, beside itself or to `target`; the bot may be running."""
    source = file_of(parse(url))
    if not source.is_file():
        raise DatabaseError(NO_DATABASE.format(source))
    return copy(source, target or beside(source, "backup"))


def before_migration(url: URL, revision: str) -> Path:
    """Copy the database beside itself before its schema changes, and keep a few of these copies."""
    source = file_of(url)
    made = copy(source, beside(source, f"before-{revision}"))
    older = sorted(source.parent.glob(f"{source.stem}-before-*{source.suffix}"), key=_changed)
    for file in older[:-KEPT]:
        file.unlink()
    return made


def beside(file: Path, purpose: str, now: datetime | None = None) -> Path:
    """A name for a copy in the same folder, with the time in it."""
    return file.with_name(f"{file.stem}-{purpose}-{now or utc_now():%Y%m%dT%H%M%S%f}{file.suffix}")


def copy(source: Path, target: Path) -> Path:
    """A whole, compact copy without remains of deleted rows, which only this user may read; or none."""
    if target.exists():
        raise DatabaseError(f"{target} exists already: give another name")
    partial = target.with_name(f"{target.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        with explained(target):
            partial.touch(mode=0o600)
        with explained(source), closing(sqlite3.connect(source)) as connection:
            connection.execute("VACUUM INTO ?", [str(partial)])
        with explained(target):
            _sync(partial)
            os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def _sync(file: Path) -> None:
    with file.open("rb+") as content:
        os.fsync(content.fileno())


def _changed(file: Path) -> float:
    return file.stat().st_mtime
