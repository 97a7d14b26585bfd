"""What a forward pass costs on this machine: measured, a step of the model at a time, and kept for a week.

Not longer, for a machine may be slow for reasons that nobody here sees; and what is measured while other programs
compute is kept for a day.
"""

import math
import time
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass, fields
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

TIMES = 4
"""The shortest of as many counts. The first step of each size warms up."""

UNDISTURBED = 0.8
"""Of the cores' time, what this process must have had for its costs to be trusted."""

KEPT_S, DISTURBED_KEPT_S = 7 * 24 * 3600.0, 24 * 3600.0
"""How long costs are kept, in seconds: those that are trusted, and the others."""

UNTIL = "until"
"""Beside the costs: the end of their time, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The costs, and whether others computed meanwhile."""

    costs: Costs
    disturbed: bool


def kept_costs(file: Path, now: float) -> Costs | None:
    """What `keep_costs` has left in `file`; None also for what is too old, of another version, or makes no sense."""
    found = read(file)
    if not isinstance(found, dict) or found.keys() != {UNTIL, *(field.name for field in fields(Costs))}:
        return None
    if not all(isinstance(value, float) and math.isfinite(value) for value in found.values()):
        return None
    left = found.pop(UNTIL) - now
    costs = Costs(**found)
    return costs if 0 < left <= KEPT_S and costs.step_s > 0 and costs.row_s > 0 else None


def keep_costs(measured: Measured, file: Path, now: float) -> None:
    """Write what `kept_costs` reads, for less long if others wanted the cores too."""
    seconds = DISTURBED_KEPT_S if measured.disturbed else KEPT_S
    keep(file, {UNTIL: now + seconds, **asdict(measured.costs)})


def measure(
    forward: Forward,
    context: int,
    cores: int,
    *,
    clock: Callable[[], float] = time.perf_counter,
    spent: Callable[[], float] = time.process_time,
) -> Generator[None, None, Measured]:
    """The costs of `forward` over at most `context` tokens. Between two steps others may compute."""
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
    whole_s = own_s = 0.0
    for _ in range(TIMES):
        # In turns: a slow moment must not meet one size alone, which would look dearer than a larger one.
        for size, batch in enumerate(steps):
            began, spent_before = clock(), spent()
            _compute(forward, batch)
            seconds = clock() - began
            best[size] = min(best[size], seconds)
            whole_s, own_s = whole_s + seconds, own_s + spent() - spent_before
            yield
    one, few, drawing, fresh, late = best
    past_s = max(late - fresh, 0.0) / rows / past
    few_s, more_s = max(few - one, 0.0) / (FEW - 1), max(drawing - few, 0.0) / (DRAWING - FEW)
    costs = Costs(one, fresh / rows, past_s, few_s, more_s)
    return Measured(costs, disturbed=own_s < UNDISTURBED * cores * whole_s)


@torch.inference_mode()
def _compute(forward: Forward, batch: Batch) -> None:
    forward.logits(forward.forward(batch))
