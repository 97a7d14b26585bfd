"""/sentiment: the mood of a text, or of the message that is replied to."""

from telegram import Update

from bot.handlers.context import Context
from bot.handlers.feedback import FeedbackHandler
from bot.handlers.replies import Replies
from bot.handlers.words import translate_for, verdict_line
from bot.model.api import ModelError
from bot.tasks.sentiment import Sentiment


class SentimentHandler:
    """Judges on request."""

    def __init__(self, sentiment: Sentiment, feedback: FeedbackHandler, replies: Replies) -> None:
        self._sentiment = sentiment
        self._feedback = feedback
        self._replies = replies

    async def on_sentiment(self, update: Update, context: Context) -> None:
        """/sentiment [text | as a reply | a mood as a reply to a verdict, which that corrects]"""
        _ = translate_for(update)
        message = update.message
        if message is None:
            return
        text, judged_id = " ".join(context.args or ()), message.message_id
        if await self._feedback.corrects(update, text):
            return
        target = message.reply_to_message
        if not text and target is not None:
            text, judged_id = target.text or target.caption or "", target.message_id
        if not text:
            await self._replies.say(
                update, _("Write a text behind /sentiment, or reply to a message with it.")
            )
            return
        await self.show(update, text, judged_id)

    async def show(self, update: Update, text: str, judged_id: int | None = None) -> None:
        """The mood of `text`, in reply to the message that it is from."""
        _ = translate_for(update)
        if judged_id is None and update.message is not None:
            judged_id = update.message.message_id
        try:
            verdict = await self._sentiment.judge(text)
        except ModelError:
            await self._replies.say(update, _("⚠️ I cannot judge this now. Please try again in a minute."))
            return
        await self._replies.say(update, verdict_line(verdict, _), reply_to=judged_id)
