"""Roles: who administers the bot, and who a group. By the id of a person who speaks as themselves.

In a group of theirs, admins may also speak in the group's name; nobody else can.
"""

import logging
from collections.abc import Collection
from functools import partial

from telegram import Bot, Message, Update

from bot.transport.errors import CallFailed
from bot.transport.outbox import Outbox

log = logging.getLogger(__name__)


class Admins:
    """The people whom the operator named."""

    def __init__(self, ids: Collection[int]) -> None:
        self.ids = frozenset(ids)

    def sent(self, update: Update) -> bool:
        """Whether `update` is an admin's own doing.

        An anonymous admin of a group and a channel write through users of Telegram's own; what is
        forwarded, or sent through another bot, was written by somebody else.
        """
        user, message = update.effective_user, update.message or update.edited_message
        if user is None or user.id not in self.ids:
            return False
        return update.callback_query is not None or message is None or _is_own(message)


class GroupAdmins:
    """The people who administer a group. Telegram is asked each time: whoever was one may not be one any more."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def sent(self, update: Update) -> bool:
        """Whether `update` is the doing of an admin of the group that it comes from.

        A group's own name stands above a message only where an admin of just this group writes anonymously. Other
        chats' names say nothing about who writes. A press always tells the person.
        """
        chat, user, message = update.effective_chat, update.effective_user, update.message
        if chat is None or user is None:
            return False
        if message is not None and message.sender_chat is not None:
            return message.sender_chat == chat and message.forward_origin is None and message.via_bot is None
        if message is not None and not _is_own(message):
            return False
        return user.id in await self._ids(chat.id)

    async def _ids(self, chat_id: int) -> Collection[int]:
        try:
            return await self._outbox.call("getChatAdministrators", partial(_admin_ids, chat_id))
        except CallFailed as error:
            log.info("it is not known who administers a group: %s", error)
            return ()


async def _admin_ids(chat_id: int, bot: Bot) -> Collection[int]:
    return [member.user.id for member in await bot.get_chat_administrators(chat_id)]


def _is_own(message: Message) -> bool:
    foreign = (message.sender_chat, message.forward_origin, message.via_bot, message.sender_business_bot)
    return all(each is None for each in foreign)
