"""A local Telegram over real HTTP, the real client for it, and proxies that write down who came through."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

import pytest
from pydantic import SecretStr
from telegram import Bot

from bot.config import Telegram
from bot.sandbox.server import Running, Sandbox, serve
from bot.transport.client import make_bot


@pytest.fixture
async def telegram() -> AsyncIterator[Running]:
    async with serve(Sandbox()) as running:
        yield running


@pytest.fixture
def settings(telegram: Running) -> Telegram:
    return Telegram(token=SecretStr(telegram.token), base_url=telegram.base_url)


@pytest.fixture
async def bot(settings: Telegram) -> AsyncIterator[Bot]:
    async with make_bot(settings) as bot:
        yield bot


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
