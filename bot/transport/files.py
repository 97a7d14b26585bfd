"""Files: what a message says, also where it says it in a file. Fetches text files from Telegram and decodes them.

Knows which files hold text and how text is encoded; knows neither prompts nor what is said to whom.
"""

from enum import StrEnum
from functools import partial
from pathlib import PurePath

from telegram import Bot, Document, Message

from bot.transport.content import well_formed
from bot.transport.errors import CallFailed
from bot.transport.outbox import Outbox
from bot.transport.triggers import words_of

MOST_BYTES = 512 << 10
"""Far more than a prompt can hold; Telegram itself gives bots files of up to 20 MB."""

# By name, for apps send source code under the strangest media types: TypeScript goes as video/mp2t.
_SUFFIXES = (
    "asm bat c cc cfg clj cmake conf cpp cs css csv cxx dart diff env erl ex exs fs go gradle graphql h hpp hs htm"
    " html ini ipynb java jl js json json5 jsonl jsx kt kts less lisp log lua m markdown md mjs ml nix patch php pl"
    " pm properties proto ps1 py pyi r rb rs rst scala scss sh sql srt svg swift tex tf toml ts tsv tsx txt v vb vue"
    " xml yaml yml zig"
)
_NAMES = frozenset({"dockerfile", "makefile", "license", "readme", ".gitignore"})
_TYPES = ("text/", "application/json", "application/xml", "application/x-yaml", "application/toml")
_BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")


class Why(StrEnum):
    """Why a file's text cannot be had."""

    TOO_BIG = "too big"
    NO_TEXT = "no text"
    EMPTY = "empty"
    OUT_OF_REACH = "out of reach"


class Unreadable(Exception):
    """The text of a file cannot be had."""

    def __init__(self, why: Why) -> None:
        super().__init__(f"a file cannot be read: {why}")
        self.why = why


class Files:
    """Reads what people send."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def text_of(self, message: Message) -> str:
        """All that a message says: its text or caption, and below it what its file says, if that is text.

        Empty if it says nothing. Raises Unreadable.
        """
        document = text_document(message)
        said = [words_of(message), await self.read(document) if document else ""]
        return "\n\n".join(filter(None, said))

    async def read(self, document: Document) -> str:
        """The text of a file. Raises Unreadable."""
        if (document.file_size or 0) > MOST_BYTES:
            raise Unreadable(Why.TOO_BIG)
        try:
            fetch = partial(_fetch, document.file_id)
            content = await self._outbox.call("getFile", fetch, repeatable=False)
        except CallFailed:
            raise Unreadable(Why.OUT_OF_REACH) from None
        return decoded(content)


async def _fetch(file_id: str, bot: Bot) -> bytes:
    file = await bot.get_file(file_id)
    if (file.file_size or 0) > MOST_BYTES:
        raise Unreadable(Why.TOO_BIG)
    return bytes(await file.download_as_bytearray())


def text_document(message: Message) -> Document | None:
    """The file that a message brings, if it looks like one of text: its content shows whether it is."""
    document = message.document
    if document is None or message.animation is not None:
        return None
    name = PurePath(document.file_name or "")
    by_name = name.suffix[1:].lower() in _SUFFIXES.split() or name.name.lower() in _NAMES
    return document if by_name or (document.mime_type or "").startswith(_TYPES) else None


def decoded(content: bytes) -> str:
    """UTF-8, UTF-16 with its mark, or what Chinese Windows writes. Raises Unreadable."""
    encodings = ("utf-16",) if content.startswith(_BYTE_ORDER_MARKS) else ("utf-8-sig", "gb18030")
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" in text:
            break
        if not text.strip():
            raise Unreadable(Why.EMPTY)
        return well_formed(text)
    raise Unreadable(Why.NO_TEXT)
