"""Feed: the world's events in order, for whoever waits for them: the page, the long poll, the tests.

The only part of the world's surroundings that knows asyncio; it never changes the world.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from .world import Event, World

KEPT_EVENTS = 2000

T = TypeVar("T")


class Feed:
    """The last events with their numbers. `last` is the number of the newest."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.last = 0
        self.ended = asyncio.Event()
        self._events: deque[tuple[int, Event]] = deque(maxlen=KEPT_EVENTS)
        self._waiting: set[asyncio.Future[None]] = set()
        world.listeners.append(self._heard)

    def _heard(self, event: Event) -> None:
        self.last += 1
        self._events.append((self.last, event))
        self.wake()

    def wake(self) -> None:
        """Let everybody who waits look again."""
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
        self._waiting.clear()

    def close(self) -> None:
        """Nothing more will come: everybody who waits may leave."""
        self.ended.set()
        self.wake()

    def since(self, number: int) -> list[tuple[int, Event]] | None:
        """Events after `number`; None when some of them are no longer kept."""
        first = self._events[0][0] if self._events else self.last + 1
        if number > self.last or number + 1 < first:
            return None
        return [(each, event) for each, event in self._events if each > number]

    async def changed(self) -> None:
        """Return after the next event."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)

    async def until(self, ready: Callable[[], T | None], within: float | None) -> T | None:
        """What `ready` returns as soon as it is true, asked after every event; None after `within` seconds."""
        try:
            async with asyncio.timeout(within):
                while not (found := ready()) and not self.ended.is_set():
                    await self.changed()
                return found
        except TimeoutError:
            return None
