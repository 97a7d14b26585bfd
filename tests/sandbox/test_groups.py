"""Groups as Telegram runs them: members, topics, migration, channels, senders that are no people."""

from telegram import Bot, Message

from bot.sandbox import groups
from bot.sandbox.people import Person
from bot.sandbox.server import Running


async def messages(bot: Bot) -> list[Message]:
    return [update.effective_message for update in await bot.get_updates() if update.effective_message]


async def test_joining_and_leaving(bot: Bot, ann: Person, running: Running) -> None:
    world = running.world
    club = world.create_chat("Club", [ann.user.id])
    groups.remove_member(world, club, bot.id, by=ann.user.id)
    groups.add_member(world, club, bot.id, by=ann.user.id)
    changes = [update.my_chat_member for update in await bot.get_updates() if update.my_chat_member]
    assert [(c.old_chat_member.status, c.new_chat_member.status) for c in changes] == [
        ("member", "kicked"),
        ("kicked", "member"),
    ]


async def test_an_admin_bot_is_told_about_others(
    bot: Bot, ann: Person, li_lei: Person, running: Running
) -> None:
    world, team = running.world, running.world.chat("Team")
    await bot.get_updates(allowed_updates=["chat_member"])
    world.set_member(team, bot.id, "administrator", by=ann.user.id)
    groups.remove_member(world, team, li_lei.user.id, by=ann.user.id)
    (change,) = [update.chat_member for update in await bot.get_updates()]
    assert change is not None
    assert change.new_chat_member.user.first_name == "李雷"


async def test_topics(bot: Bot, ann: Person, running: Running) -> None:
    team = running.world.chat("Team")
    thread = groups.create_topic(running.world, team, "Lunch", by=ann.user.id)
    await ann.say("/ask", chat="Team", thread=thread)
    created, asked = await messages(bot)
    assert created.forum_topic_created is not None
    assert created.forum_topic_created.name == "Lunch"
    assert (asked.message_thread_id, asked.is_topic_message, asked.chat.is_forum) == (thread, True, True)


async def test_anonymous_admins_and_channel_personas(bot: Bot, ann: Person, running: Running) -> None:
    news = running.world.create_chat("News", [ann.user.id], "channel")
    await ann.say("/ask", chat="Team", sender="Team")
    await ann.say("/ask", chat="Team", sender="News")
    anonymous, persona = await messages(bot)
    assert anonymous.from_user is not None
    assert anonymous.sender_chat is not None
    assert (anonymous.from_user.id, anonymous.sender_chat.id) == (1087968824, anonymous.chat.id)
    assert persona.from_user is not None
    assert persona.sender_chat is not None
    assert (persona.from_user.id, persona.sender_chat.id) == (136817688, news.id)


async def test_a_post_appears_in_the_linked_group(bot: Bot, ann: Person, running: Running) -> None:
    running.world.state.privacy = "off"
    news = running.world.create_chat("News", [ann.user.id], "channel")
    news.linked_chat_id = running.world.chat("Team").id
    groups.post(running.world, news, "Breaking")
    post, forwarded = await messages(bot)
    assert (post.chat.type, post.from_user, post.text) == ("channel", None, "Breaking")
    assert forwarded.from_user is not None
    assert (forwarded.from_user.id, forwarded.is_automatic_forward, forwarded.text) == (
        777000,
        True,
        "Breaking",
    )
    assert forwarded.forward_origin is not None
