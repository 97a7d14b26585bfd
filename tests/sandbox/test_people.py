"""What a person can do, and what Telegram's apps would not let them do."""

import pytest
from telegram import Bot, MessageOriginChannel, MessageOriginChat, MessageOriginUser

from bot.sandbox.people import NotPossible, Person
from bot.sandbox.server import Running


async def test_a_long_text_is_sent_in_pieces(bot: Bot, ann: Person) -> None:
    await ann.say("字" * 5000)
    assert [len(message.text or "") for message in ann.messages()] == [4096, 904]
    assert len(await bot.get_updates()) == 2


async def test_a_reply_carries_the_original(bot: Bot, ann: Person) -> None:
    await bot.send_message(ann.user.id, "original")
    await ann.say("reply", reply_to=1)
    reply = (await bot.get_updates())[0].message
    assert reply is not None
    assert reply.reply_to_message is not None
    assert reply.reply_to_message.text == "original"
    assert reply.reply_to_message.from_user == await bot.get_me()


async def test_an_edit_that_changes_nothing_is_not_told(bot: Bot, ann: Person) -> None:
    await ann.say("hi")
    await ann.edit(1, "hi ")
    assert len(await bot.get_updates()) == 1


async def test_a_forwarded_message_names_its_author(bot: Bot, ann: Person, li_lei: Person) -> None:
    said = await li_lei.say("/stop this", chat="Team")
    await ann.forward(said.message_id, "Ann", "Team")
    forwarded = (await bot.get_updates())[-1].message
    assert forwarded is not None
    assert (forwarded.text, forwarded.from_user and forwarded.from_user.first_name) == ("/stop this", "Ann")
    assert isinstance(forwarded.forward_origin, MessageOriginUser)
    assert forwarded.forward_origin.sender_user.first_name == "李雷"
    again = await ann.forward(forwarded.message_id, "Team")
    assert again.forward_origin is not None
    assert again.forward_origin["sender_user"] == forwarded.forward_origin.sender_user.to_dict()


async def test_what_a_chat_wrote_is_forwarded_in_its_name(bot: Bot, ann: Person, running: Running) -> None:
    news = running.world.create_chat("News", [ann.user.id], "channel")
    for sender, kind in (("Team", MessageOriginChat), ("News", MessageOriginChannel)):
        said = await ann.say("/ask", chat="Team", sender=sender)
        await ann.forward(said.message_id, "Ann", "Team")
        forwarded = (await bot.get_updates())[-1].message
        assert forwarded is not None
        assert isinstance(forwarded.forward_origin, kind)
    assert forwarded.forward_origin.chat.id == news.id


async def test_a_deep_link_starts_the_bot_also_after_a_block(bot: Bot, ann: Person, running: Running) -> None:
    await ann.block()
    await ann.follow(f"https://t.me/{running.world.bot.username}?start=from_Bob-1")
    unblocked, started = (await bot.get_updates())[-2:]
    assert unblocked.my_chat_member is not None
    assert started.message is not None
    assert started.message.text == "/start from_Bob-1"
    for elsewhere in (
        "https://t.me/other_bot?start=x",
        "https://example.org",
        "https://t.me/tandem_bot?start=a b",
    ):
        with pytest.raises(NotPossible, match="does not lead to the bot"):
            await ann.follow(elsewhere)


async def test_blocking_is_told(bot: Bot, ann: Person) -> None:
    await ann.block()
    change = (await bot.get_updates())[0].my_chat_member
    assert change is not None
    assert change.new_chat_member.status == "kicked"


async def test_what_is_not_possible(bot: Bot, ann: Person, li_lei: Person, running: Running) -> None:
    await bot.send_message(ann.user.id, "not yours")
    with pytest.raises(NotPossible, match="empty message"):
        await ann.say(" \n ")
    with pytest.raises(NotPossible, match="own text messages and captions"):
        await ann.edit(1, "mine")
    with pytest.raises(NotPossible, match="no message 9"):
        await ann.say("hi", reply_to=9)
    with pytest.raises(NotPossible, match="somebody else's private chat"):
        await li_lei.say("hi", chat="Ann")
    club = running.world.create_chat("Club", [ann.user.id])
    with pytest.raises(NotPossible, match="李雷 is not in Club"):
        await li_lei.say("hi", chat=club.id)
