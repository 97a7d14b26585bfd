"""Counts and times over the history of one bot, for /stats. Reads no text."""

from datetime import datetime, timedelta
from math import ceil
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.history.records import Percentiles, Stats
from bot.history.tables import conversations, turns, users

PERIOD = timedelta(days=30)
SAMPLE = 10_000  # percentiles are those of so many newest turns


async def read_stats(connection: AsyncConnection, bot_id: int, now: datetime) -> Stats:
    """Counts and times up to `now`; today begins at midnight in the time zone of `now`."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    month = _since(bot_id, now - PERIOD)
    everybody = select(func.count()).select_from(users).where(users.c.bot_id == bot_id)
    mood = turns.c.sentiment
    moods = month.with_only_columns(mood, func.count()).where(mood.is_not(None)).group_by(mood)
    return Stats(
        users=int(await connection.scalar(everybody) or 0),
        turns_today=await _count(connection, _since(bot_id, midnight)),
        turns_30_days=await _count(connection, month),
        moods={label: count for label, count in (await connection.execute(moods)).all()},
        sentiment_s=await _percentiles(connection, month, turns.c.sentiment_s),
        first_token_s=await _percentiles(connection, month, turns.c.first_token_s),
    )


def percentiles(values: list[float]) -> Percentiles | None:
    """Nearest ranks: each is a value that was measured."""
    if not values:
        return None
    ordered = sorted(values)
    return Percentiles(*(ordered[ceil(share * len(ordered)) - 1] for share in (0.5, 0.95)))


def _since(bot_id: int, start: datetime) -> Select[Any]:
    of_bot = select(turns.c.id).join(conversations, turns.c.conversation_id == conversations.c.id)
    return of_bot.where(conversations.c.bot_id == bot_id, turns.c.created_at >= start)


async def _count(connection: AsyncConnection, query: Select[Any]) -> int:
    return int(await connection.scalar(query.with_only_columns(func.count())) or 0)


async def _percentiles(
    connection: AsyncConnection, query: Select[Any], seconds: Column[float] | ColumnElement[float]
) -> Percentiles | None:
    measured = query.with_only_columns(seconds).where(seconds.is_not(None))
    newest = measured.order_by(turns.c.id.desc()).limit(SAMPLE)
    return percentiles(list(await connection.scalars(newest)))
