"""One message to the admins for each incident, in their language, and none of anybody's words in it."""

import asyncio
import sqlite3
from contextlib import asynccontextmanager, closing

import pytest

from bot import app
from bot.config import Access, Database
from bot.engine.loop import Engine
from bot.handlers.alarm import INTERVAL_S
from bot.sandbox.faults import TooMany

SECRET = "swordfish"


class Rounds:
    """What watches the bot sleeps until the test lets it look again."""

    def __init__(self):
        self.looks = 0
        self._asleep = asyncio.Event()
        self._wake = asyncio.Event()

    async def sleep(self, seconds):
        if seconds != INTERVAL_S:
            await asyncio.Event().wait()
        self._asleep.set()
        await self._wake.wait()
        self._wake.clear()

    async def look(self):
        """One round, from its beginning to its end."""
        await self._asleep.wait()
        self._asleep.clear()
        self._wake.set()
        await self._asleep.wait()


@pytest.fixture
def rounds():
    return Rounds()


@pytest.fixture
def watched(configure, tiny_model, rounds):
    @asynccontextmanager
    async def run(**sections):
        async with app.running(configure(**sections), tiny_model, sleep=rounds.sleep):
            yield

    return run


async def test_a_full_disk_is_told_once_however_long_it_lasts(
    watched, rounds, ann, li_lei, telegram, configure
):
    database = Database(url=configure().database.url, low_disk_mb=1 << 40)
    async with watched(database=database):
        for _ in range(5):
            await rounds.look()
        await telegram.wait_for(lambda _: ann.of_bot())
        await ann.reply("/help")
    told, answer = ann.of_bot()
    assert "disk is nearly full" in told.text
    assert "/sentiment" in answer.text
    assert not li_lei.of_bot()


async def test_a_flood_is_told_without_names_or_words(watched, rounds, ann, li_lei, telegram, configure):
    async with watched(access=Access(messages_per_minute=1)):
        await ann.reply("/help")
        await rounds.look()
        for number in range(25):
            await li_lei.person.say(f"{SECRET} {number}")
        await telegram.wait_for(lambda world: not world.state.pending and li_lei.of_bot())
        # All between two looks: half a flood is none.
        await everything_handled(configure().database.file, telegram)
        await rounds_until(rounds, telegram, lambda: len(ann.of_bot()) > 1)
        for _ in range(3):
            await rounds.look()
        _, told = ann.of_bot()
    assert "flood" in told.text
    assert SECRET not in told.text
    assert str(li_lei.person.user.id) not in told.text


async def everything_handled(file, telegram):
    """Until no update waits in the journal."""
    async with asyncio.timeout(60):
        while True:
            with closing(sqlite3.connect(file)) as connection:
                waiting = connection.execute("SELECT count(*) FROM updates WHERE state = 'received'")
                if waiting.fetchone() == (0,):
                    return
            await telegram.sandbox.feed.until(lambda: False, within=0.2)


async def rounds_until(rounds, telegram, ready):
    """Look again and again, as the alarm does, until something has come of it."""
    async with asyncio.timeout(60):
        while not ready():
            await rounds.look()
            await telegram.sandbox.feed.until(ready, within=0.2)


async def test_telegrams_penalties_are_told(watched, rounds, ann, li_lei, telegram):
    async with watched():
        await li_lei.reply("/help")
        telegram.sandbox.faults.order(TooMany(seconds=(1,)), chat_id=li_lei.person.user.id, times=3)
        await li_lei.turn("你好")
        await rounds_until(rounds, telegram, ann.of_bot)
    (told,) = ann.of_bot()
    assert "slows me down" in told.text


async def test_a_model_that_failed_is_told_once_and_everybody_is_answered_again(
    watched, rounds, ann, li_lei, telegram, monkeypatch
):
    step = Engine.step

    def fails_once(engine, *arguments):
        # The mood's own step may come first; were it to fail, the answer would come as usual, without a warning.
        if not (engine.waiting or engine.running):
            return step(engine, *arguments)
        monkeypatch.setattr(Engine, "step", step)
        raise RuntimeError("a cosmic ray")

    async with watched():
        await li_lei.turn("你好")
        await rounds.look()
        monkeypatch.setattr(Engine, "step", fails_once)
        await li_lei.person.say("还在吗？")
        await telegram.wait_for(lambda _: any(m.text.startswith("⚠️") and m.keyboard for m in li_lei.of_bot()))
        await rounds_until(rounds, telegram, ann.of_bot)
        for _ in range(3):
            await rounds.look()
        await li_lei.turn("现在呢？")
    (told,) = ann.of_bot()
    assert "failed and was restarted" in told.text
