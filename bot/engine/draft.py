"""A draft: a small network guesses how an answer goes on, to be checked in the same forward pass.

A guess costs a row and never changes what is drawn. See successor.py for the network.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from bot.engine.decoder import Forward
from bot.engine.guess import Guess
from bot.engine.linear import Weight
from bot.engine.successor import Successor, SuccessorWeights


@dataclass(frozen=True, slots=True)
class DraftWeights:
    """What is fitted: `inner` and `outer` of the network, and of its head `guessable`, token ids, whose rows are the
    model's own, and `other`, float32 [hidden], the row that stands for all other tokens.
    """

    inner: Weight
    outer: Weight
    guessable: Tensor
    other: Tensor


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft, ready to guess for a decoder."""

    weights: DraftWeights
    decoder: Forward
    successor: Successor

    @classmethod
    def pack(cls, weights: DraftWeights, rows: Tensor, decoder: Forward) -> Self:
        """Bring the weights and the head's guessable `rows`, float32, into the decoder's format."""
        head = Weight(torch.cat((rows, weights.other[None])))
        network = SuccessorWeights(weights.inner, weights.outer, head)
        return cls(weights, decoder, decoder.successor(network))

    def propose(
        self, states: Tensor, tokens: Sequence[int], *, most: int, least_chance: float
    ) -> list[list[Guess]]:
        """Up to `most` guesses behind each of `tokens`, which were drawn from `states`, float32 [tokens, hidden].

        A guess less probable than `least_chance` ends its row.
        """
        found: list[list[Guess]] = [[] for _ in tokens]
        going_on, last, so_far = found, torch.tensor(tokens), [1.0] * len(tokens)
        for _ in range(most):
            states, places, chances = self.successor(states, self.decoder.embed(last))
            last = self.weights.guessable[places]
            so_far = [before * chance for before, chance in zip(so_far, chances.tolist(), strict=True)]
            likely = [row for row, chance in enumerate(so_far) if chance >= least_chance]
            if not likely:
                break
            if len(likely) < len(so_far):
                states, last = states[likely], last[likely]
                going_on, so_far = [going_on[row] for row in likely], [so_far[row] for row in likely]
            for guesses, token, chance in zip(going_on, last.tolist(), so_far, strict=True):
                guesses.append(Guess(token, chance))
        return found
