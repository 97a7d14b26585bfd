"""Database: the one way to run a transaction.

Knows no table. SQLite has one writer at a time: writers queue here, in the process, so that they never
meet as "database is locked"; readers see the last commit meanwhile (WAL).
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import nullcontext
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.history.connections import create_engine, is_sqlite, parse
from bot.history.errors import explained

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound="Stored")


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
