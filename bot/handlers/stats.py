"""/stats: how the bot is doing, for its admins."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from telegram import Update

from bot.handlers.context import Context
from bot.handlers.refusals import Refusals
from bot.handlers.replies import Replies
from bot.handlers.roles import Admins
from bot.handlers.words import EMOJI, Translate, translate_for
from bot.history.records import Percentiles, Stats
from bot.history.store import Store
from bot.model.api import Load, Model


class StatsHandler:
    """Tells counts and times, and nothing that anybody wrote."""

    def __init__(
        self,
        admins: Admins,
        store: Store,
        model: Model,
        replies: Replies,
        refusals: Refusals,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._admins = admins
        self._store = store
        self._model = model
        self._replies = replies
        self._refusals = refusals
        self._clock = clock
        self._started = clock()

    async def on_stats(self, update: Update, _context: Context) -> None:
        """/stats"""
        _ = translate_for(update)
        if not self._admins.sent(update):
            await self._refusals.refuse(update, _("This is for the admins of this bot."))
            return
        now = self._clock()
        stats = await self._store.stats(datetime.fromtimestamp(now, UTC).astimezone())
        uptime = timedelta(seconds=round(now - self._started))
        await self._replies.say(update, _stats_text(stats, self._model.load(), uptime, _))


def _stats_text(stats: Stats, load: Load, uptime: timedelta, _: Translate) -> str:
    moods = "  ".join(f"{EMOJI[mood]} {stats.moods.get(mood, 0)}" for mood in EMOJI)
    lines = [
        _("👥 {users} people").format(users=stats.users),
        _("💬 {today} turns today, {month} in 30 days").format(
            today=stats.turns_today, month=stats.turns_30_days
        ),
        moods,
        _("🎭 time to sentiment: {times}").format(times=_times(stats.sentiment_s)),
        _("✍️ time to first token: {times}").format(times=_times(stats.first_token_s)),
        _("⚡ {speed:.0f} tokens/s, {running} running, {waiting} waiting").format(
            speed=load.tokens_per_s, running=load.running, waiting=load.waiting
        ),
        _("🧠 {memory} MB memory").format(memory=load.memory_bytes >> 20),
        _("⏱ up for {uptime}").format(uptime=uptime),
    ]
    return "\n".join(lines)


def _times(percentiles: Percentiles | None) -> str:
    if percentiles is None:
        return "–"
    return f"p50 {percentiles.p50:.2f} s · p95 {percentiles.p95:.2f} s"
