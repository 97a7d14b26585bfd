"""ReferenceModel: plain transformers `generate`, one request at a time, in float32.

The way of the article that Tandem goes back to: the baseline of every benchmark, the oracle of LocalModel's tests,
and the model for architectures that the engine does not compute.
"""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, StoppingCriteria
from transformers.generation.streamers import BaseStreamer

from bot.model.api import (
    ChatMessage,
    Choice,
    Delta,
    Finish,
    Load,
    Overloaded,
    Queued,
    Reason,
    Sampling,
    TooLong,
    Usage,
)
from bot.model.labels import choose, spellings
from bot.model.memory import resident_bytes
from bot.model.tokens import Prompt, PromptEncoder, StopFilter, TextStream


class ReferenceModel:
    """Implements Model. Made by `opened`; requests run one after another in one executor thread."""

    def __init__(self, network: Any, encoder: PromptEncoder, *, context: int, waiting: int) -> None:
        self.network = network
        self._encoder = encoder
        self._context = context
        self._max_waiting = waiting
        self._in_line = 0
        self._tokens_per_s = 0.0
        self._closed = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="reference")

    @classmethod
    @asynccontextmanager
    async def opened(cls, folder: Path, *, context: int = 4096, waiting: int = 64) -> AsyncIterator[Self]:
        """Load `folder` in float32; leaving the block ends what runs."""
        network = await asyncio.to_thread(AutoModelForCausalLM.from_pretrained, folder, dtype=torch.float32)
        network.train(False)
        model = cls(network, PromptEncoder(folder), context=context, waiting=waiting)
        try:
            yield model
        finally:
            model._closed = True
            await asyncio.to_thread(model._thread.shutdown)

    async def classify(self, task: str, messages: Sequence[ChatMessage], labels: Sequence[str]) -> Choice:
        """See Model. A label of several tokens costs a forward pass of its own."""
        return await self._choose(self._encoder.prompt(messages), labels)

    async def classify_raw(self, text: str, labels: Sequence[str]) -> Choice:
        """Score `labels` as what continues plain text, without the chat template. Raises like `classify`."""
        return await self._choose(self._encoder.raw(text), labels)

    async def _choose(self, prompt: Prompt, labels: Sequence[str]) -> Choice:
        spelt = spellings(self._encoder, prompt, labels)
        self._admit(len(prompt.tokens) + max(len(spelling.tokens) for spelling in spelt))
        submitted = time.perf_counter()
        scores = await self._run(self._score, prompt.tokens, [spelling.tokens for spelling in spelt])
        seconds = time.perf_counter() - submitted
        usage = Usage(len(prompt.tokens), first_token_s=seconds, total_s=seconds)
        return replace(choose(spelt, scores), usage=usage)

    async def continue_text(self, text: str, max_new_tokens: int) -> str:
        """The most probable continuation of raw text, with no chat template around it: the article's way to ask."""
        prompt = self._encoder.encode_text(text)
        self._admit(len(prompt) + max_new_tokens)
        greedy, inbox = Sampling(max_new_tokens=max_new_tokens, temperature=0), _Inbox()
        tokens = await self._run(self._generate, prompt, greedy, inbox)
        return self._encoder.decode(tokens)

    async def stream(
        self, messages: Sequence[ChatMessage], sampling: Sampling, *, conversation: str | None = None
    ) -> AsyncGenerator[Queued | Delta | Finish]:
        """See Model. There is no memory between requests, so `conversation` means nothing here."""
        prompt = self._encoder.prompt(messages)
        submitted = time.perf_counter()
        usage = Usage(prompt=len(prompt.tokens))
        try:
            self._admit(len(prompt.tokens) + sampling.max_new_tokens)
        except (Overloaded, TooLong) as error:
            yield Finish("overloaded" if isinstance(error, Overloaded) else "too_long", usage, str(error))
            return
        inbox = _Inbox()
        writing = asyncio.ensure_future(self._run(self._generate, prompt.tokens, sampling, inbox))
        writing.add_done_callback(lambda _: inbox.close())
        text, stop = TextStream(self._encoder), StopFilter(sampling.stop)
        first = None
        generated = 0
        try:
            while (token := await inbox.get()) is not None:
                first = first or time.perf_counter()
                if token in self._encoder.stop_tokens:
                    continue
                generated += 1
                if piece := stop.push(text.push([token])):
                    yield Delta(piece)
                if stop.stopped:
                    break
            if rest := stop.push(text.flush()) + stop.flush():
                yield Delta(rest)
            reason, detail = self._ending(writing, stop.stopped or generated < sampling.max_new_tokens)
            now = time.perf_counter()
            seconds = {"first_token_s": (first or now) - submitted, "total_s": now - submitted}
            yield Finish(reason, Usage(len(prompt.tokens), 0, generated, **seconds), detail)
        finally:
            inbox.cancelled.set()
            await asyncio.wait({writing})

    def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """See Model."""
        return len(self._encoder.prompt(messages).tokens)

    def forget(self, conversation: str) -> None:
        """See Model. Nothing is kept."""

    def load(self) -> Load:
        """See Model."""
        return Load(min(self._in_line, 1), max(self._in_line - 1, 0), self._tokens_per_s, resident_bytes())

    def _admit(self, size: int) -> None:
        if size > self._context:
            raise TooLong(f"{size} tokens do not fit {self._context}")
        if self._in_line > self._max_waiting:
            raise Overloaded(f"{self._max_waiting} requests are waiting already")

    async def _run(self, work: Callable[..., Any], *args: object) -> Any:
        self._in_line += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)
        finally:
            self._in_line -= 1

    def _ending(self, writing: "asyncio.Future[list[int]]", stopped: bool) -> tuple[Reason, str]:
        if self._closed:
            return "cancelled", "the bot is shutting down"
        if writing.done() and (error := writing.exception()):
            return "error", type(error).__name__
        return ("stop" if stopped else "length"), ""

    @torch.inference_mode()
    def _score(self, prompt: Sequence[int], candidates: Sequence[Sequence[int]]) -> list[float]:
        """The first token as the article has it, by `generate`; more tokens by a pass over prompt and label."""
        first = self.network.generate(
            torch.tensor([prompt]),
            max_new_tokens=1,
            do_sample=False,
            output_logits=True,
            return_dict_in_generate=True,
        )
        start = first.logits[0][0].float().log_softmax(0)
        return [start[candidate[0]].item() + self._rest(prompt, candidate) for candidate in candidates]

    def _rest(self, prompt: Sequence[int], candidate: Sequence[int]) -> float:
        if len(candidate) == 1:
            return 0.0
        logits = self.network(torch.tensor([[*prompt, *candidate[:-1]]])).logits[0, len(prompt) :]
        return float(logits.float().log_softmax(1)[range(len(candidate) - 1), list(candidate[1:])].sum())

    @torch.inference_mode()
    def _generate(self, prompt: Sequence[int], sampling: Sampling, inbox: "_Inbox") -> list[int]:
        """The new tokens, which also go to `inbox` one by one."""
        if sampling.seed is not None:
            torch.manual_seed(sampling.seed)
        drawn: dict[str, Any] = {"do_sample": False}
        if sampling.temperature > 0:
            drawn = {"do_sample": True, "temperature": sampling.temperature}
            drawn |= {"top_p": sampling.top_p, "top_k": sampling.top_k}
        begun = time.perf_counter()
        tokens = torch.tensor([prompt])
        output = self.network.generate(
            tokens,
            attention_mask=torch.ones_like(tokens),
            max_new_tokens=sampling.max_new_tokens,
            repetition_penalty=sampling.repetition_penalty,
            eos_token_id=sorted(self._encoder.stop_tokens) or None,
            min_new_tokens=sampling.max_new_tokens if sampling.ignore_eos else None,
            pad_token_id=0,
            streamer=_TokenStreamer(inbox),
            stopping_criteria=[_Cancelled(inbox)],
            **drawn,
        )
        self._tokens_per_s = (output.shape[1] - len(prompt)) / (time.perf_counter() - begun)
        new: list[int] = output[0, len(prompt) :].tolist()
        return new


class _Inbox:
    """Tokens on their way from the executor's thread to the event loop; None is the end."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._tokens: asyncio.Queue[int | None] = asyncio.Queue()

    def put(self, token: int) -> None:
        """From the executor's thread."""
        self._loop.call_soon_threadsafe(self._tokens.put_nowait, token)

    def close(self) -> None:
        """From the event loop, behind everything that was put."""
        self._loop.call_soon(self._tokens.put_nowait, None)

    async def get(self) -> int | None:
        return await self._tokens.get()


class _TokenStreamer(BaseStreamer):
    """`generate` hands over the prompt first, then token by token."""

    def __init__(self, inbox: _Inbox) -> None:
        self._inbox = inbox
        self._prompt_seen = False

    def put(self, value: Tensor) -> None:
        if self._prompt_seen:
            self._inbox.put(int(value))
        self._prompt_seen = True

    def end(self) -> None: ...


class _Cancelled(StoppingCriteria):
    """Ends `generate` after the current token."""

    def __init__(self, inbox: _Inbox) -> None:
        self._inbox = inbox

    def __call__(self, input_ids: Tensor, scores: Tensor, **kwargs: object) -> Tensor:
        return torch.full((len(input_ids),), self._inbox.cancelled.is_set())
