"""How a database is reached: its URL, and an engine with the settings that this bot relies on."""

import logging
import sqlite3
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, AsyncAdaptedQueuePool, Connection, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bot.history.errors import DatabaseError, explained

# Their DEBUG lines show parameters and rows, that is, what people wrote.
for _name in ("aiosqlite", "sqlalchemy.engine"):
    logging.getLogger(_name).setLevel(logging.WARNING)


def is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def parse(url: str | URL) -> URL:
    """The URL of a database that this bot can use, or DatabaseError."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise DatabaseError("database.url is not a URL: see config.example.toml for its two forms") from None
    if is_sqlite(parsed) and (parsed.database or ":memory:") == ":memory:":
        raise DatabaseError("database.url names no file: a database in memory would forget everything")
    if is_sqlite(parsed) and parsed.query:
        raise DatabaseError("database.url names an SQLite file: nothing may follow a ? there")
    return parsed


def create_engine(url: URL, *, busy_timeout_s: float, foreign_keys: bool = True) -> AsyncEngine:
    """An engine whose transactions begin as writers, and whose errors show no parameters."""
    if not is_sqlite(url):
        return _create(url, pool_size=5, max_overflow=10, pool_pre_ping=True)
    folder = Path(str(url.database)).parent
    with explained(url):
        folder.mkdir(parents=True, exist_ok=True)
    # isolation_level None leaves BEGIN to us: Python's own comes too late, and never as a writer.
    options = {"timeout": busy_timeout_s, "isolation_level": None}
    pool = AsyncAdaptedQueuePool
    engine = _create(url, poolclass=pool, pool_size=4, max_overflow=0, connect_args=options)
    event.listen(engine.sync_engine, "connect", partial(_configure, foreign_keys))
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _create(url: URL, **options: Any) -> AsyncEngine:
    try:
        return create_async_engine(url, hide_parameters=True, **options)
    except ModuleNotFoundError as error:
        raise DatabaseError(
            f"database.url needs the Python package {error.name}: install it with pip"
        ) from None


def _configure(foreign_keys: bool, connection: Any, _record: object) -> None:
    """FULL: a journalled update is on the disk, power loss or not. secure_delete: what is cleared is gone."""
    try:
        cursor = connection.cursor()
        _write_ahead(cursor)
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA secure_delete = ON")
        cursor.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")
        cursor.close()
    except BaseException:
        connection.close()  # the pool does not own it yet, and its thread would live on
        raise


def _write_ahead(cursor: Any) -> None:
    """Into WAL mode, which a file keeps. There SQLite does not wait for others: wait until alone and try again."""
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
        cursor.execute("BEGIN EXCLUSIVE")
        cursor.execute("ROLLBACK")


def _begin(connection: Connection) -> None:
    if mode := connection.get_execution_options().get("sqlite_begin", "IMMEDIATE"):
        connection.exec_driver_sql(f"BEGIN {mode}")
