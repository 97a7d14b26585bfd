"""Puts a copy of an SQLite database in the place of the present one, while the bot does not run."""

import os
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from bot.history.backup import beside, copy, file_of
from bot.history.connections import parse
from bot.history.errors import DatabaseError, explained
from bot.history.schema import refuse_newer

LOGS = ("-wal", "-shm")  # what SQLite keeps beside a database in use


def restore(url: str, source: Path) -> Path | None:
    """Make the database in `source` the present one; a newer schema or a damaged copy is refused.

    Returns where the replaced file was put, if there was one. An older schema is migrated at the next start.
    """
    target = file_of(parse(url))
    _check(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = copy(source, beside(target, "restoring"))
    try:
        replaced = _keep(target) if target.exists() else None
        with explained(target):
            os.replace(fresh, target)
    finally:
        fresh.unlink(missing_ok=True)
    return replaced


def _check(source: Path) -> None:
    """Only a sound copy of a database of this bot, by a version that is not newer, may replace anything."""
    if not source.is_file():
        raise DatabaseError(f"there is no backup at {source}")
    with explained(source), closing(sqlite3.connect(source)) as connection:
        [(verdict,), *_] = connection.execute("PRAGMA integrity_check(1)").fetchall()
        if verdict != "ok":
            raise DatabaseError(f"{source} is damaged: choose another backup")
        if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'alembic_version'").fetchone():
            raise DatabaseError(f"{source} is no backup of this bot")
        for (revision,) in connection.execute("SELECT version_num FROM alembic_version"):
            refuse_newer(revision, source)


def _keep(file: Path) -> Path:
    """Copy the present database, with its log, to another name, and end the log: the next one begins anew."""
    kept = beside(file, "replaced")
    _close_log(file)
    for suffix in ("", *LOGS):
        with explained(file), suppress(FileNotFoundError):
            shutil.copy2(file.with_name(file.name + suffix), kept.with_name(kept.name + suffix))
    for suffix in LOGS:
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    return kept


def _close_log(file: Path) -> None:
    """Move the write-ahead log into the file. SQLite allows it only where nobody else has the file open."""
    with closing(sqlite3.connect(file, timeout=1.0)) as connection:
        try:
            connection.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.DatabaseError as error:
            # Anything but "busy" is damage, a reason to restore: the file is kept as it is.
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise DatabaseError(f"{file} is in use: stop the bot, then restore") from None
