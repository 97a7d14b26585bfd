"""Privacy mode: which messages of a group reach the bot."""

import pytest
from telegram import Bot

from bot.sandbox import groups
from bot.sandbox.objects import Privacy
from bot.sandbox.people import Person
from bot.sandbox.server import Running


async def heard(bot: Bot) -> list[str | None]:
    return [update.message.text for update in await bot.get_updates() if update.message]


@pytest.mark.parametrize(
    ("privacy", "expected"),
    [
        ("strict", ["/ask", "/ask@Tandem_Bot", "reply"]),
        ("mentions", ["/ask", "/ask@Tandem_Bot", "hi @tandem_bot", "reply"]),
        (
            "off",
            [
                "plain",
                "/ask",
                "/ask@Tandem_Bot",
                "/ask@other_bot",
                "hi @tandem_bot",
                "not /at start",
                "reply",
            ],
        ),
    ],
)
async def test_what_the_bot_hears(
    bot: Bot, ann: Person, running: Running, privacy: Privacy, expected: list[str]
) -> None:
    running.world.state.privacy = privacy
    ours = await bot.send_message(running.world.chat("Team").id, "ours")
    for text in ("plain", "/ask", "/ask@Tandem_Bot", "/ask@other_bot", "hi @tandem_bot", "not /at start"):
        await ann.say(text, chat="Team")
    await ann.say("reply", chat="Team", reply_to=ours.message_id)
    assert await heard(bot) == expected
    assert (await bot.get_me()).can_read_all_group_messages is (privacy == "off")


async def test_an_admin_bot_hears_everything(bot: Bot, ann: Person, running: Running) -> None:
    running.world.set_member(running.world.chat("Team"), bot.id, "administrator", by=ann.user.id)
    await ann.say("plain", chat="Team")
    assert await heard(bot) == ["plain"]


async def test_edits_are_heard_like_messages(bot: Bot, ann: Person) -> None:
    await ann.say("plain", chat="Team")
    await ann.edit(1, "@tandem_bot plain", chat="Team")
    assert [update.edited_message.text for update in await bot.get_updates() if update.edited_message] == [
        "@tandem_bot plain"
    ]


async def test_service_messages_are_always_heard(
    bot: Bot, ann: Person, li_lei: Person, running: Running
) -> None:
    groups.remove_member(running.world, running.world.chat("Team"), li_lei.user.id, by=ann.user.id)
    left = (await bot.get_updates())[0].message
    assert left is not None
    assert left.left_chat_member is not None
    assert left.left_chat_member.first_name == "李雷"
