"""Sentiment: is a message in a good mood, in a bad one, or in neither? Read in one pass, nothing is generated.

A model with a probe knows all three moods. Every other model chooses between two words; what it says to a text
without any content is its prejudice and taken off, and what is left of its preference makes the three moods.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bot.conversation import CAUSE
from bot.model.api import ChatMessage, Choice, Model
from bot.tasks.shorten import shortened

Mood = Literal["positive", "negative", "neutral"]

LONGEST = 256
"""Tokens that are judged. Of longer texts the beginning and the end: opinions stand there."""

NOTHING = "…"
"""A text without content, for the model's prejudice."""

# Chosen on labelled texts: see docs/sentiment.md.
STEEPNESS = 1.2
THRESHOLD = 1.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """The mood of a text, and how sure the model is of it and of the others."""

    mood: Mood
    probability: float
    probabilities: Mapping[Mood, float]


class Sentiment:
    """Asks the model for one of two words. `labels` are its words for positive and negative."""

    def __init__(self, model: Model, prompt: str, labels: Mapping[str, Mood]) -> None:
        self.labels = labels
        self._model = model
        self._prompt = ChatMessage("system", prompt)
        self._prejudice: float | None = None

    async def judge(self, text: str) -> Verdict:
        """Raises Overloaded, TooLong or ModelCrashed."""
        choice = await self._ask(shortened(text, LONGEST, self._model))
        if choice.neither is None:
            return _verdict(by_preference(self._preference(choice) - await self._prejudged()))
        likely = {mood: choice.probabilities[label] for label, mood in self.labels.items()}
        some = 1 - choice.neither
        return _verdict({mood: some * one for mood, one in likely.items()} | {"neutral": choice.neither})

    async def _ask(self, text: str) -> Choice:
        messages = [self._prompt, ChatMessage("user", text)]
        return await self._model.classify("sentiment", messages, list(self.labels))

    async def _prejudged(self) -> float:
        if self._prejudice is None:
            cause = CAUSE.set(None)  # it is asked for no message in particular
            try:
                self._prejudice = self._preference(await self._ask(NOTHING))
            finally:
                CAUSE.reset(cause)
        return self._prejudice

    def _preference(self, choice: Choice) -> float:
        """Logarithm of how much more probable positive is than negative."""
        likely = {mood: choice.probabilities[label] for label, mood in self.labels.items()}
        return math.log(max(likely["positive"], 1e-9) / max(likely["negative"], 1e-9))


def by_preference(preference: float) -> dict[Mood, float]:
    """Ordered logistic regression: the weaker the preference for a word, the more likely is neither mood."""
    positive = _logistic(STEEPNESS * (preference - THRESHOLD))
    negative = _logistic(STEEPNESS * (-preference - THRESHOLD))
    return {"positive": positive, "negative": negative, "neutral": max(0.0, 1 - positive - negative)}


def _verdict(probabilities: Mapping[Mood, float]) -> Verdict:
    mood = max(probabilities, key=lambda mood: probabilities[mood])
    return Verdict(mood, probabilities[mood], probabilities)


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))
