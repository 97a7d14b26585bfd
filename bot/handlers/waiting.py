"""Waiting: who writes again while an answer is being written is told, when that takes long, what to expect.

The word about the wait is the message that will become the answer: it is no message more. A file is read when it is
its question's turn.
"""

import asyncio
from collections.abc import Awaitable, Callable

from telegram import Update

from bot.handlers.chat import ChatHandler
from bot.handlers.languages import Languages
from bot.handlers.questions import Question, Questions
from bot.handlers.running import RunningAnswers
from bot.handlers.screen import Screen
from bot.handlers.words import queued_line, translate_for
from bot.history.records import Turn
from bot.history.store import Store
from bot.model.api import Queued
from bot.transport.content import Content
from bot.transport.queues import Place

LONG_S = 3.0
"""A shorter wait needs no words."""

MOST_AHEAD = 3
"""Whoever writes so much at once knows that it takes time."""


class WaitingHandler:
    """Hears of every update that has to wait for others of its conversation."""

    def __init__(
        self,
        store: Store,
        screen: Screen,
        running: RunningAnswers,
        questions: Questions,
        chat: ChatHandler,
        languages: Languages,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._screen = screen
        self._running = running
        self._questions = questions
        self._chat = chat
        self._languages = languages
        self._sleep = sleep

    async def on_waiting(self, update: Update, place: Place) -> None:
        """Tell it, if the wait is long; take it back if nothing comes of the question."""
        question = self._questions.of(update)
        if question is None or place.ahead > MOST_AHEAD or await self._begins_soon(place):
            return
        async with place.held() as in_time:
            if not in_time:
                return
            await self._languages.follow(update)
            turn = await self._tell(update, question, place.ahead)
        await place.ended.wait()
        if (unbegun := await self._store.drop_turn(turn.id)) is not None:
            await self._screen.clear(unbegun)

    async def _begins_soon(self, place: Place) -> bool:
        waits = [asyncio.ensure_future(place.begun.wait()), asyncio.ensure_future(self._sleep(LONG_S))]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return place.begun.is_set()

    async def _tell(self, update: Update, question: Question, ahead: int) -> Turn:
        turn = await self._chat.begin(update, question, waiting=True)
        queued = Queued(ahead, self._running.estimate_s(question.key, ahead))
        return await self._screen.announce(turn, Content(queued_line(queued, translate_for(update))))
