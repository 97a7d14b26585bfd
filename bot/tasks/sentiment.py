"""Sentiment: is a message in a good or a bad mood? One constrained forward pass, nothing is generated."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bot.model.api import ChatMessage, Model

Mood = Literal["positive", "negative", "neutral"]

LONGEST = 1200
"""Characters that are judged. Of longer texts the beginning and the end: opinions stand there."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The mood of a text, and how sure the model is of it and of the others."""

    mood: Mood
    probability: float
    probabilities: Mapping[Mood, float]


class Sentiment:
    """Asks the model for one of two words. `labels` are its words for the moods."""

    def __init__(self, model: Model, prompt: str, labels: dict[str, Mood]) -> None:
        self._model = model
        self._prompt = ChatMessage("system", prompt)
        self.labels = labels

    async def judge(self, text: str) -> Verdict:
        """Raises Overloaded, TooLong or ModelCrashed."""
        messages = [self._prompt, ChatMessage("user", _shortened(text))]
        choice = await self._model.classify("sentiment", messages, list(self.labels))
        probabilities = {self.labels[label]: choice.probabilities[label] for label in self.labels}
        return Verdict(self.labels[choice.label], choice.probability, probabilities)


def _shortened(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    return f"{text[: LONGEST // 2]} … {text[-LONGEST // 2 :]}"
