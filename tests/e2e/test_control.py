"""Who asks stays in control: answers are stopped, asked for again, and follow an edited question."""

import pytest

from bot.transport.render import render
from tests.e2e.conftest import labels


async def test_the_stop_button_ends_an_answer_at_once_and_keeps_what_was_written(bot, ann, held):
    async with bot():
        held.hold()
        growing = await ann.growing("Tell me everything")
        assert labels(growing) == ["⏹ Stop"]
        written = growing.text.removesuffix("▌")
        await ann.person.press(growing.message_id, "⏹ Stop")
        final = await ann.finished(growing.message_id)
        assert final.text.startswith(render(written)[0].text)
        assert final.text.endswith("⏹")
        assert labels(final) == ["🔁 Again"]
        held.release()
        await ann.turn("And then?")
    # The next prompt gets the same reply that is on the screen.
    assert [role for role, _ in held.prompts[-1]] == ["system", "user", "assistant", "user"]
    assert render(held.prompts[-1][2][1])[0].text == final.text


async def test_stop_as_a_command_says_nothing_of_its_own(bot, ann, held):
    async with bot():
        held.hold()
        growing = await ann.growing("Tell me everything")
        await ann.person.say("/stop")
        final = await ann.finished(growing.message_id)
        assert final.text.endswith("⏹")
        assert len(ann.of_bot()) == 2
        assert "not writing" in (await ann.reply("/stop")).text


async def test_stop_before_the_first_word(bot, ann, held, telegram):
    async with bot():
        held.hold(after=0)
        await ann.person.say("Tell me everything")
        placeholder = (await telegram.wait_for(lambda _: ann.of_bot()[1:], within=60))[0]
        await ann.person.press(placeholder.message_id, "⏹ Stop")
        final = await ann.finished(placeholder.message_id)
        assert final.text.endswith("⏹")


async def test_a_button_is_for_whoever_asked(bot, ann, li_lei, held, telegram, notes):
    name = f"@{telegram.world.bot.username}"
    async with bot():
        held.hold()
        growing = await ann.growing(f"{name} tell me everything", "Team")
        await li_lei.person.press(growing.message_id, "⏹ Stop", "Team")
        await telegram.wait_for(lambda _: notes)
        assert notes == ["这个按钮是给别人的。"]
        await ann.person.press(growing.message_id, "⏹ Stop", "Team")
        assert (await ann.finished(growing.message_id, "Team")).text.endswith("⏹")


async def test_others_are_answered_while_one_answer_is_stopped(bot, ann, li_lei, held):
    async with bot():
        held.hold()
        growing = await ann.growing("Tell me everything")
        other = await li_lei.growing("你好")
        await ann.person.say("/stop")
        await ann.finished(growing.message_id)
        held.release()
        assert not (await li_lei.finished(other.message_id)).text.endswith("⏹")


@pytest.mark.parametrize("way", ["/retry", "🔁 Again"])
async def test_the_last_answer_is_written_again_in_its_place(bot, ann, held, way, telegram):
    async with bot():
        verdict, first = await ann.turn("Tell me a story")
        mood, text = verdict.text, first.text
        held.hold()
        if way == "/retry":
            await ann.person.say(way)
        else:
            await ann.person.press(first.message_id, way)
        await telegram.wait_for(lambda _: "⏹ Stop" in labels(first) and len(first.text) > 1, within=60)
        held.release()
        again = await ann.finished(first.message_id)
    assert [message.message_id for message in ann.of_bot()] == [verdict.message_id, first.message_id]
    assert verdict.text == mood
    assert labels(again) == ["🔁 Again"]
    assert again.text != text  # drawn with another seed
    assert held.prompts[0] == held.prompts[1]


async def test_only_the_last_answer_can_be_repeated(bot, ann, telegram, notes):
    async with bot():
        assert "no answer" in (await ann.reply("/retry")).text
        _, first = await ann.turn("One")
        old = first.model_copy(deep=True)
        _, second = await ann.turn("Two")
        await telegram.wait_for(lambda _: not labels(first))
        assert labels(second) == ["🔁 Again"]
        # An old button that is still on somebody's screen.
        first.keyboard = old.keyboard
        await ann.person.press(first.message_id, "🔁 Again")
        await telegram.wait_for(lambda _: notes)
        assert notes == ["Only my last answer can be repeated."]
        first.keyboard[0][0].callback_data = "0|again"
        await ann.person.press(first.message_id, "🔁 Again")
        await telegram.wait_for(lambda _: len(notes) == 2)
        assert notes[1] == "This button is from an older version of me."


