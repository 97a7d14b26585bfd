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
        going_on, last, so_far = list(range(len(tokens))), torch.tensor(tokens), torch.ones(len(tokens))
        for _ in range(most):
            states, places, chances = self.successor(states, self.decoder.embed(last))
            so_far *= chances
            likely = (so_far >= least_chance).nonzero().flatten()
            going_on = [going_on[row] for row in likely.tolist()]
            if not going_on:
                break
            states, so_far = states[likely], so_far[likely]
            last = self.weights.guessable[places[likely]]
            for row, token, chance in zip(going_on, last.tolist(), so_far.tolist(), strict=True):
                found[row].append(Guess(token, chance))
        return found
