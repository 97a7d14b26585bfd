"""Access: the gate that every update passes before a handler sees it. Who may use the bot, and how much.

Whoever is refused learns why: in private with one line, in a group with one reaction, neither of them often.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum

from telegram import Message, Update, User
from telegram.ext import ApplicationHandlerStop

from bot.handlers.callbacks import read
from bot.handlers.context import Context
from bot.handlers.keyboards import AGAIN, FORGET
from bot.handlers.languages import Languages
from bot.handlers.rate import OnceInAWhile, RateLimit
from bot.handlers.refusals import Refusals
from bot.handlers.roles import Admins
from bot.handlers.words import Translate, translate_for
from bot.history.access import Access
from bot.history.preferences import Preferences
from bot.history.store import Store
from bot.observe.counters import Counters
from bot.transport.calls import INLINE_START
from bot.transport.triggers import command_of, conversation_key, is_meant, says_something

REMINDER_S = 30.0
"""Whoever goes on after a refusal is told again so often."""

COSTLY = frozenset({"ask", "retry", "sentiment"})
"""The commands that make the model work, as the operator's tasks do; the others also work when a day is used up."""

OWN_DATA = frozenset({"privacy", "export", "forget"})
"""The commands about what is kept of oneself. They are everybody's right, in private and at a walking pace."""
OWN_DATA_PER_MINUTE = 6

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator configured. 0 stands for no limit."""

    mode: str = "open"
    users: Collection[int] = ()
    groups: Collection[int] = ()
    turns_per_day: int = 0
    group_turns_per_day: int = 0
    messages_per_minute: int = 0
    answer_within_s: float = 0

    @property
    def any_group(self) -> bool:
        """Whether a group need not be on a list."""
        return self.mode == "open" and not self.groups


class Refusal(StrEnum):
    """Why somebody is not served. Also the names under which refusals are counted."""

    BLOCKED = "blocked"
    QUIET = "quiet"
    STRANGER = "stranger"
    BAD_INVITATION = "bad_invitation"
    FOREIGN_GROUP = "foreign_group"
    LATE = "late"
    TOO_FAST = "too_fast"
    USED_UP = "used_up"


class AccessHandler:
    """Stops what is not allowed."""

    def __init__(
        self,
        me: User,
        rules: Rules,
        admins: Admins,
        access: Access,
        store: Store,
        preferences: Preferences,
        languages: Languages,
        refusals: Refusals,
        counters: Counters,
        commands: Collection[str],
        tasks: Collection[str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._me = me
        self._rules = rules
        self._admins = admins
        self._access = access
        self._store = store
        self._preferences = preferences
        self._languages = languages
        self._refusals = refusals
        self._counters = counters
        self._commands = frozenset(commands)
        self._costly = COSTLY | frozenset(tasks)
        self._clock = clock
        self._rate = RateLimit(rules.messages_per_minute)
        self._own_data = RateLimit(OWN_DATA_PER_MINUTE)
        self._told = OnceInAWhile(REMINDER_S)
        # What a new group asks at once waits until it is decided whether the bot may be there.
        self._deciding = asyncio.Lock()

    async def on_update(self, update: Update, _context: Context) -> None:
        """Let it pass, or refuse it and let nobody else see it."""
        if not is_meant(update, self._me, self._commands):
            return
        await self._languages.follow(update)
        refusal = await self._refusal(update)
        if refusal is None:
            await self.remember(update)
            return
        if refusal in (Refusal.BLOCKED, Refusal.STRANGER) and self._may_about_own_data(update):
            return
        self._counters.refused[refusal] += 1
        await self._tell(update, refusal)
        raise ApplicationHandlerStop

    def _may_about_own_data(self, update: Update) -> bool:
        """What is kept of somebody stays theirs, whether they are served or not."""
        _, sender = _places(update)
        return _is_about_own_data(update) and self._own_data.wait(sender, self._clock()) <= 0

    async def remember(self, update: Update) -> None:
        """Who was here, and in which language."""
        user = update.effective_user
        if user is not None and not user.is_bot:
            await self._store.touch_user(user.id, user.language_code)

    async def may_stay(self, update: Update, group: int) -> bool:
        """Whether the bot may be in a group that it was added to. One that an admin chose is let in for good."""
        async with self._deciding:
            standing = (await self._access.standings([group]))[group]
            if standing.blocked:
                return False
            if self._rules.any_group or group in self._rules.groups or standing.admitted:
                return True
            if self._admins.sent(update):
                await self._access.admit(group)
            return self._admins.sent(update)

    async def _refusal(self, update: Update) -> Refusal | None:
        """Why this is not served; None if it is."""
        chat, sender = _places(update)
        if await self._is_quiet(update, chat):
            return Refusal.QUIET
        is_admin = self._admins.sent(update)
        stranger = None if is_admin else await self._stranger(update, chat, sender)
        if stranger is not None:
            return stranger
        if self._is_late(update):
            return Refusal.LATE
        if is_admin:
            return None
        if self._rate.wait((chat, sender), self._written_at(update)) > 0:
            return Refusal.TOO_FAST
        if _makes_work(update, self._costly) and not await self._spend(update, chat):
            return Refusal.USED_UP
        return None

    async def _stranger(self, update: Update, chat: int, sender: int) -> Refusal | None:
        """A person in private needs to be let in; in a group the group needs to be, and stands for its members."""
        async with self._deciding:
            standings = await self._access.standings({chat, sender})
        if standings[chat].blocked or standings[sender].blocked:
            return Refusal.BLOCKED
        if chat < 0:
            known = self._rules.any_group or chat in self._rules.groups or standings[chat].admitted
            return None if known else Refusal.FOREIGN_GROUP
        if self._rules.mode == "open" or sender in self._rules.users:
            return None
        if self._rules.mode == "list":
            return Refusal.STRANGER
        return None if standings[sender].admitted else await self._invited(update, sender)

    async def _is_quiet(self, update: Update, group: int) -> bool:
        """Whether a group's admins asked for silence; only what ends that is heard."""
        until = (await self._preferences.of(group)).quiet_until if group < 0 else None
        if until is None or until.timestamp() <= self._clock():
            return False
        stops = update.callback_query is not None and not _makes_work(update, self._costly)
        return not stops and (update.message is None or command_of(update.message) != "quiet")

    async def _invited(self, update: Update, sender: int) -> Refusal | None:
        """`/start CODE`, which is what the button below an invitation link sends."""
        code = _start_code(update.message)
        if code is None:
            return Refusal.STRANGER
        if not await self._access.redeem(code, sender):
            return Refusal.BAD_INVITATION
        log.info("an invitation let user %s in", sender)
        return None

    async def _spend(self, update: Update, chat: int) -> bool:
        limit = self._limit(chat)
        return not limit or await self._access.spend(update.update_id, chat, limit)

    def _limit(self, chat: int) -> int:
        return self._rules.turns_per_day if chat > 0 else self._rules.group_turns_per_day

    def _is_late(self, update: Update) -> bool:
        """Whether the bot was away for so long that an answer would come out of nowhere."""
        if update.message is None or not self._rules.answer_within_s or command_of(update.message):
            return False
        return self._clock() - self._written_at(update) > self._rules.answer_within_s

    def _written_at(self, update: Update) -> float:
        """When somebody wrote; a press of a button has no time but now."""
        if update.message is not None:
            return update.message.date.timestamp()
        edited = update.edited_message.edit_date if update.edited_message else None
        return edited.timestamp() if edited else self._clock()

    async def _tell(self, update: Update, refusal: Refusal) -> None:
        chat, sender = _places(update)
        # Whoever is blocked could use every answer to make the bot write.
        if refusal is Refusal.BLOCKED or (refusal is Refusal.QUIET and update.callback_query is None):
            return
        # A button and a typist wait for their answer, which nobody else sees.
        waits = update.callback_query or update.inline_query
        if waits is None and not self._told.passes((chat, sender, refusal), self._clock()):
            return
        await self._refusals.refuse(update, self._line(refusal, chat, translate_for(update)))

    def _line(self, refusal: Refusal, chat: int, _: Translate) -> str:
        match refusal:
            case Refusal.QUIET:
                return _("🤫 I am silent in this group now. /quiet off ends it.")
            case Refusal.LATE:
                return _("😴 I was away when you wrote this. If it still matters, please send it again.")
            case Refusal.BAD_INVITATION:
                return _("🔒 This invitation has been used up or is too old. Please ask for a new one.")
            case Refusal.TOO_FAST:
                return _("⏳ You write faster than I can answer. Please wait a minute.")
            case Refusal.USED_UP:
                return _("🌙 That was today's share: {limit} messages. I am here again tomorrow.").format(
                    limit=self._limit(chat)
                )
            case _ if self._rules.mode == "invite":
                return _("🔒 I only talk with invited people. Please ask the person who runs me for a link.")
            case _:
                return _(
                    "🔒 I only talk with people on my list. "
                    "The person who runs me can add you; your number is {id}."
                ).format(id=chat)


def _places(update: Update) -> tuple[int, int]:
    """The chat, below 0 for groups, and who speaks in it. An inline query counts as said in private."""
    key = conversation_key(update)
    if key is not None:
        return key.chat_id, key.user_id
    user_id = update.effective_user.id if update.effective_user else 0
    return user_id, user_id


def _makes_work(update: Update, costly: Collection[str]) -> bool:
    """Whether the model will be asked."""
    if update.callback_query is not None:
        press = read(update.callback_query.data or "")
        return press is not None and press.action == AGAIN
    message = update.message or update.edited_message
    if message is None:
        return update.inline_query is not None and bool(update.inline_query.query.strip())
    command = command_of(message)
    return says_something(message) if command is None else command in costly


def _is_about_own_data(update: Update) -> bool:
    if update.callback_query is not None:
        press = read(update.callback_query.data or "")
        return press is not None and press.action == FORGET
    message = update.message
    is_private = message is not None and message.chat.type == message.chat.PRIVATE
    return message is not None and is_private and command_of(message) in OWN_DATA


def _start_code(message: Message | None) -> str | None:
    words = (message.text or "").split() if message else []
    if message is None or len(words) != 2 or command_of(message) != "start" or words[1] == INLINE_START:
        return None
    return words[1]
