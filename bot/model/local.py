"""LocalModel: the asyncio face of the engine's one executor thread.

Turns messages into token ids, waits for news from the worker, and turns scores into a choice.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

from bot.engine.backend import Backend, BackendUnusable
from bot.engine.decoder import Forward
from bot.engine.native.compilation import Compilation
from bot.engine.requests import Generate, Read, Request, Score, Scored, Seen
from bot.engine.sampling import SamplingParameters
from bot.engine.scheduler import Costs
from bot.model.api import (
    ChatMessage,
    Choice,
    Delta,
    Finish,
    Load,
    ModelCrashed,
    ModelError,
    Overloaded,
    Queued,
    Sampling,
    TooLong,
    Usage,
)
from bot.model.labels import choose, spellings
from bot.model.memory import give_back
from bot.model.parts import (
    LocalSettings,
    Parts,
    calibrate,
    compilation_for,
    compiled,
    load_parts,
    make_engine,
    with_backend,
)
from bot.model.probes import Probe
from bot.model.tokens import Prompt, StopFilter, TextStream
from bot.model.worker import Job, MakeEngine, News, Worker

log = logging.getLogger(__name__)

V = TypeVar("V", Scored, Seen)


class LocalModel:
    """Implements Model. Made by `opened`; every request gets exactly one Finish, also when it is closed."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._encoder = parts.encoder
        self._probes = parts.probes
        self._blanks = {
            probe.about: self._encoder.prompt(probe.about.prompt_for("")) for probe in self._probes
        }
        self._inboxes: dict[Job, asyncio.Queue[News]] = {}
        self._closed = False
        self._preparation: asyncio.Task[None] | None = None
        self._improvement: asyncio.Task[None] | None = None
        self._calibration: Future[Costs] | None = None
        self._loop = asyncio.get_running_loop()
        self._worker = Worker(partial(make_engine, parts), self._post, waiting=parts.settings.waiting)

    @classmethod
    @asynccontextmanager
    async def opened(cls, folder: Path, settings: LocalSettings) -> AsyncIterator[Self]:
        """Load `folder`, run the engine's thread, and end both when the block is left.

        Requests are welcome at once, while `prepare` is at work.
        """
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, thread_name_prefix="engine") as thread:
            load = partial(load_parts, folder, settings, patient=False)
            model = cls(await loop.run_in_executor(thread, load))
            running = loop.run_in_executor(thread, model._worker.run)
            model._preparation = asyncio.create_task(model._prepare_at_start())
            try:
                async with model._improving():
                    yield model
            finally:
                model._closed = True
                model._preparation.cancel()
                await asyncio.wait([model._preparation])
                model._worker.stop()
                await running

    @asynccontextmanager
    async def _improving(self) -> AsyncIterator[None]:
        """While the block runs, what is faster is compiled and gone on with; then what its steps cost is measured."""
        compilation = compilation_for(self._parts)
        self._improvement = asyncio.create_task(self._improve(compilation))
        try:
            yield
        finally:
            self._closed = True
            if compilation is not None:
                compilation.stop()
            if self._calibration is not None:
                self._calibration.cancel()
            await asyncio.wait([self._improvement])

    async def _improve(self, compilation: Compilation | None) -> None:
        if compilation is not None:
            await self._go_on_with_compiled(compilation)
        if self._parts.costs is None and not self._closed:
            await self._calibrate()

    async def _go_on_with_compiled(self, compilation: Compilation) -> None:
        """A failure is told, and changes nothing."""
        try:
            backend = await asyncio.to_thread(compiled, self._parts, compilation)
            await self._change(lambda parts: with_backend(parts, backend))
            await self.prepare()
        except BackendUnusable as error:
            if not self._closed:
                log.warning("the model stays with %s (%s)", self.backend.name, error)
        except Exception:
            log.exception("the model stays with %s: changing to what was compiled failed", self.backend.name)
        else:
            await asyncio.to_thread(give_back)
            log.info("the model goes on with %s (%s)", backend.name, backend.reason)

    async def _calibrate(self) -> None:
        """A failure is told, and changes nothing."""
        self._calibration = self._worker.when_idle(calibrate(self._parts))
        try:
            costs = await asyncio.wrap_future(self._calibration)
            await self._change(lambda parts: replace(parts, costs=costs))
        except Exception:
            log.exception("what steps cost here could not be measured; they are taken for slow ones")

    async def _change(self, change: Callable[[Parts], Parts]) -> None:
        """Between two steps the engine goes on with other parts."""

        def changed() -> MakeEngine:
            self._parts = change(self._parts)
            return partial(make_engine, self._parts)

        await asyncio.wrap_future(self._worker.replace(changed))

    async def settled(self) -> None:
        """Until what stands before texts of probes is computed, the fastest engine runs, and its steps are measured."""
        for task in (self._preparation, self._improvement):
            if task is not None:
                await asyncio.wait([task])  # also when it ends because the model is closed

    @property
    def backend(self) -> Backend:
        """What it computes with now."""
        return self._parts.backend

    @property
    def forward(self) -> Forward:
        """The forward pass of now."""
        return self._parts.backend.forward

    @property
    def crashes(self) -> int:
        """How often the engine failed and was restarted."""
        return self._worker.crashes

    async def classify(self, task: str, messages: Sequence[ChatMessage], labels: Sequence[str]) -> Choice:
        """See Model. The score of a label is that of all its spellings together."""
        for probe in self._probes:
            if probe.fits(task, messages, labels):
                if self._preparation is not None and not self._preparation.done():
                    await asyncio.wait([self._preparation])  # once for all who come meanwhile
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
        prompt = self._blanks[probe.about].with_text(self._encoder.encode_text(messages[-1].text.strip()))
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

    async def _prepare_at_start(self) -> None:
        """A failure is told, and changes nothing."""
        try:
            await self.prepare()
        except Exception:
            log.exception("what stands before every text to be judged could not be computed ahead")

    async def prepare(self) -> None:
        """Compute what stands before every text of a probe, so that no later verdict waits for it."""
        with suppress(ModelError):  # whoever asks will be told
            for probe in self._probes:
                await self._read(probe, "")

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
