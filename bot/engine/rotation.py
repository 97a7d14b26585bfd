"""Rotates the space in which a model's layers meet, so that no number towers above the others: int8 is bad at those.

QuaRot (Ashkboos et al. 2024): a matrix that writes into the space is rotated, one that reads from it is rotated back,
and the model computes the same. Here the rotation is blocks of Hadamard's matrix behind random signs, which is cheap
where states come in and go out.
"""

import random
from typing import Self

import torch
from torch import Tensor

LARGEST = 128
"""Numbers that a block mixes, at most."""


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
        return (x.unflatten(-1, (-1, self.block)) @ self._matrix).flatten(-2)


def _hadamard(size: int) -> Tensor:
    """Sylvester's, orthonormal, for a power of two."""
    matrix = torch.ones(1, 1)
    while len(matrix) < size:
        above, below = torch.cat((matrix, matrix), dim=1), torch.cat((matrix, -matrix), dim=1)
        matrix = torch.cat((above, below)).div_(2**0.5)
    return matrix
