"""Database: the engine, its settings, and the one way to run a transaction on it.

Knows no table. SQLite has one writer at a time: writers queue here, in the process, so that they never
meet as "database is locked"; readers see the last commit meanwhile (WAL).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import nullcontext
from functools import partial, wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import URL, AsyncAdaptedQueuePool, Connection, Table, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from bot.history.errors import DatabaseError, explained

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound="Stored")

# Their DEBUG lines show parameters and rows, that is, what people wrote.
for _name in ("aiosqlite", "sqlalchemy.engine"):
    logging.getLogger(_name).setLevel(logging.WARNING)


class Database:
    """One database, SQLite or PostgreSQL by `url`. Call `migrate` first and `close` last."""

    def __init__(self, url: str, *, busy_timeout_s: float = 10.0) -> None:
        self.url = parse(url)
        writer = create_engine(self.url, busy_timeout_s=busy_timeout_s)
        self.engine = writer
        self._engines = {True: writer, False: writer.execution_options(sqlite_begin="DEFERRED")}
        self._turnstile = asyncio.Lock() if is_sqlite(self.url) else nullcontext()
        self._running: set[asyncio.Task[Any]] = set()

    async def migrate(self) -> None:
        """Create the database or bring it up to this version's schema; raises SchemaTooNew."""
        from bot.history import schema  # late: only the start needs Alembic

        await asyncio.to_thread(schema.upgrade, self.url)

    async def run(self, work: Callable[[AsyncConnection], Awaitable[R]], *, writes: bool) -> R:
        """Do `work` in one transaction, committed on return.

        A cancelled caller waits until the transaction has ended: half of one would keep the write lock.
        """
        task = asyncio.ensure_future(self._transaction(work, writes))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait({task})
            raise

    async def _transaction(self, work: Callable[[AsyncConnection], Awaitable[R]], writes: bool) -> R:
        with explained(self.url):
            async with (
                self._turnstile if writes else nullcontext(),
                self._engines[writes].begin() as connection,
            ):
                return await work(connection)

    async def empty_log(self) -> None:
        """Let what was deleted leave SQLite's write-ahead log too, where it stays until it is overwritten."""
        if not is_sqlite(self.url):
            return
        outside = self.engine.execution_options(sqlite_begin=None)  # a log cannot be emptied from within
        with explained(self.url):
            async with self._turnstile, outside.connect() as connection:
                await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    async def close(self) -> None:
        """Let running transactions end, then close every connection."""
        while self._running:
            await asyncio.wait(self._running)
        await self.engine.dispose()


class Stored(Protocol):
    """Something that keeps its data in a database."""

    database: Database


def writes(
    method: Callable[Concatenate[S, AsyncConnection, P], Awaitable[R]],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, R]]:
    """The method is one short writing transaction; it gets the connection, its callers do not see it."""
    return _one_transaction(method, writes=True)


def reads(
    method: Callable[Concatenate[S, AsyncConnection, P], Awaitable[R]],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, R]]:
    """Like `writes`, for a transaction that only reads: it waits for nobody."""
    return _one_transaction(method, writes=False)


def _one_transaction(
    method: Callable[Concatenate[S, AsyncConnection, P], Awaitable[R]], *, writes: bool
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, R]]:
    @wraps(method)
    async def run(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        def work(connection: AsyncConnection) -> Awaitable[R]:
            return method(self, connection, *args, **kwargs)

        return await self.database.run(work, writes=writes)

    return run


def insert_new(connection: AsyncConnection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that does nothing where a unique key is taken, in the words of this database."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return postgresql.insert(table).on_conflict_do_nothing()


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
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA secure_delete = ON")
        cursor.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")
        cursor.close()
    except BaseException:
        connection.close()  # the pool does not own it yet, and its thread would live on
        raise


def _begin(connection: Connection) -> None:
    if mode := connection.get_execution_options().get("sqlite_begin", "IMMEDIATE"):
        connection.exec_driver_sql(f"BEGIN {mode}")
