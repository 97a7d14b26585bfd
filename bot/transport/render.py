"""Render: a stored reply, Markdown as the model writes it, becomes the messages on the screen.

Pure: the same reply always gives the same messages, for what is shown is `render` of what is stored.
Formatting that would lose a word is not worth having: such a reply is shown as it was written.
"""

import html
import re
from collections.abc import Sequence
from itertools import islice

from telegram import MessageEntity
from telegramify_markdown import convert
from telegramify_markdown.config import RenderConfig

from bot.transport.content import Content, utf16_offsets, well_formed
from bot.transport.spans import Span, compatible, from_utf16
from bot.transport.split import MAX_LENGTH, pieces, visible

MAX_ENTITIES = 100
CURSOR = "▌"
NOTHING = "…"
STOPPED = "⏹"

# What Markdown may use up: white space and its own signs. Everything else must still be there afterwards.
_MARKUP = re.compile(r"[\s\\*_~`#<>\[\]()!|+=:.$&;\"'-]+")
_TASK = re.compile(r"(?<=[-*+.)] \[)[xX](?=\] )")
# Quotes in quotes and lists in lists take the parser quadratic time; "1. 1. 1. …" is a model that stutters.
_TOO_DEEP = re.compile(r"^[ \t]*(?:>[ \t]*|(?:[-+*]|\d{1,9}[.)])[ \t]+){12}", re.MULTILINE)
_DUNDER = re.compile(r"__\w+?__")
_NUMBER = re.compile(r"^([ \t]*\d{1,9})([.)])(?=[ \t])", re.MULTILINE)
_HTML = re.compile(r"<(?=[A-Za-z/!?])")
_CODE = re.compile(
    r"(^[ \t]*(?:```.*?(?:^[ \t]*```|\Z)|~~~.*?(?:^[ \t]*~~~|\Z))|`+[^`\n]*`+)", re.DOTALL | re.MULTILINE
)
_FENCE = re.compile(r"^[ \t]*(```+|~~~+)(.*)$", re.MULTILINE)
# Telegram writes control characters as spaces and leaves these direction marks out.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_DIRECTION = re.compile(r"[\u202a-\u202e]")


def render(reply: str) -> list[Content]:
    """The messages that show `reply`: at least one, each within Telegram's limits, nothing visible lost."""
    source = _clean(reply)
    text, spans = _formatted(source) or (source, [])
    return [_content(text, spans, start, end) for start, end in pieces(text)] or [Content(NOTHING)]


def frames(partial: str, cursor: str = CURSOR) -> list[Content]:
    """The messages of a reply that is still being written: plain text, and behind the last word a cursor."""
    text = _clean(partial).strip()
    *finished, last = [text[start:end] for start, end in pieces(text, MAX_LENGTH - len(cursor))] or [""]
    return [*map(Content, finished), Content(last + cursor)]


def stopped(partial: str) -> str:
    """The reply that is stored when somebody stopped it: what there is, with a mark that is not part of its code."""
    text = partial.rstrip()
    fence = _open_fence(text)
    return f"{text}\n{fence}\n\n{STOPPED}" if fence else f"{text}\n\n{STOPPED}".lstrip()


def _open_fence(text: str) -> str:
    """What would close the code block in which `text` ends; empty outside of code."""
    fence = ""
    for match in _FENCE.finditer(text):
        marks, rest = match[1], match[2]
        if not fence:
            fence = marks
        elif marks.startswith(fence) and not rest.strip():
            fence = ""
    return fence


def _clean(text: str) -> str:
    """What Telegram would make of the characters, made beforehand, so that places in the text stay right."""
    lines = well_formed(text).replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    ")
    return _DIRECTION.sub("", _CONTROL.sub(" ", lines))


def _formatted(source: str) -> tuple[str, list[Span]] | None:
    """Text and formatting; None if the source is better shown as it is."""
    if _TOO_DEEP.search(source):
        return None
    for markdown in dict.fromkeys((source, _literal(source), _literal(source, numbers=True))):
        text, spans = _convert(markdown)
        if _complete(source, text, spans):
            return text, spans
    return None


def _literal(source: str, *, numbers: bool = False) -> str:
    """`source` with HTML tags and __dunder__ names outside code escaped, so that they are shown.

    With `numbers` also the numbers of lists, which Markdown counts anew: many a model begins each item with a 1.
    """
    parts = _CODE.split(source)
    for index, part in enumerate(parts[::2]):
        part = _DUNDER.sub(lambda m: m[0].replace("_", r"\_"), _HTML.sub(r"\\<", part))
        parts[2 * index] = _NUMBER.sub(r"\1\\\2", part) if numbers else part
    return "".join(parts)


def _convert(markdown: str) -> tuple[str, list[Span]]:
    try:
        text, entities = convert(markdown, latex_escape=False, config=_CONFIG)
    except Exception:  # Whatever a parser stumbles over, the reader still gets the text.
        return "", []
    return text, compatible(from_utf16(text, entities))


def _complete(source: str, text: str, spans: list[Span]) -> bool:
    """Whether the formatted text says all that the source says, and nothing that it does not."""
    if not visible(text) or text.count("\\") > source.count("\\"):
        return False
    if any(span.kind == "spoiler" or _is_product(text, span) for span in spans):
        return False
    if not all(name in text for name in _DUNDER.findall(source)):
        return False
    source = _TASK.sub("", source)
    shown = _MARKUP.sub("", _with_links(text, spans))
    return any(_contains(shown, _MARKUP.sub("", said)) for said in (source, html.unescape(source)))


def _is_product(text: str, span: Span) -> bool:
    """2*3*4 is arithmetic, not emphasis."""
    around = text[span.start - 1 : span.start] + text[span.end : span.end + 1]
    return span.kind == "italic" and len(around) == 2 and around.isascii() and around.isalnum()


def _with_links(text: str, spans: list[Span]) -> str:
    """`text` with addresses and languages where the source has them: a tap or a caption shows those."""
    inserts = [(span.end, span.url) for span in spans if span.url and text[span.start : span.end] != span.url]
    inserts += [(span.start, span.language) for span in spans if span.language]
    parts, place = [], 0
    for index, extra in sorted(inserts, key=lambda insert: insert[0]):
        parts += [text[place:index], extra]
        place = index
    return "".join([*parts, text[place:]])


def _contains(shown: str, said: str) -> bool:
    """Whether all characters of `said` appear in `shown`, in their order."""
    rest = iter(shown)
    return all(char in rest for char in said)


def _content(text: str, spans: list[Span], start: int, end: int) -> Content:
    """The message that shows text[start:end]. Code that is cut goes on as code in the next message."""
    inside = (part for span in spans if (part := span.clipped(start, end)))
    offsets = utf16_offsets(text[start:end])
    return Content(text[start:end], tuple(_entity(span, offsets) for span in islice(inside, MAX_ENTITIES)))


def _entity(span: Span, offsets: Sequence[int]) -> MessageEntity:
    start, length = offsets[span.start], offsets[span.end] - offsets[span.start]
    return MessageEntity(span.kind, start, length, url=span.url, language=span.language)


def _quiet_config() -> RenderConfig:
    """Signs that a reader expects: no emoji before headings, no quotes folded away."""
    config = RenderConfig.isolated()
    config.cite_expandable = False
    symbols = config.markdown_symbol
    symbols.heading_level_1 = symbols.heading_level_2 = symbols.heading_level_3 = symbols.heading_level_4 = ""
    symbols.unordered_list_item = "•"
    symbols.task_completed, symbols.task_uncompleted = "☑", "☐"
    return config


_CONFIG = _quiet_config()
