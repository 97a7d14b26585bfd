"""Pictures and files in both directions, and what else people send besides words."""

import struct
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from io import BytesIO

import httpx
import pytest
from telegram import Bot, InputFile, MessageEntity

from bot.sandbox.people import NotPossible, Person
from bot.sandbox.server import Running

Refused = Callable[..., AbstractContextManager[None]]

ANN = 1001
JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffc0000b080003000401011100ffd9")


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + bytes(width) for _ in range(height)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


async def test_a_file_goes_out_and_comes_back(bot: Bot, ann: Person) -> None:
    sent = await bot.send_document(
        ANN, InputFile(BytesIO(b'{"a": 1}'), filename="export.json"), caption="yours **now**"
    )
    assert sent.document is not None
    assert (sent.document.file_name, sent.document.file_size) == ("export.json", 8)
    assert sent.document.mime_type == "application/json"
    assert sent.caption == "yours **now**"
    again = await bot.send_document(ANN, sent.document.file_id)
    assert again.document == sent.document
    assert [message.words for message in ann.messages()] == ["yours **now**", ""]


@pytest.mark.parametrize(("picture", "size"), [(png(40, 30), (40, 30)), (JPEG, (4, 3))])
async def test_a_picture_has_its_size(bot: Bot, ann: Person, picture: bytes, size: tuple[int, int]) -> None:
    bold = MessageEntity("bold", 0, 4)
    sent = await bot.send_photo(ANN, picture, caption="😀look", caption_entities=[bold])
    assert [(each.width, each.height) for each in sent.photo] == [size]
    assert sent.caption_entities == (bold,)
    assert ann.messages()[0].attachment is not None


async def test_what_telegram_refuses_to_send(bot: Bot, refused: Refused) -> None:
    with refused("Bad Request: IMAGE_PROCESS_FAILED"):
        await bot.send_photo(ANN, b"no picture")
    with refused("Bad Request: PHOTO_INVALID_DIMENSIONS"):
        await bot.send_photo(ANN, png(1, 21))
    with refused("Bad Request: file must be non-empty"):
        await bot.send_document(ANN, InputFile(BytesIO(b""), filename="empty"))
    with refused("Bad Request: wrong file identifier/HTTP URL specified"):
        await bot.send_document(ANN, "https://example.org/file.txt")
    with refused("Bad Request: message caption is too long"):
        await bot.send_document(ANN, b"x", caption="字" * 1025)
    with refused("Bad Request: there is no text in the message to edit"):
        await bot.send_photo(ANN, png(2, 2))
        await bot.edit_message_text("text", ANN, 1)


async def test_the_bot_fetches_what_somebody_sent(bot: Bot, ann: Person) -> None:
    await ann.file("notes.md", "# 你好".encode(), caption="what is this?", mime_type="text/markdown")
    update = (await bot.get_updates())[0]
    assert update.message is not None
    document = update.message.document
    assert document is not None
    assert (document.file_name, document.mime_type) == ("notes.md", "text/markdown")
    assert update.message.caption == "what is this?"
    file = await document.get_file()
    assert bytes(await file.download_as_bytearray()).decode() == "# 你好"


async def test_files_are_for_the_bot_alone_and_not_for_ever(
    bot: Bot, ann: Person, running: Running, http: httpx.AsyncClient, refused: Refused
) -> None:
    message = await ann.file("a.txt", b"a")
    assert message.attachment is not None
    file_id = str(message.attachment.file)
    assert (await http.get(f"/file/bot{running.token}/documents/{file_id}")).content == b"a"
    assert (await http.get(f"/file/bot7000000001:wrong/documents/{file_id}")).status_code == 401
    running.world.state.files.clear()
    assert (await http.get(f"/file/bot{running.token}/documents/{file_id}")).status_code == 404
    with refused("Bad Request: wrong file_id or the file is temporarily unavailable"):
        await bot.get_file(file_id)


async def test_the_oldest_files_make_room(running: Running) -> None:
    first = running.world.add_file(b"first")
    for _ in range(3):
        running.world.add_file(bytes(12 << 20))
    assert first.id not in running.world.state.files
    assert len(running.world.state.files) == 2


async def test_whatever_people_send_arrives(bot: Bot, ann: Person) -> None:
    await ann.photo(png(4, 3), caption="look", album="a")
    await ann.voice()
    await ann.sticker("😂")
    await ann.poll("Tea?", ["yes", "no"])
    messages = [update.message for update in await bot.get_updates() if update.message]
    photo, voice, sticker, poll = messages
    assert (photo.photo[0].width, photo.caption, photo.media_group_id) == (4, "look", "a")
    assert voice.voice is not None
    assert sticker.sticker is not None
    assert sticker.sticker.emoji == "😂"
    assert poll.poll is not None
    assert [option.text for option in poll.poll.options] == ["yes", "no"]


async def test_a_caption_can_be_edited(bot: Bot, ann: Person) -> None:
    await ann.photo(png(4, 3), caption="befor")
    await ann.edit(1, "before @tandem_bot")
    edited = (await bot.get_updates())[1].edited_message
    assert edited is not None
    assert edited.caption == "before @tandem_bot"
    assert [entity.type for entity in edited.caption_entities] == ["mention"]
    with pytest.raises(NotPossible, match="0 to 1024"):
        await ann.edit(1, "x" * 1025)
    with pytest.raises(NotPossible, match="only PNG and JPEG"):
        await ann.photo(b"GIF89a")


async def test_a_caption_that_mentions_the_bot_reaches_it_in_a_group(bot: Bot, ann: Person) -> None:
    await ann.photo(png(4, 3), "Team", caption="nothing")
    await ann.photo(png(4, 3), "Team", caption="@tandem_bot look")
    assert [update.message.caption for update in await bot.get_updates() if update.message] == [
        "@tandem_bot look"
    ]
