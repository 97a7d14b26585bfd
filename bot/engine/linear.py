"""Matrix products with the weights of the model, in the formats that CPUs are good at, and a test of each.

Every format maps float32 [rows, in] to float32 [rows, out], and treats each row on its own: what stands in one
row never changes another (activation scales are per token, never per batch).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, Self

import torch
from torch import Tensor
from torch.nn import functional as F

FormatName = Literal["int8", "int8-bf16", "bf16", "fp32"]

Product = Callable[[Tensor], Tensor]
"""float32 [rows, in] → float32 [rows, out]."""


FOUR_AT_MOST = 258
"""Sum of four weights of one sign, for their products with activations of 7 bits are added in 16 bits: 32767 / 127.

See native/dot.h. It holds on every CPU, for a model folder may travel.
"""


@dataclass(frozen=True, slots=True)
class Weight:
    """One weight matrix [out, in] as it is stored: float, or int8 with a float32 scale [out]; `bias` is [out]."""

    values: Tensor
    scale: Tensor | None = None
    bias: Tensor | None = None

    def quantized(self) -> "Weight":
        """The same in int8: symmetric, one scale per output, and no four larger than FOUR_AT_MOST in sum."""
        if self.scale is not None:
            return self
        values = self.values.float()
        fours = torch.cat([_largest_four(rows) for rows in torch.split(values, 4096)])
        # Each of the four may be rounded up.
        scale = torch.maximum(values.abs().amax(1).div_(127), fours.div_(FOUR_AT_MOST - 2)).clamp_min_(1e-12)
        return Weight((values / scale[:, None]).round_().to(torch.int8), scale, _float(self.bias))

    def dequantized(self) -> Tensor:
        """float32 [out, in]."""
        values = self.values.float()
        return values if self.scale is None else values.mul_(self.scale[:, None])


class Linear(Protocol):
    """`x @ weight.T + bias` in one format."""

    @classmethod
    def pack(cls, weight: Weight) -> Self:
        """Bring the weight into the order in memory that the product wants."""
        ...

    def __call__(self, x: Tensor) -> Tensor:
        """float32 [rows, in] → float32 [rows, out]."""
        ...


@dataclass(eq=False, slots=True)
class Fp32:
    """Exact, four bytes a weight."""

    weight: Tensor
    bias: Tensor | None
    dtype: ClassVar[torch.dtype] = torch.float32

    @classmethod
    def pack(cls, weight: Weight) -> Self:
        bias = None if weight.bias is None else weight.bias.to(cls.dtype)
        return cls(weight.dequantized().to(cls.dtype), bias)

    def __call__(self, x: Tensor) -> Tensor:
        return F.linear(x.to(self.dtype), self.weight, self.bias).float()


class Bf16(Fp32):
    """Two bytes a weight; fast with AVX512-BF16 or AMX."""

    dtype: ClassVar[torch.dtype] = torch.bfloat16


@dataclass(eq=False, slots=True)
class Int8:
    """int8 weights times uint8 activations through oneDNN: the fastest, and right only where there is VNNI.

    A row is quantised on its own and asymmetrically, `x = step · (q - zero)`. The product is called with zero
    point 0 and `zero` times the sum of each weight row is taken off afterwards, which is exact and costs nothing.
    """

    packed: Tensor
    scale: Tensor
    row_sum: Tensor
    zeros: Tensor
    bias: Tensor | None

    @classmethod
    def pack(cls, weight: Weight) -> Self:
        weight = weight.quantized()
        assert weight.scale is not None
        # Piece by piece: torch widens all that it sums at once, four bytes a weight.
        sums = [rows.sum(1, dtype=torch.int32) for rows in torch.split(weight.values, 4096)]
        row_sum = torch.cat(sums).float() * weight.scale
        packed = torch.ops.onednn.qlinear_prepack(weight.values, None)
        zeros = torch.zeros(len(row_sum), dtype=torch.int64)
        # Copies: a view would keep the whole file mapped, and its pages count as memory.
        bias = None if weight.bias is None else weight.bias.clone()
        return cls(packed, weight.scale.clone(), row_sum, zeros, bias)

    def __call__(self, x: Tensor) -> Tensor:
        low, high = (bound.float() for bound in torch.aminmax(x, dim=1, keepdim=True))
        step = (high - low).clamp_min_(1e-12).div_(255)
        zero = (-low / step).round_()
        q = x.div(step).add_(zero).round_().clamp_(0, 255).to(torch.uint8)
        product: Tensor = torch.ops.onednn.qlinear_pointwise(
            q, 1.0, 0, self.packed, self.scale, self.zeros, None, 1.0, 0, torch.float32, "none", [], ""
        )
        product = product.addcmul_(zero, self.row_sum, value=-1).mul_(step)
        return product if self.bias is None else product.add_(self.bias)


@dataclass(eq=False, slots=True)
class Int8Bf16:
    """int8 weights times bfloat16 activations: right on every CPU, one byte a weight.

    `_weight_int8pack_mm` adds up every row in the same order, however many there are. Weights widened to float32 for
    many rows would be no faster below 128, and sums in another order sometimes round to another bfloat16.
    """

    values: Tensor
    scale: Tensor
    ones: Tensor
    bias: Tensor | None

    @classmethod
    def pack(cls, weight: Weight) -> Self:
        weight = weight.quantized()
        assert weight.scale is not None
        # Copies: the call crashes on values that are not aligned, and those of a mapped file seldom are.
        bias = None if weight.bias is None else weight.bias.clone()
        ones = torch.ones_like(weight.scale, dtype=torch.bfloat16)
        return cls(weight.values.clone(), weight.scale.clone(), ones, bias)

    def __call__(self, x: Tensor) -> Tensor:
        product: Tensor = torch._weight_int8pack_mm(x.bfloat16(), self.values, self.ones)
        product = product.float().mul_(self.scale)
        return product if self.bias is None else product.add_(self.bias)


FORMATS: dict[FormatName, type[Linear]] = {"int8": Int8, "int8-bf16": Int8Bf16, "bf16": Bf16, "fp32": Fp32}

TOLERANCE = 0.02
"""Largest relative error that the self-test accepts. Rounding stays below 0.01; a saturated sum is 0.44 off."""


def self_test(linear: type[Linear]) -> float:
    """Largest relative error against float64 on inputs at the ends of the range, where wrong kernels saturate."""
    generator = torch.Generator().manual_seed(1)
    worst = 0.0
    for rows in (1, 3, 16, 40):
        x = torch.rand(rows, 256, generator=generator).add_(0.2)
        x[0] = 1.0
        x[:, 0] = 0.0
        weight = torch.rand(96, 256, generator=generator).mul_(0.2).add_(0.8)
        weight.view(96, -1, 8)[:, :, 4:] *= 0.01  # else FOUR_AT_MOST would keep all from the end of the range
        exact = x.double() @ weight.double().T
        error = (linear.pack(Weight(weight))(x) - exact).abs().amax() / exact.abs().amax()
        worst = max(worst, error.item())
    return worst


def _largest_four(values: Tensor) -> Tensor:
    """Of each row of [out, in]: inputs 0, 1, 4, 5 or 2, 3, 6, 7 of eight, those above or those below zero, [out]."""
    fours = F.pad(values, (0, -values.shape[1] % 8)).reshape(len(values), -1, 2, 2, 2)
    above, below = fours.clamp_min(0).sum((2, 4)), fours.clamp_max(0).sum((2, 4))
    return torch.maximum(above.flatten(1).amax(1), -below.flatten(1).amin(1))


def _float(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.float()
