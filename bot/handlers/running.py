"""RunningAnswers: who is being answered right now. The one owner of that fact; knows no texts and no calls.

A conversation has at most one answer running. Whoever wants to write the next one waits here for the last;
whoever wants to end one does not wait.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from weakref import WeakValueDictionary

from bot.conversation import ConversationKey
from bot.tasks.chat import Answer


@dataclass(slots=True)
class RunningAnswer:
    """An answer that is being written. `superseded`: another one to the same turn will take its place."""

    turn_id: int
    answer: Answer
    begun: float
    superseded: bool = False


class RunningAnswers:
    """By conversation. `expected_s` is how long an answer may take, as long as none has shown it."""

    def __init__(
        self, expected_s: Callable[[], float] = lambda: 0.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._expected_s = expected_s
        self._clock = clock
        self._usual_s = 0.0
        self._answers: dict[ConversationKey, RunningAnswer] = {}
        self._locks: WeakValueDictionary[ConversationKey, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def alone(self, conversation: ConversationKey) -> AsyncIterator[None]:
        """Nobody else writes into this conversation while the block runs."""
        lock = self._locks.setdefault(conversation, asyncio.Lock())
        async with lock:
            yield

    def busy(self, conversation: ConversationKey) -> bool:
        """Whether somebody writes into this conversation."""
        lock = self._locks.get(conversation)
        return lock is not None and lock.locked()

    @contextmanager
    def writing(self, conversation: ConversationKey, turn_id: int, answer: Answer) -> Iterator[RunningAnswer]:
        """The answer can be stopped while the block runs."""
        running = self._answers[conversation] = RunningAnswer(turn_id, answer, self._clock())
        try:
            yield running
        finally:
            del self._answers[conversation]
            self._learn(self._clock() - running.begun)

    def estimate_s(self, conversation: ConversationKey, answers: int) -> float:
        """How long it takes until so many answers are written, the running one included."""
        usual, running = self._usual_s or self._expected_s(), self._answers.get(conversation)
        gone = self._clock() - running.begun if running else 0.0
        return usual * (answers - 1) + max(1.0, usual - gone)

    def _learn(self, seconds: float) -> None:
        """The usual duration follows the last few."""
        self._usual_s = seconds if not self._usual_s else self._usual_s + (seconds - self._usual_s) / 8

    def stop(self, conversation: ConversationKey) -> bool:
        """End the answer here and now; what was written stays. False if there is none."""
        running = self._answers.get(conversation)
        if running is None:
            return False
        running.answer.stop()
        return True

    def supersede(self, conversation: ConversationKey, turn_id: int) -> None:
        """If the answer to this turn is being written, end it without showing its end."""
        running = self._answers.get(conversation)
        if running is not None and running.turn_id == turn_id:
            running.superseded = True
            running.answer.stop()
