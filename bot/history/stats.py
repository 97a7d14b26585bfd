"""Counts and times over the history of one bot, for /stats. Reads no text."""

from collections import Counter
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.history.records import Day, Percentiles, Stats
from bot.history.tables import conversations, feedback, turns, users

DAYS = 30
SAMPLE = 10_000  # percentiles are those of so many newest turns


async def read_stats(connection: AsyncConnection, bot_id: int, now: datetime) -> Stats:
    """Counts and times up to `now`; days begin at midnight in the time zone of `now`."""
    starts = _midnights(now)
    month = _since(bot_id, starts[-1])
    everybody = select(func.count()).select_from(users).where(users.c.bot_id == bot_id)
    failed = month.where(turns.c.state.in_(("failed", "interrupted")))
    days = await _days(connection, month, starts, turns.c.sentiment)
    return Stats(
        users=int(await connection.scalar(everybody) or 0),
        days=days,
        failed=int(await connection.scalar(failed.with_only_columns(func.count())) or 0),
        sentiment_s=await _percentiles(connection, month, turns.c.sentiment_s),
        first_token_s=await _percentiles(connection, month, turns.c.first_token_s),
        reused=await _reused(connection, month),
    )


async def read_moods(
    connection: AsyncConnection, bot_id: int, now: datetime, user_id: int, chat_id: int | None
) -> tuple[Day, ...]:
    """One person's turns of each day and their moods, corrections included; of one chat or of all."""
    starts = _midnights(now)
    own = _since(bot_id, starts[-1]).where(turns.c.user_id == user_id)
    own = own.join(feedback, feedback.c.turn_id == turns.c.id, isouter=True)
    if chat_id is not None:
        own = own.where(conversations.c.chat_id == chat_id)
    return await _days(connection, own, starts, func.coalesce(feedback.c.correction, turns.c.sentiment))


def percentiles(values: list[float]) -> Percentiles | None:
    """Nearest ranks: each is a value that was measured."""
    if not values:
        return None
    ordered = sorted(values)
    return Percentiles(*(ordered[ceil(share * len(ordered)) - 1] for share in (0.5, 0.95)))


def _midnights(now: datetime) -> list[datetime]:
    """When the last days began, in the time zone of `now`; today first."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return [midnight - timedelta(days=age) for age in range(DAYS)]


def _since(bot_id: int, start: datetime) -> Select[Any]:
    of_bot = select(turns.c.id).join(conversations, turns.c.conversation_id == conversations.c.id)
    return of_bot.where(conversations.c.bot_id == bot_id, turns.c.created_at >= start)


async def _days(
    connection: AsyncConnection, month: Select[Any], starts: list[datetime], mood: ColumnElement[Any]
) -> tuple[Day, ...]:
    """Turns of each day and their moods, oldest day first; `starts` are the midnights, newest first."""
    age = case(*((turns.c.created_at >= start, age) for age, start in enumerate(starts)), else_=len(starts))
    counted = month.with_only_columns(age.label("age"), mood.label("mood"), func.count().label("turns"))
    counts: list[Counter[str | None]] = [Counter() for _ in starts]
    for row in await connection.execute(counted.group_by("age", "mood")):
        counts[row.age][row.mood] = row.turns
    by_day = zip(starts, counts, strict=True)
    days = [
        Day(start.date(), found.total(), {m: n for m, n in found.items() if m}) for start, found in by_day
    ]
    return tuple(reversed(days))


async def _reused(connection: AsyncConnection, month: Select[Any]) -> float | None:
    """The share of all prompts' tokens that the model still had."""
    sums = month.with_only_columns(func.sum(turns.c.cached_tokens), func.sum(turns.c.prompt_tokens))
    cached, prompt = (await connection.execute(sums)).one()
    return cached / prompt if prompt else None


async def _percentiles(
    connection: AsyncConnection, query: Select[Any], seconds: Column[float] | ColumnElement[float]
) -> Percentiles | None:
    measured = query.with_only_columns(seconds).where(seconds.is_not(None))
    newest = measured.order_by(turns.c.id.desc()).limit(SAMPLE)
    return percentiles(list(await connection.scalars(newest)))
