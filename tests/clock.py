"""A clock for tests of pace: hours pass in a moment, and nobody waits."""

import asyncio
import heapq
import itertools
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Clock:
    """A clock that stands still until the test moves it."""

    def __init__(self) -> None:
        self.time = 1_795_000_000.0

    def __call__(self) -> float:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += seconds


class Time:
    """A clock that moves only when nothing else does: waiting costs no time, and none is skipped."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.busy: Callable[[], bool] = lambda: False
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        wakes: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._numbers), wakes))
        await wakes

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`; whenever everybody sleeps, the clock jumps to the next who wakes."""
        task = asyncio.ensure_future(work)
        while not task.done():
            if await self._everybody_sleeps(task):
                self._wake_next()
        return task.result()

    async def until(self, ready: Callable[[], object]) -> None:
        """Let everybody work, without moving the clock."""
        while not ready():  # noqa: ASYNC110
            await asyncio.sleep(0)

    async def _everybody_sleeps(self, task: asyncio.Task[T]) -> bool:
        for _ in range(12):
            await asyncio.sleep(0)
            if self.busy() or task.done():
                return False
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return bool(self._sleepers)

    def _wake_next(self) -> None:
        at, _, wakes = heapq.heappop(self._sleepers)
        self.now = max(self.now, at)
        wakes.set_result(None)
