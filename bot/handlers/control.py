"""Control over answers: stopped, asked for again, and answered anew when the question was edited."""

from dataclasses import replace

from telegram import Update

from bot.conversation import ConversationKey
from bot.handlers.buttons import Pressed
from bot.handlers.chat import ChatHandler
from bot.handlers.context import Context
from bot.handlers.edits import Edits
from bot.handlers.questions import Questions
from bot.handlers.replies import Replies
from bot.handlers.roles import GroupAdmins
from bot.handlers.running import RunningAnswers
from bot.handlers.words import Translate, admins_only_line, translate_for
from bot.history.records import Turn
from bot.history.store import Store


class ControlHandler:
    """/stop, /retry, their buttons, and edited questions. A new answer is written into the old one's place."""

    def __init__(
        self,
        store: Store,
        replies: Replies,
        running: RunningAnswers,
        edits: Edits,
        questions: Questions,
        group_admins: GroupAdmins,
        chat: ChatHandler,
    ) -> None:
        self._store = store
        self._replies = replies
        self._running = running
        self._edits = edits
        self._questions = questions
        self._group_admins = group_admins
        self._chat = chat
        self._wanted_again: set[ConversationKey] = set()
        """Where 🔁 was pressed, until that answer is begun: pressed twice, it is one wish."""

    async def on_stop(self, update: Update, _context: Context) -> None:
        """/stop: what was written stays, and the mark below it is the answer to this command."""
        key = self._questions.conversation(update)
        if key is not None and not self._running.stop(key):
            await self._replies.say(update, _idle(translate_for(update)))

    async def on_stop_button(self, pressed: Pressed) -> None:
        """⏹"""
        if (key := await self._pressed_in(pressed)) is None:
            return
        stopped = self._running.stop(key)
        await pressed.answer("" if stopped else _idle(translate_for(pressed.update)))

    async def on_retry(self, update: Update, _context: Context) -> None:
        """/retry: the last answer once more."""
        _ = translate_for(update)
        if (key := self._questions.conversation(update)) is None:
            return
        async with self._running.alone(key):
            turn = await self._store.last_turn(key)
            if turn is None:
                await self._replies.say(update, _("There is no answer to repeat yet."))
            else:
                await self._chat.take(await self._reopened(turn), _, again=True)

    async def on_again_button(self, pressed: Pressed) -> None:
        """🔁, which is for one turn as long as that is the last one."""
        _ = translate_for(pressed.update)
        if (key := await self._pressed_in(pressed)) is None:
            return
        if key in self._wanted_again or await self._being_written(key):
            await pressed.answer(_("I am still writing."))
            return
        self._wanted_again.add(key)
        try:
            async with self._running.alone(key):
                turn = await self._store.last_turn(key)
                if turn is None or str(turn.id) != pressed.press.value:
                    await pressed.answer(_("Only my last answer can be repeated."))
                    return
                await pressed.answer()
                turn = await self._reopened(turn)
                self._wanted_again.discard(key)
                await self._chat.take(turn, _, again=True)
        finally:
            self._wanted_again.discard(key)

    async def _being_written(self, key: ConversationKey) -> bool:
        """Whether the last answer still grows. One that has only to be tidied up behind can be asked for again."""
        turn = await self._store.last_turn(key)
        return self._running.busy(key) and (turn is None or turn.state == "running")

    async def _pressed_in(self, pressed: Pressed) -> ConversationKey | None:
        """The conversation that a button is about; None for whoever has no say in it, who is told.

        An anonymous admin's button is for all admins of the group: no press tells which of them wrote, and they
        have one conversation together.
        """
        key = self._questions.conversation(pressed.update)
        if key is None or pressed.press.user_id:
            return key
        if not await self._group_admins.sent(pressed.update):
            await pressed.answer(admins_only_line(translate_for(pressed.update)))
            return None
        return replace(key, user_id=key.chat_id) if key.user_id else key

    async def on_edit(self, update: Update, _context: Context) -> None:
        """The last question says something else now. Edits of older ones change nothing."""
        question = self._questions.of(update)
        if question is None or not question.text:
            return
        message, key, text = question.message, question.key, question.text
        self._edits.note(message, text)
        last = await self._store.last_turn(key)
        if last is None or (last.message_id, last.task) != (message.message_id, question.task):
            return
        if last.question != text:
            self._running.supersede(key, last.id)
        async with self._running.alone(key):
            # Whoever waited here may have been overtaken: by another edit, or by another question.
            turn = await self._store.last_turn(key)
            if turn is not None and turn.id == last.id and self._edits.newest(message, text) == text:
                await self._answer_anew(turn, text, translate_for(update))

    async def _reopened(self, turn: Turn) -> Turn:
        """A turn that runs, although nobody else can be writing, was cut off in the middle of just this."""
        return turn if turn.state == "running" else await self._store.reopen_turn(turn.id)

    async def _answer_anew(self, turn: Turn, question: str, _: Translate) -> None:
        if turn.question != question:
            turn = await self._store.reopen_turn(turn.id, question)
        await self._chat.take(turn, _)


def _idle(_: Translate) -> str:
    return _("I am not writing anything right now.")
