"""parse_mode MarkdownV2, and the old Markdown."""

import re

from bot.sandbox.entities import EntityError

from .parser import Parser, link

_LINK_TO_EMOJI = re.compile(r"tg://emoji\?id=(\d+)$")
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


class MarkdownV2(Parser):
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
        mark.kind, mark.details = link(url)
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


class Markdown(MarkdownV2):
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
