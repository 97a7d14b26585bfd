"""What happens on the screen between a question and its answer."""

import pytest

GOOD, BAD = "今天的实验终于成功了，太棒了！", "代码又报错了，我已经改了一整天。"


async def test_the_verdict_comes_first_and_rings_nobody(bot, ann):
    async with bot():
        verdict, final = await ann.turn("Hello there")
    question = ann.person.messages()[0]
    assert verdict.text.startswith(("😄 positive · ", "😢 negative · ", "😐 neutral · "))
    assert verdict.silent
    assert verdict.reply_to == question.message_id
    assert not final.silent
    assert final.text


async def test_verdicts_speak_the_language_of_the_reader(bot, li_lei):
    async with bot():
        verdict, _ = await li_lei.turn("你好")
    assert verdict.text.startswith(("😄 正面 · ", "😢 负面 · ", "😐 中性 · "))


async def test_an_answer_grows_in_its_placeholder(bot, ann, telegram):
    seen = []

    def look(_):
        answers = ann.of_bot()[1:]
        if answers and (not seen or seen[-1] != answers[0].text):
            seen.append(answers[0].text)
        return answers and not answers[0].text.endswith(("▌", "…"))

    async with bot():
        await ann.person.say("Tell me everything")
        await telegram.wait_for(look, within=60)
    assert len(ann.of_bot()) == 2
    assert seen[0].endswith(("▌", "…"))


async def test_a_group_is_answered_when_it_asks_and_left_alone_otherwise(bot, ann, telegram):
    name = f"@{telegram.world.bot.username}"
    async with bot():
        await ann.person.say("talking among ourselves", "Team")
        _, final = await ann.turn(f"{name} what do you think?", "Team")
        assert len(ann.of_bot("Team")) == 2
        await ann.turn("and now?", "Team", reply_to=final.message_id)
    assert len(ann.of_bot("Team")) == 4
    assert not ann.of_bot()


async def test_commands_answer_in_the_readers_language(bot, ann, li_lei):
    async with bot():
        assert "Tandem" in (await ann.reply("/start")).text
        assert "/sentiment" in (await ann.reply("/help")).text
        assert "/sentiment" in (await li_lei.reply("/help")).text
        assert "新" in (await li_lei.reply("/new")).text


async def test_sentiment_of_a_text_and_of_the_message_replied_to(bot, ann):
    async with bot():
        assert "·" in (await ann.reply("/sentiment What a day")).text
        said = await ann.person.say("I am not asking the bot", "Team")
        verdict = await ann.reply("/sentiment", "Team", reply_to=said.message_id)
        assert "·" in verdict.text
        assert verdict.reply_to == said.message_id
        assert "/sentiment" in (await ann.reply("/sentiment")).text


async def test_stats_are_for_admins_only(bot, ann, li_lei):
    async with bot():
        await ann.turn("Hello")
        assert "tokens/s" in (await ann.reply("/stats")).text
        assert "tokens/s" not in (await li_lei.reply("/stats")).text


@pytest.mark.real_model
async def test_the_two_sentences_of_the_article(real_bot, li_lei):
    async with real_bot():
        good, answer = await li_lei.turn(GOOD)
        bad, second = await li_lei.turn(BAD)
    assert good.text.startswith("😄 正面 · ")
    assert bad.text.startswith("😢 负面 · ")
    assert len(answer.text) > 3
    assert len(second.text) > 3


@pytest.mark.real_model
async def test_after_a_restart_the_bot_knows_what_was_said_and_after_new_it_does_not(real_bot, ann):
    remembering = {"chat": {"temperature": 0, "repetition_penalty": 1.0}}
    async with real_bot(**remembering):
        await ann.turn("My cat is called Zanzibar. Please remember that.")
    async with real_bot(**remembering):
        _, answer = await ann.turn("What is my cat called? Answer with the name only.")
        assert "Zanzibar" in answer.text
        await ann.reply("/new")
        _, answer = await ann.turn("What is my cat called? Answer with the name only.")
        assert "Zanzibar" not in answer.text
