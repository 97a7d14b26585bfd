"""What can go wrong with the database, told to the person who runs the bot.

Turns drivers' errors into one class. Never repeats a statement's parameters: they are what people wrote.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

# By SQLite's result code, or by SQLSTATE.
_REASONS = {
    "SQLITE_BUSY": "is locked by another process; stop that process or wait for it",
    "SQLITE_LOCKED": "is locked by another process; stop that process or wait for it",
    "SQLITE_CANTOPEN": "cannot be opened; check that its folder exists and belongs to this user",
    "SQLITE_CORRUPT": "is damaged; restore a backup with `python -m bot db restore`",
    "SQLITE_FULL": "cannot grow: the disk is full; free some space",
    "SQLITE_IOERR": "cannot be read or written: the disk reports an error or is full",
    "SQLITE_NOTADB": "is not an SQLite database; check database.url or restore a backup",
    "SQLITE_PERM": "may not be accessed; check the permissions of the file and its folder",
    "SQLITE_READONLY": "cannot be written; check the permissions of the file and its folder",
    "28000": "refuses this user; check database.url",
    "28P01": "refuses this password; check database.url",
    "3D000": "does not exist on the server; create it with createdb",
    "42501": "does not allow this user to do that; make the user its owner",
    "53100": "cannot grow: the server's disk is full",
    "53300": "has no connection left for the bot; raise max_connections of the server",
    "25006": "is read-only; check that database.url names the primary server",
}


class DatabaseError(Exception):
    """The database did not do its work. The message names it and says what to do."""


class SchemaTooNew(DatabaseError):
    """A newer version of the bot wrote this database; this one must not touch it."""


def name_of(database: URL | Path) -> str:
    """The database as messages call it: the file, or the address without its password."""
    if isinstance(database, Path):
        return str(database)
    if database.get_backend_name() == "sqlite":
        return str(database.database)
    return database.render_as_string(hide_password=True)


@contextmanager
def explained(database: URL | Path) -> Iterator[None]:
    """Errors of drivers and of SQLAlchemy leave this block as DatabaseError."""
    try:
        yield
    except DBAPIError as error:
        raise DatabaseError(f"the database {name_of(database)} {_reason(error.orig)}") from None
    except sqlite3.Error as error:
        raise DatabaseError(f"the database {name_of(database)} {_reason(error)}") from None
    except OSError as error:
        raise DatabaseError(f"the database {name_of(database)} cannot be reached: {error}") from None
    except SQLAlchemyError as error:
        raise DatabaseError(f"the database {name_of(database)} failed: {type(error).__name__}") from None
    except Exception as error:
        if not hasattr(error, "sqlstate"):  # asyncpg's, which SQLAlchemy 2.0 does not wrap while connecting
            raise
        raise DatabaseError(f"the database {name_of(database)} {_reason(error)}") from None


def _reason(error: BaseException | None) -> str:
    """Drivers' own words only from SQLite: they name tables and columns. PostgreSQL's may quote values."""
    code = str(getattr(error, "sqlite_errorname", "") or getattr(error, "sqlstate", "") or "")
    known = (text for name, text in _REASONS.items() if code == name or code.startswith(f"{name}_"))
    words = str(error) if isinstance(error, sqlite3.Error) else type(error).__name__
    return f"{next(known, f'failed: {words}')}{f' ({code})' if code else ''}"
