"""What a newcomer sees who opens the page and types: the mood at once, then the answer."""

import io
import os
import time
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import expect

from bot.cli.hood import Hood, names_of
from bot.config import Chat, Config

pytestmark = [pytest.mark.browser, pytest.mark.real_model]

GOOD, BAD = "今天的实验终于成功了，太棒了！", "代码又报错了，我已经改了一整天。"
PICTURES = os.environ.get("TANDEM_PICTURES")
"""A folder (as in `make pictures`): what the tests see on the way becomes the pictures of the documents."""


@pytest.fixture
def hood(real_model_folder):
    return Hood(real_model_folder, names_of(Config()))


async def picture(page, name):
    """Keep what the page shows, in few bytes, where pictures are wanted."""
    if PICTURES:
        await page.mouse.move(0, 0)
        shot = Image.open(io.BytesIO(await page.screenshot(animations="disabled")))
        shot.convert("RGB").quantize(192, dither=Image.Dither.NONE).save(
            Path(PICTURES) / f"{name}.png", optimize=True
        )


async def ask(page, text):
    """Type a sentence; return the texts on the screen at the moment when the verdict is there, and at the end."""
    texts = page.get_by_test_id("message-text")
    before = await texts.count()
    await page.get_by_test_id("composer").fill(text)
    await page.get_by_test_id("composer").press("Enter")
    await expect(texts.nth(before + 1)).to_contain_text("·", timeout=60_000)
    early = await texts.all_text_contents()
    await expect(texts.nth(before + 2)).not_to_contain_text("▌", timeout=60_000)
    return early[before:], (await texts.all_text_contents())[before:]


async def test_the_articles_two_sentences_get_their_emoji_before_their_answers(real_bot, new_page):
    async with real_bot():
        page = await new_page("李雷", locale="zh-CN")
        for sentence, emoji in ((GOOD, "😄 正面 · "), (BAD, "😢 负面 · ")):
            early, late = await ask(page, sentence)
            assert early[0] == late[0] == sentence
            assert early[1].startswith(emoji)
            # The answer was not there yet when the emoji was.
            assert len(early) == 2 or early[2].endswith("▌")
            assert len(late) == 3
            assert len(late[2]) > 3
        await picture(page, "sandbox")


async def test_a_group_in_which_two_people_talk_to_the_bot(real_bot, new_page, li_lei, ann, telegram):
    name = f"@{telegram.world.bot.username}"
    async with real_bot():
        page = await new_page("Ann", "Team")
        await li_lei.person.say("The demo is at three. Is everybody ready?", "Team")
        await ann.turn(f"{name} suggest a short name for a coffee machine", "Team")
        _, final = await li_lei.turn(f"{name} 我有点紧张，怎么办？", "Team")
        await ann.person.react(final.message_id, "👍", "Team")
        await expect(page.get_by_test_id("reaction")).to_have_text("👍")
        await picture(page, "group")


async def test_what_the_real_model_did_and_the_same_the_articles_way(real_bot, new_page, ann):
    async with real_bot():
        await ann.turn("The experiment finally worked, I am so happy!")
        await ann.turn("The code fails again. I have been at it all day.")
        page = await new_page("Ann", viewport={"width": 1360, "height": 900})
        await page.get_by_test_id("hood").click()
        mood = page.get_by_test_id("request-sentiment")
        await expect(mood.locator("dt").first).to_have_text("负面 · negative")
        assert await mood.locator(".token.reused").count() > 10
        await expect(page.get_by_test_id("figure-reused")).to_contain_text("%")
        await picture(page, "panel")
        await page.get_by_test_id("run-article").click()
        await expect(page.get_by_test_id("compare")).to_contain_text("as fast", timeout=240_000)
        # The other model is freed first.
        await expect(page.get_by_test_id("run-article")).to_be_visible(timeout=60_000)
        await expect(page.get_by_test_id("memory")).to_contain_text("at its peak")
        await page.get_by_test_id("compare").evaluate("node => node.scrollIntoView({block: 'center'})")
        await picture(page, "article")


async def test_the_mood_of_two_weeks_as_a_picture(real_bot, new_page, ann):
    days_ago = 0

    async def say_all(texts):
        for text in texts:
            await ann.turn(text)

    async with real_bot(clock=lambda: time.time() - days_ago * 86_400, chat=Chat(max_new_tokens=8)):
        for days, texts in (
            (13, [GOOD]),
            (9, [BAD, "My train is late."]),
            (4, [GOOD, BAD]),
            (0, [GOOD] * 3),
        ):
            days_ago = days
            await say_all(texts)
        page = await new_page("Ann", viewport={"width": 1100, "height": 900})
        for count, command in enumerate(("mood", "stats"), start=1):
            await page.get_by_test_id("composer").fill(f"/{command}")
            await page.get_by_test_id("composer").press("Enter")
            photos = page.get_by_test_id("photo")
            await expect(photos).to_have_count(count, timeout=60_000)
            await expect(photos.last).to_be_in_viewport(ratio=0.9)
            await picture(page, command)
