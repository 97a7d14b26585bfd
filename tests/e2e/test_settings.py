"""What people choose for themselves: how moods are shown, who the bot is, and which language it speaks."""

import pytest

from bot.config import Config
from bot.sandbox.menu import menu
from tests.e2e.conftest import labels

ANN, LI_LEI = 1001, 1002
NAME = "@tandem_bot"


@pytest.fixture
def choose(telegram):
    """Press one button after the other below a message; each must have changed the page, or have been refused."""

    async def choose(reader, message, *presses, chat=None):
        for label in presses:
            answered = []
            telegram.world.listeners.append(
                lambda event, into=answered: event.kind == "answer" and into.append(event)
            )
            before = (message.text, labels(message))
            await reader.person.press(message.message_id, label, chat)
            await telegram.wait_for(
                lambda _, into=answered, before=before: into and (message.text, labels(message)) != before
            )

    return choose


def reactions(telegram, message_id, chat):
    return telegram.world.chat(chat).messages[message_id].reactions.get(telegram.world.bot.id, [])


def question_of(answer, reader, chat=None):
    """The id of the newest message that the person wrote before an answer."""
    said = [each for each in reader.person.messages(chat) if each.from_id == reader.person.user.id]
    return max(each.message_id for each in said if each.message_id < answer.message_id)


async def test_settings_show_what_holds_and_change_it_in_place(bot, ann, choose):
    async with bot():
        page = await ann.reply("/settings")
        assert (
            page.text
            == "⚙️ Your settings\n\nMood: 💬 As a message\nPersona: 🤖 Myself\nLanguage: 🌐 As in Telegram"
        )
        assert labels(page) == ["Mood", "Persona", "Language", "✓ Done"]
        await choose(ann, page, "Mood")
        assert labels(page) == [
            "✅ 💬 As a message",
            "😁 As a reaction",
            "💬 😁 As both",
            "🚫 Not at all",
            "‹ Back",
        ]
        await choose(ann, page, "🚫 Not at all")
        assert "✅ 🚫 Not at all" in labels(page)
        await choose(ann, page, "‹ Back", "Persona", "🧑‍🏫 Teacher", "‹ Back", "✓ Done")
        assert "Mood: 🚫 Not at all\nPersona: 🧑‍🏫 Teacher" in page.text
        assert labels(page) == []
        assert len(ann.of_bot()) == 1
    # It is still so after a restart.
    async with bot():
        assert "Persona: 🧑‍🏫 Teacher" in (await ann.reply("/settings")).text


async def test_every_page_has_its_command(bot, ann, li_lei):
    async with bot():
        assert "🪶 Poet" in labels(await ann.reply("/persona"))
        assert "🪶 诗人" in labels(await li_lei.reply("/persona"))
        assert labels(await li_lei.reply("/language"))[:3] == ["✅ 🌐 跟随 Telegram", "English", "简体中文"]


async def test_a_mood_as_reaction_is_no_message(bot, ann, choose, telegram):
    async with bot():
        await choose(ann, await ann.reply("/settings"), "Mood", "😁 As a reaction")
        before = len(ann.of_bot())
        asked = await ann.person.say("What a day")
        (final,) = await telegram.wait_for(lambda _: done(ann.of_bot()[before:], 1), within=60)
        assert reactions(telegram, asked.message_id, "Ann")[0] in "😁😢😐"
        assert "·" not in final.text
        # An edited question gets another reaction, and still no message.
        await ann.person.edit(asked.message_id, "What a night")
        await telegram.wait_for(lambda _: done(ann.of_bot()[before:], 1), within=60)
        assert len(ann.of_bot()) == before + 1


async def test_a_mood_may_be_both_or_nothing(bot, ann, choose, telegram):
    async with bot():
        page = await ann.reply("/settings")
        await choose(ann, page, "Mood", "💬 😁 As both")
        verdict, final = await ann.turn("What a day")
        assert "·" in verdict.text
        assert reactions(telegram, question_of(final, ann), "Ann")
        await choose(ann, page, "🚫 Not at all")
        before = len(ann.of_bot())
        asked = await ann.person.say("What a night")
        await telegram.wait_for(lambda _: done(ann.of_bot()[before:], 1), within=60)
        assert reactions(telegram, asked.message_id, "Ann") == []


async def test_where_reactions_are_restricted_the_message_stands_for_them(bot, ann, choose, telegram):
    telegram.world.chat("Team").allowed_reactions = ["👍"]
    async with bot():
        await choose(ann, await ann.reply("/settings", "Team"), "Mood", "😁 As a reaction", chat="Team")
        before = len(ann.of_bot("Team"))
        await ann.person.say("/ask What a day", "Team")
        verdict, _ = await ann.answer(before, "Team")
        assert "·" in verdict.text


def done(messages, count):
    """So many messages, the last of them finished."""
    finished = len(messages) >= count and labels(messages[-1]) == ["🔁 Again"]
    return messages if finished else None


