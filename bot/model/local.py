"""LocalModel: the asyncio face of the engine's one executor thread.

Turns messages into token ids, waits for news from the worker, and turns scores into a choice.
"""

import asyncio
import logging
import os
import secrets
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

import torch

from bot.engine.backend import Place, Wanted, open_backend
from bot.engine.calibration import measure
from bot.engine.decoder import Forward
from bot.engine.kv import Pool
from bot.engine.loop import Engine, Guessing
from bot.engine.requests import Generate, Read, Request, Score, Scored, Seen
from bot.engine.sampling import SamplingParameters
from bot.engine.scheduler import Budget, Costs
from bot.model import manifest, probes
from bot.model.api import (
    ChatMessage,
    Choice,
    Delta,
    Finish,
    Load,
    ModelCrashed,
    Overloaded,
    Queued,
    Sampling,
    TooLong,
    Usage,
)
from bot.model.labels import choose, spellings
from bot.model.probes import Probe
from bot.model.tokens import Prompt, PromptEncoder, StopFilter, TextStream
from bot.model.worker import Job, News, Worker

log = logging.getLogger(__name__)

V = TypeVar("V", Scored, Seen)


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """What LocalModel may use. `memory_bytes` caps keys and values; `threads` 0 means one per core;
    `fitted` is the folder of the probes.
    """

    weights: Wanted = "auto"
    threads: int = 0
    context: int = 4096
    running: int = 8
    waiting: int = 64
    memory_bytes: int = 512 << 20
    fitted: Path = probes.FOLDER
    library_cache: Path = field(default_factory=lambda: Path(tempfile.gettempdir()) / "tandem")


@dataclass(frozen=True, slots=True)
class Parts:
    """A model folder, loaded: what makes an engine, what makes token ids, and the model's probes."""

    forward: Forward
    encoder: PromptEncoder
    costs: Costs
    probes: Sequence[Probe] = ()


def load_parts(folder: Path, settings: LocalSettings) -> Parts:
    """Read a folder and pack its weights; seconds. Run it in the thread that will use them."""
    threads = settings.threads or _cores()
    torch.set_num_threads(threads)
    place = Place(folder, folder / "int8", settings.library_cache)
    backend = open_backend(place, settings.weights, context=settings.context, threads=threads)
    log.info("the model runs on %d threads with %s (%s)", threads, backend.name, backend.reason)
    about = manifest.read(folder)
    fitted = list(probes.load(about.checksum, settings.fitted)) if about else []
    return Parts(backend.forward, PromptEncoder(folder), measure(backend.forward), fitted)


