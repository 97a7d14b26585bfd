"""What arrives in the chats, at what pace, and what the callers are told when it does not."""

import asyncio
import itertools
import socket
from collections import Counter
from typing import Any

import pytest
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, MessageEntity

from bot.config import Telegram
from bot.sandbox import groups
from bot.sandbox.faults import Failure, Lost, Reset, TooMany
from bot.sandbox.objects import Chat, User
from bot.sandbox.server import Running, Sandbox, serve
from bot.sandbox.world import ANN_ID, LI_LEI_ID, TEAM_ID
from bot.transport.client import make_bot
from bot.transport.content import Content
from bot.transport.outbox import (
    Closed,
    MessageGone,
    Outbox,
    Priority,
    Refused,
    SendUnknown,
    Undeliverable,
)

FINAL, SENTIMENT, PLACEHOLDER = Priority.FINAL, Priority.SENTIMENT, Priority.PLACEHOLDER
BUTTON = InlineKeyboardMarkup([[InlineKeyboardButton("⏹", callback_data="stop")]])


def texts(telegram: Running, chat_id: int = ANN_ID) -> list[str | None]:
    return [message.text for message in telegram.world.messages(chat_id)]


def methods(telegram: Running, chat_id: int = ANN_ID) -> list[str]:
    return [call.method for call in telegram.sandbox.calls if call.chat_id == chat_id]


def send(outbox: Outbox, text: str, chat_id: int = ANN_ID, **how: Any) -> Any:
    return outbox.send(chat_id, Content(text), **{"priority": SENTIMENT} | how)


class TestSending:
    async def test_a_message_arrives_as_it_was_made(
        self, outbox: Outbox, telegram: Running, clock: Any
    ) -> None:
        question = await telegram.person("Ann").say("hi")
        bold = MessageEntity(MessageEntity.BOLD, 3, 2)
        content = Content("😀 粗体", (bold,), BUTTON)
        message_id = await clock.run(
            outbox.send(ANN_ID, content, priority=FINAL, reply_to=question.message_id, silent=True)
        )
        message = telegram.world.chat(ANN_ID).messages[message_id]
        assert (message.text, message.reply_to, message.silent) == ("😀 粗体", question.message_id, True)
        assert [(entity.type, entity.offset, entity.length) for entity in message.entities] == [
            ("bold", 3, 2)
        ]
        assert [[button.text for button in row] for row in message.keyboard] == [["⏹"]]
        assert message.link_preview == {"is_disabled": True}

    async def test_a_reply_to_a_deleted_message_is_sent_as_a_message(
        self, outbox: Outbox, telegram: Running, clock: Any
    ) -> None:
        await clock.run(send(outbox, "answer", reply_to=99))
        assert texts(telegram) == ["answer"]

    async def test_the_general_topic_is_named_in_actions_only(
        self, outbox: Outbox, telegram: Running, clock: Any
    ) -> None:
        team = telegram.world.chat("Team")
        topic = groups.create_topic(telegram.world, team, "News", by=ANN_ID)
        for thread_id in (0, 1, topic):
            message_id = await clock.run(send(outbox, "hi", TEAM_ID, thread_id=thread_id))
            assert team.messages[message_id].thread_id == (topic if thread_id == topic else None)

    async def test_typing_is_shown_while_there_is_room(
        self, outbox: Outbox, telegram: Running, clock: Any
    ) -> None:
        outbox.typing(ANN_ID)
        await clock.run(send(outbox, "1"))
        await clock.run(send(outbox, "2"))
        outbox.typing(ANN_ID)  # would leave no room for an answer
        await clock.run(send(outbox, "3"))
        assert methods(telegram) == ["sendchataction", *["sendmessage"] * 3]

    async def test_what_is_more_important_goes_first(
        self, outbox: Outbox, telegram: Running, clock: Any
    ) -> None:
        async def all_at_once() -> None:
            calls = [send(outbox, f"burst {n}") for n in range(3)]
            calls += [send(outbox, "placeholder", priority=PLACEHOLDER), send(outbox, "sentiment")]
            calls += [send(outbox, "final", priority=FINAL), send(outbox, "second final", priority=FINAL)]
            await asyncio.gather(*calls)

        await clock.run(send(outbox, "first"))
        await clock.run(all_at_once())
        waited = [text for text in texts(telegram) if text and "burst" not in text]
        assert waited == ["first", "final", "second final", "sentiment", "placeholder"]


