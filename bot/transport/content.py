"""Content: what one message shows. Telegram counts entities in UTF-16 units, Python counts code points.

Knows nothing of chats, calls or Markdown.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from telegram import InlineKeyboardMarkup, MessageEntity


@dataclass(frozen=True, slots=True)
class Content:
    """A message's text, its formatting and its buttons."""

    text: str
    entities: tuple[MessageEntity, ...] = ()
    markup: InlineKeyboardMarkup | None = None

    def plain(self) -> "Content":
        """The same text and buttons without formatting."""
        return replace(self, entities=())

    def same(self, other: "Content | None") -> bool:
        """Whether the screen would look the same. Entities compare by place alone, a link's address not."""
        return self == other and [e.to_dict() for e in self.entities] == [e.to_dict() for e in other.entities]


def well_formed(text: str) -> str:
    """`text` with halves of surrogate pairs joined, lone ones and NUL made U+FFFD: it can be encoded and stored."""
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return whole.replace("\0", "\N{REPLACEMENT CHARACTER}")


def utf16_length(text: str) -> int:
    """Length in UTF-16 code units."""
    return len(text) + sum(char > "\uffff" for char in text)


def utf16_offsets(text: str) -> Sequence[int]:
    """The UTF-16 offset of every code point, and at the end that of the whole text."""
    if text.isascii():
        return range(len(text) + 1)
    return list(accumulate((2 if char > "\uffff" else 1 for char in text), initial=0))
