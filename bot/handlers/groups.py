"""Groups: the bot is added to one, or removed. It stays where it may, and says why where it may not."""

import logging
from collections.abc import Awaitable, Callable
from functools import partial

from telegram import Bot, Chat, ChatMember, ChatMemberRestricted, ChatMemberUpdated, Update, User

from bot.handlers.access import AccessHandler
from bot.handlers.context import Context
from bot.handlers.languages import Languages
from bot.handlers.words import Translate, translate_for
from bot.history.preferences import Preferences
from bot.transport.content import Content
from bot.transport.errors import CallFailed
from bot.transport.outbox import Outbox, Priority

Moved = Callable[[int, int], Awaitable[None]]
"""What is to be done when a group has another id: old, new."""

log = logging.getLogger(__name__)


class GroupsHandler:
    """Hears of every change of what the bot is in a chat (Telegram's my_chat_member), and of groups that move."""

    def __init__(
        self,
        me: User,
        gate: AccessHandler,
        preferences: Preferences,
        languages: Languages,
        moved: Moved,
        outbox: Outbox,
    ) -> None:
        self._me = me
        self._gate = gate
        self._preferences = preferences
        self._languages = languages
        self._moved = moved
        self._outbox = outbox

    async def on_change(self, update: Update, _context: Context) -> None:
        """Only coming and going matter; a channel has nobody to talk with and is left alone."""
        change = update.my_chat_member
        if change is None or change.chat.type not in (Chat.GROUP, Chat.SUPERGROUP):
            return
        await self._languages.follow(update)
        was_in, is_in = _is_in(change.old_chat_member), _is_in(change.new_chat_member)
        if was_in and not is_in:
            log.info("the bot is not in group %s any more", change.chat.id)
        elif is_in and not was_in and await self._gate.may_stay(update, change.chat.id):
            await self._gate.remember(
                update
            )  # what is noted about a person goes when the person is forgotten
            await self._hint(change, translate_for(update))
        elif is_in and not was_in:
            log.info("the bot leaves group %s, which is not on the list", change.chat.id)
            await self._say_goodbye(change, translate_for(update))
            await self._outbox.call("leaveChat", partial(_leave, change.chat.id))

    async def on_migrated(self, update: Update, _context: Context) -> None:
        """A group has become a supergroup. It says so in its old place and in its new one; once is enough."""
        message = update.message
        if message is not None and message.migrate_to_chat_id is not None:
            await self._moved(message.chat.id, message.migrate_to_chat_id)
        elif message is not None and message.migrate_from_chat_id is not None:
            await self._moved(message.migrate_from_chat_id, message.chat.id)

    async def _hint(self, change: ChatMemberUpdated, _: Translate) -> None:
        """In privacy mode mentions may not arrive: whoever added the bot is told, once and for all groups."""
        hidden = not self._me.can_read_all_group_messages
        is_admin = change.new_chat_member.status == ChatMember.ADMINISTRATOR
        if not hidden or is_admin or not await self._preferences.hint(change.from_user.id):
            return
        told = _(
            "👋 Thank you for adding me to “{title}”. Telegram shows me commands and replies to me there, but "
            "perhaps no mentions: /ask always works. To let mentions through, whoever runs me can send "
            "/setprivacy to @BotFather, choose Disable, and add me to the group again."
        )
        await self._tell(change, told.format(title=change.chat.title or ""))

    async def _say_goodbye(self, change: ChatMemberUpdated, _: Translate) -> None:
        told = _(
            "👋 I may not be in “{title}”: it is not on my list. "
            "Whoever runs me can add it; its number is {id}. I leave now."
        )
        await self._tell(change, told.format(title=change.chat.title or "", id=change.chat.id))

    async def _tell(self, change: ChatMemberUpdated, text: str) -> None:
        """To whoever added the bot; in the group if that person never wrote to the bot."""
        for chat_id in (change.from_user.id, change.chat.id):
            try:
                await self._outbox.send(chat_id, Content(text), priority=Priority.FINAL, silent=chat_id < 0)
            except CallFailed:
                continue
            return


def _is_in(member: ChatMember) -> bool:
    if isinstance(member, ChatMemberRestricted):
        return member.is_member
    return member.status in (ChatMember.OWNER, ChatMember.ADMINISTRATOR, ChatMember.MEMBER)


async def _leave(chat_id: int, bot: Bot) -> None:
    await bot.leave_chat(chat_id)
