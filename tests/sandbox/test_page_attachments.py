"""Pictures, files and what else is no text, on the page: shown, and sent from it."""

import asyncio
from collections.abc import Awaitable, Callable
from io import BytesIO
from pathlib import Path

import pytest
from playwright.async_api import Page, Route, expect
from telegram import Bot, InputFile

from bot.sandbox.people import Person
from bot.sandbox.server import Running

pytestmark = pytest.mark.browser

NewPage = Callable[..., Awaitable[Page]]
ANN = 1001
JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffc0000b080003000401011100ffd9")


async def test_what_the_bot_sends_is_shown(new_page: NewPage, bot: Bot, tmp_path: Path) -> None:
    page = await new_page()
    await bot.send_photo(ANN, await page.screenshot(), caption="how it goes")
    await bot.send_document(ANN, InputFile(BytesIO(b"{}"), filename="export.json"))
    picture = page.get_by_test_id("photo")
    await expect(picture).to_be_visible()
    assert await picture.evaluate("node => node.decode().then(() => node.naturalWidth)") == 1100
    await expect(page.get_by_test_id("message-text")).to_have_text(["how it goes"])
    async with page.expect_download() as download:
        await page.get_by_test_id("document").click()
    got = await download.value
    assert got.suggested_filename == "export.json"
    await got.save_as(tmp_path / "got.json")
    assert (tmp_path / "got.json").read_text() == "{}"


async def test_pictures_that_arrive_late_leave_the_reader_at_the_end(new_page: NewPage, bot: Bot) -> None:
    page, arriving = await new_page(viewport={"width": 390, "height": 844}), asyncio.Event()
    picture = await page.screenshot()
    for number in range(3):
        await bot.send_photo(ANN, picture, caption=f"picture {number}")
    await bot.send_message(ANN, "the end")

    async def late(route: Route) -> None:
        await arriving.wait()
        await route.continue_()

    await page.route("**/api/file/*", late)
    await page.reload()
    pictures = page.get_by_test_id("photo")
    await expect(pictures).to_have_count(3)
    sizes = "nodes => nodes.map(node => [node.clientWidth, node.clientHeight])"
    before = await pictures.evaluate_all(sizes)
    arriving.set()
    await pictures.evaluate_all("nodes => Promise.all(nodes.map(node => node.decode()))")
    assert await pictures.evaluate_all(sizes) == before
    await expect(page.get_by_test_id("message-text").last).to_be_in_viewport()


async def test_a_file_is_sent_with_a_caption(
    new_page: NewPage, bot: Bot, ann: Person, running: Running, tmp_path: Path
) -> None:
    (tmp_path / "notes.md").write_text("# 你好")
    page = await new_page()
    await page.get_by_test_id("composer").fill("what is this?")
    await page.get_by_test_id("attach").click()
    async with page.expect_file_chooser() as chooser:
        await page.get_by_test_id("attach-file").click()
    await (await chooser.value).set_files(tmp_path / "notes.md")
    await expect(page.get_by_test_id("document")).to_contain_text("notes.md")
    await expect(page.get_by_test_id("message-text")).to_have_text(["what is this?"])
    await expect(page.get_by_test_id("composer")).to_have_value("")
    update = (await bot.get_updates())[0]
    assert update.message is not None
    assert update.message.document is not None
    file = await update.message.document.get_file()
    assert bytes(await file.download_as_bytearray()).decode() == "# 你好"


async def test_stickers_voice_and_polls(new_page: NewPage, ann: Person) -> None:
    page = await new_page()
    for kind in ("sticker", "voice", "poll"):
        await page.get_by_test_id("attach").click()
        await page.get_by_test_id(f"attach-{kind}").click()
        await expect(page.get_by_test_id(kind)).to_be_visible()
    kinds = [message.attachment.kind for message in ann.messages() if message.attachment]
    assert kinds == ["sticker", "voice", "poll"]


async def test_a_file_that_claims_to_be_a_page_is_not_shown_as_one(
    new_page: NewPage, ann: Person, running: Running
) -> None:
    message = await ann.file("evil.html", b"<script>document.title='owned'</script>", mime_type="text/html")
    page = await new_page()
    assert message.attachment is not None
    answer = await page.request.get(f"{running.url}api/file/{message.attachment.file}")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == "attachment"
