"""Second messages wait their turn and are told so; long pastes are one message."""

import pytest

from bot.handlers.waiting import LONG_S


async def test_a_second_message_waits_says_so_and_is_answered_in_the_same_place(bot, ann, held, telegram):
    async with bot():
        await ann.turn("Warm up")
        held.hold()
        first = await ann.growing("First")
        second = await ann.person.say("Second")
        notice = (await telegram.wait_for(lambda _: ann.of_bot()[4:], within=LONG_S + 30))[0]
        assert notice.text.startswith("⏳ place 1 in the queue, about ")
        held.release()
        await ann.finished(first.message_id)
        final = await ann.finished(notice.message_id)
        verdict = (await telegram.wait_for(lambda _: ann.of_bot()[5:]))[0]
    assert verdict.reply_to == second.message_id
    assert (notice.silent, verdict.silent) == (False, True)
    assert "⏳" not in final.text
    assert len(ann.of_bot()) == 6
    assert [prompt[-1][1] for prompt in held.prompts] == ["Warm up", "First", "Second"]


async def test_the_third_has_two_before_it_and_a_command_is_not_told(bot, ann, held, telegram):
    async with bot():
        held.hold()
        await ann.growing("First")
        for text in ("Second", "Third", "/help"):
            await ann.person.say(text)
        await telegram.wait_for(lambda _: len(ann.of_bot()) == 4, within=LONG_S + 30)
        places = sorted(message.text.split(",")[0] for message in ann.of_bot()[2:])
        assert places == ["⏳ place 1 in the queue", "⏳ place 2 in the queue"]
        held.release()
        await telegram.wait_for(
            lambda _: any("/retry" in message.text for message in ann.of_bot()), within=60
        )
    assert [prompt[-1][1] for prompt in held.prompts] == ["First", "Second", "Third"]


async def test_a_short_wait_needs_no_words(bot, ann, held, telegram):
    async with bot():
        held.hold()
        first = await ann.growing("First")
        await ann.person.say("Second")
        held.release()
        await ann.finished(first.message_id)
        await ann.answer(2)
    assert [event for event in ann.of_bot() if "⏳" in event.text] == []
    assert len(ann.of_bot()) == 4


async def test_a_notice_of_a_question_that_is_then_refused_is_taken_back(bot, ann, li_lei, held, telegram):
    async with bot(access={"turns_per_day": 1}):
        held.hold()
        growing = await li_lei.growing("第一")
        await li_lei.person.say("第二")
        notice = (await telegram.wait_for(lambda _: li_lei.of_bot()[2:], within=LONG_S + 30))[0]
        assert "⏳" in notice.text
        held.release()
        await li_lei.finished(growing.message_id)
        await telegram.wait_for(lambda _: notice not in li_lei.of_bot())
        refusal = (await telegram.wait_for(lambda _: li_lei.of_bot()[2:]))[0]
    assert "1" in refusal.text


@pytest.mark.parametrize("caption", ["When is it?", ""], ids=["with a caption", "alone"])
async def test_a_question_with_a_file_waits_like_any_other(bot, ann, held, telegram, caption):
    async with bot():
        held.hold()
        first = await ann.growing("First")
        await ann.person.file("notes.md", b"On Friday.", caption=caption)
        notice = (await telegram.wait_for(lambda _: ann.of_bot()[2:], within=LONG_S + 30))[0]
        assert notice.text.startswith("⏳ place 1 in the queue")
        held.release()
        await ann.finished(first.message_id)
        final = await ann.finished(notice.message_id)
        await telegram.wait_for(lambda _: len(ann.of_bot()) == 4)
        await ann.turn("And then?")
    asked = "notes.md:\n```\nOn Friday.\n```\n\nWhen is it?" if caption else "On Friday."
    assert "⏳" not in final.text
    assert held.prompts[1][-1] == ("user", asked)
    assert held.judged[1] == (caption or "On Friday.")
    assert ("user", asked) in held.prompts[2]


async def test_a_notice_of_a_file_that_cannot_be_read_is_taken_back(bot, ann, held, telegram):
    async with bot():
        held.hold()
        growing = await ann.growing("First")
        await ann.person.file("blob.py", b"\x00\xff\xfe\xfd")
        notice = (await telegram.wait_for(lambda _: ann.of_bot()[2:], within=LONG_S + 30))[0]
        assert "⏳" in notice.text
        held.release()
        await ann.finished(growing.message_id)
        await telegram.wait_for(lambda _: notice not in ann.of_bot())
        told = (await telegram.wait_for(lambda _: ann.of_bot()[2:]))[0]
    assert "cannot read this file" in told.text
    assert len(held.prompts) == 1


async def test_a_question_that_is_edited_while_it_waits_is_answered_once(bot, ann, held, telegram):
    async with bot():
        held.hold()
        first = await ann.growing("First")
        second = await ann.person.say("Second")
        notice = (await telegram.wait_for(lambda _: ann.of_bot()[2:], within=LONG_S + 30))[0]
        await ann.person.edit(second.message_id, "Third")
        await telegram.wait_for(lambda world: not world.state.pending)
        held.release()
        await ann.finished(first.message_id)
        await ann.finished(notice.message_id)
        await telegram.wait_for(lambda _: len(ann.of_bot()) == 4)
        await ann.turn("Last")
    assert [prompt[-1][1] for prompt in held.prompts] == ["First", "Third", "Last"]


async def test_a_notice_survives_a_restart_and_becomes_the_answer(bot, ann, held, telegram):
    async with bot():
        held.hold()
        first = await ann.growing("First")
        await ann.person.say("Second")
        notice = (await telegram.wait_for(lambda _: ann.of_bot()[2:], within=LONG_S + 30))[0]
        assert "⏳" in notice.text
        await ann.person.say("/stop")
        held.hold(after=0)
        await ann.finished(first.message_id)
    held.release()
    async with bot():
        final = await ann.finished(notice.message_id)
        await telegram.wait_for(lambda _: len(ann.of_bot()) == 4)
    assert "⏳" not in final.text


async def test_a_long_paste_is_one_question(bot, ann, held, telegram):
    text = " ".join(f"word{number}" for number in range(1000))
    async with bot(model={"context": 30_000}):
        await ann.turn(text)
    assert len(ann.of_bot()) == 2
    assert [prompt[-1] for prompt in held.prompts] == [("user", text)]


async def test_a_long_paste_that_waits_is_one_question_too(bot, ann, held, telegram):
    text = " ".join(f"word{number}" for number in range(1000))
    async with bot(model={"context": 30_000}):
        held.hold()
        first = await ann.growing("First")
        await ann.person.say(text)
        notice = (await telegram.wait_for(lambda _: ann.of_bot()[2:], within=LONG_S + 30))[0]
        held.release()
        await ann.finished(first.message_id)
        await ann.finished(notice.message_id)
        await telegram.wait_for(lambda _: len(ann.of_bot()) == 4)
    assert len(ann.of_bot()) == 4
    assert [prompt[-1] for prompt in held.prompts] == [("user", "First"), ("user", text)]
