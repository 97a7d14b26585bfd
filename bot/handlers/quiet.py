"""/quiet: a group's admins ask for silence."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from telegram import Update

from bot.handlers.context import Context
from bot.handlers.durations import parse_duration
from bot.handlers.refusals import Refusals
from bot.handlers.replies import Replies
from bot.handlers.roles import GroupAdmins
from bot.handlers.words import admins_only_line, translate_for
from bot.history.preferences import Preferences


class QuietHandler:
    """The gate keeps the silence; here it begins and ends."""

    def __init__(
        self,
        preferences: Preferences,
        group_admins: GroupAdmins,
        replies: Replies,
        refusals: Refusals,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._preferences = preferences
        self._group_admins = group_admins
        self._replies = replies
        self._refusals = refusals
        self._clock = clock

    async def on_quiet(self, update: Update, context: Context) -> None:
        """/quiet 30m | 1h | 2d | off"""
        _, chat = translate_for(update), update.effective_chat
        if chat is None or chat.type == chat.PRIVATE:
            await self._replies.say(update, _("Only in groups I can be silent."))
        elif not await self._group_admins.sent(update):
            if not await self._is_quiet(chat.id):
                await self._refusals.refuse(update, admins_only_line(_))
        else:
            await self._set(update, chat.id, " ".join(context.args or ()))

    async def _set(self, update: Update, group: int, wanted: str) -> None:
        _, duration = translate_for(update), parse_duration(wanted)
        if wanted == "off":
            await self._preferences.choose(group, quiet_until=None)
            await self._replies.say(update, _("👋 I am here again."))
        elif duration is None:
            told = _(
                "Like this: /quiet 1h – for an hour I say nothing here (or 30m, 2d). /quiet off ends it."
            )
            await self._replies.say(update, told)
        else:
            until = datetime.fromtimestamp(self._clock(), UTC) + duration
            told = _("🤫 I say nothing here until {until}. /quiet off ends it sooner.")
            await self._replies.say(update, told.format(until=f"{until.astimezone():%Y-%m-%d %H:%M}"))
            await self._preferences.choose(group, quiet_until=until)

    async def _is_quiet(self, group: int) -> bool:
        until = (await self._preferences.of(group)).quiet_until
        return until is not None and until.timestamp() > self._clock()
