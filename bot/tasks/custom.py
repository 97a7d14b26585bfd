"""Custom tasks: what the operator's definitions make of the one model. Knows neither Telegram nor the history.

The constant start of a task's prompts, its examples included, is computed once and kept.
"""

import re
import secrets
from collections.abc import Sequence

from bot.conversation import ConversationKey
from bot.definitions import Classification, Definition, Generation, Language, said
from bot.model.api import ChatMessage, Choice, Model, Sampling
from bot.tasks.chat import Answer, Exchange
from bot.tasks.shorten import shortened, token_count

JUDGED_TOKENS = 512
"""What a classification looks at. Of longer texts the beginning and the end."""

TOP_P, TOP_K = 0.8, 20

_CHINESE = re.compile(r"[\u4e00-\u9fff]")


class Classifier:
    """Lets the model choose among a definition's labels. Nothing is generated."""

    def __init__(self, model: Model, name: str, definition: Classification) -> None:
        self._model = model
        self._name = name
        self.labels = definition.labels
        self._start = _start(definition)

    async def classify(self, text: str) -> Choice:
        """Raises Overloaded, TooLong or ModelCrashed."""
        judged = shortened(text, JUDGED_TOKENS, self._model)
        messages = [*self._start, ChatMessage("user", judged)]
        return await self._model.classify(self._name, messages, list(self.labels))


class Writer:
    """Lets the model write what a definition asks for, about a text or about what was said last."""

    def __init__(self, model: Model, definition: Generation, context: int) -> None:
        self._model = model
        self._definition = definition
        self._start = _start(definition)
        around = max(model.count_tokens([*self._start, _question(definition, text)]) for text in ("x", "字"))
        self._room = max(context - definition.max_new_tokens - around, 1)

    def start(
        self,
        conversation: ConversationKey,
        past: Sequence[Exchange],
        text: str,
        *,
        again: bool = False,
    ) -> Answer:
        """Ask the model now, in the way of Chat. Without a text, or with a number, it is about the newest of `past`."""
        about = self._transcript(past, text) if self.wants_past(text) else text
        fitting = shortened(about, self._room, self._model)
        return Answer(
            self._model,
            [*self._start, _question(self._definition, fitting)],
            self._sampling(again),
            shortened=fitting != about,
        )

    def wants_past(self, text: str) -> bool:
        """Whether `text` stands for what was said last."""
        return bool(self._definition.messages) and (not text or _is_number(text))

    def _transcript(self, past: Sequence[Exchange], number: str) -> str:
        """The newest exchanges, oldest first, without those that there is no room for."""
        count = int(number) if number else self._definition.messages
        lines: list[str] = []
        for exchange in reversed(past[max(len(past) - count, 0) :]):
            told = [f"- {exchange.question}", f"- {exchange.reply}"]
            if lines and self._cost("\n".join([*told, *lines])) > self._room:
                break
            lines = [*told, *lines]
        return "\n".join(lines)

    def _cost(self, text: str) -> int:
        return token_count(text, self._model)

    def _sampling(self, again: bool) -> Sampling:
        return Sampling(
            max_new_tokens=self._definition.max_new_tokens,
            temperature=self._definition.temperature,
            top_p=TOP_P,
            top_k=TOP_K,
            repetition_penalty=self._definition.repetition_penalty,
            seed=secrets.randbits(63) if again else None,
        )


def _start(definition: Definition) -> list[ChatMessage]:
    """What all prompts of a task begin with."""
    messages = [ChatMessage("system", definition.prompt)]
    for text, answer in definition.examples:
        messages += [_question(definition, text), ChatMessage("assistant", answer)]
    return messages


def _question(definition: Definition, text: str) -> ChatMessage:
    """A text with the instruction below it."""
    instruction = definition.instruction if isinstance(definition, Generation) else None
    if instruction is None:
        return ChatMessage("user", text)
    return ChatMessage("user", f"{text}\n\n{said(instruction, _language(text))}")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 4


def _language(text: str) -> Language:
    """Chinese needs few characters, so few of them make a text Chinese."""
    return "zh" if len(_CHINESE.findall(text)) > len(text) / 8 else "en"
