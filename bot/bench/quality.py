"""How far an engine's predictions are from float32's. Pure: arrays in, numbers out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]
"""Natural logarithms of probabilities, [prompts, vocab]."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Means over the prompts: Kullback-Leibler divergence in nats, and how often the likeliest token is the same."""

    kl: float
    equal_top1: float


def compare(exact: Rows, other: Rows) -> Quality:
    """`other` against `exact`: KL(exact ‖ other)."""
    p = exact.astype(np.float64)
    divergences = (np.exp(p) * (p - other)).sum(axis=1)
    return Quality(float(divergences.mean()), float((p.argmax(1) == other.argmax(1)).mean()))
