"""/stats: how the bot is doing, for its admins, as text and as a picture."""

import logging
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
from bot.observe.charts import Drawing, draw
from bot.observe.reading import Reading
from bot.transport.errors import CallFailed

log = logging.getLogger(__name__)


class StatsHandler:
    """Tells counts and times, and nothing that anybody wrote."""

    def __init__(
        self,
        admins: Admins,
        store: Store,
        read: Callable[[], Reading],
        replies: Replies,
        refusals: Refusals,
        clock: Callable[[], float],
    ) -> None:
        self._admins = admins
        self._store = store
        self._read = read
        self._replies = replies
        self._refusals = refusals
        self._clock = clock

    async def on_stats(self, update: Update, _context: Context) -> None:
        """/stats. The text comes first: a picture takes a while, and may not come at all."""
        _ = translate_for(update)
        if not self._admins.sent(update):
            await self._refusals.refuse(update, _("This is for the admins of this bot."))
            return
        stats = await self._store.stats(datetime.fromtimestamp(self._clock(), UTC).astimezone())
        await self._replies.say(update, stats_text(stats, self._read(), _))
        try:
            await self._replies.send_photo(update, await draw(Drawing(stats, _)))
        except CallFailed as error:
            log.info("the picture of /stats was not sent: %s", error)


def stats_text(stats: Stats, reading: Reading, _: Translate) -> str:
    """One line for each thing that is worth knowing."""
    lines = [
        _("👥 {users} people").format(users=stats.users),
        _("💬 {today} turns today, {month} in 30 days").format(today=stats.turns_today, month=stats.turns),
        "    ".join(f"{EMOJI[mood]} {stats.moods.get(mood, 0)}" for mood in EMOJI),
        "",
        _("🎭 time to sentiment: {times}").format(times=_times(stats.sentiment_s)),
        _("✍️ time to first token: {times}").format(times=_times(stats.first_token_s)),
        _("⚡ {speed:.0f} tokens/s, {running} running, {waiting} waiting").format(
            speed=reading.tokens_per_s, running=reading.running, waiting=reading.waiting
        ),
        _("♻️ {results} of the results and {tokens} of the prompts' tokens were there already").format(
            results=_share(reading.remembered, reading.asked),
            tokens="–" if stats.reused is None else f"{stats.reused:.0%}",
        ),
        "",
        _("⚠️ {failed} turns without an answer, {errors} errors, {restarts} restarts of the model").format(
            failed=stats.failed, errors=reading.errors, restarts=reading.restarts
        ),
        _("🚦 {penalties} penalties from Telegram ({seconds:.0f} s)").format(
            penalties=reading.penalties, seconds=reading.penalty_s
        ),
        _("✋ {refused} messages refused").format(refused=sum(reading.refused.values())),
        _("🧠 {memory} MB memory").format(memory=reading.memory_bytes >> 20),
        _("⏱ up for {uptime}").format(uptime=timedelta(seconds=round(reading.uptime_s))),
    ]
    return "\n".join(lines)


def _times(percentiles: Percentiles | None) -> str:
    if percentiles is None:
        return "–"
    return f"p50 {percentiles.p50:.2f} s · p95 {percentiles.p95:.2f} s"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "–"
