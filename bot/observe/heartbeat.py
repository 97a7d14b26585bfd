"""Heartbeat: a file that is touched while the bot is well, so that another process can tell (`check --quick`).

Knows not what being well means: it is told.
"""

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

INTERVAL_S = 20.0
STALE_S = 90.0
"""An older heartbeat is none: four were missed."""

log = logging.getLogger(__name__)


async def beat(
    path: Path, is_well: Callable[[], bool], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> None:
    """Touch `path` again and again while the bot is well, until cancelled; then it is gone."""
    trouble = ""
    try:
        while True:
            if is_well():
                trouble, before = _touch(path), trouble
                if trouble not in ("", before):  # the bot can live without it
                    log.warning("the heartbeat cannot be written, `check --quick` will fail: %s", trouble)
            await sleep(INTERVAL_S)
    finally:
        with suppress(OSError):
            os.unlink(path)


def _touch(path: Path) -> str:
    """What went wrong, or nothing."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        return str(error)
    return ""


def age_s(path: Path, clock: Callable[[], float] = time.time) -> float | None:
    """Seconds since the last beat; None if no bot is running."""
    try:
        return max(0.0, clock() - path.stat().st_mtime)
    except OSError:
        return None
