"""Draws the next tokens: greedy, temperature, top-k, top-p and repetition penalty, for a whole batch.

The draw for a position depends on the request's seed and on that position alone. So an answer is the same in any
company, and a guessed token that is checked in advance is accepted exactly when it would have been drawn.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Top = Callable[[Tensor, Sequence[int], int], tuple[Tensor, Tensor]]
"""The `count` largest numbers of some rows and their places, largest first; see decoder.Forward."""

Numbers = NDArray[np.float32]

STEP = 64
"""Requests with about the same top_k share one selection."""


@dataclass(frozen=True, slots=True)
class SamplingParameters:
    """How one request's tokens are drawn; `temperature` 0 is greedy, `top_k` 0 and `top_p` 1 mean all."""

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    seed: int = 0

    @property
    def most(self) -> int:
        """Number of tokens that can be drawn; 0 is all."""
        return 1 if self.temperature == 0 else self.top_k

    def draw(self, position: int) -> float:
        """The uniform number in [0, 1) that decides the token at `position` (Philox, a counter-based generator)."""
        return float(np.random.Generator(np.random.Philox(key=self.seed, counter=position)).random())


@dataclass(frozen=True, slots=True)
class Row:
    """One row of logits: whose it is, at which position, and the tokens that the penalty sees."""

    parameters: SamplingParameters
    position: int
    seen: Sequence[int]


def sample(logits: Tensor, rows: Mapping[int, Row], top: Top) -> dict[int, int]:
    """Token ids for some rows, by their places in float32 [all, vocab] logits, which may be changed in place."""
    numbers = logits.numpy()
    for place, row in rows.items():
        if row.parameters.repetition_penalty != 1.0 and row.seen:
            _penalize(numbers[place], row)
    drawn = {}
    for count, places in _by_count(rows, logits.shape[1]):
        values, tokens = (numpy.numpy() for numpy in top(logits, places, count))
        for index, place in enumerate(places):
            drawn[place] = _draw(values[index], tokens[index], rows[place])
    return drawn


def _penalize(logits: Numbers, row: Row) -> None:
    """Repetition penalty of CTRL (Keskar et al. 2019): every token seen before becomes less likely, once."""
    seen = np.array(row.seen)
    values = logits[seen]
    penalty = row.parameters.repetition_penalty
    logits[seen] = np.where(values > 0, values / penalty, values * penalty)


def _by_count(rows: Mapping[int, Row], vocabulary: int) -> Iterator[tuple[int, list[int]]]:
    """Places of rows that need about the same number of tokens to choose from, and that number."""
    groups: dict[int, list[int]] = {}
    for place, row in rows.items():
        most = row.parameters.most
        needed = 1 if most == 1 else -(-most // STEP) * STEP if most else vocabulary
        groups.setdefault(min(needed, vocabulary), []).append(place)
    yield from groups.items()


def _draw(values: Numbers, tokens: Sequence[int], row: Row) -> int:
    """Inverse transform sampling over the tokens that top-k and top-p leave, most probable first."""
    parameters = row.parameters
    if parameters.temperature == 0:
        return int(tokens[0])
    values = values[: parameters.top_k or None]
    weights = np.exp((values - values[0]).astype(np.float64) / parameters.temperature)
    cumulative = np.cumsum(weights / weights.sum())
    kept = 1 + int(np.searchsorted(cumulative[:-1], parameters.top_p))
    threshold = parameters.draw(row.position) * cumulative[kept - 1]
    return int(tokens[min(int(np.searchsorted(cumulative[:kept], threshold, side="right")), kept - 1)])
