"""The engine's side: a process that is told on its standard input what to do, and answers in lines of JSON.

Standard library only, so that engines of any environment can use it. Knows no engine and no metric.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import asdict
from typing import Any, Protocol, TextIO

from bot.bench.scenario import Ask, Outcome, Scenario, Timing, scenario_from


class Engine(Protocol):
    """What can be measured. `about` is for people; `parallel` answers can be written at the same time."""

    about: str
    parallel: int

    async def judge(self, ask: Ask) -> None:
        """One verdict, or one token where an engine knows no verdicts."""
        ...

    def answer(self, ask: Ask) -> AsyncGenerator[tuple[str, float, int]]:
        """Pieces of an answer: text, size in any unit, and tokens so far (0 until they are known)."""
        ...

    async def clear(self) -> None:
        """Forget everything computed before: caches, pools, prefixes."""
        ...

    async def log_probabilities(self, prompts: Sequence[Sequence[int]], file: str) -> None:
        """Write what comes after each prompt, natural logarithms float32 [prompts, vocab], as a .npy file."""
        ...


def main(opened: AbstractAsyncContextManager[Engine]) -> None:
    """Serve one engine until standard input ends."""
    # Whatever libraries print must not get between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    asyncio.run(_serve(opened, answers))


async def _serve(opened: AbstractAsyncContextManager[Engine], answers: TextIO) -> None:
    async with opened as engine:
        _say(answers, {"about": engine.about, "parallel": engine.parallel})
        while line := await asyncio.to_thread(sys.stdin.readline):
            _say(answers, await _obey(engine, json.loads(line)))


def _say(answers: TextIO, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


async def _obey(engine: Engine, command: dict[str, Any]) -> dict[str, Any]:
    match command:
        case {"play": scenario}:
            return asdict(await play(engine, scenario_from(scenario)))
        case {"clear": _}:
            await engine.clear()
            return {"about": engine.about}
        case {"log_probabilities": prompts, "file": file}:
            await engine.log_probabilities(prompts, file)
    return {}


async def play(engine: Engine, scenario: Scenario) -> Outcome:
    """Ask everything as the scenario has it."""
    background = [Timing() for _ in scenario.background]
    news = asyncio.Event()
    tasks = [
        asyncio.create_task(_answer(engine, ask, timing, news))
        for ask, timing in zip(scenario.background, background, strict=True)
    ]
    while any(len(timing.pieces) < scenario.warm for timing in background):
        await news.wait()
        news.clear()
        for task in tasks:
            if task.done():
                task.result()
    steps = []
    for index, asks in enumerate(scenario.steps):
        await asyncio.sleep(scenario.pauses[index] if scenario.pauses else 0)
        timings = [Timing() for _ in asks]
        work = [_ask(engine, ask, timing) for ask, timing in zip(asks, timings, strict=True)]
        await asyncio.gather(*work)
        steps.append(timings)
    for task in tasks:
        task.cancel()
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(ended, Exception):
            raise ended
    return Outcome(steps, background)


async def _ask(engine: Engine, ask: Ask, timing: Timing) -> None:
    if ask.kind == "answer":
        await _answer(engine, ask, timing, asyncio.Event())
        return
    timing.submitted = time.monotonic()
    await engine.judge(ask)
    timing.ended = time.monotonic()
    timing.pieces.append((timing.ended, 1))


async def _answer(engine: Engine, ask: Ask, timing: Timing, news: asyncio.Event) -> None:
    timing.submitted = time.monotonic()
    try:
        async with aclosing(engine.answer(ask)) as pieces:
            async for text, size, generated in pieces:
                if size:
                    timing.pieces.append((time.monotonic(), size))
                timing.text += text
                timing.generated = generated
                news.set()
        if not timing.pieces:  # a single token may be half a character
            timing.pieces.append((time.monotonic(), 1))
    finally:
        timing.ended = time.monotonic()
        news.set()
