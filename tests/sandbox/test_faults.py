"""Trouble on order, as a bot meets it through its real client."""

import asyncio
from typing import Any

import pytest
from telegram import Bot
from telegram.error import NetworkError, RetryAfter, TelegramError, TimedOut

from bot.sandbox.faults import Failure, Lost, Reset, Stall, TooMany
from bot.sandbox.people import Person
from bot.sandbox.server import Running


async def test_429_on_every_third_call(bot: Bot, running: Running, ann: Person, clock: Any) -> None:
    running.sandbox.faults.order(TooMany((2, 5)), every=3)
    waits = []
    for number in range(9):
        try:
            await bot.send_message(ann.user.id, f"message {number}")
        except RetryAfter as refused:
            waits.append(refused.retry_after.total_seconds())
            clock.advance(waits[-1])
    assert waits == [2, 5, 2]
    assert len(ann.messages()) == 6


async def test_a_call_inside_the_penalty_is_noted(bot: Bot, running: Running, ann: Person) -> None:
    running.sandbox.faults.order(TooMany((30,)), times=1)
    for _ in range(2):
        with pytest.raises(RetryAfter):
            await bot.send_message(ann.user.id, "hi")
    assert [call.inside_penalty for call in running.sandbox.calls if call.status == 429] == [False, True]


async def test_a_penalty_leaves_other_chats_alone(bot: Bot, running: Running, ann: Person) -> None:
    running.sandbox.faults.order(TooMany((30,)), chat_id=ann.user.id)
    with pytest.raises(RetryAfter):
        await bot.send_message(ann.user.id, "hi")
    await bot.send_message(running.person("李雷").user.id, "hi")


async def test_a_lost_answer_leaves_the_message_there(bot: Bot, running: Running, ann: Person) -> None:
    running.sandbox.faults.order(Lost(), method="sendMessage", times=1)
    with pytest.raises(NetworkError):
        await bot.send_message(ann.user.id, "once")
    assert [message.text for message in ann.messages()] == ["once"]


async def test_a_silent_loss_is_a_timeout(bot: Bot, running: Running, ann: Person) -> None:
    running.sandbox.faults.order(Lost(silent=True), method="sendMessage", times=1)
    with pytest.raises(TimedOut):
        await bot.send_message(ann.user.id, "once", read_timeout=0.2)
    assert [message.text for message in ann.messages()] == ["once"]


async def test_a_cut_connection_does_nothing(bot: Bot, running: Running, ann: Person) -> None:
    running.sandbox.faults.order(Reset(), method="sendMessage", times=1)
    with pytest.raises(NetworkError):
        await bot.send_message(ann.user.id, "lost")
    assert ann.messages() == []
    await bot.send_message(ann.user.id, "there")


@pytest.mark.parametrize("status", [500, 502])
async def test_telegrams_own_trouble(bot: Bot, running: Running, ann: Person, status: int) -> None:
    running.sandbox.faults.order(Failure(status), times=1)
    with pytest.raises(TelegramError):
        await bot.send_message(ann.user.id, "hi")
    assert ann.messages() == []
    assert running.sandbox.calls[-1].status == status


async def test_a_stalled_poll_never_answers(bot: Bot, running: Running, ann: Person) -> None:
    fault = running.sandbox.faults.order(Stall(), method="getUpdates", times=1)
    await ann.say("hi")
    with pytest.raises(TimedOut):
        await bot.get_updates(read_timeout=0.2)
    assert fault.hits == 1
    assert len(await bot.get_updates()) == 1


async def test_the_sandbox_stops_in_the_middle_of_a_stall(bot: Bot, running: Running) -> None:
    running.sandbox.faults.order(Stall(), method="getUpdates")
    poll = asyncio.create_task(bot.get_updates(timeout=50))
    await running.wait_for(lambda _: running.sandbox.calls[-1].method == "getupdates")
    running.sandbox.feed.close()
    with pytest.raises(TelegramError):
        await poll


async def test_the_call_log(bot: Bot, running: Running, ann: Person) -> None:
    message = await bot.send_message(ann.user.id, "hi")
    await bot.edit_message_text("ho", chat_id=ann.user.id, message_id=message.message_id)
    log = [(call.method, call.chat_id, call.message_id, call.status) for call in running.sandbox.calls]
    assert log[-2:] == [("sendmessage", 1001, None, 200), ("editmessagetext", 1001, 1, 200)]
