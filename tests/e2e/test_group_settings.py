"""A group's settings belong to its admins: silence, mood, persona, language. And a group that moves keeps its own."""

import sqlite3
from itertools import pairwise

import pytest

from bot.config import Access, Chat, Config
from bot.sandbox import groups
from tests.clock import Clock
from tests.e2e.conftest import labels, reactions

ANN, LI_LEI = 1001, 1002
SLEEPY = ["😴"]
HOUR = 3600


@pytest.fixture
def clock():
    return Clock()


class TestQuiet:
    async def test_for_an_hour_the_bot_is_silent(self, bot, ann, li_lei, clock, handled, telegram):
        async with bot():
            await li_lei.turn("/ask one", "Team")
            assert "I say nothing here until" in (await ann.reply("/quiet 1h", "Team")).text
            before = len(ann.of_bot("Team"))
            asked = [await li_lei.person.say(text, "Team") for text in ("/ask two", "/help", "/quiet off")]
            await handled()
            assert len(ann.of_bot("Team")) == before
            assert [reactions(telegram, message) for message in asked] == [None] * 3
            # Elsewhere it goes on.
            await li_lei.turn("三")
        async with bot():
            clock.advance(HOUR)
            await li_lei.turn("/ask four", "Team")

    async def test_an_admin_ends_it_sooner(self, bot, ann, li_lei):
        async with bot():
            await ann.reply("/quiet 2d", "Team")
            assert "here again" in (await ann.reply("/quiet@tandem_bot off", "Team")).text
            await li_lei.turn("/ask hello", "Team")

    async def test_who_is_no_admin_gets_one_reaction(self, bot, li_lei, telegram, handled):
        async with bot():
            asked = [await li_lei.person.say(text, "Team") for text in ("/quiet 1h", "/settings", "/persona")]
            await handled()
            assert [reactions(telegram, message) for message in asked] == [SLEEPY] * 3
            assert not li_lei.of_bot("Team")

    async def test_what_cannot_be_understood_is_explained(self, bot, ann):
        async with bot():
            for wrong in ("/quiet", "/quiet 0h", "/quiet now", "/quiet 1h please"):
                assert "/quiet 1h" in (await ann.reply(wrong, "Team")).text
            assert "Only in groups" in (await ann.reply("/quiet 1h")).text

    async def test_a_button_says_why_nothing_happens(self, bot, ann, li_lei, telegram, notes):
        async with bot():
            _, answer = await li_lei.turn("/ask one", "Team")
            await ann.reply("/quiet 1h", "Team")
            await li_lei.person.press(answer.message_id, "🔁 重新回答", "Team")
            await telegram.wait_for(lambda _: notes)
            assert "/quiet off" in notes[0]


class TestWhoMay:
    async def test_every_admin_may_press_and_nobody_else(self, bot, ann, li_lei, telegram, notes):
        team = telegram.world.chat("Team")
        async with bot():
            page = await ann.reply("/settings", "Team")
            assert page.text.startswith("⚙️ The settings of this group")
            before = page.text
            await li_lei.person.press(page.message_id, "Mood", "Team")
            await telegram.wait_for(lambda _: notes)
            assert notes == ["只有本群的管理员可以这样做。"]
            assert page.text == before
            telegram.world.set_member(team, LI_LEI, "administrator", by=ANN)
            await li_lei.person.press(page.message_id, "Mood", "Team")
            await telegram.wait_for(lambda _: page.text != before)
            # Whoever is no admin any more, is none.
            telegram.world.set_member(team, LI_LEI, "member", by=ANN)
            await li_lei.person.press(page.message_id, "‹ 返回", "Team")
            await telegram.wait_for(lambda _: notes.count("只有本群的管理员可以这样做。") == 2)

    async def test_an_anonymous_admin_is_one_and_a_channel_is_none(self, bot, ann, telegram, handled):
        news = telegram.world.create_chat("News", [ANN], "channel")
        async with bot():
            asked = await ann.person.say("/quiet 1h", "Team", sender=news.id)
            await handled()
            assert reactions(telegram, asked) == SLEEPY
            assert "until" in (await ann.reply("/quiet 1h", "Team", sender="Team")).text

    async def test_a_forwarded_command_is_nobodys(self, bot, ann, li_lei, telegram, handled):
        said = await li_lei.person.say("/quiet 1h", "Team")
        async with bot():
            await ann.person.forward(said.message_id, "Team", "Team")
            await handled()
            assert not ann.of_bot("Team")


