"""Keyboards: the buttons below the bot's messages. Pure."""

from telegram import InlineKeyboardButton, InlineKeyboardMarkup
from telegram.constants import ChatID

from bot.handlers.callbacks import Press
from bot.handlers.words import Translate
from bot.history.records import Turn

STOP, AGAIN, FORGET, SETTINGS = "stop", "again", "forget", "set"
DELETE, KEEP = "delete", "keep"


def stop_button(turn: Turn, _: Translate) -> InlineKeyboardMarkup | None:
    """Below an answer that is being written."""
    return _for_asker(turn, STOP, _("⏹ Stop"))


def again_button(turn: Turn, _: Translate) -> InlineKeyboardMarkup | None:
    """Below the last answer."""
    return _for_asker(turn, AGAIN, _("🔁 Again"))


def forget_buttons(user_id: int, _: Translate) -> InlineKeyboardMarkup:
    """Below the question whether to delete everything."""
    answers = ((_("🗑 Delete"), DELETE), (_("Keep"), KEEP))
    return InlineKeyboardMarkup(
        [
            [
                InlineKeyboardButton(label, callback_data=Press(FORGET, user_id, value).data)
                for label, value in answers
            ]
        ]
    )


def _for_asker(turn: Turn, action: str, label: str) -> InlineKeyboardMarkup | None:
    """Whoever wrote in the name of a channel cannot be told by a press, and gets no button."""
    presser = _presser(turn)
    if presser is None:
        return None
    press = Press(action, presser, str(turn.id))
    return InlineKeyboardMarkup([[InlineKeyboardButton(label, callback_data=press.data)]])


def _presser(turn: Turn) -> int | None:
    """Who may press: whoever asked. An anonymous admin is one of the group's admins, which the action looks up."""
    if turn.user_id == ChatID.ANONYMOUS_ADMIN:
        return 0
    is_channel = turn.user_id in (ChatID.FAKE_CHANNEL, ChatID.SERVICE_CHAT)
    return None if is_channel or turn.conversation.user_id not in (turn.user_id, 0) else turn.user_id
