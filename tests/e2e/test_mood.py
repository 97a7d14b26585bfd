"""/mood shows people their own moods, as they corrected them, and in a group only what the group has seen."""

import pytest

from bot.handlers.mood import mood_line
from bot.history.records import Day


@pytest.fixture
def mood(telegram):
    """The picture's caption, for a person in a chat."""

    async def ask(reader, text="/mood", chat=None):
        sent = await reader.reply(text, chat)
        assert sent.attachment.kind == "photo"
        assert (sent.attachment.width, sent.attachment.height) == (1080, 1080)
        return sent

    return ask


async def test_it_is_ones_own_and_of_a_group_only_there(bot, ann, li_lei, mood, telegram):
    async with bot():
        assert "write me something" in (await ann.reply("/mood")).text
        for chat, text in ((None, "one"), (None, "two"), ("Team", "/ask three")):
            verdict, _ = await ann.turn(text, chat)
            await ann.person.say("/sentiment negative", chat, reply_to=verdict.message_id)
            await telegram.wait_for(lambda _, verdict=verdict: verdict.text.startswith("😢"))
        picture = await mood(ann)
        assert picture.caption == "😢 Mostly negative: 3 of 3 messages in 30 days."
        assert picture.silent
        assert "1 of 1" in (await mood(ann, chat="Team")).caption
        assert "还没有" in (await li_lei.reply("/mood", "Team")).text


async def test_dark_is_another_picture(bot, ann, mood, telegram):
    async with bot():
        await ann.turn("one")
        sent = [await mood(ann, text) for text in ("/mood", "/mood dark", "/mood 深色")]
    light, dark, also_dark = (telegram.world.state.files[each.attachment.file].content for each in sent)
    assert light != dark == also_dark


@pytest.mark.parametrize(
    ("moods", "line"),
    [
        ({"positive": 3, "negative": 1}, "😄 Mostly positive: 3 of 4 messages in 1 days."),
        ({"neutral": 2, "negative": 1}, "😐 Mostly neutral: 2 of 3 messages in 1 days."),
        ({"positive": 2, "negative": 2}, "🎭 A bit of everything in 1 days: 😄 2  😐 0  😢 2"),
    ],
)
def test_one_line_says_it(moods, line):
    assert mood_line([Day(None, 9, moods)], str) == line
