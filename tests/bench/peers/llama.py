"""llama.cpp as a process to be measured: the wheel xllamacpp, its own HTTP server on loopback, 16 slots, 2 threads.

Runs in an environment of its own. After `clear` the next prompts are read from their start (cache_prompt off).
"""

import asyncio
import json
import math
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import xllamacpp

from bot.bench.scenario import Ask
from bot.bench.serving import Engine, main

SLOTS = 17
LIKELIEST = 1000
"""Tokens whose probability is asked for; the rest share what is left, which can only make the divergence smaller."""


class Llama:
    """Implements Engine. The size of a piece is in tokens."""

    parallel = SLOTS

    def __init__(self, address: str, options: dict[str, Any]) -> None:
        self.about = f"xllamacpp {xllamacpp.__version__}"
        self._address = urlsplit(address)
        self._sampling = options["sampling"]
        self._vocabulary = options["vocabulary"]
        self._cold = True

    async def judge(self, ask: Ask) -> None:
        """One token: the server scores no labels."""
        async for _ in self._complete(ask.tokens, 1, temperature=0):
            pass

    async def answer(self, ask: Ask) -> AsyncGenerator[tuple[str, float, int]]:
        """See Engine."""
        sampling, generated = self._sampling, 0
        settings = {name: sampling[name] for name in ("temperature", "top_p", "top_k")}
        settings["repeat_penalty"] = sampling["repetition_penalty"]
        async with aclosing(self._complete(ask.tokens, ask.new, **settings)) as pieces:
            async for piece in pieces:
                if count := len(piece.get("tokens", ())):
                    generated += count
                    yield piece["content"], count, generated

    async def clear(self) -> None:
        """See Engine."""
        self._cold = True

    async def log_probabilities(self, prompts: Sequence[Sequence[int]], file: str) -> None:
        """See Engine."""
        rows = np.empty((len(prompts), self._vocabulary), np.float32)
        for row, prompt in zip(rows, prompts, strict=True):
            async for piece in self._complete(prompt, 1, temperature=0, n_probs=LIKELIEST):
                if found := piece.get("completion_probabilities"):
                    top = found[0]["top_logprobs"]
                    left = max(1 - sum(math.exp(one["logprob"]) for one in top), 1e-12)
                    row[:] = math.log(left / (self._vocabulary - len(top)))
                    row[[one["id"] for one in top]] = [one["logprob"] for one in top]
        np.save(file, rows)

    async def _complete(
        self, tokens: Sequence[int], new: int, **settings: Any
    ) -> AsyncGenerator[dict[str, Any]]:
        body = {"prompt": list(tokens), "n_predict": new, "stream": True, "ignore_eos": True, **settings}
        body |= {"return_tokens": True, "cache_prompt": not self._cold}
        data = json.dumps(body).encode()
        reader, writer = await asyncio.open_connection(
            self._address.hostname, self._address.port, limit=1 << 26
        )
        try:
            head = f"POST /completion HTTP/1.1\r\nHost: {self._address.netloc}\r\nConnection: close\r\n"
            head += f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
            writer.write(head.encode() + data)
            status = await reader.readline()
            if b" 200 " not in status:
                raise RuntimeError(f"{status!r} {await reader.read()!r}")
            while line := await reader.readline():
                if line.startswith(b"data: ") and line.strip() != b"data: [DONE]":
                    self._cold = False
                    yield json.loads(line[6:])
        finally:
            writer.close()


@asynccontextmanager
async def opened(options: dict[str, Any]) -> AsyncIterator[Engine]:
    """Start the server in this process."""
    parameters = xllamacpp.CommonParams()
    parameters.model.path = options["model"]
    parameters.n_parallel = SLOTS
    parameters.n_ctx, parameters.kv_unified = 20480, True
    parameters.n_batch, parameters.n_ubatch = 2048, 512
    parameters.cache_ram_mib, parameters.cache_idle_slots = 0, False
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    for threads in (parameters.cpuparams, parameters.cpuparams_batch):
        threads.n_threads = len(os.sched_getaffinity(0))
    server = await asyncio.to_thread(xllamacpp.Server, parameters)
    yield Llama(server.listening_address, options)


if __name__ == "__main__":
    main(opened(json.loads(sys.argv[1])))
