"""Roles: who administers the bot. By the id of a person who speaks as themselves, and by nothing else."""

from collections.abc import Collection

from telegram import Message, Update


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


def _is_own(message: Message) -> bool:
    foreign = (message.sender_chat, message.forward_origin, message.via_bot, message.sender_business_bot)
    return all(each is None for each in foreign)
