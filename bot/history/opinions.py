"""Opinions: all corrections of verdicts in a database, while the bot runs or not. Reads nobody's words."""

from sqlalchemy import Connection, func, inspect, select

from bot.history.backup import NO_DATABASE, file_of
from bot.history.connections import is_sqlite, parse
from bot.history.errors import DatabaseError
from bot.history.records import Correction, Opinions
from bot.history.schema import in_transaction
from bot.history.tables import feedback, turns


def read_opinions(url: str) -> Opinions:
    """What all bots of a database were told, oldest first; they may be running. Raises DatabaseError."""
    parsed = parse(url)
    if is_sqlite(parsed) and not file_of(parsed).is_file():
        raise DatabaseError(NO_DATABASE.format(file_of(parsed)))
    return in_transaction(parsed, _read_opinions, writes=False)


def _read_opinions(connection: Connection) -> Opinions:
    if not inspect(connection).has_table(feedback.name):
        raise DatabaseError("the database is from before verdicts could be corrected: start the bot once")
    judged = select(func.count()).select_from(turns).where(turns.c.sentiment.is_not(None))
    rows = connection.execute(select(feedback).order_by(feedback.c.created_at, feedback.c.turn_id))
    corrections = tuple(Correction(row.verdict, row.probability, row.correction) for row in rows)
    return Opinions(corrections, int(connection.scalar(judged) or 0))
