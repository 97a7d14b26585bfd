"""The network of a draft: from the state that a token was drawn from, and that token, to the next state and token.

Hydra heads (Ankner et al. 2024), with one network for all places. It skips the model's layers; a few thousand rows of
the model's own head then tell which token its state means.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from bot.engine.linear import Product, Weight

EPSILON = 1e-6
"""Of the norms."""


class Successors(NamedTuple):
    """Of each row: the next state, float32 [rows, hidden]; the likeliest output of the head but for the last, int64
    [rows]; and its probability among all of them, float32 [rows].
    """

    states: Tensor
    places: Tensor
    chances: Tensor


@dataclass(frozen=True, slots=True)
class SuccessorWeights:
    """`inner` is [rank, 2 · hidden], `outer` [hidden, rank], `head` [outputs, hidden]."""

    inner: Weight
    outer: Weight
    head: Weight


class Successor(Protocol):
    """The network, as a decoder computes it."""

    def __call__(self, states: Tensor, embeddings: Tensor) -> Successors:
        """One step for float32 [rows, hidden] of both."""
        ...


@dataclass(frozen=True, slots=True)
class TorchSuccessor:
    """Implements Successor with products of any format."""

    inner: Product
    outer: Product
    head: Product

    def __call__(self, states: Tensor, embeddings: Tensor) -> Successors:
        """See Successor."""
        states = next_states(states, embeddings, self.inner, self.outer)
        logits = self.head(states)
        highest, places = logits[:, :-1].max(1)
        return Successors(states, places, (highest - logits.logsumexp(1)).exp())


def next_states(states: Tensor, embeddings: Tensor, inner: Product, outer: Product) -> Tensor:
    """What the model's states will be like behind tokens, by those that they were drawn from: [rows, hidden] all."""
    both = torch.cat((_norm(states), _norm(embeddings)), dim=1)
    return states + outer(F.silu(inner(both)))


def _norm(x: Tensor) -> Tensor:
    return F.rms_norm(x, (x.shape[-1],), eps=EPSILON)
