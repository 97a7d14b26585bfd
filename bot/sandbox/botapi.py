"""The Bot API over HTTP: `/bot<token>/<method>` in, Telegram's envelope out."""

import inspect
import secrets

from starlette.requests import Request
from starlette.responses import Response

from .errors import NOT_FOUND, UNAUTHORIZED, ApiError
from .methods import METHODS, Api
from .objects import JsonObject, compact
from .params import read_body, read_query


class BotApi:
    """The endpoint of the world's one bot."""

    def __init__(self, api: Api) -> None:
        self.api = api

    async def endpoint(self, request: Request) -> Response:
        try:
            result = await self._call(request)
        except ApiError as refused:
            return _answer(refused.envelope(), refused.code)
        return _answer({"ok": True, "result": result}, 200)

    async def _call(self, request: Request) -> object:
        self._check(request.path_params["token"])
        method = METHODS.get(request.path_params["method"].lower())
        if method is None:
            raise NOT_FOUND
        body = read_body(await request.body(), request.headers.get("content-type", ""))
        result = method(self.api, read_query(request.url.query) | body)
        return await result if inspect.isawaitable(result) else result

    def _check(self, token: str) -> None:
        number, _, secret = token.partition(":")
        if not number.isdigit() or not secret:
            raise NOT_FOUND
        if not secrets.compare_digest(token.encode(), self.api.world.state.token.encode()):
            raise UNAUTHORIZED


def _answer(envelope: JsonObject, status: int) -> Response:
    return Response(compact(envelope), status_code=status, media_type="application/json")
