"""Tasks of the configuration, as people meet them: commands like the bot's own, in private and in groups."""

import re

import pytest

from bot.config import Access
from bot.sandbox.menu import menu
from tests.e2e.conftest import labels

RUDE = {
    "kind": "classification",
    "description": {"en": "is a text rude?", "zh": "这段话有礼貌吗？"},
    "prompt": "Is it rude? Answer yes or no.",
    "labels": {"yes": {"en": "🤬 rude", "zh": "🤬 粗鲁"}, "no": "🙂 polite"},
    "examples": [["You idiot!", "yes"], ["谢谢你", "no"]],
}
HAIKU = {
    "kind": "generation",
    "description": "a poem about a text",
    "prompt": "Write a haiku.",
    "max_new_tokens": 40,
}
TASKS = {"rude": RUDE, "haiku": HAIKU}


async def test_a_classification_answers_with_one_silent_line_below_the_text(bot, ann, li_lei, telegram):
    async with bot(tasks=TASKS):
        line = await ann.reply("/rude You are wonderful")
        assert re.fullmatch(r"(🤬 rude|🙂 polite) · \d+%", line.text)
        assert line.reply_to == ann.person.messages()[0].message_id
        assert line.silent
        # In a group about what somebody else said, and in the reader's language.
        said = await ann.person.say("Go away", "Team")
        about = await li_lei.reply("/rude", "Team", reply_to=said.message_id)
        assert re.fullmatch(r"(🤬 粗鲁|🙂 polite) · \d+%", about.text)
        assert about.reply_to == said.message_id
        assert "/rude" in (await ann.reply("/rude")).text


async def test_a_generation_grows_in_a_turn_of_its_own_and_can_be_stopped(bot, ann, held):
    async with bot(tasks=TASKS):
        held.hold()
        await ann.person.say("/haiku the sea")
        growing = await begun(ann)
        assert labels(growing) == ["⏹ Stop"]
        await ann.person.press(growing.message_id, "⏹ Stop")
        final = await ann.finished(growing.message_id)
        assert final.text.endswith("⏹")
        held.release()
        await ann.person.press(final.message_id, "🔁 Again")
        await ann.telegram.wait_for(
            lambda _: not final.text.endswith("⏹") and labels(final) == ["🔁 Again"], within=60
        )
        assert len(ann.of_bot()) == 1  # no verdict, and the second poem took the first one's place
        await ann.turn("And what is a haiku?")
    haiku = [("system", "Write a haiku."), ("user", "the sea")]
    assert held.prompts[:2] == [haiku, haiku]
    # Chat goes on as if nothing had been between.
    assert held.prompts[2][1:] == [("user", "And what is a haiku?")]


async def test_an_edited_text_is_written_about_anew(bot, ann, held, telegram):
    async with bot(tasks=TASKS):
        poem = await written(ann, "/haiku the sea")
        command = ann.person.messages()[0]
        await ann.person.edit(command.message_id, "/haiku the moon")
        await telegram.wait_for(lambda _: len(held.prompts) == 2 and labels(poem) == ["🔁 Again"], within=60)
        # What has become another command, or none, is not this poem's text any more.
        for text in ("/rude the sun", "the sun"):
            await ann.person.edit(command.message_id, text)
        await telegram.wait_for(lambda world: not world.state.pending)
        assert "not writing" in (await ann.reply("/stop")).text
    assert [prompt[-1] for prompt in held.prompts] == [("user", "the sea"), ("user", "the moon")]


async def begun(reader):
    """The bot's message that has begun to grow."""
    return await reader.telegram.wait_for(
        lambda _: next((each for each in reader.of_bot() if len(each.text) > 5), None), within=60
    )


async def written(reader, text, chat=None, **how):
    """Say something that is answered with one message that grows."""
    before = len(reader.of_bot(chat))
    await reader.person.say(text, chat, **how)
    first = (await reader.telegram.wait_for(lambda _: reader.of_bot(chat)[before:], within=60))[0]
    return await reader.finished(first.message_id, chat)


async def test_a_summary_of_a_reply(bot, ann, li_lei, held):
    async with bot():
        said = await ann.person.say("The shop is closed on Monday, open on Tuesday.", "Team")
        final = await written(li_lei, "/summary", "Team", reply_to=said.message_id)
        assert final.reply_to == li_lei.person.messages("Team")[-2].message_id
    ((system, (role, text)),) = held.prompts
    assert system[0] == "system"
    assert role == "user"
    assert text.startswith("The shop is closed on Monday, open on Tuesday.\n\n---\n")
    assert "one sentence" in text


