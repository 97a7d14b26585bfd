"""Who may use the bot and how much, as strangers, guests, blocked people, groups and admins meet it."""

import json
import re

import pytest

from bot.config import Access
from bot.handlers.access import OWN_DATA_PER_MINUTE
from bot.sandbox import groups
from bot.sandbox.objects import Chat, User
from tests.clock import Clock
from tests.e2e.conftest import reactions

ANN, LI_LEI = 1001, 1002
DAY = 24 * 3600
SLEEPY = ["😴"]


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def bot(bot):
    """`async with bot(mode="list"):` – the bot with these rules."""
    return lambda **rules: bot(access=Access(**rules))


@pytest.fixture
def newcomer(telegram):
    """Somebody whom nobody knows yet."""
    telegram.world.state.users[1003] = User(id=1003, first_name="Eve", language_code="en")
    telegram.world.state.chats[1003] = Chat(id=1003, type="private")
    return telegram.person("Eve")


def said_to(person):
    return [message.text for message in person.messages() if message.from_id != person.user.id]


class TestPeople:
    async def test_with_a_list_only_those_on_it_are_answered(
        self, bot, ann, li_lei, newcomer, telegram, handled
    ):
        async with bot(mode="list", users=[LI_LEI]):
            await li_lei.turn("hello")
            await ann.turn("I am the admin")
            for text in ("hello", "/help", "hello??"):
                await newcomer.say(text)
            await handled()
            (told,) = said_to(newcomer)
            assert "on my list" in told
            assert "1003" in told

    async def test_a_stranger_who_goes_on_is_reminded_now_and_then(self, bot, newcomer, clock, handled):
        async with bot(mode="list"):
            for _ in range(2):
                await newcomer.say("hello")
                clock.advance(60)
                await newcomer.say("hello")
                await handled()
        assert len(said_to(newcomer)) == 2

    async def test_an_invitation_link_lets_so_many_people_in(self, bot, ann, li_lei, newcomer, telegram):
        async with bot(mode="invite"):
            assert "邀请" in (await li_lei.reply("你好")).text
            link = await invitation(ann, "/invite")
            assert telegram.world.bot.username in link
            assert "Tandem" in (await followed(li_lei, link)).text
            await newcomer.follow(link)
            await telegram.wait_for(lambda _: said_to(newcomer))
            assert "used up" in said_to(newcomer)[0]
        async with bot(mode="invite"):
            await li_lei.turn("你还认识我吗？")

    async def test_an_invitation_expires(self, bot, ann, li_lei, clock):
        async with bot(mode="invite"):
            link = await invitation(ann, "/invite 3 12h")
            clock.advance(12 * 3600)
            assert "邀请已用完或已过期" in (await followed(li_lei, link)).text

    async def test_what_cannot_be_understood_as_an_invitation_is_explained(self, bot, ann):
        async with bot(mode="invite"):
            for wrong in ("/invite 0", "/invite many", "/invite 3 0d", "/invite -1"):
                assert "/invite 5 3d" in (await ann.reply(wrong)).text
        async with bot():
            assert "access.mode" in (await ann.reply("/invite")).text

    async def test_a_block_is_silence_everywhere_until_it_is_taken_back(
        self, bot, ann, li_lei, handled, telegram
    ):
        async with bot():
            assert f"{LI_LEI} is blocked" in (await ann.reply(f"/block {LI_LEI}")).text
            before = len(telegram.sandbox.calls)
            await li_lei.person.say("hello?")
            await li_lei.person.say("/help")
            await li_lei.person.say("/ask hello", "Team")
            await handled()
            writes = {"sendmessage", "editmessagetext", "setmessagereaction"}
            assert not writes & {call.method for call in list(telegram.sandbox.calls)[before:]}
            assert "not blocked any more" in (await ann.reply(f"/unblock {LI_LEI}")).text
            assert "was not blocked" in (await ann.reply(f"/unblock {LI_LEI}")).text
            await li_lei.turn("hello again")

    @pytest.mark.parametrize("rules", [{}, {"mode": "list"}], ids=["blocked", "not on the list any more"])
    async def test_what_is_kept_of_somebody_stays_theirs(self, bot, ann, li_lei, handled, telegram, rules):
        async with bot():
            await li_lei.turn("你好")
            if not rules:
                await ann.reply(f"/block {LI_LEI}")
        async with bot(**rules):
            assert "/export" in (await li_lei.reply("/privacy")).text
            assert b"\xe4\xbd\xa0\xe5\xa5\xbd" in exported(telegram, await li_lei.reply("/export"))
            question = await li_lei.reply("/forget")
            await li_lei.person.press(question.message_id, "🗑 删除")
            await telegram.wait_for(lambda _: not question.keyboard)
            assert "已全部删除" in question.text
            # And that is all: neither are they served again, nor is it noted that they were here.
            kept = json.loads(exported(telegram, await li_lei.reply("/export")))
            assert not any(kept[name] for name in ("users", "turns", "conversations", "preferences"))
            before = len(li_lei.of_bot())
            await li_lei.person.say("/privacy@tandem_bot", "Team")
            await li_lei.person.say("你好")
            await handled()
            assert len(li_lei.of_bot()) == before + bool(rules)
            assert bool(rules) or not li_lei.of_bot("Team")

    async def test_but_it_is_no_way_to_make_the_bot_write_on_and_on(self, bot, ann, li_lei, clock, handled):
        async with bot():
            await ann.reply(f"/block {LI_LEI}")
            for _ in range(OWN_DATA_PER_MINUTE + 5):
                await li_lei.person.say("/privacy")
            await handled()
            assert len(li_lei.of_bot()) == OWN_DATA_PER_MINUTE
            clock.advance(60)
            await li_lei.reply("/privacy")

    async def test_a_reply_names_who_is_meant(self, bot, ann, li_lei, handled):
        async with bot():
            spam = await li_lei.person.say("buy my coins", "Team")
            assert str(LI_LEI) in (await ann.reply("/block", "Team", reply_to=spam.message_id)).text
            await li_lei.person.say("hello")
            await handled()
            assert not li_lei.of_bot()
            assert "number" in (await ann.reply("/block")).text
            assert "an admin" in (await ann.reply(f"/block {ANN}")).text


