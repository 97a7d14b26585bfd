"""The article's way, as a program: load the model in float32, ask for the mood in raw text, then for the answer.

    python -m bot.model.article FOLDER < order.json

A process of its own, so that the bot's threads and memory stay as they are and everything is free again when it ends.
The order: {"sentiment": raw text or null, "chat": {"messages": [{"role", "text"}, …], "sampling": {…}} or null}.
Each line that it prints is a JSON object: {"loaded_s"}, {"verdict", "verdict_s"}, {"text"} as it grows, and in the end
{"first_token_s", "total_s", "generated", "peak_bytes"}. Seconds count from when the model was loaded.
"""

import asyncio
import json
import os
import sys
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

from bot.model.api import ChatMessage, Delta, Finish, Sampling
from bot.model.memory import peak_bytes
from bot.model.reference import ReferenceModel

VERDICT_TOKENS = 5
"""Enough for either word with a space before it; what comes behind the line is not read."""

POLITENESS = 5
"""How much the bot's own threads go first, as nice counts it."""


async def run(folder: Path, order: dict[str, Any]) -> None:
    """One after the other, as the article does it."""
    begun = time.perf_counter()
    async with ReferenceModel.opened(folder) as model:
        ready = time.perf_counter()
        tell(loaded_s=ready - begun)
        if raw := order["sentiment"]:
            verdict = await model.continue_text(raw, VERDICT_TOKENS)
            tell(verdict=verdict.strip().partition("\n")[0], verdict_s=time.perf_counter() - ready)
        times = await _answer(model, order["chat"], ready) if order["chat"] else {}
        tell(**times, total_s=time.perf_counter() - ready, peak_bytes=peak_bytes())


async def _answer(model: ReferenceModel, order: dict[str, Any], ready: float) -> dict[str, float]:
    messages = [ChatMessage(**message) for message in order["messages"]]
    sampling = Sampling(**order["sampling"])
    times: dict[str, float] = {}
    async with aclosing(model.stream(messages, sampling)) as events:
        async for event in events:
            match event:
                case Delta(text):
                    times.setdefault("first_token_s", time.perf_counter() - ready)
                    tell(text=text)
                case Finish(usage=usage):
                    times["generated"] = usage.generated
    return times


def tell(**facts: object) -> None:
    """One line for whoever ordered it."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if hasattr(os, "nice"):
        os.nice(POLITENESS)
    asyncio.run(run(Path(sys.argv[1]), json.load(sys.stdin)))
