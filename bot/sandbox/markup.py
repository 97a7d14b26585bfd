"""parse_mode: text with formatting marks in, plain text and entities out.

HTML, MarkdownV2 and the old Markdown, refused in the words of td/telegram/MessageEntity.cpp.
Pure functions; what happens to the entities afterwards is in `entities`.
"""

import re
from dataclasses import dataclass
from html import unescape

from .entities import EntityError, utf16
from .objects import Entity, User

Parsed = tuple[str, list[Entity]]


def parse(text: str, mode: str) -> Parsed:
    """Raises EntityError in Telegram's words."""
    kinds = {"html": _Html, "markdownv2": _MarkdownV2, "markdown": _Markdown}
    kind = kinds.get(mode.lower())
    if kind is None:
        raise EntityError("unsupported parse_mode")
    return kind(text).parse()


@dataclass(slots=True)
class _Open:
    """A mark that was opened and waits for its end."""

    kind: str
    tag: str
    offset: int
    at: int
    details: dict[str, str | User]


class _Parser:
    """Plain text as it grows, and the marks that are open."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0
        self.size = 0
        self.pieces: list[str] = []
        self.open: list[_Open] = []
        self.entities: list[Entity] = []

    def parse(self) -> Parsed:
        while self.at < len(self.source):
            self.step()
        self.finish()
        found = (entity for entity in self.entities if entity.length)
        return "".join(self.pieces), sorted(found, key=lambda entity: (entity.offset, -entity.length))

    def step(self) -> None:
        raise NotImplementedError

    def finish(self) -> None:
        raise NotImplementedError

    def write(self, text: str) -> None:
        self.pieces.append(text)
        self.size += utf16(text)

    def begin(self, kind: str, tag: str, **details: str | User) -> None:
        self.open.append(_Open(kind, tag, self.size, self.at, details))

    def end(self) -> None:
        mark = self.open.pop()
        entity = {"type": mark.kind, "offset": mark.offset, "length": self.size - mark.offset}
        self.entities.append(Entity.model_validate(entity | mark.details))

    def fail(self, reason: str, at: int | None = None) -> EntityError:
        where = "" if at is None else f" at byte offset {len(self.source[:at].encode())}"
        return EntityError(f"can't parse entities: {reason}{where}")


_LINK_TO_USER = re.compile(r"tg://user\?id=(\d+)$")
_LINK_TO_EMOJI = re.compile(r"tg://emoji\?id=(\d+)$")


def _link(url: str) -> tuple[str, dict[str, str | User]]:
    if user := _LINK_TO_USER.match(url):
        return "text_mention", {"user": User(id=int(user[1]), first_name="")}
    return "text_link", {"url": url}


# --- HTML --------------------------------------------------------------------------------------

_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9-]*)((?:\s[^<>]*)?)>")
_ATTRIBUTE = re.compile(r"([A-Za-z-]+)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+)))?")
_CHARACTER = re.compile(r"&(?:#\d+|#x[0-9a-fA-F]+|lt|gt|amp|quot);")
_HTML_TAGS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "tg-spoiler": "spoiler",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
}


class _Html(_Parser):
    def step(self) -> None:
        if self.source[self.at] == "<":
            self._tag()
        elif character := _CHARACTER.match(self.source, self.at):
            self.write(unescape(character[0]))
            self.at = character.end()
        else:
            self.write(self.source[self.at])
            self.at += 1

    def _tag(self) -> None:
        match = _TAG.match(self.source, self.at)
        if match is None:
            raise self._unreadable()
        closing, name, attributes = match[1], match[2].lower(), match[3]
        if closing:
            self._close(name)
        else:
            self._start(name, attributes)
        self.at = match.end()

    def _unreadable(self) -> EntityError:
        name = re.compile(r"</?([^\s<>/]*)").match(self.source, self.at)
        if ">" not in self.source[self.at :]:
            kind = "end" if self.source.startswith("</", self.at) else "start"
            return self.fail(f"Unclosed {kind} tag", self.at)
        return self.fail(f'Unsupported start tag "{name[1].lower() if name else ""}"', self.at)

    def _start(self, name: str, attributes: str) -> None:
        given = {key.lower(): unescape(a or b or c) for key, a, b, c in _ATTRIBUTE.findall(attributes)}
        if name == "a":
            kind, details = _link(given.get("href", ""))
            self.begin(kind, name, **details)
        elif name == "span" and given.get("class") == "tg-spoiler":
            self.begin("spoiler", name)
        elif name == "tg-emoji":
            self.begin("custom_emoji", name, custom_emoji_id=given.get("emoji-id", ""))
        elif name == "blockquote" and "expandable" in given:
            self.begin("expandable_blockquote", name)
        elif name == "code" and self._directly_in_pre():
            self.begin("", name)
            self.open[-2].details["language"] = given.get("class", "").removeprefix("language-")
        elif name in _HTML_TAGS:
            self.begin(_HTML_TAGS[name], name)
        else:
            raise self.fail(f'Unsupported start tag "{name}"', self.at)

    def _directly_in_pre(self) -> bool:
        return bool(self.open) and self.open[-1].kind == "pre" and self.open[-1].offset == self.size

    def _close(self, name: str) -> None:
        if not self.open:
            raise self.fail("Unexpected end tag", self.at)
        mark = self.open[-1]
        if mark.tag != name:
            at = len(self.source[: self.at].encode())
            raise self.fail(
                f'Unmatched end tag at byte offset {at}, expected "</{mark.tag}>", found "</{name}>"'
            )
        if mark.kind:
            if mark.kind == "pre" and not mark.details.get("language"):
                mark.details.pop("language", None)
            self.end()
        else:
            self.open.pop()

    def finish(self) -> None:
        if self.open:
            raise self.fail(f'Can\'t find end tag corresponding to start tag "{self.open[-1].tag}"')


# --- MarkdownV2 --------------------------------------------------------------------------------

_RESERVED = "_*[]()~`>#+-=|{}.!"
_MARKS = {
    "__": "underline",
    "||": "spoiler",
    "```": "pre",
    "_": "italic",
    "*": "bold",
    "~": "strikethrough",
    "`": "code",
}
_NAMES = {"strikethrough": "Strikethrough", "text_link": "TextUrl", "text_mention": "TextUrl", "pre": "Pre"}
_LANGUAGE = re.compile(r"([^\s`]*)\n")


class _MarkdownV2(_Parser):
    def step(self) -> None:
        character = self.source[self.at]
        if character == "\\" and self.at + 1 < len(self.source) and "\0" < self.source[self.at + 1] < "\x7f":
            self.write(self.source[self.at + 1])
            self.at += 2
        elif self._inside("pre", "code"):
            self._verbatim()
        elif character == "\n" or (character == ">" and self._at_line_start()):
            self._line(character)
        elif character in _RESERVED:
            self._mark()
        else:
            self.write(character)
            self.at += 1

    def _inside(self, *kinds: str) -> bool:
        return bool(self.open) and self.open[-1].kind in kinds

    def _verbatim(self) -> None:
        tag = self.open[-1].tag
        if self.source.startswith(tag, self.at):
            self.end()
            self.at += len(tag)
        else:
            self.write(self.source[self.at])
            self.at += 1

    def _at_line_start(self) -> bool:
        return self.at == 0 or self.source[self.at - 1] == "\n"

    def _line(self, character: str) -> None:
        """A quote begins with its first `>` and ends with the first line without one."""
        self.at += 1
        quoted = any(mark.tag == ">" for mark in self.open)
        if character == ">":
            if not quoted:
                self.begin("blockquote", ">")
            return
        if quoted and not self.source.startswith(">", self.at):
            self._close_quote()
        self.write(character)

    def _close_quote(self) -> None:
        if self.open[-1].tag == "||" and self.open[-1].offset == self.size:
            self.open.pop()
            self.open[-1].kind = "expandable_blockquote"
        if self.open[-1].tag != ">":
            raise self._unclosed()
        self.end()

    def _mark(self) -> None:
        tag = next((mark for mark in _MARKS if self.source.startswith(mark, self.at)), "")
        if self.open and self.open[-1].tag == "[" and self.source[self.at] == "]":
            self._finish_link()
        elif tag and self.open and self.open[-1].tag == tag:
            self.end()
            self.at += len(tag)
        elif tag:
            self._begin_mark(tag)
        elif self.source.startswith(("[", "!["), self.at):
            self.begin("text_link", "[")
            self.at += 1 + (self.source[self.at] == "!")
        else:
            raise self.fail(
                f"Character '{self.source[self.at]}' is reserved and must be escaped with the preceding '\\'"
            )

    def _begin_mark(self, tag: str) -> None:
        self.begin(_MARKS[tag], tag)
        self.at += len(tag)
        if tag == "```" and (language := _LANGUAGE.match(self.source, self.at)):
            self.at = language.end()
            if language[1]:
                self.open[-1].details["language"] = language[1]

    def _finish_link(self) -> None:
        match = re.compile(r"\]\(((?:\\.|[^)\\])*)\)").match(self.source, self.at)
        mark = self.open[-1]
        if match is None:
            raise self._unclosed()
        url = re.sub(r"\\(.)", r"\1", match[1])
        mark.kind, mark.details = _link(url)
        if self.source[mark.at] == "!" and (emoji := _LINK_TO_EMOJI.match(url)):
            mark.kind, mark.details = "custom_emoji", {"custom_emoji_id": emoji[1]}
        self.end()
        self.at = match.end()

    def finish(self) -> None:
        if any(mark.tag == ">" for mark in self.open):
            self._close_quote()
        if self.open:
            raise self._unclosed()

    def _unclosed(self) -> EntityError:
        mark = self.open[-1]
        return self.fail(f"Can't find end of {_NAMES.get(mark.kind, mark.kind.title())} entity", mark.at)


# --- the old Markdown --------------------------------------------------------------------------


class _Markdown(_MarkdownV2):
    """Marks do not nest, and what is not a mark is text."""

    def step(self) -> None:
        character = self.source[self.at]
        if character == "\\" and self.source[self.at + 1 : self.at + 2] in tuple("_*`["):
            self.write(self.source[self.at + 1])
            self.at += 2
        elif self.open and self.open[-1].tag != "[":
            self._verbatim()
        elif character in "_*`[" or (character == "]" and self.open):
            self._mark()
        else:
            self.write(character)
            self.at += 1

    def _mark(self) -> None:
        tag = "```" if self.source.startswith("```", self.at) else self.source[self.at]
        if tag == "]":
            self._finish_link()
        elif tag == "[":
            self.begin("text_link", "[")
            self.at += 1
        else:
            self._begin_mark(tag)

    def _unclosed(self) -> EntityError:
        return self.fail("Can't find end of the entity starting", self.open[-1].at)