def exported(telegram, message):
    return telegram.world.state.files[message.attachment.file].content


async def followed(reader, link):
    """What somebody reads who opened an invitation."""
    before = len(reader.of_bot())
    await reader.person.follow(link)
    return (await reader.telegram.wait_for(lambda _: reader.of_bot()[before:]))[0]


async def invitation(admin, command):
    found = re.search(r"https://t\.me/\S+\?start=[\w-]+", (await admin.reply(command)).text)
    assert found
    return found[0]


class TestLimits:
    async def test_who_writes_too_fast_is_told_so_once_and_answered_later(self, bot, li_lei, clock, handled):
        async with bot(messages_per_minute=2):
            for _ in range(5):
                await li_lei.person.say("/help")
            await handled()
            first, second, told = li_lei.of_bot()
            assert "/sentiment" in first.text
            assert first.text == second.text
            assert "太快" in told.text
            clock.advance(60)
            assert "/sentiment" in (await li_lei.reply("/help")).text

    async def test_a_days_share_ends_and_begins_again(self, bot, li_lei, clock):
        async with bot(turns_per_day=1):
            await li_lei.turn("one")
            assert "今天的 1 条消息" in (await li_lei.reply("two")).text
            # What costs nothing still works.
            assert "/sentiment" in (await li_lei.reply("/help")).text
        async with bot(turns_per_day=1):
            clock.advance(60)
            assert "今天的 1 条消息" in (await li_lei.reply("three")).text
            clock.advance(DAY)
            await li_lei.turn("four")

    async def test_another_answer_is_another_message_of_the_day(self, bot, li_lei, telegram, handled):
        async with bot(turns_per_day=1):
            _, answer = await li_lei.turn("one")
            before = answer.text
            heard = []
            telegram.world.listeners.append(lambda event: event.kind == "answer" and heard.append(event.data))
            await li_lei.person.press(answer.message_id, answer.keyboard[0][0].text)
            await telegram.wait_for(lambda _: heard)
            await handled()
        assert "今天的 1 条消息" in heard[0]["text"]
        assert li_lei.of_bot()[-1].text == before

    async def test_an_admin_has_no_limits(self, bot, ann):
        async with bot(turns_per_day=1, messages_per_minute=1):
            for _ in range(2):
                await ann.turn("one more")

    async def test_a_group_shares_its_day_and_is_refused_with_one_reaction(
        self, bot, ann, li_lei, newcomer, telegram, handled
    ):
        team, name = telegram.world.chat("Team"), f"@{telegram.world.bot.username}"
        team.members[newcomer.user.id] = "member"
        async with bot(mode="list", groups=[team.id], group_turns_per_day=2):
            await li_lei.turn(f"{name} one", "Team")
            await newcomer.say(f"{name} two", "Team")
            await li_lei.answer(2, "Team")
            refused = await li_lei.person.say(f"{name} three", "Team")
            unasked = await li_lei.person.say("not for the bot", "Team")
            await handled()
            assert reactions(telegram, refused) == SLEEPY
            assert reactions(telegram, unasked) is None
            assert len(li_lei.of_bot("Team")) == 4


