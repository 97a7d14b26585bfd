"""Polling: getUpdates as a long poll, of which there is one at a time."""

import asyncio

from .errors import conflict
from .feed import Feed
from .objects import JsonObject
from .world import World

SECOND_POLLER = "terminated by other getUpdates request; make sure that only one bot instance is running"


class Polling:
    """Hands out waiting updates. A call that has to wait ends the one that waits already with a 409.

    `waiting` is set while somebody waits.
    """

    def __init__(self, world: World, feed: Feed) -> None:
        self.world = world
        self.feed = feed
        self.waiting = asyncio.Event()
        self._current: asyncio.Task[list[JsonObject]] | None = None

    async def get(self, offset: int, limit: int, wait_s: float) -> list[JsonObject]:
        """Updates from `offset` on, at once if there are any, else as soon as one comes."""
        batch = self.world.waiting(offset, limit)
        if batch or wait_s <= 0:
            return batch
        if self._current is not None:
            self._current.cancel()
        wait = asyncio.ensure_future(self._wait(max(offset, 0), limit, wait_s))
        self._current = wait
        self.waiting.set()
        self.feed.wake()  # the bot has taken all updates: somebody may be waiting for that
        try:
            return await asyncio.shield(wait)
        except asyncio.CancelledError:
            if wait.cancelled():
                raise conflict(SECOND_POLLER) from None
            wait.cancel()
            raise
        finally:
            if self._current is wait:
                self._current = None
                self.waiting.clear()

    async def _wait(self, offset: int, limit: int, wait_s: float) -> list[JsonObject]:
        return await self.feed.until(lambda: self.world.waiting(offset, limit), wait_s) or []
