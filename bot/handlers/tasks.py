"""The commands of the operator's tasks: a classification answers with one line, a generation with a turn of its own."""

from collections.abc import Mapping

from telegram import Update

from bot.handlers.chat import ChatHandler
from bot.handlers.context import Context
from bot.handlers.documents import Documents
from bot.handlers.questions import Question, Questions
from bot.handlers.replies import Replies
from bot.handlers.words import label_line, translate_for
from bot.history.store import Store
from bot.model.api import ModelError
from bot.tasks.custom import Classifier, Writer


class TasksHandler:
    """All of them; which one, the command says."""

    def __init__(
        self,
        store: Store,
        replies: Replies,
        questions: Questions,
        documents: Documents,
        chat: ChatHandler,
        classifiers: Mapping[str, Classifier],
        writers: Mapping[str, Writer],
    ) -> None:
        self._store = store
        self._replies = replies
        self._questions = questions
        self._documents = documents
        self._chat = chat
        self._classifiers = classifiers
        self._writers = writers

    async def on_task(self, update: Update, _context: Context) -> None:
        """/NAME [text | number | as a reply | below a file]"""
        question = self._questions.of(update)
        if question is None:
            return
        if await self._says_nothing(question):
            _ = translate_for(update)
            asks = _("Write a text behind /{name}, or reply to a message with it.")
            await self._replies.say(update, asks.format(name=question.task))
        elif question.task in self._writers:
            await self._chat.take_up(update, question)
        elif (whole := await self._documents.included(update, question)) is not None:
            await self._classify(update, whole)

    async def _says_nothing(self, question: Question) -> bool:
        """Whether there is nothing to work on: no text, no file, and nothing that was said before."""
        if question.document is not None:
            return False
        writer = self._writers.get(question.task)
        if writer is not None and writer.wants_past(question.text):
            return not await self._store.recent_turns(question.key, 1)
        return not question.text

    async def _classify(self, update: Update, question: Question) -> None:
        _ = translate_for(update)
        classifier = self._classifiers[question.task]
        try:
            choice = await classifier.classify("\n\n".join(filter(None, (question.file, question.text))))
        except ModelError:
            await self._replies.say(update, _("⚠️ I cannot judge this now. Please try again in a minute."))
            return
        line = label_line(classifier.labels[choice.label], choice.probability, _)
        await self._replies.say(update, line, reply_to=question.about, silent=True)
