"""Corrections: whoever asked says which mood is right, in reply to the verdict. The verdict then shows it."""

import logging

from telegram import Message, Update

from bot.handlers.refusals import Refusals
from bot.handlers.replies import Replies
from bot.handlers.screen import Screen
from bot.handlers.words import translate_for
from bot.history.feedback import Feedback
from bot.history.preferences import Preferences
from bot.history.records import Turn
from bot.locales import LANGUAGES, translation
from bot.tasks.sentiment import Mood

log = logging.getLogger(__name__)

MOODS: tuple[Mood, ...] = ("positive", "neutral", "negative")


class FeedbackHandler:
    """`/sentiment positive`, as a reply to a verdict or to one's own judged message."""

    def __init__(
        self,
        me_id: int,
        feedback: Feedback,
        preferences: Preferences,
        screen: Screen,
        replies: Replies,
        refusals: Refusals,
    ) -> None:
        self._me_id = me_id
        self._feedback = feedback
        self._preferences = preferences
        self._screen = screen
        self._replies = replies
        self._refusals = refusals

    async def corrects(self, update: Update, text: str) -> bool:
        """Take `text` for a correction, if it is one; False if it is only a text to be judged."""
        message, mood = update.message, named_mood(text)
        target = message.reply_to_message if message else None
        if message is None or target is None or mood is None:
            return False
        turn = await self._feedback.judged(message.chat.id, target.message_id)
        if turn is None and not self._is_mine(target):
            return False
        await self._correct(update, turn, mood)
        return True

    async def _correct(self, update: Update, turn: Turn | None, mood: Mood) -> None:
        _ = translate_for(update)
        if turn is None:
            await self._replies.say(
                update, _("I keep only the moods of messages to me: reply to one of those to correct it.")
            )
        elif not _is_asker(update, turn):
            await self._refusals.refuse(update, _("Only whoever wrote the message can correct its mood."))
        else:
            await self._feedback.correct(turn, mood)
            mode = (await self._preferences.of(turn.conversation.chat_id)).sentiment or "message"
            if not await self._screen.show_correction(turn, mood, mode, _):
                await self._replies.say(update, _("👌 Noted. Thank you!"))

    def _is_mine(self, message: Message) -> bool:
        return message.from_user is not None and message.from_user.id == self._me_id


def named_mood(text: str) -> Mood | None:
    """The mood that a text names, in any language of ours and any case; None if it says something else."""
    word = text.strip().strip(".。!！").casefold()
    return next((mood for mood in MOODS if word in _names(mood)), None)


def _names(mood: Mood) -> set[str]:
    return {mood, *(translation(language).gettext(mood) for language in LANGUAGES)}


def _is_asker(update: Update, turn: Turn) -> bool:
    """By the person: whoever writes in the name of a chat has no corrections."""
    message, user = update.message, update.effective_user
    return (
        user is not None and user.id == turn.user_id and message is not None and message.sender_chat is None
    )