class TestGroups:
    async def test_in_a_group_that_is_not_listed_it_says_why_and_leaves(self, bot, li_lei, telegram):
        club = telegram.world.create_chat("Club", [LI_LEI])
        club.members[telegram.world.bot.id] = "left"
        async with bot(mode="list", users=[LI_LEI]):
            groups.add_member(telegram.world, club, telegram.world.bot.id, by=LI_LEI)
            await telegram.wait_for(lambda _: club.members[telegram.world.bot.id] == "left")
            (told,) = li_lei.of_bot()
            assert "Club" in told.text
            assert str(club.id) in told.text
            assert not [message for message in li_lei.of_bot("Club") if message.text]

    async def test_whoever_cannot_be_told_in_private_is_told_in_the_group(self, bot, li_lei, telegram):
        club = telegram.world.create_chat("Club", [LI_LEI])
        club.members[telegram.world.bot.id] = "left"
        await li_lei.person.block()
        async with bot(mode="list"):
            groups.add_member(telegram.world, club, telegram.world.bot.id, by=LI_LEI)
            await telegram.wait_for(lambda _: club.members[telegram.world.bot.id] == "left")
        assert "Club" in li_lei.of_bot("Club")[0].text

    async def test_a_group_that_an_admin_chose_is_listed_from_then_on(self, bot, ann, li_lei, telegram):
        club = telegram.world.create_chat("Club", [ANN, LI_LEI])
        club.members[telegram.world.bot.id] = "left"
        name = f"@{telegram.world.bot.username}"
        async with bot(mode="list"):
            groups.add_member(telegram.world, club, telegram.world.bot.id, by=ANN)
            await li_lei.turn(f"{name} hello", "Club")
        async with bot(mode="list"):
            await li_lei.turn(f"{name} still here?", "Club")

    async def test_a_group_where_it_is_already_gets_a_reaction(self, bot, li_lei, telegram, handled):
        async with bot(mode="list", users=[LI_LEI]):
            asked = await li_lei.person.say(f"@{telegram.world.bot.username} hello", "Team")
            await handled()
            assert reactions(telegram, asked) == SLEEPY
            assert not li_lei.of_bot("Team")

    async def test_a_blocked_group_is_left(self, bot, ann, telegram):
        team = telegram.world.chat("Team")
        async with bot():
            await ann.reply(f"/block {team.id}")
            await telegram.wait_for(lambda _: team.members[telegram.world.bot.id] == "left")
            groups.add_member(telegram.world, team, telegram.world.bot.id, by=LI_LEI)
            await telegram.wait_for(lambda _: team.members[telegram.world.bot.id] == "left")


class TestRoles:
    @pytest.mark.parametrize("command", ["/stats", f"/block {LI_LEI}", f"/unblock {LI_LEI}", "/invite"])
    async def test_others_are_no_admins(self, bot, li_lei, telegram, handled, command):
        async with bot(mode="invite", users=[LI_LEI], groups=[telegram.world.chat("Team").id]):
            assert "管理员" in (await li_lei.reply(command)).text
            asked = await li_lei.person.say(command, "Team")
            await handled()
            assert reactions(telegram, asked) == SLEEPY
            assert not li_lei.of_bot("Team")

    async def test_an_anonymous_admin_and_a_channel_are_no_admins(self, bot, ann, li_lei, telegram, handled):
        news = telegram.world.create_chat("News", [ANN], "channel")
        async with bot():
            for sender in ("Team", news.id):
                asked = await ann.person.say(f"/block {LI_LEI}", "Team", sender=sender)
                await handled()
                assert reactions(telegram, asked) == SLEEPY
            await li_lei.turn("I am not blocked")

    async def test_a_forwarded_command_is_nobodys(self, bot, ann, li_lei, telegram, handled):
        said = await li_lei.person.say(f"/block {LI_LEI}", "Team")
        async with bot():
            await ann.person.forward(said.message_id, "Ann", "Team")
            await telegram.wait_for(lambda _: ann.of_bot())
            assert "admins" in ann.of_bot()[0].text
            await li_lei.turn("I am not blocked")


class TestLate:
    async def test_what_came_while_it_was_down_is_answered_in_order(self, bot, li_lei, telegram, clock):
        for text in ("first", "second"):
            await li_lei.person.say(text)
        clock.advance(11 * 3600)
        async with bot():
            await li_lei.answer()
            await li_lei.answer(2)
        verdicts = [message.reply_to for message in li_lei.of_bot() if "·" in message.text]
        assert verdicts == [1, 2]

    async def test_what_is_too_old_gets_one_apology(self, bot, ann, li_lei, telegram, clock, handled):
        for text in ("first", "second", "third"):
            await li_lei.person.say(text)
        asked = await ann.person.say(f"@{telegram.world.bot.username} hello?", "Team")
        clock.advance(13 * 3600)
        async with bot():
            await handled()
            (apology,) = li_lei.of_bot()
            assert "不在线" in apology.text
            assert reactions(telegram, asked) == SLEEPY
            await li_lei.turn("and now?")