class TestFrames:
    async def test_only_the_newest_frame_is_sent_and_the_final_ends_them(
        self, outbox: Outbox, telegram: Running, clock: Any
    ) -> None:
        shown: list[str] = []
        telegram.world.listeners.append(
            lambda event: shown.append(str(event.data["text"])) if event.kind == "edit" else None
        )

        async def answer() -> None:
            message_id = await send(outbox, "▌")
            for number in range(60):
                outbox.frame(ANN_ID, message_id, Content(f"word {number}▌"))
                await clock.sleep(0.1)
            await outbox.edit(ANN_ID, message_id, Content("all words"))

        await clock.run(answer())
        numbers = [int(text.split()[1].rstrip("▌")) for text in shown[:-1]]
        assert numbers == sorted(set(numbers))
        assert 3 <= len(numbers) <= 6
        assert shown[-1] == texts(telegram)[-1] == "all words"

    async def test_the_frames_interval_grows(self, outbox: Outbox, telegram: Running, clock: Any) -> None:
        async def answer() -> None:
            message_id = await send(outbox, "▌")
            for number in range(600):
                outbox.frame(ANN_ID, message_id, Content(f"{number}▌"))
                await clock.sleep(0.1)

        await clock.run(answer())
        times = [call.at for call in telegram.sandbox.calls if call.method == "editmessagetext"]
        gaps = [after - before for before, after in itertools.pairwise(times)]
        assert 1.0 <= gaps[0] <= 1.6
        assert gaps[-1] >= 2.9

    async def test_equal_frames_and_an_equal_final_cost_nothing(
        self, outbox: Outbox, telegram: Running, clock: Any
    ) -> None:
        async def answer() -> None:
            message_id = await send(outbox, "▌")
            for _ in range(20):
                outbox.frame(ANN_ID, message_id, Content("same"))
                await clock.sleep(1)
            await outbox.edit(ANN_ID, message_id, Content("same"))

        await clock.run(answer())
        assert methods(telegram) == ["sendmessage", "editmessagetext"]

    async def test_an_equal_text_with_other_buttons_or_links_is_sent(
        self, outbox: Outbox, telegram: Running, clock: Any
    ) -> None:
        def link(url: str) -> tuple[MessageEntity]:
            return (MessageEntity(MessageEntity.TEXT_LINK, 0, 1, url=url),)

        async def answer() -> None:
            message_id = await send(outbox, "▌")
            contents = [Content("x", link("https://a.example")), Content("x", link("https://b.example"))]
            for content in [*contents, Content("x", contents[1].entities, BUTTON)]:
                outbox.frame(ANN_ID, message_id, content)
                await clock.sleep(5)

        await clock.run(answer())
        assert methods(telegram).count("editmessagetext") == 3

    async def test_a_frame_that_comes_after_its_final_is_not_sent(
        self, outbox: Outbox, telegram: Running, clock: Any
    ) -> None:
        async def answer() -> None:
            message_id = await send(outbox, "▌")
            final = asyncio.ensure_future(outbox.edit(ANN_ID, message_id, Content("final")))
            await asyncio.sleep(0)
            outbox.frame(ANN_ID, message_id, Content("late"))
            await final
            await clock.sleep(30)

        await clock.run(answer())
        assert texts(telegram) == ["final"]

    @pytest.mark.parametrize(("chat_id", "answers"), [(ANN_ID, 4), (TEAM_ID, 8)])
    async def test_a_final_never_waits_for_frames(
        self, outbox: Outbox, telegram: Running, clock: Any, chat_id: int, answers: int
    ) -> None:
        async def answer(seconds: int) -> float:
            message_id = await send(outbox, "▌", chat_id)
            for number in range(seconds):
                outbox.frame(chat_id, message_id, Content(f"{number}▌"))
                await clock.sleep(1)
            begun = clock()
            await outbox.edit(chat_id, message_id, Content("final"))
            return clock() - begun

        async def together() -> list[float]:
            return await asyncio.gather(*(answer(20 + 2 * number) for number in range(answers)))

        assert await clock.run(together()) == [0] * answers

    async def test_a_frame_equal_to_the_one_under_way_is_not_sent(
        self, outbox: Outbox, telegram: Running, clock: Any
    ) -> None:
        message_id = await clock.run(send(outbox, "▌"))
        outbox.frame(ANN_ID, message_id, Content("same"))
        await clock.until(lambda: outbox.in_flight)
        outbox.frame(ANN_ID, message_id, Content("same"))
        await clock.run(clock.sleep(60))
        assert methods(telegram) == ["sendmessage", "editmessagetext"]

    async def test_frames_of_a_deleted_message_stop(
        self, outbox: Outbox, telegram: Running, clock: Any
    ) -> None:
        async def answer() -> None:
            message_id = await send(outbox, "▌")
            telegram.world.remove_message(telegram.world.chat(ANN_ID), message_id)
            for number in range(100):
                outbox.frame(ANN_ID, message_id, Content(f"{number}"))
                await clock.sleep(0.1)
            with pytest.raises(MessageGone):
                await outbox.edit(ANN_ID, message_id, Content("final"))

        await clock.run(answer())
        assert methods(telegram) == ["sendmessage", "editmessagetext", "editmessagetext"]


