"""Every text of the page can be read, in light and in dark: 4.5 to 1 at least (WCAG 2.2, 1.4.3)."""

from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import Page
from telegram import Bot

from bot.sandbox.people import Person

pytestmark = pytest.mark.browser

NewPage = Callable[..., Awaitable[Page]]
ANN = 1001

# Visible texts with their contrast, where it is less than 4.5. Portraits are large letters on pictures.
FAINT = """
() => {
  const dot = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const read = (paint) => {
    dot.clearRect(0, 0, 1, 1);
    dot.fillStyle = paint;
    dot.fillRect(0, 0, 1, 1);
    return dot.getImageData(0, 0, 1, 1).data;
  };
  const over = (top, below) => below.map((value, index) => value + (top[index] - value) * (top[3] / 255));
  const color = (node, which) => read(getComputedStyle(node)[which]);
  const ground = (node) => (node ? over(color(node, "backgroundColor"), ground(node.parentElement)) : [255, 255, 255]);
  const linear = (value) => (value <= 10.3 ? value / 3294 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([red, green, blue]) => 0.05 + 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  const faint = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode.parentElement;
    const words = texts.currentNode.textContent.trim();
    if (!words || node.matches(".avatar") || !node.checkVisibility({ opacityProperty: true })) continue;
    const below = ground(node);
    const both = [light(below), light(over(color(node, "color"), below))];
    const contrast = Math.max(...both) / Math.min(...both);
    if (contrast < 4.5) faint.push(`${words}: ${contrast.toFixed(2)}`);
  }
  return faint;
}
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_every_text_can_be_read(new_page: NewPage, bot: Bot, ann: Person, theme: str) -> None:
    await bot.set_my_commands([("new", "start a new conversation")])
    await ann.say("/stats and `code`")
    await ann.say("/ask", "Team")
    await bot.send_message(ANN, "<b>bold</b> <code>code</code> /new https://example.org", parse_mode="HTML")
    await bot.send_message(ann.messages("Team")[0].chat_id, "An answer")
    for chat in (None, "Team"):
        page = await new_page(chat=chat, color_scheme=theme)
        await page.get_by_test_id("composer").fill("/")
        await page.get_by_role("option").first.wait_for()
        assert await page.evaluate(FAINT) == []
