"""A whole run: engines started one by one, then repetition after repetition, in turn; at the end the quality."""

import asyncio
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bot.bench.day import Composer, Day, Sizes
from bot.bench.figures import FIGURES, Samples
from bot.bench.processes import Command, EngineProcess
from bot.bench.prompts import Fresh
from bot.bench.quality import Quality, compare

EXACT = "reference"
"""The engine that computes in float32, which the others' predictions are compared with."""

Progress = Callable[[str, int, int], None]
"""What is being done, and steps done of all."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to measure. `texts` are compared for quality."""

    repetitions: int = 3
    texts: int = 200
    sizes: Sizes = field(default_factory=Sizes)


QUICK = Plan(1, 16, Sizes(decode=48, verdicts=8, conversations=0))


@dataclass(slots=True)
class Measured:
    """Everything about one engine."""

    about: str
    parallel: int
    ready_s: float
    peak_bytes: int = 0
    quality: Quality | None = None
    samples: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, samples: Samples) -> None:
        """Those of one figure of one repetition."""
        for name, values in samples.items():
            self.samples[name] += values


async def run(
    commands: Sequence[Command], plan: Plan, compose: Composer, fresh: Fresh, told: Progress
) -> dict[str, Measured]:
    """Measure all engines in one interleaved run. Raises EngineFailed."""
    total = len(commands) * (2 + plan.repetitions * len(FIGURES))
    done = 0

    def tell(what: str) -> None:
        nonlocal done
        told(what, done, total)
        done += 1

    async with AsyncExitStack() as stack:
        engines, measured = [], {}
        for command in commands:
            tell(f"starting {command.name}")
            engine = await stack.enter_async_context(EngineProcess.started(command))
            engines.append(engine)
            measured[engine.name] = Measured(engine.about, engine.parallel, engine.ready_s)
        for _ in range(plan.repetitions):
            day = Day(compose, fresh, plan.sizes)
            for engine in engines:
                for figure in FIGURES:
                    tell(f"{engine.name}: {figure.__name__.replace('_', ' ')}")
                    measured[engine.name].add(await figure(engine, day))
        for engine in engines:
            measured[engine.name].about, measured[engine.name].peak_bytes = engine.about, engine.peak_bytes
        prompts = [compose.answer([("user", fresh.question())], 1).tokens for _ in range(plan.texts)]
        await _compare(engines, prompts, measured, tell)
    told("done", total, total)
    return measured


async def _compare(
    engines: Sequence[EngineProcess],
    prompts: Sequence[Sequence[int]],
    measured: dict[str, Measured],
    tell: Callable[[str], None],
) -> None:
    """Where there is a float32 engine: everybody's predictions of what comes after each prompt."""
    exact = next((engine for engine in engines if engine.name == EXACT), None)
    if exact is None:
        return
    with tempfile.TemporaryDirectory(prefix="tandem-bench-") as folder:
        file = Path(folder) / "exact.npy"
        await exact.log_probabilities(prompts, file)
        truth = await asyncio.to_thread(np.load, file)
        for engine in engines:
            tell(f"{engine.name}: quality")
            file = Path(folder) / "other.npy"
            await engine.log_probabilities(prompts, file)
            other = await asyncio.to_thread(np.load, file)
            measured[engine.name].quality = await asyncio.to_thread(compare, truth, other)