class TestPenalties:
    @pytest.mark.parametrize("timedelta", ["0", "1"])
    @pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning")
    async def test_a_penalty_is_waited_out_in_full_for_that_chat_alone(
        self, outbox: Outbox, telegram: Running, clock: Any, monkeypatch: pytest.MonkeyPatch, timedelta: str
    ) -> None:
        monkeypatch.setenv("PTB_TIMEDELTA", timedelta)
        telegram.sandbox.faults.order(TooMany((20,)), chat_id=ANN_ID, times=1)
        begun = clock()
        penalised = asyncio.ensure_future(send(outbox, "late"))
        await clock.run(send(outbox, "at once", LI_LEI_ID))
        assert clock() == begun
        await clock.run(asyncio.wait_for(penalised, None))
        assert clock() == begun + 20
        assert (texts(telegram), texts(telegram, LI_LEI_ID)) == (["late"], ["at once"])
        assert not any(call.inside_penalty for call in telegram.sandbox.calls)
        assert (outbox.stats.penalties, outbox.stats.penalty_s) == (1, 20)

    async def test_a_final_overtakes_the_frame_that_was_penalised(
        self, outbox: Outbox, telegram: Running, clock: Any
    ) -> None:
        async def answer() -> None:
            message_id = await send(outbox, "▌")
            telegram.sandbox.faults.order(TooMany((9,)), method="editMessageText", times=1)
            outbox.frame(ANN_ID, message_id, Content("frame"))
            await clock.sleep(3)
            await outbox.edit(ANN_ID, message_id, Content("final"))

        await clock.run(answer())
        assert methods(telegram) == ["sendmessage", "editmessagetext", "editmessagetext"]
        assert texts(telegram) == ["final"]

    async def test_many_chats_at_once_stay_within_the_overall_limit(
        self, outbox: Outbox, telegram: Running, clock: Any
    ) -> None:
        people = settle(telegram, 90)
        begun = clock()

        async def everybody() -> None:
            await asyncio.gather(*(send(outbox, "hi", person) for person in people))

        await clock.run(everybody())
        assert all(call.status == 200 for call in telegram.sandbox.calls)
        assert 2 <= clock() - begun <= 3


