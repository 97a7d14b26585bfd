"""Runs another program that fetches files: tells how they grow, and ends it when it stalls or is given up.

Knows neither pip nor hubs. A program, because a thread that waits for the network cannot be stopped.
"""

import math
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

POLL_SECONDS = 0.2


class Stalled(Exception):
    """Nothing grew for longer than was allowed."""


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    log: Path,
    grown: Callable[[], int],
    told: Callable[[int], None],
    patience: float = math.inf,
) -> int:
    """The exit code of `command`, whose output goes to `log`.

    `told` gets what `grown` measures, several times a second, and may raise to give up. Raises Stalled
    when that measure stays the same for `patience` seconds.
    """
    with log.open("wb") as output:
        child = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    size, since = -1, time.monotonic()
    try:
        while child.poll() is None:
            if (now := grown()) > size:
                size, since = now, time.monotonic()
            elif time.monotonic() - since > patience:
                raise Stalled
            told(size)
            _wait(child)
    finally:
        child.kill()
        child.wait()
    return child.returncode


def _wait(child: subprocess.Popen[bytes]) -> None:
    with suppress(subprocess.TimeoutExpired):
        child.wait(POLL_SECONDS)


def size_below(folder: Path, suffix: str = "") -> int:
    """Bytes in the files below `folder` whose names end so; files and folders may vanish while they are counted."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            if name.endswith(suffix):
                with suppress(FileNotFoundError):
                    total += os.stat(os.path.join(parent, name)).st_size
    return total
