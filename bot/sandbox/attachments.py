"""Attachments in the Bot API's JSON, and what can be told from a picture's first bytes. Pure functions."""

import struct

from .objects import Attachment, JsonObject

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
# Markers of JPEG that begin a frame and so hold its size; the others of this range do not.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
STICKER_SIZE = 512
SET_NAME = "SandboxStickers"


def picture_size(content: bytes) -> tuple[int, int] | None:
    """Width and height of a PNG or JPEG; None for anything else."""
    if content.startswith(_PNG) and content[12:16] == b"IHDR" and len(content) >= 24:
        width, height = struct.unpack(">II", content[16:24])
        return width, height
    return _jpeg_size(content) if content.startswith(_JPEG) else None


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(content) and content[at] == 0xFF:
        if content[at + 1] in _FRAMES:
            height, width = struct.unpack(">HH", content[at + 5 : at + 9])
            return width, height
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return None


def picture_type(content: bytes) -> str | None:
    """The media type of a picture that a browser may show; None for anything else."""
    if picture_size(content) is None:
        return None
    return "image/png" if content.startswith(_PNG) else "image/jpeg"


def attached(message_id: int, one: Attachment) -> JsonObject:
    """The field of a message that holds its attachment."""
    file: JsonObject = {"file_id": one.file, "file_unique_id": unique_id(one.file or "")}
    size: JsonObject = {"file_size": one.size}
    match one.kind:
        case "photo":
            return {"photo": [{**file, "width": one.width, "height": one.height, **size}]}
        case "document":
            named = {"file_name": one.name, "mime_type": one.mime_type}
            return {"document": {**file, **{k: v for k, v in named.items() if v}, **size}}
        case "voice":
            return {"voice": {**file, "duration": one.duration, "mime_type": "audio/ogg", **size}}
        case "sticker":
            square = {"width": STICKER_SIZE, "height": STICKER_SIZE, "is_animated": False, "is_video": False}
            about = {"type": "regular", "emoji": one.emoji, "set_name": SET_NAME}
            return {"sticker": {**file, **square, **about, **size}}
        case "poll":
            return {"poll": _poll(message_id, one)}


def _poll(message_id: int, one: Attachment) -> JsonObject:
    options = [
        {"persistent_id": str(number), "text": text, "voter_count": 0}
        for number, text in enumerate(one.options)
    ]
    return {
        "id": str(message_id),
        "question": one.question,
        "options": options,
        "total_voter_count": 0,
        "type": "regular",
        "allows_revoting": True,
        "is_anonymous": True,
        **dict.fromkeys(("is_closed", "allows_multiple_answers", "members_only"), False),
    }


def unique_id(file_id: str) -> str:
    """The same for everybody who has the file; file ids differ by bot."""
    return file_id.removeprefix("file-")