class TestRefusals:
    async def test_a_text_that_is_there_already_is_a_success(
        self, outbox: Outbox, telegram: Running, clock: Any
    ) -> None:
        message_id = await clock.run(send(outbox, "same"))
        await clock.run(outbox.edit(ANN_ID, message_id, Content("same")))
        assert telegram.sandbox.calls[-1].status == 400

    async def test_refused_formatting_falls_back_to_plain_text_once(
        self, outbox: Outbox, telegram: Running, clock: Any
    ) -> None:
        broken = (MessageEntity("sparkling", 0, 4),)
        message_id = await clock.run(outbox.send(ANN_ID, Content("text", broken, BUTTON), priority=FINAL))
        await clock.run(outbox.edit(ANN_ID, message_id, Content("other", broken, BUTTON)))
        message = telegram.world.chat(ANN_ID).messages[message_id]
        assert (message.text, len(message.keyboard)) == ("other", 1)
        assert len(telegram.sandbox.calls) == 1 + 4

    async def test_what_telegram_refuses_is_not_repeated(
        self, outbox: Outbox, telegram: Running, clock: Any
    ) -> None:
        secret = "x" * 4097
        with pytest.raises(Refused, match=f"sendMessage in chat {ANN_ID}: .*too long") as refused:
            await clock.run(send(outbox, secret))
        assert secret not in str(refused.value)
        assert methods(telegram) == ["sendmessage"]

    async def test_a_blocked_or_unknown_chat_is_named(
        self, outbox: Outbox, telegram: Running, clock: Any
    ) -> None:
        await telegram.person("Ann").block()
        with pytest.raises(Undeliverable, match=f"{ANN_ID}.*blocked"):
            await clock.run(send(outbox, "hi"))
        with pytest.raises(Undeliverable, match=r"4242.*not found"):
            await clock.run(send(outbox, "hi", 4242))

    async def test_a_deleted_message_is_told_apart(self, outbox: Outbox, clock: Any) -> None:
        message_id = await clock.run(send(outbox, "hi"))
        await clock.run(outbox.delete(ANN_ID, message_id))
        await clock.run(outbox.delete(ANN_ID, message_id))
        with pytest.raises(MessageGone):
            await clock.run(outbox.edit(ANN_ID, message_id, Content("there")))

    async def test_a_reaction_that_does_not_exist_is_refused(
        self, outbox: Outbox, telegram: Running, clock: Any
    ) -> None:
        message = await telegram.person("Ann").say("hi")
        await clock.run(outbox.react(ANN_ID, message.message_id, "👍"))
        with pytest.raises(Refused):
            await clock.run(outbox.react(ANN_ID, message.message_id, "😄"))

    async def test_buttons_are_answered_even_if_telegram_forgot_them(
        self, outbox: Outbox, telegram: Running, clock: Any
    ) -> None:
        message_id = await clock.run(outbox.send(ANN_ID, Content("hi", (), BUTTON), priority=FINAL))
        query = await telegram.person("Ann").press(message_id, "⏹")
        await clock.run(outbox.answer_button(query, "stopped"))
        await clock.run(outbox.answer_button(query, "stopped"))
        await clock.run(outbox.edit_markup(ANN_ID, message_id, None))
        assert telegram.world.chat(ANN_ID).messages[message_id].keyboard == []

    async def test_a_group_that_migrates_takes_its_calls_along(
        self, outbox: Outbox, telegram: Running, clock: Any, moved: list[tuple[int, int]]
    ) -> None:
        old = telegram.world.create_chat("Old", [ANN_ID, telegram.world.bot.id], "group")
        new = groups.migrate(telegram.world, old, by=ANN_ID)

        async def three() -> None:
            await asyncio.gather(*(send(outbox, f"{number}", old.id) for number in range(3)))

        await clock.run(three())
        assert [text for text in texts(telegram, new.id) if text] == ["0", "1", "2"]
        assert moved == [(old.id, new.id)]
        assert methods(telegram, old.id) == ["sendmessage"]

    async def test_other_methods_have_the_same_patience(
        self, outbox: Outbox, telegram: Running, clock: Any
    ) -> None:
        telegram.sandbox.faults.order(Failure(502), method="getChat", times=2)
        chat = await clock.run(outbox.call("getChat", lambda bot: bot.get_chat(ANN_ID)))
        assert chat.first_name == "Ann"

    async def test_a_defect_reaches_its_caller_and_nobody_else(
        self, outbox: Outbox, telegram: Running, clock: Any
    ) -> None:
        async def defect(bot: Bot) -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await clock.run(outbox.call("getChat", defect, chat_id=ANN_ID))
        await clock.run(send(outbox, "hi"))
        assert texts(telegram) == ["hi"]