async def test_a_summary_of_what_was_said_last(bot, ann, li_lei, held):
    async with bot():
        assert "/summary" in (await ann.reply("/summary")).text  # nothing was said yet
        await ann.turn("One apple")
        await ann.turn("Two pears")
        await li_lei.turn("三个桃子")
        await written(ann, "/summary")
        await written(ann, "/summary 1")
    whole, last = (prompt[-1][1] for prompt in held.prompts[3:])
    assert "One apple" in whole
    assert "Two pears" in whole
    assert "三个桃子" not in whole
    assert "One apple" not in last
    assert "Two pears" in last


@pytest.mark.parametrize("way", ["caption", "reply"])
async def test_a_file_by_its_caption_or_in_reply(bot, ann, held, way):
    caption = {"caption": "/summary"} if way == "caption" else {}
    async with bot(tasks=TASKS):
        sent = await ann.person.file("notes.md", b"The shop is closed.", chat="Team", **caption)
        if way == "reply":
            await ann.person.say("/summary", "Team", reply_to=sent.message_id)
        await ann.telegram.wait_for(lambda _: ann.of_bot("Team") and "▌" not in ann.of_bot("Team")[0].text)
        await ann.person.file("notes.md", b"You fool.", chat="Team", caption="/rude")
        line = (await ann.telegram.wait_for(lambda _: ann.of_bot("Team")[1:], within=60))[0]
        assert re.fullmatch(r"(🤬 rude|🙂 polite) · \d+%", line.text)
    assert held.prompts[0][-1][1].startswith("The shop is closed.\n\n---\n")


async def test_a_file_that_cannot_be_read_is_told(bot, ann):
    async with bot(tasks=TASKS):
        before = len(ann.of_bot())
        await ann.person.file("notes.md", b"\x00\xff\x00", caption="/rude")
        told = (await ann.telegram.wait_for(lambda _: ann.of_bot()[before:], within=60))[0]
        assert told.text.startswith("📄")


async def test_what_is_too_long_is_read_at_both_ends_and_says_so(bot, ann, held, telegram):
    said = await ann.person.say(f"First. {'word ' * 600}Last.", "Team")
    async with bot():
        final = await written(ann, "/summary", "Team", reply_to=said.message_id)
        assert final.text.endswith("✂️ This was too long for me: I read its beginning and its end.")
    text = held.prompts[0][-1][1]
    assert text.startswith("First.")
    assert "Last.\n\n---\n" in text


async def test_a_task_that_was_cut_off_is_finished_after_the_restart(bot, ann, held):
    async with bot(tasks=TASKS):
        held.hold()
        await ann.person.say("/haiku the sea")
        growing = await begun(ann)
    held.release()
    async with bot(tasks=TASKS):
        await ann.telegram.wait_for(lambda _: labels(growing) == ["🔁 Again"], within=60)
    assert len(ann.of_bot()) == 1
    assert held.prompts[-1] == held.prompts[0]


async def test_a_task_that_is_gone_after_the_restart_says_so(bot, ann, held):
    async with bot(tasks=TASKS):
        held.hold()
        await ann.person.say("/haiku the sea")
        growing = await begun(ann)
    held.release()
    async with bot():
        await ann.telegram.wait_for(lambda _: "/haiku" in growing.text, within=60)
    assert len(ann.of_bot()) == 1


async def test_tasks_are_in_the_menus_and_in_the_help(bot, ann, li_lei, telegram):
    world = telegram.world
    off = {"intent": {"enabled": False}}
    async with bot(tasks=TASKS | off):
        await telegram.wait_for(lambda _: len(world.state.commands) == 8)
        for person, chat, told in (
            ("Ann", "Ann", "is a text rude?"),
            ("李雷", "李雷", "这段话有礼貌吗？"),
            ("李雷", "Team", "这段话有礼貌吗？"),
        ):
            offered = {
                each.command: each.description
                for each in menu(world.state, world.chat(chat), world.user(person))
            }
            assert offered["rude"] == told
            assert "summary" in offered
            assert "intent" not in offered
        assert "/haiku – a poem about a text" in (await ann.reply("/help")).text
        assert "/rude – 这段话有礼貌吗？" in (await li_lei.reply("/help")).text


async def test_tasks_cost_a_message_of_the_day(bot, ann, li_lei):
    async with bot(tasks=TASKS, access=Access(turns_per_day=2)):
        await li_lei.reply("/rude Hi")
        await written(li_lei, "/haiku Hi")
        assert "2" in (await li_lei.reply("/rude Hi")).text
        assert "/help" in (await li_lei.reply("/help")).text
