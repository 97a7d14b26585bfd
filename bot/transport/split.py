"""Split: where a long text may be cut into messages. Pure, over code points; knows no formatting."""

import re
import unicodedata
from collections.abc import Iterator

MAX_LENGTH = 4096
TARGET_LENGTH = 3800

# From the best place to cut to the worst, each used only if it leaves a message at least half full.
_BORDERS = (
    re.compile(r"\n[^\S\n]*\n"),
    re.compile(r"\n"),
    re.compile(r"[.!?][\"')\]]*\s|[。！？…；][”’」』）]*"),
    re.compile(r"\s|[，、]"),
)
_BLANK_LINES = re.compile(r"(?:[^\S\n]*\n)*")
_UNSEEN_KINDS = frozenset({"Cc", "Cf", "Cs", "Co", "Zs", "Zl", "Zp", "Mn", "Mc", "Me"})
# Letters by their category, and yet nothing is seen.
_UNSEEN = frozenset("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_LONGEST_GRAPHEME = 64
_ZERO_WIDTH_JOINER = "\u200d"


def visible(text: str) -> bool:
    """Whether there is anything to see; Telegram refuses messages without."""
    return any(unicodedata.category(char) not in _UNSEEN_KINDS and char not in _UNSEEN for char in text)


def pieces(text: str, longest: int = MAX_LENGTH) -> Iterator[tuple[int, int]]:
    """Start and end of every message of `text`: all that is visible, in order, at most `longest` each.

    Text that is added at the end moves no border but the last.
    """
    start = 0
    while start < len(text):
        end = len(text) if len(text) - start <= longest else _cut(text, start)
        first = _after_blank_lines(text, start, end)
        if visible(text[first:end]):
            yield first, first + len(text[first:end].rstrip())
        start = end


def _after_blank_lines(text: str, start: int, end: int) -> int:
    match = _BLANK_LINES.match(text, start, end)
    return match.end() if match else start


def _cut(text: str, start: int) -> int:
    limit = start + TARGET_LENGTH
    for border in _BORDERS:
        ends = [match.end() for match in border.finditer(text, start + TARGET_LENGTH // 2, limit)]
        if ends:
            return _between_graphemes(text, ends[-1])
    return _between_graphemes(text, limit)


def _between_graphemes(text: str, index: int) -> int:
    """`index`, or the nearest place before it that splits no emoji, flag or accented letter."""
    for place in range(index, max(index - _LONGEST_GRAPHEME, 0), -1):
        if not _joined(text, place):
            return place
    return index


def _joined(text: str, index: int) -> bool:
    """Whether the characters around `index` are one to the reader."""
    if not 0 < index < len(text):
        return False
    before, after = text[index - 1], text[index]
    return (
        before == _ZERO_WIDTH_JOINER
        or after == _ZERO_WIDTH_JOINER
        or unicodedata.category(after)[0] == "M"
        or "\U0001f3fb" <= after <= "\U0001f3ff"  # skin tones
        or "\U000e0020" <= after <= "\U000e007f"  # tags: the flags of regions
        or "\u1160" <= after <= "\u11ff"  # vowels and finals of Hangul
        or (_is_flag_half(after) and _flag_halves(text, index) % 2 == 1)
    )


def _is_flag_half(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _flag_halves(text: str, end: int) -> int:
    """Number of regional indicators right before `end`: two make a flag."""
    start = end
    while start > 0 and _is_flag_half(text[start - 1]):
        start -= 1
    return end - start
