"""Who judges moods in an evaluation: the bot itself, and what it is held against."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from bot.model.api import ChatMessage, Choice, Model
from bot.tasks.sentiment import LONGEST, Mood, Sentiment
from bot.tasks.shorten import shortened

RAW_PROMPT = "{prompt}\n\n文本：{text}\n分析结果："
"""The article's way: everything in one text, and no chat template."""

HAN = re.compile("[\u4e00-\u9fff]")

Labels = Mapping[str, Mood]
"""The model's words for moods."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """A mood, and the probabilities of all moods that the judge knows."""

    mood: Mood
    probabilities: Mapping[Mood, float]


class Judge(Protocol):
    """Somebody who tells moods."""

    async def judge(self, text: str) -> Opinion:
        """Raises ModelError."""
        ...

    def reads(self, texts: Sequence[str]) -> bool:
        """Whether these texts are in a language that it was made for."""
        ...


class RawModel(Model, Protocol):
    """A model that can also be asked without the chat template."""

    async def classify_raw(self, text: str, labels: Sequence[str]) -> Choice:
        """See LocalModel."""
        ...


class _Polyglot:
    def reads(self, texts: Sequence[str]) -> bool:
        """See Judge."""
        return True


class Bot(_Polyglot):
    """The sentiment as users get it."""

    def __init__(self, sentiment: Sentiment) -> None:
        self._sentiment = sentiment

    async def judge(self, text: str) -> Opinion:
        """See Judge."""
        verdict = await self._sentiment.judge(text)
        return Opinion(verdict.mood, verdict.probabilities)


class Template(_Polyglot):
    """Plain scoring: the two labels behind the chat template, and nothing else."""

    def __init__(self, model: Model, prompt: str, labels: Labels) -> None:
        self._model, self._labels = model, labels
        self._prompt = ChatMessage("system", prompt)

    async def judge(self, text: str) -> Opinion:
        """See Judge."""
        text = shortened(text, LONGEST, self._model)
        messages = [self._prompt, ChatMessage("user", text)]
        return _opinion(await self._model.classify("template", messages, list(self._labels)), self._labels)


class RawPrompt(_Polyglot):
    """The article's way."""

    def __init__(self, model: RawModel, prompt: str, labels: Labels) -> None:
        self._model, self._prompt, self._labels = model, prompt, labels

    async def judge(self, text: str) -> Opinion:
        """See Judge."""
        text = shortened(text, LONGEST, self._model)
        prompt = RAW_PROMPT.format(prompt=self._prompt, text=text)
        return _opinion(await self._model.classify_raw(prompt, list(self._labels)), self._labels)


class SnowNlp:
    """SnowNLP's naive Bayes classifier, made for Chinese shopping reviews. Not a dependency."""

    def __init__(self, positive: Callable[[str], float]) -> None:
        self._positive = positive

    async def judge(self, text: str) -> Opinion:
        """See Judge."""
        positive = self._positive(text)
        mood: Mood = "positive" if positive >= 0.5 else "negative"
        return Opinion(mood, {"positive": positive, "negative": 1 - positive})

    def reads(self, texts: Sequence[str]) -> bool:
        """Chinese ones."""
        return 2 * sum(bool(HAN.search(text)) for text in texts) > len(texts)


def baselines(model: RawModel, prompt: str, labels: Labels) -> dict[str, Judge]:
    """All that can be asked here."""
    return {
        "template": Template(model, prompt, labels),
        "raw_prompt": RawPrompt(model, prompt, labels),
        **dict(_snownlp()),
    }


def _snownlp() -> Iterator[tuple[str, Judge]]:
    try:
        classify = import_module("snownlp.sentiment").classify
    except ImportError:
        return
    yield "snownlp", SnowNlp(lambda text: float(classify(text)) if text.strip() else 0.5)


def _opinion(choice: Choice, labels: Labels) -> Opinion:
    probabilities = {labels[label]: choice.probabilities[label] for label in labels}
    return Opinion(labels[choice.label], probabilities)
