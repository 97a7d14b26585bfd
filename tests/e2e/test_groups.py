"""In groups: asked when meant, silent otherwise, with what was quoted and nothing of what is private."""

import pytest

from bot.sandbox import groups


async def test_ask_works_in_every_group_and_knows_what_it_replies_to(bot, ann, li_lei, held, telegram):
    telegram.world.state.privacy = "strict"
    async with bot():
        said = await li_lei.person.say("I like green tea", "Team")
        verdict, final = await ann.turn("/ask Is that healthy?", "Team", reply_to=said.message_id)
        assert held.prompts[0][1:] == [("user", "> 李雷: I like green tea\n\nIs that healthy?")]
        await ann.turn("/ask", "Team", reply_to=said.message_id)
        assert held.prompts[1][-1] == ("user", "I like green tea")
        assert "behind /ask" in (await ann.reply("/ask", "Team")).text
    assert verdict.reply_to == final.reply_to == said.message_id + 1


async def test_a_reply_to_the_last_answer_quotes_nothing_twice(bot, ann, li_lei, held):
    async with bot():
        _, final = await ann.turn("/ask One", "Team")
        await ann.turn("and why?", "Team", reply_to=final.message_id)
        assert held.prompts[1][-1] == ("user", "and why?")
        # For somebody else it is news.
        await li_lei.turn("为什么？", "Team", reply_to=final.message_id)
        _, text = held.prompts[2][-1]
        assert text.startswith("> Tandem: ")
        assert text.endswith("\n\n为什么？")
        assert len(held.prompts[2]) == 2


async def test_nothing_private_is_known_in_a_group_nor_in_another_topic(bot, ann, held, telegram):
    team = telegram.world.chat("Team")
    async with bot():
        await ann.turn("My secret is Zanzibar")
        await ann.turn("/ask Hello", "Team")
        topics = [groups.create_topic(telegram.world, team, name, by=ann.person.user.id) for name in "AB"]
        for topic in topics:
            answered = await ann.turn("/ask in a topic", "Team", thread=topic)
            assert [message.thread_id for message in answered] == [topic, topic]
        await ann.turn("And in private?")
    private, *in_group, again = held.prompts
    assert [len(prompt) for prompt in in_group] == [2, 2, 2]
    assert all("Zanzibar" not in text for prompt in in_group for _, text in prompt)
    assert again[:2] == private[:2]
    assert len(again) == 4


@pytest.mark.parametrize("text", ["/help@other_bot", "/ask@other_bot hi", "hello", "/unknown"])
async def test_silence_otherwise(bot, ann, telegram, text):
    telegram.world.state.privacy = "off"
    async with bot():
        await ann.person.say(text, "Team")
        assert "/sentiment" in (await ann.reply("/help@tandem_bot", "Team")).text
    assert len(ann.of_bot("Team")) == 1
