"""Under the hood: a small web application that tells the sandbox's page how answers came about.

GET  /CHAT                     the messages that the model was asked something for, oldest first
GET  /CHAT/MESSAGE             what was asked for one, what came of it, and what it took
POST /CHAT/MESSAGE/article     the same once more, the article's way; a line of JSON for each step (see model.article)

It stands behind the guard of the page. Traces are in memory and gone with the process.
"""

import asyncio
import json
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from bot.config import Config
from bot.conversation import CAUSE, MessageKey
from bot.definitions import Classification, Language
from bot.evaluation.judges import RAW_PROMPT
from bot.locales import translation
from bot.model.pieces import pieces_of
from bot.model.results import Forgetful
from bot.model.tokens import PromptEncoder
from bot.model.traces import Trace, Traced, Traces
from bot.sandbox.world import World

Names = Mapping[str, Mapping[str, Mapping[Language, str]]]
"""What people call the labels of each task, in each language."""


def names_of(settings: Config) -> Names:
    """The names of the labels that this configuration lets the model choose between."""
    chinese = translation("zh_CN").gettext
    moods = {settings.sentiment.positive: "positive", settings.sentiment.negative: "negative"}
    names: dict[str, Mapping[str, Mapping[Language, str]]] = {
        "sentiment": {label: {"en": mood, "zh": chinese(mood)} for label, mood in moods.items()}
    }
    for name, task in settings.enabled_tasks.items():
        if isinstance(task, Classification):
            names[name] = task.labels
    return names


class Hood:
    """The application (`app`) over what a bot does that runs the model in `folder`."""

    def __init__(self, folder: Path, names: Names) -> None:
        self._folder = folder
        self._names = names
        self._traces = Traces()
        self._article = Article(folder)
        self.app = Starlette(
            routes=[
                Route("/{chat}", self.messages, methods=["GET"]),
                Route("/{chat}/{message}", self.message, methods=["GET"]),
                Route("/{chat}/{message}/article", self.article, methods=["POST"]),
            ]
        )

    def watch(self, model: Forgetful) -> Forgetful:
        """The same model, and its traces are kept."""
        return Traced(model, self._traces, CAUSE.get)

    @asynccontextmanager
    async def opened(self, world: World) -> AsyncIterator[None]:
        """Tell the pages that show `world` of every trace, and end in the end what is under way."""

        def tell(trace: Trace) -> None:
            if isinstance(trace.cause, MessageKey):
                world.tell("trace", trace.cause.chat_id, {"message_id": trace.cause.message_id})

        self._traces.listeners.append(tell)
        try:
            yield
        finally:
            self._traces.listeners.remove(tell)
            self._article.close()

    async def messages(self, request: Request) -> Response:
        """Ids, oldest first."""
        causes = [cause for cause in self._traces.causes() if isinstance(cause, MessageKey)]
        chat = request.path_params["chat"]
        return JSONResponse([cause.message_id for cause in causes if str(cause.chat_id) == chat])

    async def message(self, request: Request) -> Response:
        """The newest request of each kind, in the order in which they were made."""
        traces = self._newest(request)
        if not traces:
            return JSONResponse({"error": "nothing is recorded for this message"}, 404)
        return JSONResponse(await asyncio.to_thread(self._told, traces))

    def _newest(self, request: Request) -> list[Trace]:
        try:
            key = MessageKey(int(request.path_params["chat"]), int(request.path_params["message"]))
        except ValueError:
            return []
        by_task = {trace.task: trace for trace in self._traces.of(key)}
        return sorted(by_task.values(), key=lambda trace: trace.began)

    @cached_property
    def _encoder(self) -> PromptEncoder:
        return PromptEncoder(self._folder)

    def _told(self, traces: list[Trace]) -> dict[str, Any]:
        """In a thread: a long prompt takes its time."""
        return {
            "age_s": time.perf_counter() - traces[0].began,
            "finished": all(trace.finish for trace in traces),
            "requests": [self._request(trace, traces[0].began) for trace in traces],
        }

    def _request(self, trace: Trace, start: float) -> dict[str, Any]:
        choice = trace.choice
        prompt = self._encoder.prompt((choice and choice.read) or trace.messages)
        return {
            "task": trace.task,
            "began_s": trace.began - start,
            "prompt": [
                [piece.text, piece.tokens, piece.control] for piece in pieces_of(self._encoder, prompt.tokens)
            ],
            "probabilities": dict(choice.probabilities) if choice else None,
            "neither": choice.neither if choice else None,
            "names": self._names.get(trace.task, {}),
            "queued": asdict(trace.queued) if trace.queued else None,
            "text": trace.text,
            "pieces_s": [round(seconds, 4) for seconds in trace.pieces],
            "finish": asdict(trace.finish) if trace.finish else None,
            "memory_bytes": trace.load.memory_bytes if trace.load else None,
        }

    async def article(self, request: Request) -> Response:
        """One at a time, and only for our own page: it costs memory and time."""
        if request.headers.get("content-type") != "application/json":
            return JSONResponse({"error": "JSON is expected"}, 415)
        traces = self._newest(request)
        if not traces:
            return JSONResponse({"error": "nothing is recorded for this message"}, 404)
        if self._article.busy:
            return JSONResponse({"error": "the article's way is under way already"}, 409)
        return StreamingResponse(self._article.run(_order(traces)), media_type="application/x-ndjson")


def _order(traces: list[Trace]) -> dict[str, Any]:
    """What the article's program is asked: the same mood and the same answer."""
    order: dict[str, Any] = {"sentiment": None, "chat": None}
    for trace in traces:
        if trace.task == "sentiment":
            prompt, text = trace.messages[0].text, trace.messages[-1].text
            order["sentiment"] = RAW_PROMPT.format(prompt=prompt, text=text)
        elif trace.sampling is not None:
            messages = [asdict(message) for message in trace.messages]
            order["chat"] = {"messages": messages, "sampling": asdict(trace.sampling)}
    return order


class Article:
    """Runs `model.article`, one at a time."""

    def __init__(self, folder: Path) -> None:
        self.busy = False
        self._folder = folder
        self._child: asyncio.subprocess.Process | None = None

    async def run(self, order: dict[str, Any]) -> AsyncIterator[bytes]:
        """The program's lines as they come; whoever stops reading ends it."""
        self.busy = True
        self._child = child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot.model.article", str(self._folder)),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
        )
        assert child.stdin is not None
        assert child.stdout is not None
        line = b""
        try:
            child.stdin.write(json.dumps(order).encode())
            child.stdin.close()
            async for line in child.stdout:
                yield line
            if b"peak_bytes" not in line:
                yield b'{"failed": true}\n'
        finally:
            self.close()
            await child.wait()
            self.busy = False

    def close(self) -> None:
        """End what runs."""
        if self._child is not None and self._child.returncode is None:
            with suppress(ProcessLookupError):
                self._child.kill()
