"""Groups: the bot is added to one, or removed. It stays where it may, and says why where it may not."""

import logging
from functools import partial

from telegram import Bot, Chat, ChatMember, ChatMemberRestricted, ChatMemberUpdated, Update

from bot.handlers.access import AccessHandler
from bot.handlers.context import Context
from bot.handlers.words import Translate, translate_for
from bot.transport.content import Content
from bot.transport.errors import CallFailed
from bot.transport.outbox import Outbox, Priority

log = logging.getLogger(__name__)


class GroupsHandler:
    """Hears of every change of what the bot is in a chat (Telegram's my_chat_member)."""

    def __init__(self, gate: AccessHandler, outbox: Outbox) -> None:
        self._gate = gate
        self._outbox = outbox

    async def on_change(self, update: Update, _context: Context) -> None:
        """Only coming and going matter; a channel has nobody to talk with and is left alone."""
        change = update.my_chat_member
        if change is None or change.chat.type not in (Chat.GROUP, Chat.SUPERGROUP):
            return
        was_in, is_in = _is_in(change.old_chat_member), _is_in(change.new_chat_member)
        if was_in and not is_in:
            log.info("the bot is not in group %s any more", change.chat.id)
        elif is_in and not was_in and not await self._gate.may_stay(update, change.chat.id):
            log.info("the bot leaves group %s, which is not on the list", change.chat.id)
            await self._say_goodbye(change, translate_for(update))
            await self._outbox.call("leaveChat", partial(_leave, change.chat.id))

    async def _say_goodbye(self, change: ChatMemberUpdated, _: Translate) -> None:
        """To whoever added the bot; in the group if that person never wrote to the bot."""
        told = _(
            "👋 I may not be in “{title}”: it is not on my list. "
            "Whoever runs me can add it; its number is {id}. I leave now."
        )
        content = Content(told.format(title=change.chat.title or "", id=change.chat.id))
        for chat_id in (change.from_user.id, change.chat.id):
            try:
                await self._outbox.send(chat_id, content, priority=Priority.FINAL, silent=chat_id < 0)
            except CallFailed:
                continue
            return


def _is_in(member: ChatMember) -> bool:
    if isinstance(member, ChatMemberRestricted):
        return member.is_member
    return member.status in (ChatMember.OWNER, ChatMember.ADMINISTRATOR, ChatMember.MEMBER)


async def _leave(chat_id: int, bot: Bot) -> None:
    await bot.leave_chat(chat_id)
