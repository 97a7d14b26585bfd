"""Things to ask that nobody asked before: natural Chinese and English, put together from parts, none of them twice.

An engine that remembers gains nothing here, and neither does one that guesses what was said before.
"""

import random
import tomllib
from collections.abc import Callable, Sequence
from importlib.resources import files

Words = dict[str, list[str]]
LANGUAGES: Sequence[Words] = tuple(
    tomllib.loads(files("bot.bench").joinpath("words.toml").read_text(encoding="utf-8")).values()
)

Encode = Callable[[str], Sequence[int]]
Decode = Callable[[Sequence[int]], str]


class Fresh:
    """A supply of texts; every call gives one that it never gave before. The same `seed` gives the same row."""

    def __init__(self, encode: Encode, decode: Decode, seed: int = 1) -> None:
        self._encode = encode
        self._decode = decode
        self._random = random.Random(seed)
        self._given: set[str] = set()

    def question(self) -> str:
        """A short question that deserves a long answer."""
        return self._new(self._question)

    def remark(self, tokens: int) -> str:
        """What somebody feels, in `tokens` tokens."""
        return self._new(lambda: self._cut(self._remark, tokens))

    def passage(self, tokens: int) -> str:
        """Prose, in `tokens` tokens."""
        return self._new(lambda: self._cut(self._scene, tokens))

    def history(self, tokens: int, turns: int) -> list[tuple[str, str]]:
        """Questions and answers, oldest first, that take about `tokens` tokens together."""
        messages = []
        for _ in range(turns):
            question = self.question()
            left = max(tokens // turns - len(self._encode(question)), 8)
            messages += [("user", question), ("assistant", self.passage(left))]
        return messages

    def pause_s(self) -> float:
        """A moment of at most 50 ms, so that requests meet running answers anywhere in a step."""
        return self._random.uniform(0.0, 0.05)

    def _new(self, make: Callable[[], str]) -> str:
        for _ in range(1000):
            if (text := make()) not in self._given:
                self._given.add(text)
                return text
        raise RuntimeError("no fresh prompts are left")

    def _cut(self, make: Callable[[Words], str], tokens: int) -> str:
        words, text = self._random.choice(LANGUAGES), ""
        while len(ids := self._encode(text)) < tokens:
            text += make(words)
        return self._decode(ids[:tokens]).rstrip("\ufffd")

    def _question(self) -> str:
        return self._fill(self._random.choice(LANGUAGES), "forms", "topics", "angles")

    def _remark(self, words: Words) -> str:
        return self._fill(words, "remarks", "topics", "events", "feelings")

    def _scene(self, words: Words) -> str:
        return self._fill(words, "scenes", "topics", "events", "angles", "times") + " "

    def _fill(self, words: Words, forms: str, *parts: str) -> str:
        return self._random.choice(words[forms]).format(*(self._random.choice(words[part]) for part in parts))
