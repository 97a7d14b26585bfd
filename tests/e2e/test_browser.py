"""What a newcomer sees who opens the page and types: the mood at once, then the answer."""

import os
from pathlib import Path

import pytest
from playwright.async_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.real_model]

GOOD, BAD = "今天的实验终于成功了，太棒了！", "代码又报错了，我已经改了一整天。"
PICTURES = os.environ.get("TANDEM_PICTURES")


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
        if PICTURES:
            await page.screenshot(path=Path(PICTURES) / "sandbox.png")
