"""Labels: how a label may be spelt in a prompt's place, and which one its scores speak for. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bot.model.api import Choice
from bot.model.tokens import Prompt, PromptEncoder


@dataclass(frozen=True, slots=True)
class Spelling:
    """One way in which the model may write a label."""

    label: str
    tokens: tuple[int, ...]


def spellings(encoder: PromptEncoder, prompt: Prompt, labels: Sequence[str]) -> list[Spelling]:
    """Where the prompt ends in the middle of a line, models may write a space before the label."""
    starts = ("",) if prompt.ends_in_space else ("", " ")
    return [
        Spelling(label, tuple(encoder.encode_text(start + label))) for label in labels for start in starts
    ]


def choose(spelt: Sequence[Spelling], log_probabilities: Sequence[float]) -> Choice:
    """A label's probability is that of all its spellings together, among the labels asked for."""
    highest = max(log_probabilities)
    weights: dict[str, float] = {}
    for spelling, score in zip(spelt, log_probabilities, strict=True):
        weights[spelling.label] = weights.get(spelling.label, 0.0) + math.exp(score - highest)
    total = sum(weights.values())
    probabilities = {label: weight / total for label, weight in weights.items()}
    best = max(probabilities, key=lambda label: probabilities[label])
    return Choice(best, probabilities[best], probabilities)
