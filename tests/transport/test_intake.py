"""Updates from the sandbox through the real client into a real journal: none lost, none twice, none in the way."""

import asyncio
import itertools
import logging
import socket
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, Update

from bot.config import Telegram
from bot.history.database import Database
from bot.history.errors import DatabaseError
from bot.history.journal import Journal
from bot.sandbox.faults import Failure, Reset, Stall
from bot.sandbox.people import Person
from bot.sandbox.server import Running, Sandbox, serve
from bot.transport.client import make_bot
from bot.transport.errors import TokenRejected
from bot.transport.intake import ALLOWED_UPDATES, MOST_ATTEMPTS, Intake
from bot.transport.queues import Place

Dispatch = Callable[[Update], Awaitable[None]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tandem.sqlite3"


@pytest.fixture
async def journal(path: Path, telegram: Running) -> AsyncIterator[Journal]:
    database = Database(f"sqlite+aiosqlite:///{path}")
    await database.migrate()
    yield Journal(database, telegram.world.bot.id)
    await database.close()


def states(path: Path) -> list[tuple[str, int, bool]]:
    """State, attempts and whether the text is still there, of every journalled update."""
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT state, attempts, payload IS NOT NULL FROM updates ORDER BY id")
        return [(state, attempts, bool(kept)) for state, attempts, kept in rows]


@dataclass
class Desk:
    """Handles updates as the test wants; `said` are the texts whose handling began, in order."""

    said: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    holds: dict[str, asyncio.Event] = field(default_factory=dict)

    def hold(self, text: str) -> asyncio.Event:
        return self.holds.setdefault(text, asyncio.Event())

    async def dispatch(self, update: Update) -> None:
        text = _text(update)
        self.said.append(text)
        self.news.set()
        if text == "defect":
            raise ZeroDivisionError(text)
        if text in self.holds:
            await self.holds[text].wait()
        self.done.append(text)
        self.news.set()

    async def until(self, ready: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not ready():
                self.news.clear()
                await self.news.wait()


def _text(update: Update) -> str:
    if update.callback_query:
        return str(update.callback_query.data)
    message = update.effective_message
    return (message.text or "") if message else "?"


@pytest.fixture
def desk() -> Desk:
    return Desk()


@dataclass
class Rest:
    """Waiting that takes no time, but lets everybody else work; `waits` are the seconds asked for."""

    waits: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await asyncio.sleep(0)


@pytest.fixture
def rest() -> Rest:
    return Rest()


@pytest.fixture
def intake(bot: Bot, rest: Rest) -> Intake:
    return Intake(bot, sleep=rest.sleep, poll_seconds=20)


@asynccontextmanager
async def working(intake: Intake, journal: Journal, desk: Desk) -> AsyncIterator["asyncio.Task[None]"]:
    """Intake at work; at the end it is stopped in good order, and handlers that were held come to their end."""
    task = asyncio.create_task(intake.run(journal, desk.dispatch))
    try:
        yield task
    finally:
        stopping = asyncio.create_task(intake.stop(within=20))
        await asyncio.sleep(0)
        for hold in desk.holds.values():
            hold.set()
        await stopping
        await asyncio.wait([task])


async def crash(intake: Intake, journal: Journal, desk: Desk, ready: Callable[[], object]) -> None:
    """Intake at work until `ready`, and then gone without a word."""
    task = asyncio.create_task(intake.run(journal, desk.dispatch))
    await desk.until(ready)
    task.cancel()
    await asyncio.wait([task])


class TestDelivery:
    async def test_an_update_is_journalled_handled_and_ticked_off(
        self, intake: Intake, journal: Journal, desk: Desk, telegram: Running, path: Path
    ) -> None:
        async with working(intake, journal, desk):
            hold = desk.hold("hi")
            await telegram.person("Ann").say("hi")
            await desk.until(lambda: desk.said)
            assert states(path) == [("received", 1, True)]
            hold.set()
            await desk.until(lambda: desk.done)
            await telegram.sandbox.polling.waiting.wait()
        assert states(path) == [("done", 1, False)]
        assert telegram.world.state.pending == []
        assert telegram.world.state.allowed_updates == sorted(ALLOWED_UPDATES)

    async def test_what_cannot_be_read_is_skipped_and_its_neighbours_are_handled(
        self,
        intake: Intake,
        journal: Journal,
        desk: Desk,
        telegram: Running,
        path: Path,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        ann = telegram.person("Ann")
        await ann.say("before")
        telegram.world.inject({"message": {"message_id": "secret", "chat": 7, "text": "secret words"}})
        telegram.world.inject({"message": "secret words"})
        telegram.world.inject({"from_the_future": {"text": "secret words"}})
        await ann.say("after")
        async with working(intake, journal, desk):
            await desk.until(lambda: len(desk.done) == 3)
        assert sorted(desk.done) == ["?", "after", "before"]
        assert [state for state, _, _ in states(path)] == ["done", "unreadable", "unreadable", "done", "done"]
        assert "could not be read" in caplog.text
        assert "secret" not in caplog.text

    async def test_a_conversation_keeps_its_order_and_others_do_not_wait(
        self, intake: Intake, journal: Journal, desk: Desk, telegram: Running
    ) -> None:
        first = desk.hold("ann 1")
        for text in ("ann 1", "ann 2", "ann 3"):
            await telegram.person("Ann").say(text)
        await telegram.person("李雷").say("li lei")
        await telegram.person("Ann").say("@tandem_bot team", chat="Team")
        async with working(intake, journal, desk):
            await desk.until(lambda: len(desk.done) == 2)
            assert desk.said == ["ann 1", "li lei", "@tandem_bot team"]
            first.set()
            await desk.until(lambda: len(desk.done) == 5)
        assert desk.said[3:] == ["ann 2", "ann 3"]

    async def test_stop_buttons_and_edits_go_past_the_queue(
        self, intake: Intake, journal: Journal, desk: Desk, telegram: Running, bot: Bot
    ) -> None:
        ann = telegram.person("Ann")
        markup = InlineKeyboardMarkup([[InlineKeyboardButton("⏹", callback_data="button")]])
        answer = await bot.send_message(ann.user.id, "▌", reply_markup=markup)
        question = await ann.say("long")
        desk.hold("long")
        async with working(intake, journal, desk):
            await desk.until(lambda: desk.said)
            await ann.say("waits")
            await ann.press(answer.message_id, "⏹")
            await ann.edit(question.message_id, "edited")
            await ann.say("/stop")
            await desk.until(lambda: len(desk.done) == 3)
            assert sorted(desk.done) == ["/stop", "button", "edited"]
            assert "waits" not in desk.said

    async def test_a_text_that_an_app_cut_is_handled_as_one(
        self, intake: Intake, journal: Journal, desk: Desk, telegram: Running, path: Path
    ) -> None:
        text = "字" * 10_000
        await telegram.person("Ann").say(text)
        await telegram.person("Ann").say("next")
        async with working(intake, journal, desk):
            await desk.until(lambda: len(desk.done) == 2)
        assert desk.done == [text, "next"]
        assert states(path) == [("done", 1, False)] * 4

    async def test_the_next_part_may_come_later_and_is_not_waited_for_long(
        self, bot: Bot, journal: Journal, desk: Desk, telegram: Running
    ) -> None:
        patience: list[asyncio.Future[None]] = []

        async def sleep(seconds: float) -> None:
            patience.append(asyncio.get_running_loop().create_future())
            await patience[-1]

        intake = Intake(bot, sleep=sleep, poll_seconds=20)
        ann = telegram.person("Ann")
        async with working(intake, journal, desk):
            await ann.say("a" * 4096)
            await telegram.wait_for(lambda _: patience)
            await ann.say("b" * 4096)
            await telegram.wait_for(lambda _: len(patience) == 2)
            assert desk.said == []
            patience[-1].set_result(None)
            await desk.until(lambda: desk.done)
            await ann.say("c")
            await desk.until(lambda: len(desk.done) == 2)
        assert desk.done == ["a" * 4096 + "b" * 4096, "c"]

    async def test_parts_that_were_interrupted_are_put_together_again(
        self, bot: Bot, journal: Journal, desk: Desk, telegram: Running, path: Path
    ) -> None:
        text = "字" * 5000
        desk.hold(text)
        await telegram.person("Ann").say(text)
        rest = Rest()
        await crash(Intake(bot, sleep=rest.sleep, poll_seconds=20), journal, desk, lambda: desk.said)
        again = Desk()
        async with working(Intake(bot, sleep=rest.sleep, poll_seconds=20), journal, again):
            await again.until(lambda: again.done)
        assert again.done == [text]
        assert states(path) == [("done", 2, False)] * 2

    async def test_whoever_waits_is_told_and_can_be_kept_from_beginning(
        self, intake: Intake, journal: Journal, desk: Desk, telegram: Running
    ) -> None:
        told: list[tuple[str, int]] = []
        held, let_go, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def on_waiting(update: Update, place: Place) -> None:
            told.append((_text(update), place.ahead))
            if _text(update) == "third":
                raise ZeroDivisionError  # its own affair
            async with place.held() as in_time:
                assert in_time
                held.set()
                await let_go.wait()
            await place.ended.wait()
            ended.set()

        first = desk.hold("first")
        for text in ("first", "second", "third"):
            await telegram.person("Ann").say(text)
        task = asyncio.create_task(intake.run(journal, desk.dispatch, on_waiting))
        await held.wait()
        assert told == [("second", 1), ("third", 2)]
        first.set()
        await desk.until(lambda: desk.done == ["first"])
        await telegram.sandbox.polling.waiting.wait()
        assert desk.said == ["first"]
        let_go.set()
        await desk.until(lambda: len(desk.done) == 3)
        await ended.wait()
        await intake.stop()
        await task

    async def test_a_defect_of_a_handler_is_its_own_affair(
        self,
        intake: Intake,
        journal: Journal,
        desk: Desk,
        telegram: Running,
        path: Path,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        for text in ("defect", "fine"):
            await telegram.person("Ann").say(text)
        async with working(intake, journal, desk):
            await desk.until(lambda: desk.done)
        assert desk.done == ["fine"]
        assert [state for state, _, _ in states(path)] == ["failed", "done"]
        assert "ZeroDivisionError" in caplog.text

    async def test_too_much_work_is_left_with_telegram(
        self, bot: Bot, journal: Journal, desk: Desk, telegram: Running
    ) -> None:
        intake = Intake(bot, poll_seconds=20, most_undone=2)
        holds = [desk.hold("ann"), desk.hold("li lei")]
        await telegram.person("Ann").say("ann")
        await telegram.person("李雷").say("li lei")
        async with working(intake, journal, desk):
            await desk.until(lambda: len(desk.said) == 2)
            await telegram.person("Ann").say("later")
            assert len(telegram.world.state.pending) == 3
            assert not telegram.sandbox.polling.waiting.is_set()
            for hold in holds:
                hold.set()
            await desk.until(lambda: "later" in desk.done)


class TestRestart:
    async def test_what_was_interrupted_comes_first_and_nothing_comes_twice(
        self, bot: Bot, journal: Journal, desk: Desk, telegram: Running, path: Path
    ) -> None:
        for text in ("done", "interrupted", "waiting"):
            desk.hold(text)
            await telegram.person("Ann").say(text)
        desk.hold("done").set()
        await crash(Intake(bot, poll_seconds=20), journal, desk, lambda: "interrupted" in desk.said)
        assert states(path) == [("done", 1, False), ("received", 1, True), ("received", 0, True)]

        await telegram.person("Ann").say("new")
        again = Desk()
        async with working(Intake(bot, poll_seconds=20), journal, again):
            await again.until(lambda: len(again.done) == 3)
        assert again.done == ["interrupted", "waiting", "new"]
        assert {state for state, _, _ in states(path)} == {"done"}

    async def test_an_update_that_kills_the_process_is_given_up(
        self, bot: Bot, journal: Journal, telegram: Running, path: Path
    ) -> None:
        for text in ("deadly", "harmless"):
            await telegram.person("Ann").say(text)
        for _ in range(MOST_ATTEMPTS):
            desk = Desk()
            desk.hold("deadly")
            await crash(Intake(bot, poll_seconds=20), journal, desk, lambda desk=desk: desk.said)
        desk = Desk()
        async with working(Intake(bot, poll_seconds=20), journal, desk):
            await desk.until(lambda: desk.done)
        assert desk.said == ["harmless"]
        assert states(path) == [("failed", MOST_ATTEMPTS, False), ("done", 1, False)]

    async def test_stopping_lets_handlers_end_and_begins_no_others(
        self, intake: Intake, journal: Journal, desk: Desk, telegram: Running, path: Path
    ) -> None:
        hold = desk.hold("running")
        for text in ("running", "waiting"):
            await telegram.person("Ann").say(text)
        task = asyncio.create_task(intake.run(journal, desk.dispatch))
        await desk.until(lambda: desk.said)
        stopping = asyncio.create_task(intake.stop(within=20))
        asyncio.get_running_loop().call_soon(hold.set)
        await stopping
        await task
        assert (desk.done, desk.said) == (["running"], ["running"])
        assert states(path) == [("done", 1, False), ("received", 0, True)]

    async def test_stopping_does_not_wait_for_ever(
        self, intake: Intake, journal: Journal, desk: Desk, telegram: Running, path: Path
    ) -> None:
        desk.hold("endless")
        await telegram.person("Ann").say("endless")
        task = asyncio.create_task(intake.run(journal, desk.dispatch))
        await desk.until(lambda: desk.said)
        await intake.stop(within=0)
        await task
        assert states(path) == [("received", 1, True)]

    async def test_an_update_that_cannot_be_written_down_stays_with_telegram(
        self, intake: Intake, journal: Journal, desk: Desk, telegram: Running, path: Path
    ) -> None:
        with sqlite3.connect(path) as connection:
            connection.execute(
                "CREATE TRIGGER full BEFORE INSERT ON updates BEGIN SELECT RAISE(ABORT, 'full'); END"
            )
        await telegram.person("Ann").say("precious")
        with pytest.raises(DatabaseError):
            await intake.run(journal, desk.dispatch)
        assert len(telegram.world.state.pending) == 1
        assert desk.said == []


def told(caplog: pytest.LogCaptureFixture, part: str) -> int:
    """How many lines of the log say this."""
    return sum(part in record.getMessage() for record in caplog.records)


class TestTrouble:
    @pytest.fixture(autouse=True)
    def _tell_everything(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "bot.transport.intake")

    @pytest.mark.parametrize("fault", [Reset(), Failure(502), Stall()])
    async def test_when_telegram_does_not_answer_it_is_told_once_and_tried_again(
        self,
        bot: Bot,
        journal: Journal,
        desk: Desk,
        rest: Rest,
        telegram: Running,
        caplog: pytest.LogCaptureFixture,
        fault: Any,
    ) -> None:
        intake = Intake(bot, sleep=rest.sleep, poll_seconds=0, answer_seconds=0.2)
        telegram.sandbox.faults.order(fault, method="getUpdates", times=4)
        await telegram.person("Ann").say("hi")
        assert intake.last_round_trip is None
        async with working(intake, journal, desk):
            await desk.until(lambda: desk.done)
        assert told(caplog, "telegram.proxy") == 1
        assert told(caplog, "answers again") == 1
        assert len(rest.waits) == 4
        assert all(before / 2 <= after <= 4 * before for before, after in itertools.pairwise(rest.waits))
        assert intake.last_round_trip is not None

    async def test_it_waits_for_telegram_at_the_start(
        self, rest: Rest, caplog: pytest.LogCaptureFixture
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        sandbox = Sandbox()
        sandbox.world.state.webhook_url = "https://example.org/left-over"
        await Person(sandbox.world, sandbox.world.user("Ann")).say("hi")
        bot = make_bot(Telegram(token=sandbox.world.state.token, base_url=f"http://127.0.0.1:{port}/bot"))
        connecting = asyncio.create_task(Intake(bot, sleep=rest.sleep).connect())
        async with asyncio.timeout(20):
            while len(rest.waits) < 5:  # noqa: ASYNC110
                await asyncio.sleep(0)
        assert not connecting.done()
        async with serve(sandbox, port=port):
            await connecting
            assert bot.id == sandbox.world.bot.id
            assert sandbox.world.state.webhook_url == ""
            assert len(sandbox.world.state.pending) == 1
            await bot.shutdown()
        assert told(caplog, "telegram.proxy") == 1

    async def test_a_wrong_token_is_told_at_once(self, telegram: Running, rest: Rest) -> None:
        settings = Telegram(
            token="7000000001:wrong-token-wrong-token-wrong-token", base_url=telegram.base_url
        )
        with pytest.raises(TokenRejected, match=r"telegram\.token") as rejected:
            await Intake(make_bot(settings), sleep=rest.sleep).connect()
        assert "wrong-token" not in str(rejected.value)
        assert rest.waits == []

    async def test_a_revoked_token_ends_the_intake(
        self, intake: Intake, journal: Journal, desk: Desk, telegram: Running
    ) -> None:
        telegram.world.state.token = "7000000001:new"
        with pytest.raises(TokenRejected):
            await intake.run(journal, desk.dispatch)

    async def test_a_second_poller_is_told_once_and_outlived(
        self,
        intake: Intake,
        journal: Journal,
        desk: Desk,
        rest: Rest,
        telegram: Running,
        settings: Telegram,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        async with make_bot(settings) as other, working(intake, journal, desk):
            for count in (1, 2):
                await telegram.person("Ann").say("in between, Telegram answers")
                await desk.until(lambda count=count: len(desk.done) == count)
                async with asyncio.timeout(20):
                    while telegram.world.state.pending:  # noqa: ASYNC110
                        await asyncio.sleep(0)
                await telegram.sandbox.polling.waiting.wait()
                taking_over = asyncio.create_task(
                    other.do_api_request("get_Updates", {"timeout": 20, "limit": 1, "offset": -1})
                )
                async with asyncio.timeout(20):
                    while len(rest.waits) < count:  # noqa: ASYNC110
                        await asyncio.sleep(0)
                taking_over.cancel()
                await asyncio.wait([taking_over])
            await telegram.person("Ann").say("hi")
            await desk.until(lambda: "hi" in desk.done)
        assert told(caplog, "another process polls this bot") == 1
        assert min(rest.waits) >= 10

    async def test_a_webhook_that_somebody_sets_is_removed(
        self,
        intake: Intake,
        journal: Journal,
        desk: Desk,
        telegram: Running,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        telegram.world.state.webhook_url = "https://example.org/somebody"
        await telegram.person("Ann").say("hi")
        async with working(intake, journal, desk):
            await desk.until(lambda: desk.done)
        assert told(caplog, "webhook") == 1
