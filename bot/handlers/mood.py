"""/mood: a person's own moods of the last days, as a picture and in one line. In a group, only of that group."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime

from telegram import Update

from bot.handlers.context import Context
from bot.handlers.feedback import MOODS
from bot.handlers.replies import Replies
from bot.handlers.words import EMOJI, Translate, translate_for
from bot.history.records import Day
from bot.history.store import Store
from bot.observe.moods import draw_moods
from bot.observe.style import DARK, LIGHT
from bot.transport.triggers import conversation_key

DARK_WORDS = frozenset({"dark", "night", "深色", "夜间", "黑色"})


class MoodHandler:
    """Shows people themselves, and nobody else."""

    def __init__(self, store: Store, replies: Replies, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._replies = replies
        self._clock = clock

    async def on_mood(self, update: Update, context: Context) -> None:
        """/mood [dark]"""
        _, key, user = translate_for(update), conversation_key(update), update.effective_user
        if key is None or user is None:
            return
        chat_id = None if key.chat_id > 0 else key.chat_id
        now = datetime.fromtimestamp(self._clock(), UTC).astimezone()
        days = await self._store.moods(user.id, now, chat_id)
        if not any(day.moods for day in days):
            await self._replies.say(update, _("There is no mood to show yet: write me something first."))
            return
        theme = DARK if _wants_dark(context.args or ()) else LIGHT
        await self._replies.send_photo(update, await draw_moods(days, _, theme), mood_line(days, _))


def _wants_dark(words: Collection[str]) -> bool:
    return any(word.casefold() in DARK_WORDS for word in words)


def mood_line(days: Sequence[Day], _: Translate) -> str:
    """The picture in one line."""
    moods = sum((Counter(day.moods) for day in days), Counter[str]())
    judged = moods.total()
    leading, count = moods.most_common(1)[0]
    if 2 * count <= judged:
        listed = "  ".join(f"{EMOJI[mood]} {moods[mood]}" for mood in MOODS)
        return _("🎭 A bit of everything in {days} days: {listed}").format(days=len(days), listed=listed)
    lines: Mapping[str, str] = {
        "positive": _("😄 Mostly positive: {count} of {judged} messages in {days} days."),
        "negative": _("😢 Mostly negative: {count} of {judged} messages in {days} days."),
        "neutral": _("😐 Mostly neutral: {count} of {judged} messages in {days} days."),
    }
    return lines[leading].format(count=count, judged=judged, days=len(days))
