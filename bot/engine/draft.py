"""A draft: a small network that guesses how an answer goes on, to be checked in the same forward pass.

Hydra heads (Ankner et al. 2024), with one network for all places: the state that a token was drawn from and the
token itself make the state that the next is drawn from, without any of the model's layers. A few thousand rows of the
model's own head then tell which token that is. A guess costs a row and never changes what is drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from bot.engine.decoder import Forward
from bot.engine.guess import Guess
from bot.engine.linear import Product, Weight


@dataclass(frozen=True, slots=True)
class DraftWeights:
    """What is fitted. `inner` is [rank, 2 · hidden] and `outer` [hidden, rank]; `guessable` are token ids, and `other`,
    float32 [hidden], is the row of the head that stands for all the rest.
    """

    inner: Weight
    outer: Weight
    guessable: Tensor
    other: Tensor


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft in the format of the decoder that it guesses for."""

    weights: DraftWeights
    decoder: Forward
    inner: Product
    outer: Product
    head: Product

    @classmethod
    def pack(cls, weights: DraftWeights, decoder: Forward) -> Self:
        """Bring the weights and the guessable rows of the head into order."""
        rows = torch.cat((decoder.output_rows(weights.guessable), weights.other[None]))
        inner, outer, head = (decoder.product(one) for one in (weights.inner, weights.outer, Weight(rows)))
        return cls(weights, decoder, inner, outer, head)

    def propose(
        self, states: Tensor, tokens: Sequence[int], *, most: int, least_chance: float
    ) -> list[list[Guess]]:
        """Up to `most` guesses behind each of `tokens`, which were drawn from `states`, float32 [tokens, hidden].

        A guess less probable than `least_chance` ends its row.
        """
        found: list[list[Guess]] = [[] for _ in tokens]
        going_on, last, chances = list(range(len(tokens))), torch.tensor(tokens), torch.ones(len(tokens))
        for _ in range(most):
            states = next_states(states, self.decoder.embed(last), self.inner, self.outer)
            logits = self.head(states)
            highest, places = logits[:, :-1].max(1)
            chances = chances * (highest - logits.logsumexp(1)).exp()
            last = self.weights.guessable[places]
            likely = (chances >= least_chance).nonzero().flatten()
            going_on = [going_on[row] for row in likely.tolist()]
            if not going_on:
                break
            states, last, chances = states[likely], last[likely], chances[likely]
            for row, token, chance in zip(going_on, last.tolist(), chances.tolist(), strict=True):
                found[row].append(Guess(token, chance))
        return found


def next_states(states: Tensor, embeddings: Tensor, inner: Product, outer: Product) -> Tensor:
    """What the model's state will be like behind a token, by the state that it was drawn from: [rows, hidden] all."""
    both = torch.cat((_norm(states), _norm(embeddings)), dim=1)
    return states + outer(F.silu(inner(both)))


def _norm(x: Tensor) -> Tensor:
    return F.rms_norm(x, (x.shape[-1],))