async def test_a_persona_is_another_system_prompt(bot, ann, li_lei, choose, held):
    async with bot():
        await ann.turn("Hello")
        await choose(ann, await ann.reply("/persona"), "🪶 Poet")
        await ann.turn("And now?")
        await li_lei.turn("你好")
    systems = [prompt[0] for prompt in held.prompts]
    usual, poet = ("system", Config().chat.system_prompt), ("system", Config().personas["poet"].system_prompt)
    assert systems == [usual, poet, usual]
    # What was said before is still known.
    assert held.prompts[1][1] == ("user", "Hello")


async def test_a_persona_that_is_gone_is_the_usual_one(bot, ann, choose, held, notes, telegram):
    async with bot():
        page = await ann.reply("/persona")
        await choose(ann, page, "🪶 Poet")
    pirate = {"pirate": {"title": "Pirate", "system_prompt": "Arr!"}}
    async with bot(personas=pirate):
        assert "Persona: 🤖 Myself" in (await ann.reply("/settings")).text
        await ann.turn("Hello")
        assert held.prompts[-1][0] == ("system", Config().chat.system_prompt)
        await ann.person.press(page.message_id, "✅ 🪶 Poet")
        await telegram.wait_for(lambda _: "This button is from an older version of me." in notes)


async def test_a_prompt_without_room_for_a_conversation_is_refused_at_start(bot):
    too_long = {"bore": {"title": "Bore", "system_prompt": "blah " * 400}}
    with pytest.raises(
        Exception, match=r"personas\.bore\.system_prompt: has \d+ tokens, and there is room for 895"
    ):
        async with bot(personas=too_long):
            pass


async def test_the_chosen_language_wins_everywhere(bot, ann, choose, telegram, notes):
    async with bot(access={"turns_per_day": 9}):
        page = await ann.reply("/language")
        await choose(ann, page, "简体中文")
        assert labels(page)[-1] == "‹ 返回"
        assert notes == ["✅ 已保存"]
        assert "直接给我发消息" in (await ann.reply("/help")).text
        verdict, final = await ann.turn("Hello")
        assert any(word in verdict.text for word in ("正面", "负面"))
        assert labels(final) == ["🔁 重新回答"]
        assert "/ask 后面" in (await ann.reply("/ask")).text
        assert "位用户" in (await ann.reply("/stats")).text
    # Also after a restart, and until it is taken back.
    async with bot():
        page = await ann.reply("/language")
        await choose(ann, page, "🌐 跟随 Telegram")
        assert "Just write to me" in (await ann.reply("/help")).text


async def test_a_refusal_speaks_the_chosen_language(bot, li_lei, choose):
    async with bot(access={"turns_per_day": 1}):
        await choose(li_lei, await li_lei.reply("/language"), "English")
        await li_lei.turn("一")
        assert "today's share" in (await li_lei.reply("二")).text


async def test_the_menu_follows_the_chosen_language(bot, ann, li_lei, choose, telegram):
    world = telegram.world

    def offered(person):
        found = menu(world.state, world.chat(person), world.user(person))
        return {each.command: each.description for each in found}

    async with bot():
        await telegram.wait_for(lambda _: len(world.state.commands) == 8)
        page = await li_lei.reply("/language")
        await choose(li_lei, page, "English")
        await telegram.wait_for(lambda _: offered("李雷").get("help") == "what I can do")
        assert "stats" not in offered("李雷")
        await choose(li_lei, page, "🌐 As in Telegram")
        await telegram.wait_for(lambda _: offered("李雷").get("help") != "what I can do")
        await choose(ann, await ann.reply("/language"), "简体中文")
        await telegram.wait_for(lambda _: offered("Ann")["stats"] != "how the bot is doing")
    world.state.commands.clear()
    async with bot():
        await telegram.wait_for(lambda _: len(world.state.commands) == 8)
        assert offered("Ann")["stats"] != "how the bot is doing"


async def test_somebody_elses_settings_cannot_be_pressed(bot, ann, telegram, notes):
    async with bot():
        page = await ann.reply("/settings")
        page.keyboard[0][0].callback_data = page.keyboard[0][0].callback_data.replace(str(ANN), str(LI_LEI))
        await ann.person.press(page.message_id, "Mood")
        await telegram.wait_for(lambda _: notes)
    assert notes == ["This button is for somebody else."]


@pytest.mark.parametrize(
    "value", ["nothing", "sentiment=loud", "persona=default", "language=de", "done=x", "=x"]
)
async def test_a_choice_that_is_not_offered_changes_nothing(bot, ann, telegram, notes, value):
    async with bot():
        page = await ann.reply("/settings")
        before = page.text
        page.keyboard[0][0].callback_data = f"1|set|{ANN}|{value}"
        await ann.person.press(page.message_id, "Mood")
        await telegram.wait_for(lambda _: notes)
        assert notes == ["This button is from an older version of me."]
        assert (await ann.reply("/settings")).text == before
