"""Documents: the files of a question become part of what the model is told, as far as there is room.

Whoever asks is told when a file cannot be read, and when only its beginning is.
"""

from dataclasses import replace

from telegram import Update

from bot.handlers.questions import Question
from bot.handlers.rate import OnceInAWhile
from bot.handlers.replies import Replies
from bot.handlers.words import Translate, translate_for
from bot.tasks.chat import Chat
from bot.transport.files import MOST_BYTES, Files, Unreadable, Why

HOUR_S = 3600.0


class Documents:
    """Reads the files that questions bring, or reply to."""

    def __init__(self, files: Files, chat: Chat, replies: Replies) -> None:
        self._files = files
        self._chat = chat
        self._replies = replies
        self._told = OnceInAWhile(HOUR_S)

    async def included(self, update: Update, question: Question) -> Question | None:
        """The question with what its file says; None if that cannot be read, which the asker knows by now.

        A file without a word beside it says itself what is asked.
        """
        document, _ = question.document, translate_for(update)
        if document is None:
            return question
        try:
            text = await self._files.read(document)
        except Unreadable as error:
            await self._replies.say(update, _line(error.why, _))
            return None
        kept, name = self._chat.fitting(text), document.file_name or "file"
        if len(kept) < len(text):
            await self._tell_cut(update, name, len(kept) / len(text))
        if not question.text:
            return replace(question, text=kept)
        return replace(question, file=f"{name}:\n```\n{kept}\n```")

    async def _tell_cut(self, update: Update, name: str, share: float) -> None:
        """Once for each file, however often its question is taken up again."""
        if self._told.passes(update.update_id, update.update_id):
            _ = translate_for(update)
            await self._replies.say(
                update,
                _("✂️ {name} is long: I read the first {share:.0%} of it.").format(name=name, share=share),
                silent=True,  # the answer rings
            )


def _line(why: Why, _: Translate) -> str:
    match why:
        case Why.TOO_BIG:
            return _("📄 This file is too big for me: I read text files of up to {size} KB.").format(
                size=MOST_BYTES >> 10
            )
        case Why.EMPTY:
            return _("📄 There is no text in this file.")
        case Why.NO_TEXT:
            return _(
                "📄 I cannot read this file: it is not text, or in an unusual encoding. UTF-8 always works."
            )
        case Why.OUT_OF_REACH:
            return _("📄 I could not fetch this file from Telegram. Please send it again.")
