"""Chat: what the model is told when it answers, and the answer as it grows."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from copy import copy
from dataclasses import dataclass, replace
from typing import Self

from cachetools import LRUCache

from bot.conversation import ConversationKey
from bot.model.api import ChatMessage, Delta, Finish, Model, Queued, Sampling, Usage

REMEMBERED = 10_000
"""Conversations and turns about which a small number is kept in memory."""

MOST_CHARACTERS = 8
"""A token of usual text has fewer: what is longer need not be counted to be cut."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One earlier question and its reply, as the prompt shows them."""

    id: int
    question: str
    reply: str

    @property
    def messages(self) -> list[ChatMessage]:
        """Both as messages."""
        return [ChatMessage("user", self.question), ChatMessage("assistant", self.reply)]


class Chat:
    """Composes prompts from the past of a conversation and starts answers.

    `personas` are further system prompts, by name; whoever has none of them gets the usual one.
    """

    def __init__(
        self,
        model: Model,
        system_prompt: str,
        sampling: Sampling,
        history_tokens: int,
        file_tokens: int = 1024,
        personas: Mapping[str, str] | None = None,
    ) -> None:
        self._model = model
        self._system = ChatMessage("system", system_prompt)
        self._personas = {name: ChatMessage("system", told) for name, told in (personas or {}).items()}
        self._sampling = sampling
        self._window = HistoryWindow(model, self._system, history_tokens, history_tokens + file_tokens)
        self._file_tokens = file_tokens

    def speaking_as(self, persona: str | None) -> "Chat":
        """The same with the system prompt of a persona; the usual one where there is no such persona."""
        other = copy(self)
        other._system = self._personas.get(persona or "", self._system)
        return other

    def start(
        self,
        conversation: ConversationKey,
        past: Sequence[Exchange],
        question: str,
        *,
        again: bool = False,
    ) -> "Answer":
        """Ask the model now, with as much of `past` (oldest first) as the budget allows.

        `again` asks for another answer than the last time, as far as chance can give one.
        """
        exchanges = self._window.within_budget(conversation, past)
        history = [message for exchange in exchanges for message in exchange.messages]
        messages = [self._system, *history, ChatMessage("user", question)]
        sampling = replace(self._sampling, seed=secrets.randbits(63)) if again else self._sampling
        return Answer(self._model, messages, sampling, conversation)

    def fitting(self, text: str) -> str:
        """The beginning of a file's text, as much as a prompt has room for."""
        kept = text[: self._file_tokens * MOST_CHARACTERS]
        while (tokens := self._model.count_tokens([ChatMessage("user", kept)])) > self._file_tokens:
            kept = kept[: min(len(kept) * self._file_tokens // tokens, len(kept) - 1)]
        return kept

    def forget(self, conversation: ConversationKey) -> None:
        """Drop what the model keeps of a conversation."""
        self._model.forget(str(conversation))


class HistoryWindow:
    """How much of the past goes into the prompt.

    The window grows until it overflows and then drops to half the budget, at a turn's border. In between the
    prompt only grows at its end, so the model continues from keys and values that it already has. The newest
    exchange stays up to `most` tokens: whoever sent a file asks about it.
    """

    def __init__(self, model: Model, system: ChatMessage, budget: int, most: int) -> None:
        self._model = model
        self._system = system
        self._budget = budget
        self._most = most
        self._first_ids: LRUCache[ConversationKey, int] = LRUCache(REMEMBERED)
        self._costs: LRUCache[int, int] = LRUCache(REMEMBERED)

    def within_budget(self, conversation: ConversationKey, past: Sequence[Exchange]) -> Sequence[Exchange]:
        """The newest part of `past`."""
        window = [exchange for exchange in past if exchange.id >= self._first_ids.get(conversation, 0)]
        total = sum(self._cost(exchange) for exchange in window)
        if total > self._budget:
            while len(window) > 1 and total > self._budget // 2:
                total -= self._cost(window.pop(0))
            if total > self._most:
                window = []
        if window:
            self._first_ids[conversation] = window[0].id
        return window

    def _cost(self, exchange: Exchange) -> int:
        """Tokens that an exchange adds to a prompt."""
        if exchange.id not in self._costs:
            alone = self._model.count_tokens([self._system])
            self._costs[exchange.id] = self._model.count_tokens([self._system, *exchange.messages]) - alone
        return self._costs[exchange.id]


class Answer:
    """An answer while it is being written; leaving its `async with` block ends it.

    Reading it slowly never slows the model down. `text` is what there is so far, `queued` the last word about the
    place in the queue, `finish` the end. `shortened`: the model saw only a part of what it is about.
    """

    def __init__(
        self,
        model: Model,
        messages: Sequence[ChatMessage],
        sampling: Sampling,
        conversation: ConversationKey | None = None,
        *,
        shortened: bool = False,
    ) -> None:
        self.shortened = shortened
        self.text = ""
        self.queued: Queued | None = None
        self.finish: Finish | None = None
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._read(model, messages, sampling, conversation))
        self._task.add_done_callback(lambda _: self._news.set())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop()
        await asyncio.wait({self._task})

    async def changes(self) -> AsyncIterator[None]:
        """One item whenever something is new, the last one when `finish` is there; raises what the model raised."""
        while self.finish is None:
            await self._news.wait()
            self._news.clear()
            if self._task.done():
                self._end()
            yield

    def stop(self) -> None:
        """End it here; what was written stays."""
        self._task.cancel()

    def _end(self) -> None:
        if not self._task.cancelled():
            self._task.result()
        self.finish = self.finish or Finish("cancelled", Usage())

    async def _read(
        self,
        model: Model,
        messages: Sequence[ChatMessage],
        sampling: Sampling,
        conversation: ConversationKey | None,
    ) -> None:
        name = None if conversation is None else str(conversation)
        async with aclosing(model.stream(messages, sampling, conversation=name)) as events:
            async for event in events:
                match event:
                    case Delta(text):
                        self.text += text
                    case Queued():
                        self.queued = event
                    case Finish():
                        self.finish = event
                self._news.set()
