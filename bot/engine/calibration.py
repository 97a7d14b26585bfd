"""What a forward pass costs on this machine: measured, which takes a few steps of the model, and kept for a week.

Not longer, for a machine may be slow for reasons that nobody here sees; and what is measured while other programs
compute is kept for a day.
"""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path

import torch

from bot.engine.decoder import Batch, Forward, Span
from bot.engine.kept import keep, read
from bot.engine.kv import Pool
from bot.engine.scheduler import FEW, Costs

ROWS = 32
"""Many enough that reading the weights is no longer what takes the time."""

DRAWING = 16
"""As many rows as a busy step draws tokens from."""

PAST = 1024
"""Tokens that rows look back on, to see what that costs."""

TIMES = 3
"""The shortest of as many counts. The first step of each size warms up."""

UNDISTURBED = 0.8
"""Of the cores' time, what this process must have had for its costs to be trusted."""

KEPT_S, DISTURBED_KEPT_S = 7 * 24 * 3600.0, 24 * 3600.0
"""How long costs are kept, in seconds: those that are trusted, and the others."""

UNTIL = "until"
"""Beside the costs: the end of their time, in seconds since 1970."""


def kept_or(
    measured: Callable[[], Costs],
    file: Path,
    *,
    cores: int,
    now: Callable[[], float] = time.time,
    clock: Callable[[], float] = time.perf_counter,
    spent: Callable[[], float] = time.process_time,
) -> Costs:
    """What is kept in `file`, or else is `measured` and kept there; for less long if others wanted the `cores` too."""
    if (kept := _kept(file, now())) is not None:
        return kept
    began, spent_before = clock(), spent()
    costs = measured()
    undisturbed = spent() - spent_before >= UNDISTURBED * cores * (clock() - began)
    keep(file, {UNTIL: now() + (KEPT_S if undisturbed else DISTURBED_KEPT_S), **asdict(costs)})
    return costs


def _kept(file: Path, now: float) -> Costs | None:
    """None also for what is too old, of another version, or makes no sense."""
    kept = read(file)
    if not isinstance(kept, dict) or kept.keys() != {UNTIL, *(field.name for field in fields(Costs))}:
        return None
    if not all(isinstance(value, float) and math.isfinite(value) for value in kept.values()):
        return None
    left = kept.pop(UNTIL) - now
    costs = Costs(**kept)
    return costs if 0 < left <= KEPT_S and costs.step_s > 0 and costs.row_s > 0 else None


@torch.inference_mode()
def measure(forward: Forward, context: int, clock: Callable[[], float] = time.perf_counter) -> Costs:
    """The costs of `forward` over at most `context` tokens."""
    rows = min(ROWS, context // 2)
    past = min(PAST, context - rows)
    pool = Pool(forward.kv_shape, 2 * (past + rows) * forward.kv_shape.token_bytes)
    slot = pool.take([0] * (past + rows), 0)
    slot.data.zero_()

    def step(count: int, start: int = 0, wanted: int = 1) -> Batch:
        batch = Batch()
        batch.add(Span(slot, [0] * count, start, start), wanted)
        return batch

    steps = [step(1), step(FEW, wanted=FEW), step(DRAWING, wanted=DRAWING), step(rows), step(rows, past)]
    best = [math.inf] * len(steps)
    for _ in range(TIMES):
        # In turns: a slow moment must not meet one size alone, which would look dearer than a larger one.
        for size, batch in enumerate(steps):
            begun = clock()
            forward.logits(forward.forward(batch))
            best[size] = min(best[size], clock() - begun)
    one, few, drawing, fresh, late = best
    past_s = max(late - fresh, 0.0) / rows / past
    few_s, more_s = max(few - one, 0.0) / (FEW - 1), max(drawing - few, 0.0) / (DRAWING - FEW)
    return Costs(one, fresh / rows, past_s, few_s, more_s)
