"""StateFile: the world on disk, so that the conversations are still there after a restart.

Written whole and swapped in, some time after a change, readable by its owner only (it holds the token).
"""

import asyncio
import contextlib
import logging
import os
import time
from pathlib import Path

from pydantic import ValidationError

from .feed import Feed
from .objects import State
from .world import World

SETTLE_S = 1.0

log = logging.getLogger(__name__)


class StateFile:
    """A world's file, written `saves` times so far. A broken one is moved aside, never overwritten."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.saves = 0

    def load(self) -> State | None:
        """The saved world, or None when there is none that can be read."""
        try:
            return State.model_validate_json(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except (ValidationError, ValueError):
            aside = self.path.with_name(f"{self.path.name}.broken-{int(time.time())}")
            self.path.replace(aside)
            log.warning("the sandbox's saved chats cannot be read; moved to %s, starting empty", aside)
            return None

    def save(self, text: str) -> None:
        """Write the world so that a crash leaves either the old file or the new one."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_name(f"{self.path.name}.new")
        with open(
            os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
        ) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path)
        self.saves += 1

    async def follow(self, world: World, feed: Feed) -> None:
        """Save the world when it has changed, until the feed ends, and once more then."""
        saved = feed.last
        while not feed.ended.is_set():
            await feed.changed()
            if feed.last == saved:
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(feed.ended.wait(), SETTLE_S)
            saved = feed.last
            await asyncio.to_thread(self.save, world.state.model_dump_json())
            feed.wake()
