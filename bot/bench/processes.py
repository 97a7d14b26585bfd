"""Engines as child processes: started, asked, watched from outside, stopped. Knows the protocol of serving.py only."""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import bot
from bot.bench.scenario import Outcome, Scenario, outcome_from

ROOT = Path(bot.__file__).parents[1]
LONGEST_LINE = 1 << 27
START_SECONDS = 600.0
ANSWER_SECONDS = 600.0
LAST_LINES = 15


class EngineFailed(Exception):
    """An engine did not start, broke, or fell silent. The message holds its last words."""


@dataclass(frozen=True, slots=True)
class Command:
    """How to start an engine: arguments of a program that calls serving.main."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


def own(name: str, options: Mapping[str, Any]) -> Command:
    """`local` or `reference`, in this environment."""
    return Command(name, [sys.executable, "-m", "bot.bench.engines", name, json.dumps(options)])


class EngineProcess:
    """One running engine. Made by `started`."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.about = ""
        self.parallel = 1
        self.ready_s = 0.0
        self.peak_bytes = 0
        self._process = process
        self._log = log

    @classmethod
    @asynccontextmanager
    async def started(cls, command: Command) -> AsyncIterator[Self]:
        """Run it until the block is left; ready when the block is entered. Raises EngineFailed."""
        begun = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="tandem-bench-") as folder:
            log = Path(folder) / "log"
            with log.open("wb") as errors:
                process = await asyncio.create_subprocess_exec(
                    *command.arguments,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=errors,
                    env={**os.environ, "PYTHONPATH": str(ROOT), **command.environment},
                    limit=LONGEST_LINE,
                )
            engine = cls(command.name, process, log)
            try:
                hello = await engine._read(START_SECONDS)
                engine.about, engine.parallel = hello["about"], hello["parallel"]
                engine.ready_s = time.monotonic() - begun
                yield engine
            finally:
                await engine._stop()

    async def play(self, scenario: Scenario) -> Outcome:
        """Everything forgotten, then the scenario."""
        await self.clear()
        return await self.go_on(scenario)

    async def go_on(self, scenario: Scenario) -> Outcome:
        """The scenario, with whatever the engine remembers."""
        outcome = outcome_from(await self._call({"play": asdict(scenario)}))
        self.peak_bytes = max(self.peak_bytes, resident_bytes(self._process.pid))
        return outcome

    async def clear(self) -> None:
        """Caches, pools and prefixes are empty."""
        self.about = (await self._call({"clear": True}))["about"]

    async def log_probabilities(self, prompts: Sequence[Sequence[int]], file: Path) -> None:
        """What comes after each prompt, as a .npy file."""
        await self._call({"log_probabilities": prompts, "file": str(file)})

    async def _call(self, command: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        with suppress(ConnectionError):  # then there is no answer either, and that is told
            await self._process.stdin.drain()
        return await self._read(ANSWER_SECONDS)

    async def _read(self, seconds: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), seconds)
        except TimeoutError:
            line = b""
        if not line:
            last = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:]
            raise EngineFailed("\n".join([f"the engine {self.name} does not answer; its last words:", *last]))
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def _stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 30)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


def resident_bytes(pid: int) -> int:
    """Resident memory of a process and of all below it; 0 where the system does not tell."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = {int(child) for task in tasks for child in (task / "children").read_text().split()}
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") + sum(resident_bytes(child) for child in children)
