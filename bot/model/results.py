"""Frequent results, remembered: verdicts by text, and the answers to a conversation's opening greeting.

Wraps any Model. Keys are digests, so nobody's words are kept; entries are bounded in number and in age.
"""

import hashlib
import time
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Protocol

from cachetools import TTLCache

from bot.model.api import ChatMessage, Choice, Delta, Finish, Load, Model, Queued, Sampling, Usage


class Forgetful(Model, Protocol):
    """A model that keeps something of what people said, and can forget it."""

    def clear(self) -> None:
        """Forget all of it."""
        ...


class Remembering:
    """Implements Model around another one. `hits` and `misses` count what could be remembered."""

    def __init__(
        self,
        model: Model,
        *,
        entries: int,
        lifetime_s: float,
        greetings: Collection[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.hits = 0
        self.misses = 0
        self._model = model
        self._greetings = {_normal(greeting) for greeting in greetings}
        self._choices: TTLCache[str, Choice] = TTLCache(entries, lifetime_s, clock)
        self._answers: TTLCache[str, str] = TTLCache(entries, lifetime_s, clock)

    async def classify(self, task: str, messages: Sequence[ChatMessage], labels: Sequence[str]) -> Choice:
        """See Model."""
        key = _digest(task, *labels, *_texts(messages))
        if (known := self._choices.get(key)) is not None:
            self.hits += 1
            return replace(known, usage=Usage())
        self.misses += 1
        choice = await self._model.classify(task, messages, labels)
        self._choices[key] = choice
        return choice

    async def stream(
        self, messages: Sequence[ChatMessage], sampling: Sampling, *, conversation: str | None = None
    ) -> AsyncGenerator[Queued | Delta | Finish]:
        """See Model. Only the first message of a conversation, and only a greeting, has a remembered answer."""
        key = _digest(repr(sampling), *_texts(messages)) if self._is_greeting(messages) else None
        if key is not None and (known := self._answers.get(key)) is not None:
            self.hits += 1
            yield Delta(known)
            yield Finish("stop", Usage())
            return
        if key is not None:
            self.misses += 1
        text = ""
        async with aclosing(self._model.stream(messages, sampling, conversation=conversation)) as events:
            async for event in events:
                if isinstance(event, Delta):
                    text += event.text
                elif isinstance(event, Finish) and event.reason == "stop" and key is not None and text:
                    self._answers[key] = text
                yield event

    def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """See Model."""
        return self._model.count_tokens(messages)

    def forget(self, conversation: str) -> None:
        """See Model."""
        self._model.forget(conversation)

    def clear(self) -> None:
        """Forget all results: even a digest tells whether somebody said just this."""
        self._choices.clear()
        self._answers.clear()

    def load(self) -> Load:
        """See Model."""
        return self._model.load()

    def _is_greeting(self, messages: Sequence[ChatMessage]) -> bool:
        return [message.role for message in messages] == ["system", "user"] and (
            _normal(messages[-1].text) in self._greetings
        )


def _texts(messages: Sequence[ChatMessage]) -> list[str]:
    return [part for message in messages for part in (message.role, message.text)]


def _normal(text: str) -> str:
    """A greeting without case, surrounding space and final punctuation."""
    return text.strip().rstrip("!！.。~～ ").casefold()


def _digest(*parts: str) -> str:
    """Of a row of texts; where one ends and the next begins counts."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    return digest.hexdigest()