class TestChoices:
    async def test_a_groups_persona_and_language_hold_for_its_members(self, bot, ann, li_lei, held, telegram):
        async with bot():
            persona = await ann.reply("/persona", "Team")
            await ann.person.press(persona.message_id, "🪶 Poet", "Team")
            await telegram.wait_for(lambda _: "✅ 🪶 Poet" in labels(persona))
            language = await ann.reply("/language", "Team")
            assert labels(language)[0] == "✅ 🌐 Each person's own"
            await ann.person.press(language.message_id, "简体中文", "Team")
            await telegram.wait_for(lambda _: "✅ 简体中文" in labels(language))
            verdict, _ = await ann.turn("/ask hello", "Team")
            assert "面" in verdict.text
            await ann.turn("hello")
        poet, usual = Config().personas["poet"].system_prompt, Config().chat.system_prompt
        assert [prompt[0][1] for prompt in held.prompts] == [poet, usual]

    async def test_what_somebody_chose_in_private_stays_there(self, bot, ann, held, telegram):
        async with bot():
            page = await ann.reply("/persona")
            await ann.person.press(page.message_id, "🪶 Poet")
            await telegram.wait_for(lambda _: "✅ 🪶 Poet" in labels(page))
            await ann.turn("/ask hello", "Team")
        assert held.prompts[0][0][1] == Config().chat.system_prompt


class TestMoves:
    @pytest.mark.parametrize("privately", [False, True])
    async def test_a_group_becomes_a_supergroup(self, bot, ann, li_lei, held, telegram, handled, privately):
        club = telegram.world.create_chat("Club", [ANN, LI_LEI], "group")
        async with bot(access=Access(groups=[club.id])):
            await li_lei.turn("/ask my name is Zoe", club.id)
            page = await ann.reply("/persona", club.id)
            await ann.person.press(page.message_id, "🪶 Poet", club.id)
            await telegram.wait_for(lambda _: "✅ 🪶 Poet" in labels(page))
            if privately:
                # The bot learns of it by a call alone.
                telegram.world.state.allowed_updates = ["callback_query"]
                new = groups.migrate(telegram.world, club, by=ANN)
                telegram.world.state.allowed_updates = []
                await ann.person.press(page.message_id, "🧑‍🏫 Teacher", club.id)
            else:
                new = groups.migrate(telegram.world, club, by=ANN)
            await handled()
            await li_lei.turn("/ask what is my name?", new.id)
        assert ("user", "my name is Zoe") in held.prompts[-1]
        async with bot(access=Access(groups=[club.id])):
            await li_lei.turn("/ask still here?", new.id)

    async def test_an_answer_that_is_being_written_goes_along(self, bot, ann, li_lei, held, telegram):
        club = telegram.world.create_chat("Club", [ANN, LI_LEI], "group")
        async with bot():
            held.hold()
            await li_lei.growing("/ask my name is Zoe", club.id)
            new = groups.migrate(telegram.world, club, by=ANN)
            held.release()
            final = (
                await telegram.wait_for(lambda _: [m for m in li_lei.of_bot(new.id) if m.keyboard], within=60)
            )[0]
            await li_lei.turn("/ask what is my name?", new.id)
        assert next(message for message in li_lei.of_bot(new.id) if message.text) is final
        assert ("user", "my name is Zoe") in held.prompts[-1]


class TestSharedHistory:
    async def test_members_share_a_conversation_and_topics_do_not(self, bot, ann, li_lei, held, telegram):
        team = telegram.world.chat("Team")
        async with bot(chat=Chat(group_history="chat")):
            await ann.turn("/ask one", "Team")
            _, answer = await li_lei.turn("/ask two", "Team")
            topic = groups.create_topic(telegram.world, team, "A", by=ANN)
            await ann.turn("/ask in a topic", "Team", thread=topic)
            await ann.turn("in private")
            await ann.reply("/new", "Team")
            await li_lei.turn("/ask three", "Team")
        questions = [[text for role, text in prompt if role == "user"] for prompt in held.prompts]
        assert questions == [["one"], ["one", "two"], ["in a topic"], ["in private"], ["three"]]
        assert all(
            a != b for (a, _), (b, _) in pairwise(held.prompts[1][1:])
        )  # questions and answers in turn
        assert answer.text


class TestPrivacyMode:
    async def test_whoever_adds_the_bot_is_told_once_that_mentions_may_be_hidden(
        self, bot, li_lei, telegram, handled, tmp_path
    ):
        def known(person):
            with sqlite3.connect(tmp_path / "tandem.sqlite3") as connection:
                return connection.execute("SELECT id FROM users WHERE id = ?", (person,)).fetchall()

        async with bot():
            for name in ("Club", "Band"):
                chat = telegram.world.create_chat(name, [LI_LEI])
                chat.members[telegram.world.bot.id] = "left"
                groups.add_member(telegram.world, chat, telegram.world.bot.id, by=LI_LEI)
            await handled()
            (told,) = li_lei.of_bot()
            assert "/setprivacy" in told.text
            assert not li_lei.of_bot("Club")
            assert not li_lei.of_bot("Band")
        # That this was told is noted, and goes with everything else that is known of the person.
        assert known(LI_LEI) == [(LI_LEI,)]

    async def test_with_privacy_mode_off_there_is_nothing_to_tell(self, bot, li_lei, telegram, handled):
        telegram.world.state.privacy = "off"
        club = telegram.world.create_chat("Club", [LI_LEI])
        club.members[telegram.world.bot.id] = "left"
        async with bot():
            groups.add_member(telegram.world, club, telegram.world.bot.id, by=LI_LEI)
            await handled()
        assert not li_lei.of_bot()
