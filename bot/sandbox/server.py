"""Sandbox and serve: a local Telegram, started inside this process.

    sandbox = Sandbox()
    async with serve(sandbox) as running:
        running.url         # http://127.0.0.1:PORT/     the page
        running.base_url    # http://127.0.0.1:PORT/bot  for python-telegram-bot's base_url
        running.token       # the bot's token
        ann = running.person("Ann")                  # see people.Person
        await ann.say("hi")
        reply = await running.wait_for(lambda world: [m for m in ann.messages() if m.text == "hello"])

It imports nothing of the rest of the bot: like Telegram, it is reached over HTTP.
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from .botapi import BotApi
from .feed import Feed
from .methods import Api
from .people import Person
from .polling import Polling
from .world import Clock, World

T = TypeVar("T")


class SandboxError(Exception):
    """The sandbox cannot start; the message says why and what to do."""


class NothingHappened(AssertionError):
    """What was waited for did not come in time; the message shows what was said instead."""


class Sandbox:
    """A world and the web application that opens it to a bot and to a browser."""

    def __init__(self, clock: Clock = time.time) -> None:
        self.world = World(clock=clock)
        self.feed = Feed(self.world)
        self.api = Api(self.world, self.feed, Polling(self.world, self.feed), spend=lambda chat: None)
        bot_api = BotApi(self.api)
        self.app = Starlette(
            routes=[Route("/bot{token}/{method}", bot_api.endpoint, methods=["GET", "POST"])]
        )


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
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/"

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

        Raises NothingHappened with the transcript.
        """
        found = await self.sandbox.feed.until(lambda: ready(self.world), within)
        if not found:
            raise NothingHappened(f"not within {within} s; what was said:\n{self.world.transcript()}")
        return found


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
async def serve(sandbox: Sandbox, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Running]:
    """Open the sandbox on `host:port` (0: any free port) until the block is left. Raises SandboxError."""
    listening = _listen(host, port)
    config = uvicorn.Config(sandbox.app, log_config=None, access_log=False, lifespan="off", ws="none")
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        await server.ready.wait()
        yield Running(sandbox, host, listening.getsockname()[1])
    finally:
        sandbox.feed.close()
        server.should_exit = True
        await task


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SandboxError(
            f"cannot listen on {host}:{port}: {reason}. Choose another port with --port."
        ) from None
