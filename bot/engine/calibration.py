"""What a forward pass costs on this machine: measured, which takes a few steps of the model, and kept for a week.

Not longer, for a machine may be slow for reasons that nobody here sees; and what is measured while other programs
compute is not kept at all.
"""

import math
import time
from collections.abc import Callable
from contextlib import suppress
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
"""Of the cores' time, what this process must have had for its costs to be kept."""

KEPT_S = 7 * 24 * 3600.0
"""How old costs may be, in seconds."""


def kept_or(
    measured: Callable[[], Costs],
    file: Path,
    *,
    cores: int,
    now: Callable[[], float] = time.time,
    clock: Callable[[], float] = time.perf_counter,
    spent: Callable[[], float] = time.process_time,
) -> Costs:
    """What is kept in `file`, or else is `measured`, and kept there if nobody else wanted the `cores` meanwhile."""
    if (kept := _kept(file, now())) is not None:
        return kept
    began, spent_before = clock(), spent()
    costs = measured()
    if spent() - spent_before >= UNDISTURBED * cores * (clock() - began):
        keep(file, asdict(costs))
    return costs


def _kept(file: Path, now: float) -> Costs | None:
    """None also for what is too old, of another version, or makes no sense."""
    kept = read(file)
    if not isinstance(kept, dict) or kept.keys() != {field.name for field in fields(Costs)}:
        return None
    if not all(isinstance(value, float) and math.isfinite(value) for value in kept.values()):
        return None
    costs = Costs(**kept)
    with suppress(OSError):  # another process may have taken it away
        if 0 <= now - file.stat().st_mtime < KEPT_S and costs.step_s > 0 and costs.row_s > 0:
            return costs
    return None


@torch.inference_mode()
def measure(forward: Forward, context: int, clock: Callable[[], float] = time.perf_counter) -> Costs:
    """The costs of `forward` over at most `context` tokens."""
    rows = min(ROWS, context // 2)
    past = min(PAST, context - rows)
    pool = Pool(forward.kv_shape, 2 * (past + rows) * forward.kv_shape.token_bytes)
    slot = pool.take([0] * (past + rows), 0)
    slot.data.zero_()

    def seconds(count: int, start: int = 0, wanted: int = 1) -> float:
        batch = Batch()
        batch.add(Span(slot, [0] * count, start, start), wanted)
        best = float("inf")
        for _ in range(TIMES):
            begun = clock()
            forward.logits(forward.forward(batch))
            best = min(best, clock() - begun)
        return best

    one, fresh, late = seconds(1), seconds(rows), seconds(rows, past)
    past_s = max(late - fresh, 0.0) / rows / past
    few, drawing = seconds(FEW, wanted=FEW), seconds(DRAWING, wanted=DRAWING)
    few_s, more_s = max(few - one, 0.0) / (FEW - 1), max(drawing - few, 0.0) / (DRAWING - FEW)
    return Costs(one, fresh / rows, past_s, few_s, more_s)
