"""What the bot may ask about chats and members."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from telegram import Bot, ChatMemberAdministrator
from telegram.error import Forbidden

from bot.sandbox.people import Person
from bot.sandbox.server import Running

Refused = Callable[..., AbstractContextManager[None]]

ANN = 1001


async def test_a_private_chat_has_the_persons_names(bot: Bot) -> None:
    chat = await bot.get_chat(ANN)
    assert (chat.type, chat.first_name, chat.username) == ("private", "Ann", "ann")


async def test_a_group_tells_its_members(bot: Bot, running: Running, refused: Refused) -> None:
    team = running.world.chat("Team").id
    assert (await bot.get_chat(team)).title == "Team"
    assert await bot.get_chat_member_count(team) == 3
    assert [admin.user.first_name for admin in await bot.get_chat_administrators(team)] == ["Ann"]
    assert (await bot.get_chat_member(team, bot.id)).status == "member"
    with refused("Bad Request: user not found"):
        await bot.get_chat_member(team, 5)


async def test_an_admin_has_rights(bot: Bot, running: Running) -> None:
    team = running.world.chat("Team")
    running.world.set_member(team, bot.id, "administrator", by=ANN)
    member = await bot.get_chat_member(team.id, bot.id)
    assert isinstance(member, ChatMemberAdministrator)
    assert member.can_delete_messages


async def test_a_group_may_restrict_reactions(bot: Bot, running: Running) -> None:
    team = running.world.chat("Team")
    team.allowed_reactions = ["👍"]
    assert [reaction.emoji for reaction in (await bot.get_chat(team.id)).available_reactions or ()] == ["👍"]


async def test_who_leaves_has_left(bot: Bot, running: Running, li_lei: Person, refused: Refused) -> None:
    team = running.world.chat("Team").id
    await bot.leave_chat(team)
    with refused("Forbidden: bot is not a member of the supergroup chat", Forbidden):
        await bot.get_chat(team)
    change = (await bot.get_updates())[-1].my_chat_member
    assert change is not None
    assert (change.old_chat_member.status, change.new_chat_member.status) == ("member", "left")
    await li_lei.say("/start", chat="Team")
    assert (await bot.get_updates())[-1].message is None
