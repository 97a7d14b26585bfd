"""Queues: one conversation's updates one after another, conversations side by side.

Knows neither Telegram nor the journal: it is given work and keeps its order.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable

Job = Callable[[], Awaitable[None]]


class Queues:
    """Jobs by key. Work runs in `tasks`, so that a defect ends the whole group."""

    def __init__(self, tasks: asyncio.TaskGroup, most: int) -> None:
        self._tasks = tasks
        self._most = most
        self._waiting: dict[Hashable, deque[Job]] = {}
        self._workers: set[asyncio.Task[None]] = set()
        self._undone = 0
        self._room = asyncio.Event()
        self._room.set()
        self._closed = False

    def put(self, key: Hashable | None, job: Job) -> None:
        """Do `job` after all jobs of this key, or at once without a key."""
        self._count(1)
        if key is None:
            self._start(deque([job]), key)
        elif key in self._waiting:
            self._waiting[key].append(job)
        else:
            self._waiting[key] = deque([job])
            self._start(self._waiting[key], key)

    async def room(self) -> None:
        """Until fewer than `most` jobs are undone."""
        await self._room.wait()

    async def close(self, within: float) -> None:
        """Begin nothing more; give what runs `within` seconds, then cancel it."""
        self._closed = True
        if self._workers:
            _, late = await asyncio.wait(self._workers, timeout=within)
            for worker in late:
                worker.cancel()

    def _start(self, jobs: deque[Job], key: Hashable | None) -> None:
        worker = self._tasks.create_task(self._work(jobs, key))
        self._workers.add(worker)
        worker.add_done_callback(self._workers.discard)

    async def _work(self, jobs: deque[Job], key: Hashable | None) -> None:
        while jobs and not self._closed:
            try:
                await jobs[0]()
            finally:
                jobs.popleft()
                self._count(-1)
        if key is not None:
            del self._waiting[key]

    def _count(self, change: int) -> None:
        self._undone += change
        if self._undone < self._most:
            self._room.set()
        else:
            self._room.clear()
