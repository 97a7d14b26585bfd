"""Queues: one conversation's updates one after another, conversations side by side.

Knows neither Telegram nor the journal: it is given work and keeps its order.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Hashable
from contextlib import asynccontextmanager

Job = Callable[[], Awaitable[None]]


class Place:
    """A job's place in its queue."""

    def __init__(self, job: Job, line: "deque[Place]") -> None:
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()
        self._job = job
        self._line = line
        self._begins = asyncio.Lock()

    @property
    def ahead(self) -> int:
        """Jobs before this one, with the one that runs."""
        return self._line.index(self) if self in self._line else 0

    @asynccontextmanager
    async def held(self) -> AsyncIterator[bool]:
        """Keep the job from beginning while the block runs; says whether that was in time."""
        async with self._begins:
            yield not self.begun.is_set()

    async def work(self) -> None:
        """Do the job."""
        try:
            async with self._begins:
                self.begun.set()
            await self._job()
        finally:
            self.ended.set()


class Queues:
    """Jobs by key. Work runs in `tasks`, so that a defect ends the whole group."""

    def __init__(self, tasks: asyncio.TaskGroup, most: int) -> None:
        self._tasks = tasks
        self._most = most
        self._lines: dict[Hashable, deque[Place]] = {}
        self._workers: set[asyncio.Task[None]] = set()
        self._watchers: set[asyncio.Task[None]] = set()
        self._undone = 0
        self._room = asyncio.Event()
        self._room.set()
        self._closed = False

    def put(self, key: Hashable | None, job: Job) -> Place:
        """Do `job` after all jobs of this key, or at once without a key."""
        self._count(1)
        is_new = key is None or key not in self._lines
        line = deque[Place]() if is_new else self._lines[key]
        place = Place(job, line)
        line.append(place)
        if key is not None:
            self._lines[key] = line
        if is_new:
            self._start(self._workers, self._work(line, key))
        return place

    def watch(self, work: Coroutine[object, object, None]) -> None:
        """Do something beside the queues. It is no job: at the end nobody waits for it."""
        self._start(self._watchers, work)

    async def room(self) -> None:
        """Until fewer than `most` jobs are undone."""
        await self._room.wait()

    async def close(self, within: float) -> None:
        """Begin nothing more; give what runs `within` seconds, then cancel it."""
        self._closed = True
        for watcher in self._watchers:
            watcher.cancel()
        if self._workers:
            _, late = await asyncio.wait(self._workers, timeout=within)
            for worker in late:
                worker.cancel()

    def _start(self, tasks: "set[asyncio.Task[None]]", work: Coroutine[object, object, None]) -> None:
        task = self._tasks.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def _work(self, line: deque[Place], key: Hashable | None) -> None:
        while line and not self._closed:
            try:
                await line[0].work()
            finally:
                line.popleft()
                self._count(-1)
        if key is not None:
            del self._lines[key]

    def _count(self, change: int) -> None:
        self._undone += change
        if self._undone < self._most:
            self._room.set()
        else:
            self._room.clear()
