"""Whoever asked corrects the verdict about their message; the verdict shows it, and nobody else can."""

import json

import pytest


@pytest.fixture
def notices(telegram):
    return lambda reader, chat=None: [m.text for m in reader.of_bot(chat)]


@pytest.mark.parametrize(
    ("word", "emoji"),
    [
        ("negative", "😢 negative"),
        ("POSITIVE", "😄 positive"),
        ("中性", "😐 neutral"),
        ("Neutral.", "😐 neutral"),
    ],
)
async def test_a_correction_shows_in_the_verdict_and_nowhere_else(bot, ann, telegram, word, emoji):
    async with bot():
        verdict, answer = await ann.turn("hello")
        _, said, share = verdict.text.replace("·", "").split()
        before = verdict.text
        await ann.person.say(f"/sentiment {word}", reply_to=verdict.message_id)
        await telegram.wait_for(lambda _: verdict.text != before)
        confirmed = emoji.endswith(said)
        assert verdict.text == (
            f"{emoji} ✅ · {share}" if confirmed else f"{emoji} ✏️ I said {said} · {share}"
        )
    assert [message.message_id for message in ann.of_bot()] == [verdict.message_id, answer.message_id]


async def test_the_last_word_counts_and_is_exported(bot, ann, telegram):
    async with bot():
        verdict, _ = await ann.turn("hello")
        said = verdict.text.split()[1]
        for word in ("neutral", "negative", "positive"):
            # In reply to the verdict, or to the message that was judged.
            about = verdict.message_id if word == "neutral" else verdict.reply_to
            before = verdict.text
            await ann.person.say(f"/sentiment {word}", reply_to=about)
            await telegram.wait_for(lambda _, before=before: verdict.text != before)
        sent = await ann.reply("/export")
        (kept,) = json.loads(telegram.world.state.files[sent.attachment.file].content)["feedback"]
    assert (kept["verdict"], kept["correction"]) == (said, "positive")
    assert kept["user_id"] == ann.person.user.id


async def test_in_a_group_only_the_asker_can(bot, ann, li_lei, telegram):
    async with bot():
        verdict, _ = await ann.turn("/ask hello", "Team")
        before = verdict.text
        refused = await li_lei.person.say("/sentiment 负面", "Team", reply_to=verdict.message_id)
        await telegram.wait_for(lambda _: refused.reactions)
        assert verdict.text == before
        await ann.person.say("/sentiment neutral", "Team", reply_to=verdict.message_id)
        await telegram.wait_for(lambda _: verdict.text.startswith("😐"))
    assert len(ann.of_bot("Team")) == 2


async def test_what_is_no_correction_is_judged(bot, ann, held):
    async with bot():
        verdict, answer = await ann.turn("hello")
        await ann.reply("/sentiment positive")
        await ann.reply("/sentiment positively awful", reply_to=verdict.message_id)
        await ann.reply("/sentiment", reply_to=verdict.message_id)
        on_request = ann.of_bot()[2]
        # A verdict on request, and an answer, are nobody's mood: that is said, not judged.
        for about in (on_request, answer):
            told = await ann.reply("/sentiment positive", reply_to=about.message_id)
            assert "moods of messages to me" in told.text
    assert held.judged == ["hello", "positive", "positively awful", verdict.text]


@pytest.fixture
def choose_mood(telegram):
    """Somebody chooses how moods are shown; the number of the bot's messages comes back."""

    async def choose(reader, label):
        page = await reader.reply("/settings")
        for press in ("Mood", label):
            before = list(page.keyboard)
            await reader.person.press(page.message_id, press)
            await telegram.wait_for(lambda _, before=before: page.keyboard != before)
        return len(reader.of_bot())

    return choose


@pytest.mark.parametrize(("label", "messages"), [("😁 As a reaction", 1), ("💬 😁 As both", 2)])
async def test_a_mood_that_is_a_reaction_changes_there(bot, ann, telegram, choose_mood, label, messages):
    shown = lambda: asked.reactions.get(telegram.world.bot.id)  # noqa: E731
    async with bot():
        before = await choose_mood(ann, label)
        asked = await ann.person.say("hello")
        answered = lambda _: len(ann.of_bot()) == before + messages and "🔁" in str(ann.of_bot()[-1].keyboard)  # noqa: E731
        await telegram.wait_for(answered, within=60)
        for word, reaction in (("positive", "😁"), ("negative", "😢"), ("neutral", "😐")):
            await ann.person.say(f"/sentiment {word}", reply_to=asked.message_id)
            await telegram.wait_for(lambda _, reaction=reaction: shown() == [reaction])
    if messages == 2:
        assert ann.of_bot()[before].text.startswith("😐 neutral")
    assert len(ann.of_bot()) == before + messages


async def test_a_mood_that_was_a_reaction_is_still_one_when_the_choice_is_another(
    bot, ann, telegram, choose_mood
):
    async with bot():
        before = await choose_mood(ann, "😁 As a reaction")
        asked = await ann.person.say("hello")
        await telegram.wait_for(lambda _: len(ann.of_bot()) == before + 1 and asked.reactions, within=60)
        await choose_mood(ann, "🚫 Not at all")
        (given,) = asked.reactions[telegram.world.bot.id]
        word, reaction = ("negative", "😢") if given == "😁" else ("positive", "😁")
        await ann.person.say(f"/sentiment {word}", reply_to=asked.message_id)
        await telegram.wait_for(lambda _: asked.reactions[telegram.world.bot.id] == [reaction])


async def test_a_deleted_verdict_is_corrected_with_thanks(bot, ann):
    async with bot():
        verdict, _ = await ann.turn("hello")
        question = verdict.reply_to
        await ann.person.delete(verdict.message_id)
        told = await ann.reply("/sentiment neutral", reply_to=question)
    assert "Noted" in told.text
