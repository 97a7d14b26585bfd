"""Spans: formatting of a text, counted in code points, that Telegram will take as it is. Pure."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, takewhile

from telegramify_markdown import MessageEntity as Utf16Span

from bot.transport.content import utf16_offsets

_CODE = frozenset({"code", "pre"})
_SOLID = _CODE | {"text_link"}
_WEB = ("http://", "https://", "tg://", "mailto:")


@dataclass(frozen=True, slots=True)
class Span:
    """text[start:end] is of this kind, one of the Bot API's types of MessageEntity."""

    kind: str
    start: int
    end: int
    url: str | None = None
    language: str | None = None

    def overlaps(self, other: "Span") -> bool:
        return self.start < other.end and other.start < self.end

    def clipped(self, start: int, end: int) -> "Span | None":
        """What of it lies within start and end, counted from start."""
        if start == 0 and self.end <= end:
            return self
        first, last = max(self.start, start), min(self.end, end)
        return replace(self, start=first - start, end=last - start) if first < last else None


def from_utf16(text: str, entities: Sequence[Utf16Span]) -> list[Span]:
    """Spans in code points that cover something, in the order of the text, outer ones first."""
    place = {offset: index for index, offset in enumerate(utf16_offsets(text))}
    spans = [Span(e.type, place[e.offset], place[e.offset + e.length], e.url, e.language) for e in entities]
    return sorted((span for span in spans if text[span.start : span.end].strip()), key=_order)


def _order(span: Span) -> tuple[int, int, bool]:
    """As Telegram sorts them; a link counts more than the code that it leads from."""
    return span.start, -span.end, span.kind != "text_link"


def compatible(spans: Sequence[Span]) -> list[Span]:
    """The spans without what Telegram would refuse or change.

    Code and links hold nothing and lie in nothing but quotes, quotes do not nest, links lead into the web.
    https://core.telegram.org/bots/api#formatting-options
    """
    solid = _apart(
        [span for span in spans if span.kind in _SOLID and (span.url or "http://").startswith(_WEB)]
    )
    quotes = _apart([span for span in spans if span.kind == "blockquote"])
    code = [span for span in solid if span.kind in _CODE]
    styles = [span for span in spans if span.kind not in _SOLID | {"blockquote", "custom_emoji"}]
    kept = [*solid, *quotes, *(part for style in styles for part in _around(style, code))]
    return sorted(kept, key=_order)


def _apart(spans: Sequence[Span]) -> list[Span]:
    """Of spans that overlap, the first."""
    kept: list[Span] = []
    for span in spans:
        if not kept or not span.overlaps(kept[-1]):
            kept.append(span)
    return kept


def _around(style: Span, code: Sequence[Span]) -> Iterator[Span]:
    """The parts of `style` between pieces of code."""
    start = style.start
    first = bisect_right(code, start, key=lambda hole: hole.end)
    for hole in takewhile(style.overlaps, islice(code, first, None)):
        if start < hole.start:
            yield replace(style, start=start, end=hole.start)
        start = hole.end
    if start == style.start:
        yield style
    elif start < style.end:
        yield replace(style, start=start)