class TestNetwork:
    @pytest.mark.parametrize("fault", [Reset(), Lost(), Failure(502), Failure(500)])
    async def test_an_edit_is_repeated_until_it_is_there(
        self, outbox: Outbox, telegram: Running, clock: Any, fault: Any
    ) -> None:
        message_id = await clock.run(send(outbox, "▌"))
        telegram.sandbox.faults.order(fault, method="editMessageText", times=12)
        await clock.run(outbox.edit(ANN_ID, message_id, Content("final")))
        assert texts(telegram) == ["final"]

    async def test_a_send_of_unknown_fate_is_not_repeated(
        self, outbox: Outbox, telegram: Running, clock: Any
    ) -> None:
        telegram.sandbox.faults.order(Lost(), method="sendMessage", times=1)
        with pytest.raises(SendUnknown) as unknown:
            await clock.run(send(outbox, "once"))
        assert "once" not in str(unknown.value)
        assert texts(telegram) == ["once"]

    async def test_a_placeholder_may_be_repeated_a_few_times(
        self, outbox: Outbox, telegram: Running, clock: Any
    ) -> None:
        fault = telegram.sandbox.faults.order(Reset(), method="sendMessage", times=2)
        await clock.run(send(outbox, "▌", repeat=True))
        assert texts(telegram) == ["▌"]
        fault.times = None
        with pytest.raises(SendUnknown):
            await clock.run(send(outbox, "▌", repeat=True))

    async def test_what_never_left_is_sent_when_telegram_can_be_reached(self, clock: Any) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        sandbox = Sandbox(clock)
        settings = Telegram(token=sandbox.world.state.token, base_url=f"http://127.0.0.1:{port}/bot")
        bot = make_bot(settings)
        outbox = Outbox(bot, clock=clock, sleep=clock.sleep)
        clock.busy = lambda: outbox.in_flight > 0
        running = asyncio.ensure_future(outbox.run())
        answer = asyncio.ensure_future(send(outbox, "patience"))
        await clock.run(clock.sleep(100))
        assert not answer.done()
        async with serve(sandbox, port=port) as telegram:
            await clock.run(asyncio.wait_for(answer, None))
            assert texts(telegram) == ["patience"]
            await outbox.close()
            await running
            for request in bot._request:
                await request.shutdown()


class TestTheEnd:
    async def test_finals_are_sent_and_everything_else_is_told(
        self, outbox: Outbox, telegram: Running, clock: Any
    ) -> None:
        message_id = await clock.run(send(outbox, "▌"))
        outbox.frame(ANN_ID, message_id, Content("frame"))
        calls = [asyncio.ensure_future(send(outbox, f"s{number}")) for number in range(9)]
        final = asyncio.ensure_future(outbox.edit(ANN_ID, message_id, Content("final")))
        await asyncio.sleep(0)
        await clock.run(outbox.close(60))
        assert final.result() is None
        assert texts(telegram)[0] == "final"
        ended = await asyncio.gather(*calls, return_exceptions=True)
        assert sum(isinstance(end, Closed) for end in ended) == 10 - len(texts(telegram))
        with pytest.raises(Closed):
            await send(outbox, "too late", priority=FINAL)

    async def test_what_is_refused_while_closing_is_not_waited_for(
        self, outbox: Outbox, telegram: Running, clock: Any
    ) -> None:
        telegram.sandbox.faults.order(TooMany((5,)), chat_id=ANN_ID, times=1)
        begun = clock()
        sentiment = asyncio.ensure_future(send(outbox, "sentiment"))
        await clock.until(lambda: outbox.in_flight)
        await clock.run(outbox.close(60))
        assert clock() == begun
        with pytest.raises(Closed):
            await sentiment

    async def test_closing_takes_bounded_time(self, outbox: Outbox, telegram: Running, clock: Any) -> None:
        telegram.sandbox.faults.order(TooMany((300,)), chat_id=ANN_ID, times=1)
        final = asyncio.ensure_future(send(outbox, "final", priority=FINAL))
        begun = clock()
        await asyncio.sleep(0)
        await clock.run(outbox.close(10))
        assert clock() == begun + 10
        with pytest.raises(Closed):
            await final

    async def test_nobody_waits_for_ever_when_the_owner_dies(self, bot: Bot, clock: Any) -> None:
        outbox = Outbox(bot, clock=clock, sleep=clock.sleep)
        running = asyncio.ensure_future(outbox.run())
        calls = [asyncio.ensure_future(send(outbox, f"{number}", priority=FINAL)) for number in range(5)]
        await clock.until(lambda: outbox.in_flight)
        running.cancel()
        ended = await asyncio.gather(running, *calls, return_exceptions=True)
        assert isinstance(ended[0], asyncio.CancelledError)
        assert [type(end) for end in ended[1:]] == [SendUnknown, *[Closed] * 4]
        await outbox.close()

    async def test_a_waiter_that_gave_up_is_not_served_but_a_final_edit_goes_out(
        self, outbox: Outbox, telegram: Running, clock: Any
    ) -> None:
        message_id = await clock.run(send(outbox, "▌"))
        telegram.sandbox.faults.order(TooMany((5,)), chat_id=ANN_ID, times=1)
        first = asyncio.ensure_future(send(outbox, "first"))
        given_up = asyncio.ensure_future(send(outbox, "given up"))
        final = asyncio.ensure_future(outbox.edit(ANN_ID, message_id, Content("final")))
        await asyncio.sleep(0)
        given_up.cancel()
        final.cancel()
        await clock.run(asyncio.wait_for(first, None))
        await clock.run(clock.sleep(10))
        assert texts(telegram) == ["final", "first"]

    async def test_idle_chats_are_forgotten(self, outbox: Outbox, telegram: Running, clock: Any) -> None:
        for person in settle(telegram, 20):
            await clock.run(send(outbox, "hi", person))
        await clock.run(clock.sleep(1000))
        await clock.run(send(outbox, "hi"))
        await clock.run(send(outbox, "hi"))
        assert outbox.chats <= 1


