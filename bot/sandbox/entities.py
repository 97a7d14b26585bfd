"""Text as Telegram treats it: cleaning, trimming, UTF-16 offsets, and the entities that it finds by itself.

Pure functions, after td/telegram/MessageEntity.cpp; formatting marks are read in `markup`.
"""

import re
from collections.abc import Iterator, Sequence

from .objects import Entity

MAX_TEXT = 4096
MAX_ENTITIES = 100

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x0c\x0e-\x1f]")
_LEFT_OUT = re.compile(r"[\r\u200e\u200f\u202a-\u202e\u2028\u2029]")
_SPACE = " \n\t\u00a0"

_TOP_DOMAINS = "com|org|net|io|dev|app|info|edu|gov|cn|de|uk|ru|fr|jp|me|ai|co"
_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("bot_command", re.compile(r"(?<![\w/@<>])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?(?![\w/@])")),
    (
        "url",
        re.compile(
            rf"(?<![\w@/.])(?:https?://[^\s<>\"]+|(?:[\w-]+\.)+(?:{_TOP_DOMAINS})\b(?:[/?][^\s<>\"]*)?)"
        ),
    ),
    ("email", re.compile(r"(?<![\w.+-])[\w.+-]+@(?:[\w-]+\.)+[A-Za-z]{2,}(?!\w)", re.A)),
    ("mention", re.compile(r"(?<![A-Za-z0-9_@])@[A-Za-z0-9_]{3,32}(?![A-Za-z0-9_@])")),
    ("hashtag", re.compile(r"(?<![\w#])#(?=[\d_]*[^\W\d_])\w{1,256}(?![\w#])")),
)
_URL_TAIL = ".,:;!?'\")]}、。，！？；：」』）"

# What Telegram finds by itself does not stand inside these.
_SOLID = {"code", "pre", "text_link", "text_mention"}
_MAY_BE_BLANK = {"code", "pre"}


class EntityError(Exception):
    """Entities or formatting marks that Telegram refuses; the message is Telegram's."""


def utf16(text: str) -> int:
    """Length in UTF-16 units, in which entities count: an emoji is two."""
    return len(text) + sum(character > "\uffff" for character in text)


def cut(text: str, entity: Entity) -> str:
    """The characters that `entity` covers."""
    raw = text.encode("utf-16-le")
    return raw[2 * entity.offset : 2 * entity.end].decode("utf-16-le", errors="replace")


def covered(text: str, entities: Sequence[Entity], kind: str) -> list[str]:
    """The texts of all entities of one kind."""
    return [cut(text, entity) for entity in entities if entity.type == kind]


def normalise(text: str, given: Sequence[Entity]) -> tuple[str, list[Entity]]:
    """Text and entities as Telegram stores them: cleaned, trimmed, with what it finds by itself.

    Raises EntityError for entities that lie outside the text or split a character.
    """
    text, entities = _clean(text, given)
    text, entities = _trim(text, entities)
    kept = [entity for entity in entities if _stands(text, entity)]
    return text, _with_found(text, kept)


def _stands(text: str, entity: Entity) -> bool:
    return entity.length > 0 and (entity.type in _MAY_BE_BLANK or bool(cut(text, entity).strip(_SPACE)))


def _clean(text: str, given: Sequence[Entity]) -> tuple[str, list[Entity]]:
    """Without control characters; every entity is moved along with its characters."""
    moved: dict[int, int] = {}
    pieces: list[str] = []
    old = new = 0
    for character in text:
        moved[old] = new
        piece = _CONTROL.sub(" ", _LEFT_OUT.sub("", character))
        pieces.append(piece)
        old, new = old + utf16(character), new + utf16(piece)
    moved[old] = new
    return "".join(pieces), [_move(text, entity, moved, old) for entity in given if entity.length]


def _move(text: str, entity: Entity, moved: dict[int, int], end: int) -> Entity:
    start, stop = entity.offset, entity.end
    if start < 0:
        raise EntityError(f"receive an entity with incorrect offset {start}")
    if entity.length < 0:
        raise EntityError(f"receive an entity with incorrect length {entity.length}")
    if start > end:
        raise EntityError(f"entity begins after the end of the text at UTF-16 offset {start}")
    if start not in moved:
        raise EntityError(
            f"entity begins in a middle of a UTF-16 symbol at byte offset {_bytes(text, start + 1)}"
        )
    whole = f"entity beginning at UTF-16 offset {start} ends"
    if stop > end:
        raise EntityError(f"{whole} after the end of the text at UTF-16 offset {stop}")
    if stop not in moved:
        raise EntityError(f"{whole} in a middle of a UTF-16 symbol at byte offset {_bytes(text, stop + 1)}")
    return entity.model_copy(update={"offset": moved[start], "length": moved[stop] - moved[start]})


def _bytes(text: str, units: int) -> int:
    return len(cut(text, Entity(type="", offset=0, length=units)).encode())


def _trim(text: str, entities: list[Entity]) -> tuple[str, list[Entity]]:
    """Without white space around it; at the start only as far as no entity stands on it."""
    blank = len(text) - len(text.lstrip(_SPACE))
    first = min((entity.offset for entity in entities), default=blank)
    body = text[min(blank, first) :].rstrip(_SPACE)
    size, shift = utf16(body), min(blank, first)
    cut_off = (_clip(entity, shift, size) for entity in entities)
    return body, [entity for entity in cut_off if entity.length > 0]


def _clip(entity: Entity, shift: int, size: int) -> Entity:
    start = min(entity.offset - shift, size)
    return entity.model_copy(update={"offset": start, "length": min(entity.end - shift, size) - start})


def _with_found(text: str, given: list[Entity]) -> list[Entity]:
    solid = [entity for entity in given if entity.type in _SOLID]
    found = [entity for entity in find(text) if not _overlaps(entity, solid)]
    return sorted([*given, *found], key=lambda entity: (entity.offset, -entity.length))[:MAX_ENTITIES]


def find(text: str) -> list[Entity]:
    """Commands, links, addresses, mentions and hashtags, left to right, without overlaps."""
    found: list[Entity] = []
    for kind, pattern in _PATTERNS:
        for start, end in _matches(kind, pattern, text):
            entity = Entity(type=kind, offset=utf16(text[:start]), length=utf16(text[start:end]))
            if not _overlaps(entity, found):
                found.append(entity)
    return sorted(found, key=lambda entity: entity.offset)


def _matches(kind: str, pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, int]]:
    for match in pattern.finditer(text):
        matched = match[0].rstrip(_URL_TAIL) if kind == "url" else match[0]
        yield match.start(), match.start() + len(matched)


def _overlaps(entity: Entity, others: Sequence[Entity]) -> bool:
    return any(entity.offset < other.end and other.offset < entity.end for other in others)
