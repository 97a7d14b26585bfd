"""Text as Telegram treats it: cleaning, UTF-16 offsets, and the entities that it finds by itself.

Pure functions over text; formatting that somebody asked for is in `markup`.
"""

import re
from collections.abc import Callable, Iterator

from .objects import Entity

MAX_TEXT = 4096
MAX_ENTITIES = 100

# Telegram writes these as spaces or leaves them out, so that a name cannot hide in them.
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
_DIRECTION = re.compile(r"[\u202a-\u202e]")

_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "bot_command",
        re.compile(r"(?<![\w/@#.<>])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?(?![\w/@])", re.A),
    ),
    (
        "url",
        re.compile(
            r"(?<![\w@/.])(?:https?://[^\s<>\"]+|(?:[\w-]+\.)+(?:com|org|net|io|dev|cn|me)\b(?:/[^\s<>\"]*)?)"
        ),
    ),
    ("email", re.compile(r"(?<![\w.+-])[\w.+-]+@(?:[\w-]+\.)+[A-Za-z]{2,}(?![\w])", re.A)),
    ("mention", re.compile(r"(?<![\w@])@[A-Za-z0-9_]{3,32}(?![\w@])", re.A)),
    ("hashtag", re.compile(r"(?<![\w#&])#(?=[\d_]*[^\W\d_])\w{1,256}(?![\w#])")),
)
_URL_TAIL = ".,:;!?'\")]}、。，！？；："
_NO_ENTITIES_INSIDE = {"code", "pre", "text_link", "text_mention"}


def utf16(text: str) -> int:
    """Length in UTF-16 units, in which entities count: an emoji is two."""
    return len(text) + sum(character > "\uffff" for character in text)


def units(text: str) -> list[int]:
    """Offset in UTF-16 units of each character, and of the end."""
    offsets = [0]
    for character in text:
        offsets.append(offsets[-1] + (2 if character > "\uffff" else 1))
    return offsets


def clean(text: str) -> str:
    """The text without control characters; line ends are `\\n`. Offsets of entities may be lost."""
    return _DIRECTION.sub("", _CONTROL.sub(" ", text.replace("\r", "")))


def trim(text: str, entities: list[Entity]) -> tuple[str, list[Entity]]:
    """Cut surrounding white space, moving and cutting the entities along."""
    body = text.strip()
    start = utf16(text[: len(text) - len(text.lstrip())])
    size = utf16(body)
    moved = (_clip(entity, start, size) for entity in entities)
    return body, [entity for entity in moved if entity.length > 0]


def _clip(entity: Entity, start: int, size: int) -> Entity:
    begin = min(max(entity.offset - start, 0), size)
    end = min(max(entity.end - start, 0), size)
    return entity.model_copy(update={"offset": begin, "length": end - begin})


def with_found(text: str, given: list[Entity]) -> list[Entity]:
    """`given` and what Telegram finds by itself, in Telegram's order; at most 100 count."""
    taken = [entity for entity in given if entity.type in _NO_ENTITIES_INSIDE]
    found = [entity for entity in find(text) if not _overlaps(entity, taken)]
    return sorted([*given, *found], key=lambda entity: (entity.offset, -entity.length))[:MAX_ENTITIES]


def find(text: str) -> list[Entity]:
    """Commands, links, addresses, mentions and hashtags, left to right, without overlaps."""
    offsets = units(text)
    found: list[Entity] = []
    for kind, pattern in _PATTERNS:
        for start, end in _matches(kind, pattern, text):
            entity = Entity(type=kind, offset=offsets[start], length=offsets[end] - offsets[start])
            if not _overlaps(entity, found):
                found.append(entity)
    return sorted(found, key=lambda entity: entity.offset)


def _matches(kind: str, pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, int]]:
    for match in pattern.finditer(text):
        matched = match[0].rstrip(_URL_TAIL) if kind == "url" else match[0]
        yield match.start(), match.start() + len(matched)


def _overlaps(entity: Entity, others: list[Entity]) -> bool:
    return any(entity.offset < other.end and other.offset < entity.end for other in others)


def cut(text: str, entity: Entity) -> str:
    """The characters that `entity` covers."""
    raw = text.encode("utf-16-le")
    return raw[2 * entity.offset : 2 * entity.end].decode("utf-16-le", errors="replace")


def covered(text: str, entities: list[Entity], kind: str) -> list[str]:
    """The texts of all entities of one kind."""
    return [cut(text, entity) for entity in entities if entity.type == kind]


Finder = Callable[[str], list[Entity]]
