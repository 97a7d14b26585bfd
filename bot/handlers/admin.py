"""/invite, /block and /unblock: the bot's admins decide who may use it."""

import logging
import re
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from telegram import Bot, Message, MessageOriginUser, Update, User
from telegram.helpers import create_deep_linked_url

from bot.handlers.context import Context
from bot.handlers.durations import parse_duration
from bot.handlers.refusals import Refusals
from bot.handlers.replies import Replies
from bot.handlers.roles import Admins
from bot.handlers.words import translate_for
from bot.history.access import Access
from bot.transport.errors import CallFailed
from bot.transport.outbox import Outbox

MOST_USES = 10_000

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Terms:
    """How many people an invitation lets in, and for how long."""

    uses: int = 1
    lifetime: timedelta = timedelta(days=7)


class AdminHandler:
    """Commands that only admins may give."""

    def __init__(
        self,
        me: User,
        invitations: bool,
        admins: Admins,
        access: Access,
        outbox: Outbox,
        replies: Replies,
        refusals: Refusals,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._me = me
        self._invitations = invitations
        self._admins = admins
        self._access = access
        self._outbox = outbox
        self._replies = replies
        self._refusals = refusals
        self._clock = clock

    async def on_invite(self, update: Update, context: Context) -> None:
        """/invite [people] [30m | 12h | 7d]"""
        _, admin = translate_for(update), update.effective_user
        if admin is None or not await self._may(update):
            return
        terms = parse_terms(context.args or ())
        if not self._invitations:
            await self._replies.say(
                update, _('Invitations are for access.mode = "invite"; this bot has another one.')
            )
        elif terms is None:
            await self._replies.say(
                update, _("Like this: /invite 5 3d – for 5 people, within 3 days (or 12h, 30m).")
            )
        else:
            code, until = (
                secrets.token_urlsafe(12),
                datetime.fromtimestamp(self._clock(), UTC) + terms.lifetime,
            )
            await self._access.invite(code, terms.uses, until, admin.id)
            link = create_deep_linked_url(self._me.username or "", code)
            told = _("✉️ {link}\n\nFor {uses} people, until {until}.")
            shown = f"{until.astimezone():%Y-%m-%d %H:%M}"
            await self._replies.say(update, told.format(link=link, uses=terms.uses, until=shown))

    async def on_block(self, update: Update, context: Context) -> None:
        """/block ID, or as a reply. A group that is blocked is left, too."""
        _, target = translate_for(update), _target(update.message, context.args or ())
        if not await self._may(update):
            return
        if target is None or target == self._me.id:
            await self._replies.say(
                update, _("Write the number of a person or group behind it, or reply to a message.")
            )
        elif target in self._admins.ids:
            await self._replies.say(update, _("That is an admin of this bot."))
        else:
            await self._access.block(target)
            log.info("%s was blocked", target)
            await self._replies.say(
                update, _("🚫 {id} is blocked. /unblock {id} takes it back.").format(id=target)
            )
            if target < 0:
                await self._leave(target)

    async def on_unblock(self, update: Update, context: Context) -> None:
        """/unblock ID, or as a reply"""
        _, target = translate_for(update), _target(update.message, context.args or ())
        if not await self._may(update):
            return
        if target is None:
            await self._replies.say(
                update, _("Write the number of a person or group behind it, or reply to a message.")
            )
        elif await self._access.unblock(target):
            log.info("%s was unblocked", target)
            await self._replies.say(update, _("👌 {id} is not blocked any more.").format(id=target))
        else:
            await self._replies.say(update, _("{id} was not blocked.").format(id=target))

    async def _may(self, update: Update) -> bool:
        if self._admins.sent(update):
            return True
        await self._refusals.refuse(update, translate_for(update)("This is for the admins of this bot."))
        return False

    async def _leave(self, chat_id: int) -> None:
        try:
            await self._outbox.call("leaveChat", partial(_leave_chat, chat_id))
        except CallFailed as error:
            log.info("a blocked group was not left: %s", error)


async def _leave_chat(chat_id: int, bot: Bot) -> None:
    await bot.leave_chat(chat_id)


def parse_terms(words: Sequence[str]) -> Terms | None:
    """What stands behind /invite; None if it cannot be understood."""
    terms = Terms()
    for word in words:
        if word.isdecimal() and 1 <= int(word) <= MOST_USES:
            terms = Terms(int(word), terms.lifetime)
        elif (lifetime := parse_duration(word)) is not None:
            terms = Terms(terms.uses, lifetime)
        else:
            return None
    return terms


def _target(message: Message | None, words: Sequence[str]) -> int | None:
    """Whom a command is about: the id behind it, or the author of the message that it replies to."""
    if words:
        return int(words[0]) if re.fullmatch(r"-?\d{1,18}", words[0]) else None
    about = message.reply_to_message if message else None
    if about is None:
        return None
    if isinstance(about.forward_origin, MessageOriginUser):
        return about.forward_origin.sender_user.id
    author = about.sender_chat or about.from_user
    return author.id if author else None