async def test_an_edited_question_is_answered_anew_in_place(bot, ann, held, telegram):
    async with bot():
        verdict, first = await ann.turn("What is a cat?")
        text = first.text
        question = ann.person.messages()[0]
        await ann.person.edit(question.message_id, "What is a dog?")
        await telegram.wait_for(lambda _: len(held.prompts) == 2 and labels(first) == ["🔁 Again"], within=60)
        await telegram.wait_for(lambda _: first.text != text and not first.text.endswith("▌"), within=60)
    assert [message.message_id for message in ann.of_bot()] == [verdict.message_id, first.message_id]
    assert held.prompts[1][1:] == [("user", "What is a dog?")]


async def test_an_edit_during_the_answer_replaces_it_without_a_mark(bot, ann, held, telegram):
    async with bot():
        held.hold()
        growing = await ann.growing("What is a cat?")
        question = ann.person.messages()[0]
        held.release()
        held.hold()
        await ann.person.edit(question.message_id, "What is a dog?")
        await telegram.wait_for(lambda _: len(held.prompts) == 2, within=60)
        held.release()
        final = await ann.finished(growing.message_id)
    assert "⏹" not in final.text
    assert len(ann.of_bot()) == 2
    assert held.prompts[1][1:] == [("user", "What is a dog?")]


async def test_a_question_that_waits_can_still_be_edited(bot, ann, held, telegram):
    async with bot():
        held.hold()
        growing = await ann.growing("First")
        second = await ann.person.say("What is a cat?")
        await ann.person.edit(second.message_id, "What is a dog?")
        await telegram.wait_for(lambda world: not world.state.pending)
        held.release()
        await ann.finished(growing.message_id)
        await ann.answer(2)
    assert [prompt[-1] for prompt in held.prompts] == [("user", "First"), ("user", "What is a dog?")]


async def test_edits_of_older_questions_and_of_nothing_change_nothing(bot, ann, held, telegram):
    async with bot():
        await ann.turn("One")
        await ann.turn("Two")
        one, two = (message for message in ann.person.messages() if message.from_id == ann.person.user.id)
        texts = [message.text for message in ann.of_bot()]
        await ann.person.edit(one.message_id, "Changed")
        two.edit_date = 1
        telegram.world.deliver("edited_message", two)
        await telegram.wait_for(lambda world: not world.state.pending)
        assert "not writing" in (await ann.reply("/stop")).text
    assert len(held.prompts) == 2
    assert [message.text for message in ann.of_bot()][:-1] == texts


async def test_a_deleted_answer_gets_a_new_message(bot, ann, held, telegram):
    async with bot():
        held.hold()
        growing = await ann.growing("Tell me everything")
        await ann.person.delete(growing.message_id)
        held.release()
        final = await telegram.wait_for(lambda _: ann.of_bot()[1:], within=60)
    assert len(final[0].text) > 1
    assert labels(final[0]) == ["🔁 Again"]


@pytest.mark.parametrize("shared", [False, True], ids=["own history", "shared history"])
async def test_an_anonymous_admins_buttons_are_for_the_groups_admins(
    bot, ann, li_lei, held, notes, telegram, shared
):
    history = {"group_history": "chat" if shared else "user"}
    async with bot(chat=history, telegram=admins_nobody(telegram)):
        held.hold()
        growing = await ann.growing("/ask Tell us everything", "Team", sender="Team")
        assert labels(growing) == ["⏹ Stop"]
        await li_lei.person.press(growing.message_id, "⏹ Stop", "Team")
        await telegram.wait_for(lambda _: notes)
        assert notes == ["只有本群的管理员可以这样做。"]
        assert growing.text.endswith("▌")
        telegram.world.chat("Team").members[li_lei.person.user.id] = "administrator"
        await li_lei.person.press(growing.message_id, "⏹ Stop", "Team")
        stopped = await ann.finished(growing.message_id, "Team")
        assert stopped.text.endswith("⏹")
        held.release()
        await ann.person.press(stopped.message_id, "🔁 Again", "Team")
        await telegram.wait_for(lambda _: len(held.prompts) == 2, within=60)
        await telegram.wait_for(lambda _: labels(stopped) == ["🔁 Again"] and "⏹" not in stopped.text[-1:])
        # All of that makes nobody an admin of the bot.
        asked = await ann.person.say("/stats", "Team", sender="Team")
        await telegram.wait_for(lambda _: asked.reactions)
    assert held.prompts[0][-1] == held.prompts[1][-1]
    assert len(ann.of_bot("Team")) == 2


def admins_nobody(telegram):
    return {"token": telegram.token, "base_url": telegram.base_url, "admins": ()}


async def test_nobody_can_press_for_a_channel_so_it_gets_no_button(bot, ann, held, telegram):
    news = telegram.world.create_chat("News", [ann.person.user.id], "channel")
    async with bot(chat={"group_history": "chat"}):
        held.hold()
        growing = await ann.growing("/ask Tell us everything", "Team", sender=news.id)
        assert labels(growing) == []
        held.release()
        assert labels(await ann.finished(growing.message_id, "Team")) == []
