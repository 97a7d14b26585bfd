"""Parser: plain text as it grows while marks open and close; what the kinds of parse_mode share."""

import re
from dataclasses import dataclass

from bot.sandbox.entities import EntityError, utf16
from bot.sandbox.objects import Entity, User

Parsed = tuple[str, list[Entity]]

_LINK_TO_USER = re.compile(r"tg://user\?id=(\d+)$")


@dataclass(slots=True)
class Open:
    """A mark that was opened and waits for its end."""

    kind: str
    tag: str
    offset: int
    at: int
    details: dict[str, str | User]


class Parser:
    """Plain text as it grows, and the marks that are open."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0
        self.size = 0
        self.pieces: list[str] = []
        self.open: list[Open] = []
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
        self.open.append(Open(kind, tag, self.size, self.at, details))

    def end(self) -> None:
        mark = self.open.pop()
        entity = {"type": mark.kind, "offset": mark.offset, "length": self.size - mark.offset}
        self.entities.append(Entity.model_validate(entity | mark.details))

    def fail(self, reason: str, at: int | None = None) -> EntityError:
        where = "" if at is None else f" at byte offset {len(self.source[:at].encode())}"
        return EntityError(f"can't parse entities: {reason}{where}")


def link(url: str) -> tuple[str, dict[str, str | User]]:
    """What a link is: an address, or the mention of a user."""
    if user := _LINK_TO_USER.match(url):
        return "text_mention", {"user": User(id=int(user[1]), first_name="")}
    return "text_link", {"url": url}
