"""Sandbox and serve: a local Telegram, started inside this process.

    sandbox = Sandbox()
    async with serve(sandbox) as running:
        running.url         # http://127.0.0.1:PORT/     the page
        running.base_url    # http://127.0.0.1:PORT/bot  for python-telegram-bot's base_url
        running.token       # the bot's token
        ann = running.person("Ann")                  # see people.Person
        await ann.say("hi")
        reply = await running.wait_for(lambda world: [m for m in ann.messages() if m.text == "hello"])
        sandbox.faults.order(...)                    # see faults
        sandbox.calls                                # every call of the bot and its outcome

It imports nothing of the rest of the bot: like Telegram, it is reached over HTTP.
"""

import asyncio
import contextlib
import errno
import socket
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import uvicorn
from starlette.applications import Starlette
from starlette.responses import FileResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from .botapi import BotApi, Call
from .faults import Faults
from .feed import Feed
from .guard import Guard, is_loopback
from .limits import FloodControl
from .methods import Api
from .page_api import PageApi
from .people import Person
from .polling import Polling
from .state import StateFile
from .world import Clock, World

PAGE = Path(__file__).parent / "page"
GRACE_S = 5

T = TypeVar("T")


class SandboxError(Exception):
    """The sandbox cannot start; the message says why and what to do."""


class NothingHappened(AssertionError):
    """What was waited for did not come in time; the message shows what was said instead."""


class Sandbox:
    """A world and the web application that opens it to a bot and to a browser.

    `limits` False switches flood control off; `state_file` keeps the world over restarts. `hood` is a web
    application of the bot's own that tells how its answers came about; the page shows it in a panel.
    """

    def __init__(
        self,
        clock: Clock = time.time,
        *,
        state_file: Path | None = None,
        limits: bool = True,
        hood: ASGIApp | None = None,
    ) -> None:
        self.hood = hood
        self.file = StateFile(state_file) if state_file else None
        self.world = World(self.file.load() if self.file else None, clock)
        self.feed = Feed(self.world)
        self.faults = Faults()
        self.flood = FloodControl(clock, enabled=limits)
        self.polling = Polling(self.world, self.feed)
        self.bot_api = BotApi(Api(self.world, self.polling, self.flood), self.feed, self.faults)
        self.page_api = PageApi(self.world, self.feed, self.flood, has_hood=hood is not None)

    @property
    def calls(self) -> deque[Call]:
        """The last calls of the bot, oldest first."""
        return self.bot_api.calls

    def app(self, key: str | None = None) -> Starlette:
        """The web application; with a `key` the page is open to whoever knows it, else to loopback."""
        page = Starlette(
            routes=[
                Route("/", lambda _: FileResponse(PAGE / "index.html")),
                *self.page_api.routes(),
                Mount("/page", StaticFiles(directory=PAGE)),
                *([Mount("/hood", self.hood)] if self.hood else []),
            ]
        )
        bot = Route("/bot{token}/{method}", self.bot_api.endpoint, methods=["GET", "POST"])
        files = Route("/file/bot{token}/{path:path}", self.bot_api.file, methods=["GET"])
        return Starlette(routes=[bot, files, Mount("/", Guard(page, key))])


@dataclass(frozen=True, slots=True)
class Running:
    """A sandbox that listens."""

    sandbox: Sandbox
    host: str
    port: int

    @property
    def world(self) -> World:
        return self.sandbox.world

    @property
    def url(self) -> str:
        # A server on all addresses is also on this one.
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/"

    @property
    def base_url(self) -> str:
        return f"{self.url}bot"

    @property
    def token(self) -> str:
        return self.world.state.token

    def person(self, name: int | str) -> Person:
        return Person(self.world, self.world.user(name))

    async def wait_for(self, ready: Callable[[World], T | None], within: float = 30) -> T:
        """What `ready` returns as soon as it is true; it is asked now and after every event.

        Raises NothingHappened with the transcript after `within` seconds.
        """
        found = await self.sandbox.feed.until(lambda: ready(self.world), within)
        if not found:
            raise NothingHappened(f"not within {within} s; what was said:\n{self.world.transcript()}")
        return found


class _Protocol(H11Protocol):
    """Lets the application cut a connection, as networks do."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        super().connection_made(transport)
        app, cut = self.app, transport.abort

        async def with_scissors(scope: Scope, receive: Receive, send: Send) -> None:
            scope["extensions"] = {**scope.get("extensions", {}), "sandbox.cut": cut}
            await app(scope, receive, send)

        self.app = with_scissors


class _Server(uvicorn.Server):
    """uvicorn inside somebody else's event loop: no signal handlers, and it tells when it is ready."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@contextlib.asynccontextmanager
async def serve(
    sandbox: Sandbox, host: str = "127.0.0.1", port: int = 0, key: str | None = None
) -> AsyncIterator[Running]:
    """Open the sandbox on `host:port` (0: any free port) until the block is left. Raises SandboxError.

    A host that others can reach needs a `key`; the page then opens with `?key=…`, once.
    """
    if key is None and not is_loopback(host):
        raise SandboxError(f"{host} can be reached from other machines: the page needs a key there.")
    listening = _listen(host, port)
    config = uvicorn.Config(
        sandbox.app(key),
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    server = _Server(config)
    tasks = [asyncio.create_task(server.serve(sockets=[listening]))]
    if sandbox.file:
        tasks.append(asyncio.create_task(sandbox.file.follow(sandbox.world, sandbox.feed)))
    try:
        await server.ready.wait()
        yield Running(sandbox, host, listening.getsockname()[1])
    finally:
        sandbox.feed.close()
        server.should_exit = True
        await asyncio.gather(*tasks)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise SandboxError(f"port {port} is taken already. Choose another one with --port.") from None
        raise SandboxError(f"cannot listen on {host}:{port}: {error.strerror or error}.") from None
