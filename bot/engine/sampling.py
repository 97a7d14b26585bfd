"""Draws the next tokens: greedy, temperature, top-k, top-p and repetition penalty, for a whole batch.

The draw for a position depends on the request's seed and on that position alone. So an answer is the same in any
company, and a guessed token that is checked in advance is accepted exactly when it would have been drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class SamplingParameters:
    """How one request's tokens are drawn; `temperature` 0 is greedy, `top_k` 0 and `top_p` 1 mean all."""

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    seed: int = 0

    def draw(self, position: int) -> float:
        """The uniform number in [0, 1) that decides the token at `position` (Philox, a counter-based generator)."""
        return float(np.random.Generator(np.random.Philox(key=self.seed, counter=position)).random())


@dataclass(frozen=True, slots=True)
class Row:
    """One row of logits: whose it is, at which position, and the tokens that the penalty sees."""

    parameters: SamplingParameters
    position: int
    seen: Sequence[int]


def sample(logits: Tensor, rows: Sequence[Row]) -> list[int]:
    """Token ids for float32 [rows, vocab] logits, which may be changed in place."""
    for line, row in zip(logits, rows, strict=True):
        if row.parameters.repetition_penalty != 1.0 and row.seen:
            _penalize(line, row)
    best = logits.argmax(dim=1).tolist()
    return [
        token if row.parameters.temperature == 0 else _draw(line, row)
        for token, line, row in zip(best, logits, rows, strict=True)
    ]


def _penalize(logits: Tensor, row: Row) -> None:
    """Repetition penalty of CTRL (Keskar et al. 2019): every token seen before becomes less likely."""
    seen = torch.tensor(sorted(set(row.seen)))
    values = logits[seen]
    penalty = row.parameters.repetition_penalty
    logits[seen] = torch.where(values > 0, values / penalty, values * penalty)


def _draw(logits: Tensor, row: Row) -> int:
    """Inverse transform sampling over the tokens that top-k and top-p leave, most probable first."""
    parameters = row.parameters
    count = parameters.top_k or len(logits)
    values, tokens = logits.topk(min(count, len(logits)))
    probabilities = values.div(parameters.temperature).softmax(dim=0)
    cumulative = probabilities.cumsum(dim=0)
    kept = int((cumulative - probabilities < parameters.top_p).sum())
    threshold = parameters.draw(row.position) * cumulative[kept - 1]
    return int(tokens[torch.searchsorted(cumulative[:kept], threshold, right=True).clamp_max(kept - 1)])
