"""The heartbeat on a real file: fresh while the bot is well, old when it is not, gone when it has ended."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bot.observe.heartbeat import STALE_S, age_s, beat


class Bot:
    """Something that may be well; each `turn` is one interval of its heartbeat."""

    def __init__(self, path: Path) -> None:
        self.well = True
        self._asleep, self._wake = asyncio.Event(), asyncio.Event()
        self.task = asyncio.create_task(beat(path, lambda: self.well, self._sleep))

    async def _sleep(self, _seconds: float) -> None:
        self._asleep.set()
        await self._wake.wait()
        self._wake.clear()

    async def turn(self) -> None:
        await self._asleep.wait()
        self._asleep.clear()
        self._wake.set()
        await self._asleep.wait()

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "tandem.heartbeat"


@pytest.fixture
async def bot(path: Path) -> AsyncIterator[Bot]:
    bot = Bot(path)
    yield bot
    await bot.end()


@pytest.fixture
def grow_old(path: Path) -> Callable[[], None]:
    def grow() -> None:
        stat = path.stat()
        os.utime(path, (stat.st_atime, stat.st_mtime - 2 * STALE_S))

    return grow


def age(path: Path) -> float:
    found = age_s(path)
    assert found is not None
    return found


async def test_it_stays_fresh_while_the_bot_is_well(
    bot: Bot, path: Path, grow_old: Callable[[], None]
) -> None:
    await bot.turn()
    assert age(path) < STALE_S
    grow_old()
    assert age(path) > STALE_S
    await bot.turn()
    assert age(path) < STALE_S


async def test_it_grows_old_when_the_bot_is_not(bot: Bot, path: Path, grow_old: Callable[[], None]) -> None:
    await bot.turn()
    bot.well = False
    grow_old()
    await bot.turn()
    assert age(path) > STALE_S


async def test_it_is_gone_when_the_bot_has_ended(bot: Bot, path: Path) -> None:
    await bot.turn()
    await bot.end()
    assert age_s(path) is None
    assert bot.task.cancelled()


async def test_a_disk_that_refuses_it_is_told_once_and_ends_nothing(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.write_text("not a folder")
    bot = Bot(path)
    with caplog.at_level(logging.WARNING):
        await bot.turn()
        await bot.turn()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert not bot.task.done()
    await bot.end()
