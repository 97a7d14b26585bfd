"""The processes of `local`, `eager` and `reference`: the bot's own models behind the Model protocol."""

import json
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bot.bench.scenario import Ask
from bot.bench.serving import Engine, main
from bot.engine.decoder import Batch, Span
from bot.engine.kv import Pool
from bot.model.api import ChatMessage, Delta, Finish, Model, Sampling
from bot.model.local import LocalModel
from bot.model.parts import LocalSettings

PATHS = ("library_cache", "fitted", "drafts")
"""Of LocalSettings: text on the way here."""


class ModelEngine:
    """Implements Engine over any Model. The size of a piece is in characters."""

    def __init__(
        self,
        model: Model,
        options: dict[str, Any],
        about: str,
        parallel: int,
        after: Callable[[Sequence[int]], Tensor],
        forget_all: Callable[[], Awaitable[None]],
    ) -> None:
        self.about = about
        self.parallel = parallel
        self._model = model
        self._labels: list[str] = options["labels"]
        self._sampling: dict[str, Any] = options["sampling"]
        self._after = after
        self._forget_all = forget_all

    async def judge(self, ask: Ask) -> None:
        """See Engine."""
        await self._model.classify("sentiment", _messages(ask), self._labels)

    async def answer(self, ask: Ask) -> AsyncGenerator[tuple[str, float, int]]:
        """See Engine."""
        sampling = Sampling(**{**self._sampling, "max_new_tokens": ask.new, "ignore_eos": True})
        stream = self._model.stream(_messages(ask), sampling, conversation=ask.conversation)
        async with aclosing(stream) as events:
            async for event in events:
                if isinstance(event, Delta):
                    yield event.text, len(event.text), 0
                elif isinstance(event, Finish):
                    if event.reason != "length":
                        raise RuntimeError(f"an answer ended with {event.reason}: {event.detail}")
                    yield "", 0, event.usage.generated

    async def clear(self) -> None:
        """See Engine."""
        await self._forget_all()

    async def log_probabilities(self, prompts: Sequence[Sequence[int]], file: str) -> None:
        """See Engine."""
        with torch.inference_mode():
            rows = torch.stack([self._after(prompt).float().log_softmax(0) for prompt in prompts])
        np.save(file, rows.numpy())


def _messages(ask: Ask) -> list[ChatMessage]:
    return [ChatMessage(role, text) for role, text in ask.messages]  # type: ignore[arg-type]


@asynccontextmanager
async def local(options: dict[str, Any]) -> AsyncIterator[Engine]:
    """LocalModel as the configuration has it, with room for 16 answers; measured when nothing is compiled any more."""
    async with _opened(options, _settings(options)) as engine:
        yield engine


@asynccontextmanager
async def eager(options: dict[str, Any]) -> AsyncIterator[Engine]:
    """The same as long as nothing is compiled: at the first start, and on a machine without a compiler."""
    async with _opened(options, replace(_settings(options), library_cache=None)) as engine:
        yield engine


def _settings(options: dict[str, Any]) -> LocalSettings:
    paths = {name: Path(options["local"][name]) for name in PATHS}
    return LocalSettings(**{**options["local"], **paths})


@asynccontextmanager
async def _opened(options: dict[str, Any], settings: LocalSettings) -> AsyncIterator[Engine]:
    async with LocalModel.opened(Path(options["folder"]), settings) as model:

        def about() -> str:
            return f"{model.backend.name}, {model.backend.reason}"

        async def clear() -> None:
            """Back to what it is when it has just been opened, with what is faster compiled."""
            await model.settled()
            model.clear()
            await model.prepare()
            engine.about = about()

        def after(prompt: Sequence[int]) -> Tensor:
            pool = Pool(model.forward.kv_shape, 1 << 30)
            batch = Batch()
            batch.add(Span(pool.take(prompt, 0), list(prompt), 0, 0), wanted=1)
            return model.forward.logits(model.forward.forward(batch))[0]

        engine = ModelEngine(model, options, about(), settings.running, after, clear)
        yield engine


@asynccontextmanager
async def reference(options: dict[str, Any]) -> AsyncIterator[Engine]:
    """ReferenceModel: plain transformers in float32, which nobody else waits to be imported."""
    from bot.model.reference import ReferenceModel

    async with ReferenceModel.opened(Path(options["folder"]), context=options["local"]["context"]) as model:

        def after(prompt: Sequence[int]) -> Tensor:
            logits: Tensor = model.network(torch.tensor([prompt]), logits_to_keep=1).logits[0, -1]
            return logits

        yield ModelEngine(model, options, "transformers, float32", 1, after, nothing)


async def nothing() -> None:
    """It remembers nothing."""


if __name__ == "__main__":
    main({"local": local, "eager": eager, "reference": reference}[sys.argv[1]](json.loads(sys.argv[2])))
