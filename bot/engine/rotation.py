"""Rotates the space in which a model's layers meet, so that no number towers above the others: int8 is bad at those.

QuaRot (Ashkboos et al. 2024): what writes into the space is rotated, what reads from it is rotated back, and the
model computes the same. Here the rotation is blocks of Hadamard's matrix behind random signs, which is cheap
where states come in and go out.
"""

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
    """`signs` is float32 [size]; each `block` of numbers is mixed by Hadamard's matrix, which is its own inverse."""

    def __init__(self, signs: Tensor, block: int) -> None:
        self.signs = signs
        self.block = block
        self._matrix = _hadamard(block)

    @classmethod
    def none(cls, size: int) -> Self:
        """The model's own space."""
        return cls(torch.ones(size), 1)

    @classmethod
    def of(cls, size: int) -> Self:
        """The same for every model of a size: what is stored is in this space."""
        draw = random.Random(size)
        signs = torch.tensor([draw.choice((-1.0, 1.0)) for _ in range(size)])
        return cls(signs, min(size & -size, LARGEST))

    def into(self, x: Tensor) -> Tensor:
        """float32 [..., size] from the model's space into the rotated one."""
        return self._mixed(x * self.signs)

    def back(self, x: Tensor) -> Tensor:
        """The inverse."""
        return self._mixed(x) * self.signs

    def _mixed(self, x: Tensor) -> Tensor:
        if self.block == 1:
            return x
        return (x.reshape(*x.shape[:-1], -1, self.block) @ self._matrix).flatten(-2)


class Rotated:
    """A WeightSource: the same model, with layers and head in the rotated space. What the norms of the layers weigh is

    weighed in what reads them. The norm before the head is left, for states leave the space there. The heads' values
    are rotated as well, each on its own, and rotated back by what reads them.
    """

    def __init__(self, source: "WeightSource") -> None:
        self.architecture = source.architecture
        self.rotation = Rotation.of(source.architecture.hidden)
        self._heads = Rotation.of(source.architecture.head_dim)
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
        if kind == "qkv":
            return self._with_values_rotated(self._reading(weight, norms.attention))
        if kind == "gate_up":
            return self._reading(weight, norms.mlp)
        return self._writing(self._reading_values(weight) if kind == "attention_out" else weight)

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
        bias = None if weight.bias is None else self.rotation.into(weight.bias)
        return replace(weight, values=self.rotation.into(weight.values.float().T).T.contiguous(), bias=bias)

    def _with_values_rotated(self, qkv: Weight) -> Weight:
        arch = self.architecture
        first = (arch.heads + arch.kv_heads) * arch.head_dim
        heads = qkv.values[first:].T.reshape(-1, arch.kv_heads, arch.head_dim)
        values = torch.cat((qkv.values[:first], self._heads.into(heads).flatten(1).T))
        if qkv.bias is None:
            return replace(qkv, values=values)
        biases = self._heads.into(qkv.bias[first:].view(arch.kv_heads, arch.head_dim)).flatten()
        return replace(qkv, values=values, bias=torch.cat((qkv.bias[:first], biases)))

    def _reading_values(self, weight: Weight) -> Weight:
        arch = self.architecture
        heads = weight.values.float().view(-1, arch.heads, arch.head_dim)
        return replace(weight, values=self._heads.into(heads).flatten(1))


def _hadamard(size: int) -> Tensor:
    """Sylvester's, orthonormal, for a power of two."""
    matrix = torch.ones(1, 1)
    while len(matrix) < size:
        above, below = torch.cat((matrix, matrix), dim=1), torch.cat((matrix, -matrix), dim=1)
        matrix = torch.cat((above, below)).div_(2**0.5)
    return matrix
