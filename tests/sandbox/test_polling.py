"""getUpdates: offsets, long polls, the second poller, what is remembered."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from httpx import AsyncClient
from telegram import Bot
from telegram.error import Conflict

from bot.sandbox.people import Person
from bot.sandbox.server import Running
from bot.sandbox.world import DAY_S

NewBot = Callable[[], Awaitable[Bot]]


async def texts(bot: Bot, **options: Any) -> list[str | None]:
    updates = await bot.get_updates(**options)
    return [update.effective_message.text for update in updates if update.effective_message]


async def test_the_same_offset_returns_the_same_updates(bot: Bot, ann: Person) -> None:
    await ann.say("one")
    await ann.say("two")
    assert await texts(bot) == await texts(bot) == ["one", "two"]


async def test_a_higher_offset_confirms(bot: Bot, ann: Person) -> None:
    await ann.say("one")
    await ann.say("two")
    first = (await bot.get_updates())[0]
    assert await texts(bot, offset=first.update_id + 1) == ["two"]
    assert await texts(bot) == ["two"], "the first one must be forgotten for good"


async def test_a_negative_offset_keeps_only_the_newest(bot: Bot, ann: Person) -> None:
    for text in ("one", "two", "three"):
        await ann.say(text)
    assert await texts(bot, offset=-1) == ["three"]
    assert await texts(bot) == ["three"]


async def test_a_limit_leaves_the_rest_waiting(bot: Bot, ann: Person) -> None:
    await ann.say("one")
    await ann.say("two")
    assert await texts(bot, limit=1) == ["one"]
    assert await texts(bot) == ["one", "two"]


async def test_update_ids_grow_by_one(bot: Bot, ann: Person) -> None:
    await ann.say("one")
    await ann.say("two")
    first, second = await bot.get_updates()
    assert second.update_id == first.update_id + 1


async def test_a_long_poll_answers_as_soon_as_something_comes(
    bot: Bot, ann: Person, running: Running
) -> None:
    poll = asyncio.create_task(texts(bot, timeout=50))
    await running.sandbox.polling.waiting.wait()
    await ann.say("hi")
    assert await poll == ["hi"]


async def test_a_second_poller_ends_the_first(new_bot: NewBot, ann: Person, running: Running) -> None:
    first, second = await new_bot(), await new_bot()
    waiting = asyncio.create_task(texts(first, timeout=50))
    await running.sandbox.polling.waiting.wait()
    taking_over = asyncio.create_task(texts(second, timeout=50))
    with pytest.raises(Conflict, match="terminated by other getUpdates request; make sure that only one"):
        await waiting
    await ann.say("hi")
    assert await taking_over == ["hi"]


async def test_an_abandoned_poll_loses_nothing(new_bot: NewBot, ann: Person, running: Running) -> None:
    poll = asyncio.create_task(texts(await new_bot(), timeout=50))
    await running.sandbox.polling.waiting.wait()
    poll.cancel()
    await asyncio.gather(poll, return_exceptions=True)
    await running.wait_for(lambda _: not running.sandbox.polling.waiting.is_set())
    await ann.say("hi")
    assert await texts(await new_bot()) == ["hi"]


async def test_updates_expire_after_a_day(bot: Bot, ann: Person, clock: Any) -> None:
    await ann.say("old")
    clock.advance(DAY_S)
    await ann.say("new")
    assert await texts(bot) == ["new"]


async def test_allowed_updates_are_remembered(bot: Bot, ann: Person) -> None:
    await bot.get_updates(allowed_updates=["message"])
    await ann.say("one")
    await ann.edit(1, "two")
    assert [update.edited_message for update in await bot.get_updates()] == [None]
    await bot.get_updates(allowed_updates=[])
    await ann.edit(1, "three")
    assert (await bot.get_updates())[-1].edited_message is not None


async def test_reactions_of_people_must_be_asked_for(bot: Bot, ann: Person) -> None:
    await ann.say("hi")
    await ann.react(1, "👍")
    assert len(await bot.get_updates()) == 1
    await bot.get_updates(allowed_updates=["message", "message_reaction"])
    await ann.react(1, "🔥")
    change = (await bot.get_updates())[-1].message_reaction
    assert change is not None
    assert [reaction.emoji for reaction in change.old_reaction] == ["👍"]
    assert [reaction.emoji for reaction in change.new_reaction] == ["🔥"]


async def test_pending_updates_can_be_dropped(bot: Bot, ann: Person) -> None:
    await ann.say("hi")
    assert (await bot.get_webhook_info()).pending_update_count == 1
    await bot.delete_webhook(drop_pending_updates=True)
    assert await bot.get_updates() == ()


async def test_polling_beside_a_webhook_is_a_conflict(bot: Bot, running: Running) -> None:
    running.world.state.webhook_url = "https://example.org/hook"
    with pytest.raises(Conflict, match="can't use getUpdates method while webhook is active"):
        await bot.get_updates()
    await bot.delete_webhook()
    assert await bot.get_updates() == ()


async def test_a_malformed_update_is_handed_out_like_any_other(
    http: AsyncClient, ann: Person, running: Running, conformance: Any
) -> None:
    broken = running.world.inject({"message": {"message_id": 1, "date": 0}})
    conformance.excused.add(broken)
    await ann.say("hi")
    answer = (await http.get(f"/bot{running.token}/getUpdates")).json()
    assert [update["update_id"] for update in answer["result"]] == [broken, broken + 1]
