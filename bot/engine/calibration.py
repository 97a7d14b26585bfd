"""Measures once, at start, what a forward pass costs on this machine. Takes a few steps of the model."""

import time
from collections.abc import Callable

import torch

from bot.engine.decoder import Batch, Forward, Span
from bot.engine.kv import Pool
from bot.engine.scheduler import Costs

ROWS = 32
"""Many enough that reading the weights is no longer what takes the time."""

PAST = 1024
"""Tokens that rows look back on, to see what that costs."""


@torch.inference_mode()
def measure(forward: Forward, clock: Callable[[], float] = time.perf_counter) -> Costs:
    """The costs of `forward`. The first step of each size warms up."""
    pool = Pool(forward.kv_shape, 2 * (PAST + ROWS) * forward.kv_shape.token_bytes)
    slot = pool.take([0] * (PAST + ROWS), 0)
    slot.data.zero_()

    def seconds(rows: int, past: int = 0) -> float:
        batch = Batch()
        batch.add(Span(slot, [0] * rows, past, past), wanted=1)
        best = float("inf")
        for _ in range(2):
            begun = clock()
            forward.logits(forward.forward(batch))
            best = min(best, clock() - begun)
        return best

    fresh, late = seconds(ROWS), seconds(ROWS, PAST)
    return Costs(seconds(1), fresh / ROWS, max(late - fresh, 0.0) / ROWS / PAST)
