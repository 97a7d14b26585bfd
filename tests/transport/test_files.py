"""Which files hold text, how their bytes become that text, and what a message with one says."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telegram import Bot, Message, Update

from bot.sandbox.server import Running
from bot.transport.files import Files, Unreadable, Why, decoded, text_document
from bot.transport.outbox import Outbox


def sent(name: str | None, mime_type: str | None = None, **fields: object) -> Message:
    document = {"file_id": "f", "file_unique_id": "u"} | ({"file_name": name} if name else {})
    document |= {"mime_type": mime_type} if mime_type else {}
    chat = {"id": 1001, "type": "private"}
    message = {"message_id": 1, "date": 1, "chat": chat, "document": document, **fields}
    update = Update.de_json({"update_id": 1, "message": message}, None)
    assert update.message is not None
    return update.message


@pytest.mark.parametrize(
    ("name", "mime_type"),
    [
        ("notes.txt", "text/plain"),
        ("README.MD", None),
        ("main.ts", "video/mp2t"),
        ("lib.rs", "application/rls-services+xml"),
        ("Makefile", "application/octet-stream"),
        (None, "text/plain"),
        ("data", "application/json"),
    ],
)
def test_text_is_told_by_name_or_type(name: str | None, mime_type: str | None) -> None:
    assert text_document(sent(name, mime_type)) is not None


@pytest.mark.parametrize(
    ("name", "mime_type"),
    [("paper.pdf", "application/pdf"), ("a.zip", None), (None, None), ("cat.png", "image/png")],
)
def test_other_files_are_left_alone(name: str | None, mime_type: str | None) -> None:
    assert text_document(sent(name, mime_type)) is None


def test_an_animation_is_no_text_whatever_it_is_called() -> None:
    moving = {"file_id": "a", "file_unique_id": "b", "width": 1, "height": 1, "duration": 1}
    assert text_document(sent("cat.txt", animation=moving)) is None


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\ufeff"), min_size=1))
def test_whatever_is_written_in_utf_8_or_utf_16_is_read(text: str) -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        if text.strip():
            assert decoded(text.encode(encoding)) == text


def test_what_chinese_windows_writes_is_read() -> None:
    assert decoded("今天的实验终于成功了".encode("gb18030")) == "今天的实验终于成功了"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", Why.EMPTY),
        (b" \n\t", Why.EMPTY),
        (b"%PDF-1.7\xff\xff", Why.NO_TEXT),
        (b"abc\x00def", Why.NO_TEXT),
        (b"\xff\xfea", Why.NO_TEXT),
    ],
)
def test_what_is_no_text_is_refused_with_its_reason(content: bytes, why: Why) -> None:
    with pytest.raises(Unreadable) as refused:
        decoded(content)
    assert refused.value.why is why


async def test_what_a_message_says(outbox: Outbox, bot: Bot, telegram: Running, clock: Any) -> None:
    ann, files = telegram.person("Ann"), Files(outbox)
    await ann.say("Words")
    await ann.file("notes.md", b"A file", caption="A caption")
    await ann.file("notes.md", b"A file")
    await ann.file("paper.pdf", b"%PDF")
    messages = [update.message for update in await bot.get_updates()]
    said = [await clock.run(files.text_of(message)) for message in messages if message]
    assert said == ["Words", "A caption\n\nA file", "A file", ""]


async def test_a_file_that_is_gone_is_out_of_reach(
    outbox: Outbox, bot: Bot, telegram: Running, clock: Any
) -> None:
    await telegram.person("Ann").file("notes.md", b"A file")
    telegram.world.state.files.clear()
    (update,) = await bot.get_updates()
    assert update.message is not None
    with pytest.raises(Unreadable) as refused:
        await clock.run(Files(outbox).text_of(update.message))
    assert refused.value.why is Why.OUT_OF_REACH