def settle(telegram: Running, number: int) -> list[int]:
    """More people, who have all written to the bot."""
    ids = list(range(5000, 5000 + number))
    for user_id in ids:
        telegram.world.state.users[user_id] = User(id=user_id, first_name=f"P{user_id}")
        telegram.world.state.chats[user_id] = Chat(id=user_id, type="private")
    return ids


@pytest.mark.parametrize("faults", [False, True])
async def test_fifty_chats_stream_and_every_final_arrives_once(
    outbox: Outbox, telegram: Running, clock: Any, faults: bool
) -> None:
    """With a 429 on every fifth call, of 1 to 30 seconds; and without faults there is none at all."""
    people = settle(telegram, 44)
    teams = [
        telegram.world.create_chat(f"T{n}", [ANN_ID, telegram.world.bot.id], "supergroup").id
        for n in range(6)
    ]
    if faults:
        telegram.sandbox.faults.order(TooMany(tuple(range(1, 31))), every=5)

    async def turn(chat_id: int, number: int) -> None:
        await clock.sleep(number % 7 * 0.3)
        outbox.typing(chat_id)
        await send(outbox, "😄 97%", chat_id, silent=True)
        message_id = await send(outbox, "▌", chat_id, priority=PLACEHOLDER, repeat=True)
        for step in range(1, 20 + number // 2):
            outbox.frame(chat_id, message_id, Content("word " * step + "▌"))
            await clock.sleep(0.3)
        await outbox.edit(chat_id, message_id, Content(f"The whole answer {chat_id}."))

    async def everybody() -> None:
        await asyncio.gather(*(turn(chat_id, number) for number, chat_id in enumerate(people + teams)))

    await clock.run(everybody())
    for chat_id in people + teams:
        assert texts(telegram, chat_id) == ["😄 97%", f"The whole answer {chat_id}."]
    writes = [call for call in telegram.sandbox.calls if call.chat_id is not None]
    statuses = Counter(call.status for call in writes)
    assert not any(call.inside_penalty for call in writes)
    assert statuses[429] == (len(writes) // 5 if faults else 0)
    assert statuses[200] + statuses[429] == len(writes)


class TestOldButtons:
    async def test_they_go_when_nothing_else_is_to_be_done(
        self, outbox: Outbox, telegram: Running, clock: Any
    ) -> None:
        async def talk() -> None:
            message_id = await outbox.send(ANN_ID, Content("old", markup=BUTTON), priority=FINAL)
            new = [asyncio.ensure_future(send(outbox, text)) for text in ("new", "verdict")]
            asyncio.get_running_loop().call_soon(outbox.strip_buttons, ANN_ID, message_id)
            await asyncio.gather(*new)
            await clock.sleep(5)
            outbox.strip_buttons(ANN_ID, 99)  # one that is gone is nobody's trouble
            await clock.sleep(5)

        await clock.run(talk())
        assert not telegram.world.messages(ANN_ID)[0].keyboard
        assert methods(telegram)[:4] == ["sendmessage"] * 3 + ["editmessagereplymarkup"]
        assert outbox.stats.failed == 1

    async def test_in_a_busy_group_they_stay(self, outbox: Outbox, telegram: Running, clock: Any) -> None:
        async def talk() -> None:
            message_id = await outbox.send(TEAM_ID, Content("old", markup=BUTTON), priority=FINAL)
            for number in range(13):
                await send(outbox, str(number), TEAM_ID)
            outbox.strip_buttons(TEAM_ID, message_id)
            await clock.sleep(30)

        await clock.run(talk())
        assert telegram.world.messages(TEAM_ID)[0].keyboard
