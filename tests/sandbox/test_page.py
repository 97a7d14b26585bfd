"""The page in a real browser: what two people and a bot see of each other."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, expect
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup

from bot.sandbox.people import Person
from bot.sandbox.server import Running, Sandbox, serve

pytestmark = pytest.mark.browser

NewPage = Callable[..., Awaitable[Page]]
ANN, LI_LEI = 1001, 1002
BUTTONS = InlineKeyboardMarkup(
    [
        [
            InlineKeyboardButton("Again", callback_data="again"),
            InlineKeyboardButton("Why?", callback_data="why"),
        ]
    ]
)


async def echo(bot: Bot) -> None:
    """A tiny bot: every text is answered by a placeholder that grows into an echo with two buttons."""
    offset = 0
    while True:
        for update in await bot.get_updates(offset=offset, timeout=50):
            offset = update.update_id + 1
            if update.message and update.message.text:
                answer = await update.message.reply_text("…")
                await answer.edit_text(f"You said: {update.message.text}", reply_markup=BUTTONS)
            elif update.callback_query:
                alert = update.callback_query.data == "why"
                await update.callback_query.answer("Because." if alert else "Once more", show_alert=alert)


@pytest.fixture
async def echo_bot(bot: Bot) -> AsyncIterator[Bot]:
    task = asyncio.create_task(echo(bot))
    yield bot
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def write(page: Page, text: str) -> None:
    await page.get_by_test_id("composer").fill(text)
    await page.get_by_test_id("composer").press("Enter")


def texts(page: Page) -> Locator:
    return page.get_by_test_id("message-text")


async def test_a_message_is_echoed_into_its_placeholder(echo_bot: Bot, new_page: NewPage) -> None:
    page = await new_page()
    await write(page, "hello 你好 😀")
    await expect(texts(page)).to_have_text(["hello 你好 😀", "You said: hello 你好 😀"])
    await expect(page.get_by_test_id("edited")).to_have_count(1)
    await expect(page.get_by_test_id("composer")).to_have_value("")


async def test_enter_sends_and_shift_enter_breaks_the_line(new_page: NewPage, ann: Person) -> None:
    page = await new_page()
    composer = page.get_by_test_id("composer")
    await composer.type("one")
    await composer.press("Shift+Enter")
    await composer.type("two")
    await composer.press("Enter")
    await expect(texts(page)).to_have_text(["one\ntwo"])
    assert [message.text for message in ann.messages()] == ["one\ntwo"]


async def test_enter_that_ends_a_composition_does_not_send(new_page: NewPage, ann: Person) -> None:
    page = await new_page()
    composer = page.get_by_test_id("composer")
    await composer.fill("nihao")
    enter = {"key": "Enter", "isComposing": True, "bubbles": True}
    await composer.dispatch_event("keydown", enter)
    assert ann.messages() == []
    await expect(composer).to_have_value("nihao")


async def test_buttons_answer_with_toast_and_alert(echo_bot: Bot, new_page: NewPage) -> None:
    page = await new_page()
    await write(page, "hi")
    await page.get_by_role("button", name="Again").click()
    await expect(page.get_by_test_id("toast")).to_have_text("Once more")
    await page.get_by_role("button", name="Why?").click()
    await expect(page.get_by_test_id("alert")).to_contain_text("Because.")
    await page.get_by_role("button", name="OK").click()
    await expect(page.get_by_test_id("alert")).to_have_count(0)


async def test_reply_edit_and_delete(new_page: NewPage, bot: Bot, ann: Person) -> None:
    await bot.send_message(ANN, "question?")
    page = await new_page()
    await texts(page).first.click()
    await write(page, "answr")
    await expect(page.get_by_test_id("quote")).to_contain_text("question?")
    await page.get_by_test_id("composer").press("ArrowUp")
    await expect(page.get_by_test_id("composer")).to_have_value("answr")
    await expect(page.get_by_test_id("send")).to_have_accessible_name("Save")
    await write(page, "answer")
    await expect(page.get_by_test_id("send")).to_have_accessible_name("Send")
    await expect(texts(page)).to_have_text(["question?", "answer"])
    assert (ann.messages()[1].reply_to, ann.messages()[1].edit_date is not None) == (1, True)
    await page.get_by_test_id("message").last.hover()
    await page.get_by_test_id("message").last.get_by_role("button", name="Delete").click()
    await expect(texts(page)).to_have_text(["question?"])


async def test_a_group_of_two_people_and_a_mention(echo_bot: Bot, new_page: NewPage) -> None:
    ann, li_lei = await new_page("Ann", "Team"), await new_page("李雷", "Team", locale="zh-CN")
    await write(li_lei, "大家好")
    await expect(texts(ann)).to_have_text(["大家好"])
    await ann.get_by_test_id("composer").type("@tan")
    await ann.get_by_test_id("suggestion").get_by_text("@tandem_bot").click()
    await ann.get_by_test_id("composer").press("End")
    await ann.get_by_test_id("composer").type("hi")
    await ann.get_by_test_id("composer").press("Enter")
    expected = ["大家好", "@tandem_bot hi", "You said: @tandem_bot hi"]
    for page in (ann, li_lei):
        await expect(texts(page)).to_have_text(expected)
    await expect(li_lei.get_by_test_id("composer")).to_have_attribute("placeholder", "消息")


async def test_the_command_menu(new_page: NewPage, bot: Bot, ann: Person) -> None:
    await bot.set_my_commands([("help", "What I can do"), ("new", "Start over")])
    page = await new_page()
    await page.get_by_test_id("command-menu").click()
    await expect(page.get_by_test_id("suggestion")).to_have_count(2)
    await page.get_by_test_id("composer").press("ArrowDown")
    await page.get_by_test_id("composer").press("Enter")
    await expect(texts(page)).to_have_text(["/new"])
    await page.get_by_role("button", name="/new", exact=True).click()
    await expect(texts(page)).to_have_text(["/new", "/new"])


async def test_marks_of_a_message(new_page: NewPage, bot: Bot, ann: Person, running: Running) -> None:
    page = await new_page()
    await bot.send_chat_action(ANN, "typing")
    await expect(page.get_by_test_id("typing")).to_be_visible()
    await bot.send_message(ANN, "psst", disable_notification=True)
    await expect(page.get_by_test_id("typing")).to_be_hidden()
    await expect(page.get_by_test_id("silent")).to_be_visible()
    await bot.set_message_reaction(ANN, 1, "🎉")
    await expect(page.get_by_test_id("reaction")).to_have_text("🎉")
    await page.get_by_test_id("message").hover()
    await page.get_by_test_id("react").click()
    await page.get_by_test_id("choice").get_by_text("👍", exact=True).click()
    await running.wait_for(lambda _: ann.messages()[0].reactions.get(ANN) == ["👍"])
    await expect(page.get_by_test_id("reaction")).to_have_count(2)


async def test_formatted_text(new_page: NewPage, bot: Bot) -> None:
    page = await new_page()
    source = (
        "<b>bold <i>both</i></b> <s>gone</s> <code>x</code> <tg-spoiler>secret</tg-spoiler>"
        '<pre><code class="language-python">print(1)</code></pre><blockquote>quoted</blockquote>'
        '<a href="https://example.org/">link</a>'
    )
    await bot.send_message(ANN, source, parse_mode="HTML")
    text = texts(page)
    await expect(text.locator("strong em")).to_have_text("both")
    await expect(text.locator("s")).to_have_text("gone")
    await expect(text.locator("pre[data-language=python]")).to_have_text("print(1)")
    await expect(text.locator("blockquote")).to_have_text("quoted")
    await expect(text.locator("a")).to_have_attribute("href", "https://example.org/")
    await expect(text.get_by_text("secret")).to_be_hidden()
    await text.locator(".spoiler").click()
    await expect(text.get_by_text("secret")).to_be_visible()


async def test_markup_in_a_text_stays_text(new_page: NewPage, bot: Bot, running: Running) -> None:
    page = await new_page()
    attack = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    running.world.user("Ann").first_name = attack
    await bot.send_message(
        ANN, attack, reply_markup=InlineKeyboardMarkup([[InlineKeyboardButton(attack, callback_data="x")]])
    )
    await expect(texts(page)).to_have_text([attack])
    await expect(page.get_by_test_id("inline-button")).to_have_text([attack])
    await page.reload()
    await expect(texts(page)).to_have_text([attack])
    assert "owned" not in await page.title()


async def test_a_link_to_a_script_is_no_link(new_page: NewPage, bot: Bot) -> None:
    await bot.send_message(ANN, '<a href="javascript:alert(1)">click</a>', parse_mode="HTML")
    page = await new_page()
    await expect(texts(page)).to_have_text(["click"])
    await expect(texts(page).locator("a")).to_have_count(0)


async def test_switching_person_language_and_theme(new_page: NewPage, ann: Person, li_lei: Person) -> None:
    await ann.say("mine")
    await li_lei.say("我的")
    page = await new_page()
    await expect(page.get_by_test_id("sandbox-note")).to_contain_text("Nothing you write leaves this machine")
    await page.get_by_test_id(f"person-{LI_LEI}").click()
    await expect(texts(page)).to_have_text(["我的"])
    await page.get_by_test_id("language").click()
    await expect(page.get_by_test_id("sandbox-note")).to_contain_text("你写的内容不会离开这台机器")
    await expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = await page.evaluate(ground)
    for theme in ("light", "dark"):
        await page.get_by_test_id("theme").click()
        await expect(page.locator("html")).to_have_attribute("data-theme", theme)
    assert await page.evaluate(ground) != light


async def test_a_chinese_browser_gets_a_chinese_page(new_page: NewPage) -> None:
    page = await new_page(locale="zh-CN", color_scheme="dark")
    await expect(page.get_by_role("button", name="发送", exact=True)).to_be_visible()


async def test_a_phone_shows_one_thing_at_a_time(new_page: NewPage, bot: Bot) -> None:
    await bot.send_message(ANN, "hi")
    page = await new_page(viewport={"width": 390, "height": 800})
    await expect(texts(page)).to_be_visible()
    await expect(page.get_by_test_id(f"chat-{ANN}")).to_be_hidden()
    await page.get_by_role("button", name="Back to chats").click()
    await expect(page.get_by_test_id(f"chat-{ANN}")).to_be_visible()
    await expect(texts(page)).to_be_hidden()
    overflow = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not await page.evaluate(overflow)


async def test_unread_messages_are_counted(new_page: NewPage, li_lei: Person) -> None:
    page = await new_page()
    team = li_lei.world.chat("Team").id
    await li_lei.say("one", chat="Team")
    await li_lei.say("two", chat="Team")
    await expect(page.get_by_test_id(f"chat-{team}").locator(".unread")).to_have_text("2")
    await page.get_by_test_id(f"chat-{team}").click()
    await expect(page.locator(".unread")).to_have_count(0)


async def test_a_link_to_the_bot_starts_it_in_the_private_chat(
    new_page: NewPage, li_lei: Person, running: Running
) -> None:
    await li_lei.say(f"https://t.me/{running.world.bot.username}?start=welcome", chat="Team")
    page = await new_page(chat="Team")
    await texts(page).get_by_role("link").click()
    await expect(page.get_by_test_id("chat-title")).to_have_text("Tandem")
    await expect(texts(page)).to_have_text(["/start welcome"])


async def test_blocking_the_bot(new_page: NewPage, running: Running) -> None:
    page = await new_page()
    await page.get_by_test_id("chat-options").click()
    await page.get_by_test_id("block").click()
    await expect(page.get_by_text("You have blocked the bot.")).to_be_visible()
    await expect(page.get_by_test_id("composer")).to_be_hidden()
    await page.get_by_role("button", name="Unblock the bot").click()
    await expect(page.get_by_test_id("composer")).to_be_visible()


async def test_the_worlds_switches(new_page: NewPage, running: Running) -> None:
    page = await new_page()
    await page.get_by_test_id("switches").click()
    await page.get_by_label("Privacy mode in groups").select_option("off")
    await page.get_by_role("switch").click()
    await running.wait_for(lambda world: world.state.privacy == "off" and running.sandbox.flood.enabled)


async def test_a_long_conversation_stays_at_its_end(new_page: NewPage, bot: Bot) -> None:
    for number in range(40):
        await bot.send_message(ANN, f"message {number}")
    page = await new_page()
    await expect(texts(page).last).to_be_in_viewport()
    sent = await bot.send_message(ANN, "growing")
    await bot.edit_message_text("growing\n" * 12, chat_id=ANN, message_id=sent.message_id)
    await expect(page.get_by_test_id("message").last.locator("time")).to_be_in_viewport()
    await page.locator(".scroller").evaluate("node => node.scrollTo(0, 0)")
    await bot.send_message(ANN, "unseen")
    await expect(texts(page).last).not_to_be_in_viewport()
    await page.get_by_role("button", name="To the latest message").click()
    await expect(texts(page).last).to_be_in_viewport()


async def test_buttons_stay_within_their_message_on_a_phone(new_page: NewPage, bot: Bot) -> None:
    row = [InlineKeyboardButton(label, callback_data=label) for label in ("Mood", "Persona", "Language")]
    await bot.send_message(ANN, "Your settings", reply_markup=InlineKeyboardMarkup([row]))
    page = await new_page(viewport={"width": 390, "height": 844})
    widths = await page.locator(".keys").evaluate("node => [node.scrollWidth, node.clientWidth]")
    assert widths[0] <= widths[1]
    for label in ("Mood", "Persona", "Language"):
        key = page.get_by_role("button", name=label)
        assert await key.evaluate("node => node.scrollWidth <= node.clientWidth"), label


async def test_everything_that_can_be_pressed_has_a_name(new_page: NewPage, echo_bot: Bot) -> None:
    page = await new_page()
    await write(page, "hi")
    await expect(page.get_by_test_id("inline-button")).to_have_count(2)
    nameless: list[Any] = await page.evaluate(
        "[...document.querySelectorAll('button, a, textarea, input, select')]"
        ".filter(node => !(node.ariaLabel || node.textContent.trim() || node.labels?.length))"
        ".map(node => node.outerHTML)"
    )
    assert nameless == []


async def test_the_page_outlives_a_restart_of_the_sandbox(browser: Browser, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    async with serve(Sandbox(state_file=state)) as first:
        page = await browser.new_page(locale="en-GB")
        await page.goto(f"{first.url}#{ANN}/{ANN}")
        await write(page, "before")
        await expect(texts(page)).to_have_text(["before"])
    await expect(page.get_by_role("alert")).to_contain_text("The sandbox does not answer")
    async with serve(Sandbox(state_file=state), port=first.port) as second:
        await second.person("Ann").say("after")
        await expect(texts(page)).to_have_text(["before", "after"])
        await expect(page.get_by_role("alert")).to_be_hidden()
