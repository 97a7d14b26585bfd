"""Looks a database over, while the bot runs or not: is it sound, of which version, and how full."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import URL, ColumnElement, Connection, Table, func, inspect, select

from bot.history.backup import NO_DATABASE, file_of
from bot.history.connections import is_sqlite, parse
from bot.history.errors import DatabaseError, name_of
from bot.history.schema import head, in_transaction, refuse_newer, revision_of
from bot.history.tables import metadata, turns, updates

FINDINGS = 5  # how many problems of one kind are told


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found. `size` is in bytes, None where the server knows it alone; no problems is good."""

    database: str
    size: int | None
    revision: str
    head: str
    rows: Mapping[str, int]
    waiting_updates: int
    undelivered_turns: int
    problems: tuple[str, ...]


def examine(url: str, *, quick: bool = False) -> Examination:
    """Read the whole database without changing it; `quick` looks at its pages only, not at what they say.

    Raises DatabaseError where that cannot be done.
    """
    parsed = parse(url)
    if is_sqlite(parsed) and not file_of(parsed).is_file():
        raise DatabaseError(NO_DATABASE.format(file_of(parsed)))
    return in_transaction(parsed, lambda connection: _examine(connection, parsed, quick), writes=False)


def _examine(connection: Connection, url: URL, quick: bool) -> Examination:
    revision = revision_of(connection)
    if revision is None:
        raise DatabaseError(f"{name_of(url)} has no tables of this bot yet: its first start makes them")
    refuse_newer(revision, url)
    damage = _damage(connection, quick) if is_sqlite(url) else []
    counted = {} if damage else {name: _count(connection, table) for name, table in _ours(connection).items()}
    return Examination(
        database=name_of(url),
        size=file_of(url).stat().st_size if is_sqlite(url) else None,
        revision=revision,
        head=head(),
        rows=counted,
        waiting_updates=0 if damage else _count(connection, updates, updates.c.state == "received"),
        undelivered_turns=0 if damage else _count(connection, turns, turns.c.delivered.is_(False)),
        problems=tuple(damage),
    )


def _ours(connection: Connection) -> dict[str, Table]:
    """Tables that are there: an older schema may lack some of this code's."""
    present = inspect(connection).get_table_names()
    return {name: table for name, table in sorted(metadata.tables.items()) if name in present}


def _count(connection: Connection, table: Table, *which: ColumnElement[bool]) -> int:
    return int(connection.scalar(select(func.count()).select_from(table).where(*which)) or 0)


def _damage(connection: Connection, quick: bool) -> list[str]:
    """Rows without owners can only be looked for where the pages are sound."""
    pragma = "quick_check" if quick else "integrity_check"
    lines = connection.exec_driver_sql(f"PRAGMA {pragma}({FINDINGS})").scalars()
    broken = [f"damaged: {line}" for line in lines if line != "ok"]
    if broken or quick:
        return broken
    orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(FINDINGS)
    return [f"row {row[1]} of {row[0]} refers to a missing row of {row[2]}" for row in orphans]
