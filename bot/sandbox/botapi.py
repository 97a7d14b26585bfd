"""The Bot API over HTTP: `/bot<token>/<method>` in, Telegram's envelope out; ordered faults strike here."""

import asyncio
import inspect
import secrets
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from .errors import NOT_FOUND, UNAUTHORIZED, ApiError, too_many_requests
from .faults import Effect, Failure, Faults, Lost, Reset, TooMany
from .feed import Feed
from .limits import Flooded
from .methods import METHODS, Api
from .methods.media import download
from .objects import JsonObject, compact
from .params import read_body, read_query

KEPT_CALLS = 20_000
NO_ANSWER = Response()
FAILURES = {500: "Internal Server Error", 502: "Bad Gateway"}


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the bot and what came of it; `status` 0 means that no answer was given."""

    at: float
    method: str
    chat_id: int | None
    message_id: int | None
    status: int
    retry_after: int = 0
    inside_penalty: bool = False


class ClientGone(Exception):
    """The bot closed the connection before there was an answer."""


Witness = Callable[[str, JsonObject], None]


class BotApi:
    """The endpoint of the world's one bot. `calls` keeps the last calls, witnesses see every answer."""

    def __init__(self, api: Api, feed: Feed, faults: Faults) -> None:
        self.api = api
        self.feed = feed
        self.faults = faults
        self.calls: deque[Call] = deque(maxlen=KEPT_CALLS)
        self.witnesses: list[Witness] = []

    async def endpoint(self, request: Request) -> Response:
        """Answer one call, or let it meet the fault that was ordered for it."""
        name = request.path_params["method"].lower()
        values: dict[str, object] = {}
        try:
            self._check(request.path_params["token"], name)
            values = await self._read(request)
            effect = self._strike(name, _number(values, "chat_id"))
            if effect is None or isinstance(effect, Lost):
                result = await self._run(request, name, values)
        except ClientGone:
            self._log(name, values, 0)
            return NO_ANSWER
        except (ApiError, Flooded) as refused:
            return self._refuse(name, values, refused)
        if effect is not None:
            return await self._suffer(request, name, values, effect)
        self._log(name, values, 200)
        return self._answer(name, {"ok": True, "result": result}, 200)

    async def file(self, request: Request) -> Response:
        """A file that the bot may fetch, by the path that getFile gave."""
        try:
            file = download(self.api, request.path_params["token"], request.path_params["path"])
        except ApiError as refused:
            return Response(compact(refused.envelope()), refused.code, media_type="application/json")
        return Response(file.content, media_type="application/octet-stream")

    def _check(self, token: str, name: str) -> None:
        number, _, secret = token.partition(":")
        if not number.isdigit() or not secret:
            raise NOT_FOUND
        if not secrets.compare_digest(token.encode(), self.api.world.state.token.encode()):
            raise UNAUTHORIZED
        if name not in METHODS:
            raise NOT_FOUND

    async def _read(self, request: Request) -> dict[str, object]:
        body = read_body(await request.body(), request.headers.get("content-type", ""))
        return read_query(request.url.query) | body

    def _strike(self, name: str, chat_id: int | None) -> Effect | None:
        fault = self.faults.strike(name, chat_id)
        if fault is None:
            return None
        if isinstance(fault.effect, TooMany):
            seconds = fault.effect.seconds[(fault.hits - 1) % len(fault.effect.seconds)]
            if chat_id is None:
                raise too_many_requests(seconds)
            self.api.flood.refuse_next(chat_id, seconds)
            return None
        return fault.effect

    async def _run(self, request: Request, name: str, values: dict[str, object]) -> object:
        result = METHODS[name](self.api, values)
        return await self._unless_gone(request, result) if inspect.isawaitable(result) else result

    async def _unless_gone(self, request: Request, work: Awaitable[object]) -> object:
        """The result of waiting work, given up when nobody listens any more."""
        task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_gone(request))
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if task.done():
            return task.result()
        task.cancel()
        raise ClientGone

    def _refuse(self, name: str, values: dict[str, object], refused: ApiError | Flooded) -> Response:
        inside = isinstance(refused, Flooded) and refused.inside
        error = too_many_requests(refused.retry_after) if isinstance(refused, Flooded) else refused
        self._log(name, values, error.code, error.parameters.get("retry_after", 0), inside=inside)
        return self._answer(name, error.envelope(), error.code)

    async def _suffer(
        self, request: Request, name: str, values: dict[str, object], effect: Effect
    ) -> Response:
        if isinstance(effect, Failure):
            # What stands in front of Telegram answers in plain text.
            self._log(name, values, effect.status)
            return Response(FAILURES.get(effect.status, "Error"), status_code=effect.status)
        self._log(name, values, 0)
        if isinstance(effect, Reset) or (isinstance(effect, Lost) and not effect.silent):
            request.scope["extensions"]["sandbox.cut"]()
        await self._silence(request)
        return NO_ANSWER

    async def _silence(self, request: Request) -> None:
        """Say nothing until the client gives up or the sandbox ends."""
        waits = {asyncio.ensure_future(_gone(request)), asyncio.ensure_future(self.feed.ended.wait())}
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    def _answer(self, name: str, envelope: JsonObject, status: int) -> Response:
        for witness in self.witnesses:
            witness(name, envelope)
        return Response(compact(envelope), status_code=status, media_type="application/json")

    def _log(
        self, name: str, values: dict[str, object], status: int, retry_after: int = 0, *, inside: bool = False
    ) -> None:
        chat_id, message_id = _number(values, "chat_id"), _number(values, "message_id")
        self.calls.append(
            Call(self.api.world.clock(), name, chat_id, message_id, status, retry_after, inside)
        )
        self.feed.wake()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _number(values: dict[str, object], key: str) -> int | None:
    text = str(values.get(key, ""))
    return int(text) if text.lstrip("-").isdigit() else None
