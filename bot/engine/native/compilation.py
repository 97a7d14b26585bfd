"""Compilation: a compiler at work in a process of its own, to be waited for or given up. Knows not what it makes.

All or nothing: the target appears whole or not at all, also when two processes make it at once.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

COMPILERS = ("g++", "clang++", "c++")
PATIENCE_S = 600


class NotCompiled(Exception):
    """There is no library on this machine; the message says why."""


def find_compiler() -> str | None:
    """The path of the first one that is there."""
    return next(filter(None, map(shutil.which, COMPILERS)), None)


class Compilation:
    """Started when it is made, which raises NotCompiled. Whoever makes one waits for it."""

    def __init__(self, source: Path, flags: Sequence[str], target: Path, *, niceness: int = 0) -> None:
        found = find_compiler()
        if found is None:
            raise NotCompiled(f"no C++ compiler found ({', '.join(COMPILERS)})")
        self._compiler = found
        self._target = target
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._folder = TemporaryDirectory(
                prefix=f"{target.stem}.", suffix=".part", dir=target.parent, ignore_cleanup_errors=True
            )
        except OSError as error:
            raise NotCompiled(f"{target.parent} cannot be written: {error}") from None
        self._part = Path(self._folder.name) / target.name
        self._errors = Path(self._folder.name) / "errors"
        try:
            self._process = self._start([*flags, "-o", str(self._part), str(source)])
        except OSError as error:
            self._folder.cleanup()
            raise NotCompiled(f"{self._compiler} failed: {error}") from None
        if niceness and os.name == "posix":
            with suppress(OSError):  # it may have ended already
                os.setpriority(os.PRIO_PGRP, self._process.pid, niceness)

    def _start(self, arguments: Sequence[str]) -> "subprocess.Popen[bytes]":
        """In a group of its own, for a compiler has children; whatever they leave behind is in our folder."""
        with self._errors.open("wb") as errors:
            return subprocess.Popen(
                [self._compiler, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env={**os.environ, "TMPDIR": self._folder.name},
                process_group=0 if os.name == "posix" else None,
            )

    def wait(self) -> None:
        """Until the target is in its place. Raises NotCompiled."""
        try:
            if self._process.wait(PATIENCE_S) != 0:
                raise NotCompiled(f"{self._compiler} failed: {self._reason()}")
            self._part.replace(self._target)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NotCompiled(f"{self._compiler} failed: {error}") from None
        finally:
            self.stop()
            self._process.wait()
            self._folder.cleanup()

    def stop(self) -> None:
        """Give it up: `wait` ends soon, and nothing is left behind. May be called from any thread."""
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL) if os.name == "posix" else self._process.kill()

    def _reason(self) -> str:
        lines = self._errors.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[0] if lines else "no reason given"
