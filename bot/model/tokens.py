"""Between text and token ids: prompts, injection-safe encoding, incremental decoding. Pure.

Only the template writes control tokens. What people typed is encoded by a tokenizer that has none, so `<|im_end|>`
in a message is eleven characters of text.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Self

from tokenizers import Tokenizer

from bot.model.api import ChatMessage
from bot.model.template import ChatTemplate

# A batch is encoded by the thread that asks: others would have to wait for a core beside the engine's.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

REPLACEMENT = "\ufffd"
"""What a decoder shows for bytes that are not yet a whole character."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """An encoded prompt. `system` of its tokens are the system message; `text` are those of the last message."""

    tokens: tuple[int, ...]
    system: int
    text: range
    ends_in_space: bool

    @property
    def constant(self) -> int:
        """Tokens at the start that do not depend on the last message."""
        return self.text.start

    def with_text(self, text: Sequence[int]) -> Self:
        """The same prompt with other tokens as its last message."""
        first, behind = self.tokens[: self.text.start], self.tokens[self.text.stop :]
        place = range(len(first), len(first) + len(text))
        return replace(self, tokens=(*first, *text, *behind), text=place)


class PromptEncoder:
    """Tokenizer and chat template of a model folder. `stop_tokens` are the ids that end an answer."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._typed = _without_control_tokens(self.tokenizer)
        self.stop_tokens = _stop_tokens(folder)
        self._around = lru_cache(maxsize=64)(ChatTemplate(folder).around)
        self._encode_template = lru_cache(maxsize=64)(partial(_encode, self.tokenizer))

    def prompt(self, messages: Sequence[ChatMessage]) -> Prompt:
        """The chat template around `messages`, up to where the assistant's words begin."""
        pieces = self._around(tuple(message.role for message in messages))
        tokens, texts = [*self._encode_template(pieces[0])], []
        for message, piece in zip(messages, pieces[1:], strict=True):
            start = len(tokens)
            tokens += self.encode_text(message.text.strip())
            texts.append(range(start, len(tokens)))
            tokens += self._encode_template(piece)
        has_system = messages[0].role == "system" and len(messages) > 1
        system = texts[1].start if has_system else 0
        return Prompt(tuple(tokens), system, texts[-1], pieces[-1].endswith((" ", "\n")))

    def raw(self, text: str) -> Prompt:
        """Plain text without any template, to be continued: how the article asked."""
        tokens = tuple(self.encode_text(text))
        return Prompt(tokens, 0, range(len(tokens)), text.endswith((" ", "\n")))

    def encode_text(self, text: str) -> list[int]:
        """Token ids of text without any control token among them."""
        return _encode(self._typed, text)

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of token ids, control tokens left out."""
        return self.tokenizer.decode(list(tokens), skip_special_tokens=True)


class TextStream:
    """Turns a growing row of token ids into text that never ends in half a character.

    Decodes only a short window behind the text that is out already, so long answers cost no more per token.
    """

    def __init__(self, encoder: PromptEncoder) -> None:
        self._encoder = encoder
        self._tokens: list[int] = []
        self._start = 0
        self._read = 0

    def push(self, tokens: Sequence[int]) -> str:
        """The text that became certain; may be empty."""
        self._tokens += tokens
        before = self._encoder.decode(self._tokens[self._start : self._read])
        now = self._encoder.decode(self._tokens[self._start :])
        if now.endswith(REPLACEMENT) or len(now) <= len(before):
            return ""
        self._start, self._read = self._read, len(self._tokens)
        return now[len(before) :]

    def flush(self) -> str:
        """What is left at the end, without the pieces of an unfinished character."""
        before = self._encoder.decode(self._tokens[self._start : self._read])
        now = self._encoder.decode(self._tokens[self._start :])
        self._start = self._read = len(self._tokens)
        return now[len(before) :].rstrip(REPLACEMENT)


class StopFilter:
    """Cuts a text stream at the first of some stop strings, and holds back what may become one."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = [stop for stop in stops if stop]
        self._held = ""
        self.stopped = False

    def push(self, text: str) -> str:
        """The text that may be shown now."""
        if self.stopped:
            return ""
        text = self._held + text
        found = [text.index(stop) for stop in self._stops if stop in text]
        if found:
            self.stopped, self._held = True, ""
            return text[: min(found)]
        held = max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]

    def flush(self) -> str:
        """What was held back and did not become a stop string."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that begins `stop`."""
    return next((n for n in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:n])), 0)


def _encode(tokenizer: Tokenizer, text: str) -> list[int]:
    """As a batch of one, which lets other threads run meanwhile and counts no characters; `encode` does neither."""
    ids: list[int] = tokenizer.encode_batch_fast([text], add_special_tokens=False)[0].ids
    return ids


def _without_control_tokens(tokenizer: Tokenizer) -> Tokenizer:
    """The same vocabulary and merges, but no added tokens."""
    typed = Tokenizer(tokenizer.model)
    for part in ("normalizer", "pre_tokenizer"):
        if getattr(tokenizer, part) is not None:
            setattr(typed, part, getattr(tokenizer, part))
    return typed


def _stop_tokens(folder: Path) -> frozenset[int]:
    """From generation_config.json, or else config.json."""
    for name in ("generation_config.json", "config.json"):
        path = folder / name
        ids = json.loads(path.read_text(encoding="utf-8")).get("eos_token_id") if path.exists() else None
        if ids is not None:
            return frozenset(ids if isinstance(ids, list) else [ids])
    return frozenset()
