"""parse_mode HTML."""

import re
from html import unescape

from bot.sandbox.entities import EntityError

from .parser import Parser, link

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


class Html(Parser):
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
            kind, details = link(given.get("href", ""))
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
