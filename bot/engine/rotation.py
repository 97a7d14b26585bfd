"""Rotates the space in which a model's layers meet, so that no number towers above the others: int8 is bad at those.

QuaRot (Ashkboos et al. 2024): what writes into the space is rotated, what reads from it is rotated back, and the
model computes the same. Here the rotation is blocks of Hadamard's matrix behind random signs, which is cheap where
states come in and go out.
"""

import hashlib
import math
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor

from bot.engine.linear import Weight

if TYPE_CHECKING:
    from bot.engine.checkpoint import LayerNorms, WeightSource

LARGEST = 128
"""Numbers that a block mixes, at most."""

PIECE = 4096
"""Outputs of a matrix that are rotated at once: in float32 they take four bytes a weight, and more than once."""


class Rotation:
    """`signs` is float32 [size]; each `block` of numbers, a power of two, is mixed by Hadamard's matrix.

    That is its own inverse, and is never multiplied with: the fast Walsh-Hadamard transform adds up pairs.
    """

    def __init__(self, signs: Tensor, block: int) -> None:
        self.signs = signs
        self.block = block

    @classmethod
    def none(cls, size: int) -> Self:
        """The model's own space."""
        return cls(torch.ones(size), 1)

    @classmethod
    def of(cls, size: int) -> Self:
        """The same for every model of a size, with the largest blocks that fit."""
        draw = random.Random(size)
        signs = torch.tensor([1.0 if draw.random() < 0.5 else -1.0 for _ in range(size)])
        return cls(signs, min(size & -size, LARGEST))

    @property
    def fingerprint(self) -> str:
        """Other rotations have others."""
        return hashlib.sha256(self.signs.numpy().tobytes() + bytes([self.block])).hexdigest()[:16]

    def into(self, x: Tensor) -> Tensor:
        """float32 [..., size] from the model's space into the rotated one."""
        return self._mixed(x * self.signs)

    def back(self, x: Tensor) -> Tensor:
        """The inverse."""
        return self._mixed(x) * self.signs

    def _mixed(self, x: Tensor) -> Tensor:
        shape, half = x.shape, 1
        while half < self.block:
            pairs = x.reshape(*shape[:-1], shape[-1] // (2 * half), 2, half)
            first, second = pairs[..., 0, :], pairs[..., 1, :]
            x = torch.stack((first + second, first - second), dim=-2).view(shape)
            half *= 2
        return x / math.sqrt(self.block)


class Rotated:
    """A WeightSource: the same model, with layers and head in the rotated space. What the norms of the layers weigh is

    weighed in what reads them. The norm before the head is left, for states leave the space there.
    """

    def __init__(self, source: "WeightSource") -> None:
        self.architecture = source.architecture
        self.rotation = Rotation.of(source.architecture.hidden)
        self._source = source

    def embedding(self) -> Tensor:
        """In the model's own space, [vocab, hidden]: rows are rotated when they are looked up."""
        return self._source.embedding()

    def output_embedding(self) -> Tensor:
        """In the model's own space, [vocab, hidden]."""
        return self._source.output_embedding()

    def matrix(self, name: str) -> Weight:
        """One weight, float32."""
        weight = self._source.matrix(name)
        layer, _, kind = name.rpartition(".")
        if kind == "head":
            return self._reading(weight, torch.ones(self.architecture.hidden))
        norms = self._source.norms(int(layer.removeprefix("layers.")))
        if kind in ("qkv", "gate_up"):
            return self._reading(weight, norms.attention if kind == "qkv" else norms.mlp)
        return self._writing(weight)

    def norms(self, layer: int) -> "LayerNorms":
        """Those of queries and keys are left."""
        ones = torch.ones(self.architecture.hidden)
        return replace(self._source.norms(layer), attention=ones, mlp=ones)

    def final_norm(self) -> Tensor:
        """In the model's own space, float32 [hidden]."""
        return self._source.final_norm()

    def _reading(self, weight: Weight, norm: Tensor) -> Weight:
        values = torch.empty(weight.values.shape)
        for rotated, piece in zip(torch.split(values, PIECE), torch.split(weight.values, PIECE), strict=True):
            rotated[:] = self.rotation.into(piece * norm)
        return replace(weight, values=values)

    def _writing(self, weight: Weight) -> Weight:
        bias = None if weight.bias is None else self.rotation.into(weight.bias.float())
        return replace(weight, values=self.rotation.into(weight.values.float().T).T.contiguous(), bias=bias)
