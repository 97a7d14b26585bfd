"""OpenVINO GenAI as a process to be measured: continuous batching and prefix caching, in an environment of its own."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import openvino_genai
from openvino_genai import py_openvino_genai as bare

from bot.bench.scenario import Ask
from bot.bench.serving import Engine, main


class GenAi:
    """Implements Engine. The size of a piece is in tokens; whoever waits for tokens takes turns in stepping."""

    parallel = 17

    def __init__(self, options: dict[str, Any]) -> None:
        self.about = f"openvino-genai {openvino_genai.__version__}"
        self._options = options
        self._ids = count()
        self._running: dict[int, tuple[Any, asyncio.Queue[list[int]]]] = {}
        self._loop: asyncio.Task[None] | None = None
        self._pipeline = self._new()
        self._tokenizer = self._pipeline.get_tokenizer()

    def _new(self) -> Any:
        scheduler = openvino_genai.SchedulerConfig()
        scheduler.enable_prefix_caching = True
        scheduler.cache_size = 1
        scheduler.max_num_batched_tokens = 512
        return bare.ContinuousBatchingPipeline(self._options["model"], scheduler, "CPU")

    async def judge(self, ask: Ask) -> None:
        """One token: the pipeline scores no labels."""
        async for _ in self._generate(ask.tokens, self._config(1)):
            pass

    async def answer(self, ask: Ask) -> AsyncGenerator[tuple[str, float, int]]:
        """See Engine."""
        config, sampling, generated = self._config(ask.new), self._options["sampling"], 0
        config.do_sample = True
        for name in ("temperature", "top_p", "top_k", "repetition_penalty"):
            setattr(config, name, sampling[name])
        seen: list[int] = []
        async for tokens in self._generate(ask.tokens, config):
            seen += tokens
            generated += len(tokens)
            last = generated >= ask.new
            yield self._tokenizer.decode(seen) if last else "", len(tokens), generated

    async def clear(self) -> None:
        """A new pipeline: the cache of a running one cannot be emptied."""
        self._pipeline = None
        self._pipeline = await asyncio.to_thread(self._new)

    async def log_probabilities(self, prompts: Sequence[Sequence[int]], file: str) -> None:
        """The same model file through OpenVINO itself, for GenAI gives no logits."""
        model = openvino.Core().compile_model(str(Path(self._options["model"]) / "openvino_model.xml"), "CPU")
        request, rows = model.create_infer_request(), []
        for prompt in prompts:
            request.reset_state()
            ids = np.array([prompt], np.int64)
            places = np.arange(len(prompt), dtype=np.int64)[None]
            given = {"input_ids": ids, "attention_mask": np.ones_like(ids), "position_ids": places}
            found = request.infer({**given, "beam_idx": np.zeros(1, np.int32)})
            logits = next(iter(found.values()))[0, -1].astype(np.float64)
            rows.append(logits - logits.max() - np.log(np.exp(logits - logits.max()).sum()))
        np.save(file, np.array(rows, np.float32))

    def _config(self, new: int) -> Any:
        config = openvino_genai.GenerationConfig()
        config.max_new_tokens, config.ignore_eos, config.do_sample = new, True, False
        return config

    async def _generate(self, tokens: Sequence[int], config: Any) -> AsyncGenerator[list[int]]:
        number, inbox = next(self._ids), asyncio.Queue[list[int]]()
        handle = self._pipeline.add_request(number, openvino.Tensor(np.array([tokens], np.int64)), config)
        self._running[number] = handle, inbox
        if self._loop is None or self._loop.done():
            self._loop = asyncio.create_task(self._step())
        left = config.max_new_tokens
        try:
            while left:
                # Whichever comes first: tokens, or the reason why there will be none.
                getting = asyncio.ensure_future(inbox.get())
                await asyncio.wait({getting, self._loop}, return_when=asyncio.FIRST_COMPLETED)
                if not getting.done():
                    self._loop.result()
                    raise RuntimeError("the pipeline ended an answer early")
                left -= len(getting.result())
                yield getting.result()
        finally:
            handle.cancel()
            self._running.pop(number, None)

    async def _step(self) -> None:
        """Steps in a thread while anybody waits."""
        await asyncio.sleep(0)
        while self._running or self._pipeline.has_non_finished_requests():
            await asyncio.to_thread(self._pipeline.step)
            for handle, inbox in list(self._running.values()):
                if handle.can_read():
                    for output in handle.read().values():
                        inbox.put_nowait(list(output.generated_ids))
            await asyncio.sleep(0)


@asynccontextmanager
async def opened(options: dict[str, Any]) -> AsyncIterator[Engine]:
    """Load the model."""
    yield GenAi(options)


if __name__ == "__main__":
    main(opened(json.loads(sys.argv[1])))
