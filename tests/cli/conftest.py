"""The commands as processes: beside a local Telegram, in a home of their own."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from bot.sandbox.server import Running, Sandbox, serve


@pytest.fixture
async def telegram() -> AsyncIterator[Running]:
    async with serve(Sandbox()) as running:
        yield running


@pytest.fixture
def environment(telegram: Running, tiny_model: Path, tmp_path: Path) -> dict[str, str]:
    """Of a bot with which all is well. Plain transformers: most tests need not wait for torch."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(("TANDEM_", "XDG_")) and not name.upper().endswith("_PROXY")
    }
    return inherited | {
        "HOME": str(tmp_path),
        "TANDEM_TELEGRAM__TOKEN": telegram.token,
        "TANDEM_TELEGRAM__BASE_URL": telegram.base_url,
        "TANDEM_MODEL__NAME": str(tiny_model),
        "TANDEM_MODEL__DIR": str(tmp_path / "models"),
        "TANDEM_MODEL__ENGINE": "reference",
        "TANDEM_DATABASE__URL": f"sqlite+aiosqlite:///{tmp_path / 'tandem.sqlite3'}",
    }


@pytest.fixture
def closed_port() -> int:
    """Nobody listens there."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Program:
    """A command under way, and what it has written so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self._news = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            async with self._news:
                self.lines.append(line.decode().rstrip())
                self._news.notify_all()
        async with self._news:
            self._news.notify_all()

    async def says(self, words: str, within: float = 120) -> str:
        """Wait for a line with these words in it."""

        def found() -> list[str]:
            return [line for line in self.lines if words in line]

        async with asyncio.timeout(within), self._news:
            await self._news.wait_for(lambda: found() or self._reading.done())
        assert found(), f"{words!r} was never said:\n" + "\n".join(self.lines)
        return found()[0]

    async def ends(self, within: float = 60) -> int:
        """Wait for its end; the exit code."""
        code = await asyncio.wait_for(self.process.wait(), within)
        await self._reading
        return code

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it; the exit code."""
        if self.process.returncode is None:
            self.process.send_signal(how)
        return await self.ends()


Launch = Callable[..., AbstractAsyncContextManager[Program]]


@pytest.fixture
def launch(environment: dict[str, str], tmp_path: Path) -> Launch:
    """`async with launch("run") as program:` – a command of the bot, ended with the block at the latest."""

    @asynccontextmanager
    async def launched(
        *arguments: str, before: tuple[str, ...] = (), **variables: str
    ) -> AsyncIterator[Program]:
        process = await asyncio.create_subprocess_exec(
            *before,
            *(sys.executable, "-m", "bot", *arguments),
            cwd=tmp_path,
            env=environment | variables,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        program = Program(process)
        try:
            yield program
        finally:
            if process.returncode is None:
                await program.stop(signal.SIGKILL)

    return launched
