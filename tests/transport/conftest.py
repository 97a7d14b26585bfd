"""A local Telegram over real HTTP, the real client for it, and proxies that write down who came through."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

import pytest
from hypothesis import settings as hypothesis_settings
from pydantic import SecretStr
from telegram import Bot

from bot.config import Telegram
from bot.sandbox.server import Running, Sandbox, serve
from bot.transport.client import make_bot
from bot.transport.outbox import Outbox
from tests.clock import Time

# Examples are judged by what they do: on a busy machine any of them may be slow.
hypothesis_settings.register_profile("transport", deadline=None)
hypothesis_settings.load_profile("transport")


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
async def telegram(clock: Time) -> AsyncIterator[Running]:
    """Flood control is on: whoever is too fast is refused."""
    async with serve(Sandbox(clock)) as running:
        yield running


@pytest.fixture
def settings(telegram: Running) -> Telegram:
    return Telegram(token=SecretStr(telegram.token), base_url=telegram.base_url)


@pytest.fixture
async def bot(settings: Telegram) -> AsyncIterator[Bot]:
    async with make_bot(settings) as bot:
        yield bot


@pytest.fixture
def moved() -> list[tuple[int, int]]:
    """Migrations that the outbox told of."""
    return []


@pytest.fixture
async def outbox(bot: Bot, clock: Time, moved: list[tuple[int, int]]) -> AsyncIterator[Outbox]:
    """A running outbox on the test's clock."""

    async def remember(old: int, new: int) -> None:
        moved.append((old, new))

    outbox = Outbox(bot, on_migrated=remember, clock=clock, sleep=clock.sleep)
    clock.busy = lambda: outbox.in_flight > 0
    task = asyncio.create_task(outbox.run())
    yield outbox
    task.cancel()
    await asyncio.wait([task])


@dataclass
class Proxy:
    """A proxy on loopback, for one request a connection; `targets` are the addresses it was asked for."""

    scheme: str
    url: str = ""
    targets: list[str] = field(default_factory=list)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = b""
        if self.scheme == "http":
            head = await reader.readuntil(b"\r\n\r\n")
            address = head.split(b" ")[1]
            host, port = address.split(b"/")[2].split(b":")
            head = head.replace(b"http://%b:%b" % (host, port), b"", 1)
        else:
            host, port = await self._socks_target(reader, writer)
        self.targets.append(f"{host.decode()}:{int(port)}")
        there_reader, there_writer = await asyncio.open_connection(host.decode(), int(port))
        there_writer.write(head)
        await asyncio.gather(_pipe(reader, there_writer), _pipe(there_reader, writer))

    async def _socks_target(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[bytes, int]:
        """RFC 1928: no authentication, CONNECT."""
        await reader.readexactly((await reader.readexactly(2))[1])
        writer.write(b"\x05\x00")
        kind = (await reader.readexactly(4))[3]
        if kind == 1:
            host = ".".join(map(str, await reader.readexactly(4))).encode()
        else:
            host = await reader.readexactly((await reader.readexactly(1))[0])
        port = int.from_bytes(await reader.readexactly(2), "big")
        writer.write(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
        return host, port


async def _pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    sink.close()


@pytest.fixture
def open_proxy() -> Callable[[str], AbstractAsyncContextManager[Proxy]]:
    @contextlib.asynccontextmanager
    async def open_(scheme: str) -> AsyncIterator[Proxy]:
        proxy = Proxy(scheme)
        server = await asyncio.start_server(proxy.handle, "127.0.0.1", 0)
        proxy.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            yield proxy

    return open_
