"""Pieces: a prompt's token ids as a reader may look at them. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bot.model.tokens import REPLACEMENT, PromptEncoder

LONGEST_CHARACTER = 4
"""Bytes, and so tokens at most, that one character can take."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Text of one token, or of several that only together make characters. `control`: written by the template alone."""

    text: str
    tokens: int
    control: bool


def pieces_of(encoder: PromptEncoder, tokens: Sequence[int]) -> Iterator[Piece]:
    """All of `tokens`, control tokens shown in their own spelling."""
    control = encoder.tokenizer.get_added_tokens_decoder()
    before: list[int] = []
    own: list[int] = []
    for index, token in enumerate(tokens):
        own.append(token)
        text = _text(encoder, before, own)
        next_is_control = index + 1 == len(tokens) or tokens[index + 1] in control
        if text.endswith(REPLACEMENT) and len(own) < LONGEST_CHARACTER and not next_is_control:
            continue
        yield Piece(text, len(own), token in control)
        before, own = own, []


def _text(encoder: PromptEncoder, before: Sequence[int], own: Sequence[int]) -> str:
    """Decoders may treat the start of a text in a special way, so there is always something before."""
    start = encoder.tokenizer.decode(list(before), skip_special_tokens=False)
    whole = encoder.tokenizer.decode([*before, *own], skip_special_tokens=False)
    return whole[len(start) :]