class LocalModel:
    """Implements Model. Made by `opened`; every request gets exactly one Finish, also when it is closed."""

    def __init__(self, parts: Parts, settings: LocalSettings) -> None:
        self.forward = parts.forward
        self._encoder = parts.encoder
        self._probes = parts.probes
        self._inboxes: dict[Job, asyncio.Queue[News]] = {}
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._worker = Worker(partial(_make_engine, parts, settings), self._post, waiting=settings.waiting)

    @classmethod
    @asynccontextmanager
    async def opened(cls, folder: Path, settings: LocalSettings) -> AsyncIterator[Self]:
        """Load `folder`, run the engine's thread, and end both when the block is left."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, thread_name_prefix="engine") as thread:
            model = cls(await loop.run_in_executor(thread, load_parts, folder, settings), settings)
            running = loop.run_in_executor(thread, model._worker.run)
            try:
                yield model
            finally:
                model._closed = True
                model._worker.stop()
                await running

    @property
    def crashes(self) -> int:
        """How often the engine failed and was restarted."""
        return self._worker.crashes

    async def classify(self, task: str, messages: Sequence[ChatMessage], labels: Sequence[str]) -> Choice:
        """See Model. The score of a label is that of all its spellings together."""
        for probe in self._probes:
            if probe.fits(task, messages, labels):
                return await self._read(probe, messages[-1].text)
        return await self._score(self._encoder.prompt(messages), labels)

    async def classify_raw(self, text: str, labels: Sequence[str]) -> Choice:
        """Score `labels` as what continues plain text, without the chat template. Raises like `classify`."""
        return await self._score(self._encoder.raw(text), labels)

    async def _score(self, prompt: Prompt, labels: Sequence[str]) -> Choice:
        spelt = spellings(self._encoder, prompt, labels)
        request = Score(prompt.tokens, prompt.constant, candidates=[spelling.tokens for spelling in spelt])
        scored, usage = await self._verdict(request, Scored)
        return replace(choose(spelt, scored.log_probabilities), usage=usage)

    async def _read(self, probe: Probe, text: str) -> Choice:
        messages = probe.about.prompt_for(text)
        prompt = self._encoder.prompt(messages)
        request = Read(prompt.tokens, prompt.constant, layers=probe.about.layers, text=prompt.text)
        seen, usage = await self._verdict(request, Seen)
        return replace(probe.choose(seen.last, seen.mean), usage=usage, read=messages)

    async def _verdict(self, request: Request, kind: type[V]) -> tuple[V, Usage]:
        """What the engine found out, which it tells before its Finish, and what that cost."""
        found: V | None = None
        usage = Usage()
        async with aclosing(self._ask(request, ())) as events:
            async for news in events:
                if isinstance(news, kind):
                    found = news
                elif isinstance(news, Finish):
                    _raise_unless_done(news)
                    usage = news.usage
        assert found is not None
        return found, usage

    async def stream(
        self, messages: Sequence[ChatMessage], sampling: Sampling, *, conversation: str | None = None
    ) -> AsyncGenerator[Queued | Delta | Finish]:
        """See Model."""
        prompt = self._encoder.prompt(messages)
        request = Generate(
            prompt.tokens,
            prefix=prompt.constant if conversation is None else prompt.system,
            sampling=_parameters(sampling),
            max_new_tokens=sampling.max_new_tokens,
            stop_tokens=frozenset() if sampling.ignore_eos else self._encoder.stop_tokens,
            conversation=conversation,
        )
        async with aclosing(self._ask(request, sampling.stop)) as events:
            async for news in events:
                if not isinstance(news, Scored | Seen):
                    yield news

    def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """See Model."""
        return len(self._encoder.prompt(messages).tokens)

    def forget(self, conversation: str) -> None:
        """See Model."""
        self._worker.forget(conversation)

    def clear(self) -> None:
        """Drop everything computed for anybody, prefixes of tasks included: where a measurement begins."""
        self._worker.clear()

    def load(self) -> Load:
        """See Model."""
        return self._worker.load()

    async def _ask(self, request: Request, stop: Sequence[str]) -> AsyncGenerator[News]:
        """News of a request up to its Finish; leaving early cancels it."""
        if self._closed:
            yield Finish("cancelled", Usage(), "the bot is shutting down")
            return
        job = Job(request, TextStream(self._encoder), StopFilter(stop))
        inbox = self._inboxes[job] = asyncio.Queue()
        self._worker.submit(job)
        finished = False
        try:
            while not finished:
                news = await inbox.get()
                finished = isinstance(news, Finish)
                yield news
        finally:
            del self._inboxes[job]
            if not finished:
                self._worker.cancel(job)

    def _post(self, news: Sequence[tuple[Job, News]]) -> None:
        """Called in the engine's thread, once per step."""
        self._loop.call_soon_threadsafe(self._deliver, news)

    def _deliver(self, news: Sequence[tuple[Job, News]]) -> None:
        for job, item in news:
            if inbox := self._inboxes.get(job):
                inbox.put_nowait(item)


def _cores() -> int:
    """Those that this process may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _make_engine(parts: Parts, settings: LocalSettings) -> Engine:
    return Engine(
        parts.forward,
        Pool(parts.forward.kv_shape, settings.memory_bytes),
        running=settings.running,
        context=settings.context,
        budget=Budget.for_costs(parts.costs),
        guessing=Guessing.for_costs(parts.costs),
    )


def _parameters(sampling: Sampling) -> SamplingParameters:
    return SamplingParameters(
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=sampling.top_k,
        repetition_penalty=sampling.repetition_penalty,
        seed=secrets.randbits(63) if sampling.seed is None else sampling.seed,
    )


def _raise_unless_done(finish: Finish) -> None:
    match finish.reason:
        case "overloaded":
            raise Overloaded(finish.detail)
        case "too_long":
            raise TooLong(finish.detail)
        case "error" | "cancelled":
            raise ModelCrashed(finish.detail)
