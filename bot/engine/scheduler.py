"""Which tokens go into the next forward pass. Pure: numbers in, numbers out.

Every running stream gets its one token, every waiting verdict its whole prompt, and the prompts of new answers
share what is left. While verdicts are aboard that is little or nothing, so that a sentiment waits for nobody's history.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

FEW = 6
"""Rows that take little more than one, for reading the weights takes the time: by a pass of the native library."""

USUAL_VERDICT = 128
"""Tokens that the verdict of a message of usual length takes when nothing of its prompt is known yet."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What a forward pass takes here, in seconds: with one row, for each row of many, for each token that such a row

    looks back on; and where all rows draw a token, `few_s` for each from the second to the FEWth, `more_s` for others.
    """

    step_s: float
    row_s: float
    past_s: float = 0.0
    few_s: float = 0.0
    more_s: float = 0.0


ASSUMED = Costs(step_s=0.03, row_s=0.003, few_s=0.03, more_s=0.03)
"""Until they are measured: of a CPU so slow that steps stay short, and where guessing tokens is of no use."""


class Pending(NamedTuple):
    """A sequence: how many tokens of it are still to be computed, and how many are computed already."""

    tokens: int
    past: int


@dataclass(frozen=True, slots=True)
class Budget:
    """Rows per step: of long prompts `idle` when nobody streams, `streaming` beside streams, `scoring` beside verdicts
    twice in the second step of these, none in the first;

    `verdicts` of verdicts, a message of usual length is to be judged in one step. These are rows at the beginning of
    a prompt; `past` is what each token before a row adds to it, in such rows.
    """

    idle: int = 256
    streaming: int = 64
    scoring: int = 16
    verdicts: int = 256
    past: float = 0.0

    @classmethod
    def for_costs(cls, costs: Costs) -> Self:
        """Nobody who comes in the middle of a step waits long, no stream falters, no verdict is held up."""
        # Whole passes of the library for AVX2, which is slow enough to care: a row more costs nearly as much as FEW.
        idle = math.ceil(_rows(0.08, costs, least=16, most=510) / FEW) * FEW
        streaming = _rows(1.2 * costs.step_s, costs, least=8, most=idle)
        verdicts = max(idle, USUAL_VERDICT)
        scoring = _rows(0.3 * costs.step_s, costs, least=1, most=16)
        return cls(idle, streaming, scoring, verdicts, costs.past_s / costs.row_s)

    def prefill(self, streams: int, verdicts: int, *, waited: bool) -> int:
        """How many tokens of long prompts may join a step; `waited` where they could not join the last one."""
        if verdicts:
            return 2 * self.scoring if waited else 0
        return self.streaming if streams else self.idle


def _rows(seconds: float, costs: Costs, *, least: int, most: int) -> int:
    return max(least, min(most, round(seconds / costs.row_s)))


def schedule(
    streams: Sequence[Pending], verdicts: Sequence[int], budget: Budget, *, waited: bool = False
) -> tuple[list[int], list[int]]:
    """How many tokens of each sequence to compute now.

    `streams`, and of `verdicts` the numbers of tokens that are still to be computed, are oldest first; a stream with
    one token left is generating; `waited`, whether prompts had to make room for verdicts in the step before. The result
    has the same order; 0 means wait.
    """
    generating = sum(stream.tokens == 1 for stream in streams)
    verdict_room = max(budget.verdicts - generating, 1)
    verdict_counts = [0] * len(verdicts)
    for index, pending in enumerate(verdicts):
        verdict_counts[index] = min(pending, verdict_room)
        verdict_room -= verdict_counts[index]
    room: float = budget.prefill(generating, sum(verdict_counts), waited=waited)
    stream_counts = [1] * len(streams)
    for index, stream in enumerate(streams):
        if stream.tokens > 1:
            row = 1 + budget.past * stream.past
            stream_counts[index] = min(stream.tokens, math.ceil(room / row))
            room = max(room - stream_counts[index] * row, 0)
    return stream_counts, verdict_counts
