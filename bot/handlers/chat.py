"""A message and its answer, straight down: journalled turn → both requests → verdict → placeholder → edits → final.

Every step is stored before the next one, so that a turn which was cut off anywhere goes on from there.
"""

import logging
import time
from collections.abc import Callable, Mapping

from telegram import Update

from bot.conversation import CAUSE, MessageKey
from bot.handlers.context import Context
from bot.handlers.documents import Documents
from bot.handlers.questions import Question, Questions
from bot.handlers.replies import Replies
from bot.handlers.running import RunningAnswers
from bot.handlers.screen import Screen
from bot.handlers.words import (
    Translate,
    failure_line,
    gone_line,
    interrupted_line,
    shortened_line,
    translate_for,
)
from bot.history.preferences import Preferences
from bot.history.records import Turn, TurnState, Verdict
from bot.history.store import Store
from bot.model.api import Finish, ModelError
from bot.tasks.chat import Answer, Chat, Exchange
from bot.tasks.custom import Writer
from bot.tasks.sentiment import Sentiment
from bot.transport.render import stopped

log = logging.getLogger(__name__)

ATTEMPTS = 3
"""A turn that was begun so often, and never ended, is not begun again: it may be what ends the process."""

PAST_TURNS = 200
"""Turns that are looked at for a prompt; the token budget takes far fewer."""


class ChatHandler:
    """Answers what is said to the bot, and writes what its tasks ask for."""

    def __init__(
        self,
        store: Store,
        preferences: Preferences,
        screen: Screen,
        replies: Replies,
        running: RunningAnswers,
        questions: Questions,
        documents: Documents,
        sentiment: Sentiment,
        chat: Chat,
        writers: Mapping[str, Writer],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._store = store
        self._preferences = preferences
        self._screen = screen
        self._replies = replies
        self._running = running
        self._questions = questions
        self._documents = documents
        self._sentiment = sentiment
        self._chat = chat
        self._writers = writers

    async def on_message(self, update: Update, _context: Context) -> None:
        """Any text; what is not meant for the bot is left alone."""
        question = self._questions.of(update)
        if question is not None:
            await self.take_up(update, question)

    async def on_ask(self, update: Update, _context: Context) -> None:
        """/ask: the way to ask that works in every group."""
        question = self._questions.of(update)
        if question is not None:
            await self.take_up(update, question)
        else:
            _ = translate_for(update)
            await self._replies.say(
                update, _("Write your question behind /ask, or reply to a message with it.")
            )

    async def take_up(self, update: Update, question: Question) -> None:
        """The question's turn, from its beginning to its end, when the conversation is free."""
        whole = await self._documents.included(update, question)
        if whole is None:
            return
        async with self._running.alone(whole.key):
            turn = await self.begin(update, whole)
            await self.take(turn, translate_for(update))

    async def begin(self, update: Update, question: Question, *, waiting: bool = False) -> Turn:
        """The question's turn, stored; with `waiting` it is not its turn yet."""
        message = question.message
        return await self._store.begin_turn(
            question.key,
            update_id=update.update_id,
            chat_type=message.chat.type,
            user_id=message.from_user.id if message.from_user else question.key.user_id,
            message_id=message.message_id,
            question=question.text,
            task=question.task,
            context=await self._context(question),
            waiting=waiting,
        )

    async def _context(self, question: Question) -> str:
        """What the question is about: what it quotes, unless the conversation has it already, and its file."""
        quote, blocks = question.quote, [question.file]
        if quote is not None:
            past = await self._store.recent_turns(question.key, PAST_TURNS)
            known = {message_id for turn in past for message_id in (turn.message_id, *turn.answer_ids)}
            if quote.chosen or quote.message_id not in known:
                blocks.insert(0, quote.block)
        return "\n\n".join(filter(None, blocks))

    async def take(self, turn: Turn, _: Translate, *, again: bool = False) -> None:
        """Bring a turn to its end, from wherever it is. The caller holds the conversation."""
        CAUSE.set(MessageKey(turn.conversation.chat_id, turn.message_id))
        if turn.state == "running" and turn.attempts > ATTEMPTS:
            turn = await self._store.finish_turn(turn.id, interrupted_line(_), "interrupted")
        if turn.state == "running":
            turn = await self._answer(turn, _, again)
        if turn.state != "running" and not turn.delivered:
            await self._screen.deliver(turn, _)

    async def _answer(self, turn: Turn, _: Translate, again: bool) -> Turn:
        """Verdict and answer, asked for together; returns the turn with its final text stored."""
        past = await self._store.recent_turns(turn.conversation, PAST_TURNS)
        exchanges = [Exchange(old.id, old.prompt, old.reply) for old in past]
        persona = (await self._preferences.of(turn.conversation.chat_id)).persona
        writer = self._writers.get(turn.task) if turn.task else self._chat.speaking_as(persona)
        if writer is None:
            return await self._store.finish_turn(turn.id, gone_line(turn.task, _), "failed")
        async with writer.start(turn.conversation, exchanges, turn.prompt, again=again) as answer:
            with self._running.writing(turn.conversation, turn.id, answer) as running:
                if not turn.task:
                    await self._judge(turn, _)
                turn = await self._screen.open(turn, _)
                self._screen.strip(await self._store.turn_before(turn))
                turn = await self._screen.grow(turn, answer, _)
        if running.superseded:
            return turn
        assert answer.finish is not None
        return await self._store.finish_turn(turn.id, *_final(answer, answer.finish, _), answer.finish.usage)

    async def _judge(self, turn: Turn, _: Translate) -> None:
        """A model that cannot judge now costs the verdict, never the answer."""
        if turn.verdict is not None and not _must_be_shown(turn.verdict):
            return
        mode = (await self._preferences.of(turn.conversation.chat_id)).sentiment or "message"
        if mode == "off":
            return
        begun = self._clock()
        try:
            verdict = await self._sentiment.judge(turn.question)
        except ModelError as error:
            log.warning("a message was not judged: %s", type(error).__name__)
            return
        await self._store.record_sentiment(turn.id, verdict.mood, verdict.probability, self._clock() - begun)
        await self._screen.show_verdict(turn, verdict, mode, _)


def _must_be_shown(verdict: Verdict) -> bool:
    """A send is never repeated, but a change of a message is."""
    return verdict.state == "outdated" or (verdict.state == "sending" and verdict.message_id is not None)


def _final(answer: Answer, finish: Finish, _: Translate) -> tuple[str, TurnState]:
    """What is stored as the reply: the answer, or a line that says why there is none."""
    text = answer.text.strip()
    match finish.reason:
        case "stop" | "length":
            if answer.shortened:
                text = f"{text}\n\n{shortened_line(_)}"
            return text or _("(I have nothing to say to that.)"), "done"
        case "cancelled":
            return stopped(text), "stopped"
        case _:
            return failure_line(finish, _), "failed"
