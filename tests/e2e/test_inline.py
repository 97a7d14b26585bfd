"""Inline mode: whoever types the bot's name and some words is offered their mood as a card; off unless switched on."""

import pytest
from playwright.async_api import expect

from bot.sandbox import inline
from bot.sandbox.server import Running

GOOD = "今天的实验终于成功了，太棒了！"


@pytest.fixture
def switched_on(telegram: Running, configure):
    settings = configure().telegram.model_copy(update={"inline": True})
    return {"telegram": settings}


def ask(telegram, who, text, chat=None):
    return inline.ask(telegram.world, who.person.user, text, chat)


async def answered(telegram, query):
    await telegram.wait_for(lambda _: query.results is not None, within=60)
    return query


@pytest.mark.real_model
async def test_the_mood_of_what_is_typed_is_a_card_that_can_be_sent(
    real_bot, ann, li_lei, telegram, switched_on
):
    async with real_bot(**switched_on):
        query = await answered(telegram, ask(telegram, li_lei, GOOD, "Team"))
        (card,) = query.results
        assert card.title.startswith("😄 正面 · ")
        assert card.description == GOOD
        sent = inline.send(telegram.world, li_lei.person.user, query.id, card.id, "Team")
        assert sent.text == f"{GOOD}\n\n{card.title}"
        # In private it came through the bot, and is no message to it.
        inline.send(telegram.world, li_lei.person.user, query.id, card.id)
        await li_lei.reply("/help")
        english = await answered(telegram, ask(telegram, ann, "I love it"))
    assert english.results[0].title.startswith("😄 positive · ")
    assert english.is_personal
    assert len(li_lei.of_bot()) == 1
    assert li_lei.of_bot("Team") == []


async def test_help_tells_of_it_where_it_is_on(bot, ann, li_lei, telegram, switched_on):
    name = f"@{telegram.world.bot.username}"
    async with bot(**switched_on):
        assert f"{name} with a text, in any chat" in (await ann.reply("/help")).text
        assert f"在任何聊天里输入 {name} 加一段文字" in (await li_lei.reply("/help")).text
    async with bot():
        assert name not in (await ann.reply("/help")).text


async def test_who_types_on_is_judged_once(bot, ann, telegram, switched_on, configure):
    async with bot(**switched_on, access={"turns_per_day": 1}):
        li_lei = telegram.person("李雷").user
        queries = [inline.ask(telegram.world, li_lei, "你好啊"[:length]) for length in (1, 2, 3)]
        await answered(telegram, queries[-1])
        assert [query.results is None for query in queries] == [True, True, False]
        # Without words there is nothing to judge, and nothing is counted.
        nothing = await answered(telegram, inline.ask(telegram.world, li_lei, " "))
        assert nothing.results == []
        assert nothing.button is None
        # The share of a day is that of messages.
        over = await answered(telegram, inline.ask(telegram.world, li_lei, "再见"))
    assert over.results == []
    assert "1 条消息已用完" in over.button["text"]


async def test_a_stranger_is_told_above_the_cards(bot, ann, li_lei, telegram, switched_on):
    async with bot(**switched_on, access={"mode": "invite"}):
        query = await answered(telegram, ask(telegram, li_lei, "你好"))
        assert query.results == []
        assert "邀请" in query.button["text"]
        # Whoever follows it has no invitation, and is not told that it has been used up.
        told = await li_lei.reply(f"/start {query.button['start_parameter']}")
        assert told.text == query.button["text"]


async def test_it_is_off_unless_it_is_switched_on(bot, ann, telegram):
    async with bot():
        query = ask(telegram, ann, "hello")
        await ann.reply("/help")
    assert query.results is None


async def test_when_botfather_has_it_off_the_log_says_what_to_do(bot, telegram, switched_on, caplog):
    telegram.world.state.inline = False
    async with bot(**switched_on):
        assert "/setinline" in caplog.text


@pytest.mark.browser
async def test_the_page_offers_and_sends_cards(bot, new_page, telegram, switched_on):
    async with bot(**switched_on):
        page = await new_page("Ann", "Team")
        composer, cards = page.get_by_test_id("composer"), page.get_by_test_id("suggestion")
        await composer.press_sequentially("@tandem_bot I love it")
        await expect(cards).to_have_count(1)
        # Enter still sends what is written; a card is taken on purpose.
        await expect(cards.first).to_have_attribute("aria-selected", "false")
        await composer.press("ArrowDown")
        await composer.press("Enter")
        await expect(page.get_by_test_id("message-text")).to_contain_text(["I love it"])
        await expect(page.get_by_test_id("via")).to_have_text("via @tandem_bot")
        await expect(composer).to_have_value("")
