"""Does the compiled library compute the right numbers on this CPU? A small random model answers in milliseconds."""

import ctypes
import math

import torch
from torch import Tensor

from bot.engine.checkpoint import LayerNorms, pack
from bot.engine.decoder import Architecture, Batch, Decoder, Forward, Span
from bot.engine.kv import Pool
from bot.engine.linear import Fp32, Weight
from bot.engine.native.decoder import NativeDecoder
from bot.engine.rotation import Rotation

ARCHITECTURE = Architecture(
    layers=2, hidden=192, heads=10, kv_heads=2, head_dim=80, intermediate=320, norm_epsilon=1e-6,
    rope_frequencies=torch.logspace(0, -3, 40),
)  # fmt: skip
VOCABULARY = 203
TOLERANCE = 0.03
"""Largest accepted error of the logits, relative to their range. Rounding to 8 bits makes 0.015."""


class RandomModel:
    """A WeightSource in which it matters much which tokens attend to which."""

    architecture = ARCHITECTURE
    rotation = Rotation.of(ARCHITECTURE.hidden)

    def __init__(self) -> None:
        self._generator = torch.Generator().manual_seed(3)
        self._table = self.rotation.back(self._embeddings())  # so it is where the layers are
        width, kv = ARCHITECTURE.heads * ARCHITECTURE.head_dim, ARCHITECTURE.kv_heads * ARCHITECTURE.head_dim
        sizes = {
            "qkv": (width + 2 * kv, ARCHITECTURE.hidden),
            "attention_out": (ARCHITECTURE.hidden, width),
            "gate_up": (2 * ARCHITECTURE.intermediate, ARCHITECTURE.hidden),
            "down": (ARCHITECTURE.hidden, ARCHITECTURE.intermediate),
            "head": (VOCABULARY, ARCHITECTURE.hidden),
        }
        names = [
            f"layers.{layer}.{name}"
            for layer in range(ARCHITECTURE.layers)
            for name in sizes
            if name != "head"
        ]
        self._matrices = {name: self._weight(*sizes[name.split(".")[-1]]) for name in [*names, "head"]}

    def embedding(self) -> Tensor:
        return self._table

    def output_embedding(self) -> Tensor:
        return self.rotation.back(self._matrices["head"].dequantized())

    def matrix(self, name: str) -> Weight:
        return self._matrices[name]

    def norms(self, layer: int) -> LayerNorms:
        hidden, head = torch.ones(ARCHITECTURE.hidden), torch.ones(ARCHITECTURE.head_dim)
        return LayerNorms(hidden, hidden, head, head)

    def final_norm(self) -> Tensor:
        return torch.ones(ARCHITECTURE.hidden)

    def _embeddings(self) -> Tensor:
        return self._random(VOCABULARY, ARCHITECTURE.hidden)

    def _weight(self, outputs: int, inputs: int) -> Weight:
        values = self._random(outputs, inputs).mul_(40).round_().clamp_(-127, 127)
        return Weight(
            values.to(torch.int8), self._scale(outputs, 40 * inputs**0.5), self._random(outputs).mul_(0.3)
        )

    def _random(self, *size: int) -> Tensor:
        return torch.randn(size, generator=self._generator)

    def _scale(self, outputs: int, size: float) -> Tensor:
        return torch.rand(outputs, generator=self._generator).add_(0.5).div_(size)


class ExtremeModel(RandomModel):
    """Half the weights are at the end of the int8 range, so that sums of 16 bits would saturate, and the others as
    large as FOUR_AT_MOST lets them be. Its tokens are so alike that attention hardly matters.
    """

    def _embeddings(self) -> Tensor:
        # One number that towers above all others, as in the states of real models, before weights of 127; and a token
        # whose activations are all as large as they can be.
        table = super()._embeddings()
        table[:, 3] = 40.0
        table[5] = 1.0
        return table

    def _weight(self, outputs: int, inputs: int) -> Weight:
        # Mostly of one sign: sums grow as large as they can.
        signs = torch.where(self._random(outputs, inputs) > -1.0, 1, -1)
        sizes = torch.tensor([127, 127, 127, 127, 3, 1, 3, 1]).repeat(inputs // 8)
        return Weight(
            (signs * sizes).to(torch.int8), self._scale(outputs, 90 * inputs**0.5), self._random(outputs)
        )


def error(compiled: ctypes.CDLL, threads: int) -> float:
    """The larger one of both models: whether attention is right, and whether sums overflow."""
    return max(error_of(model, compiled, threads) for model in (RandomModel(), ExtremeModel()))


@torch.inference_mode()
def error_of(model: RandomModel, compiled: ctypes.CDLL, threads: int) -> float:
    """Largest difference to float32, relative to the largest number; NaN counts as infinite.

    Of a whole forward pass, of one that rows leave early, and of a single product whose sums are as large as they can
    become.
    """
    native = NativeDecoder(compiled, model, context=64, threads=threads)
    exact = Decoder(ARCHITECTURE, pack(model, Fp32), 64)
    pairs = [(compute(native), compute(exact)) for compute in (_logits, _early, _largest_sums)]
    differences = [(found - expected).abs().amax() / expected.abs().amax() for found, expected in pairs]
    return max(math.inf if difference.isnan() else difference.item() for difference in differences)


def _logits(decoder: Forward) -> Tensor:
    """Of a prompt in two pieces, longer than attention takes at once, in company."""
    pool = Pool(decoder.kv_shape, 1 << 24)
    first, second = ([(seed * i) % VOCABULARY for i in range(1, 48)] for seed in (7, 11))
    slots = [pool.take(tokens, 16) for tokens in (first, second)]
    batch = Batch()
    batch.add(Span(slots[0], first[:13], 0, 0))
    batch.add(Span(slots[1], second, 0, 0), wanted=3)
    rows = [decoder.logits(decoder.forward(batch))]
    batch = Batch()
    batch.add(Span(slots[0], first[13:], 13, 13), wanted=10)
    return torch.cat([*rows, decoder.logits(decoder.forward(batch))])


def _early(decoder: Forward) -> Tensor:
    """States of a prompt that leaves after a layer, beside one that does not."""
    pool = Pool(decoder.kv_shape, 1 << 24)
    first, second = ([(seed * i) % VOCABULARY for i in range(1, 24)] for seed in (5, 13))
    slots = [pool.take(tokens, 16) for tokens in (first, second)]
    batch = Batch()
    batch.add_early(Span(slots[0], first, 0, 0), exit_layer=1, rows=[0, 1, 2, *range(9, 23)])
    batch.add(Span(slots[1], second, 0, 0), wanted=1)
    return decoder.forward(batch)


def _largest_sums(decoder: Forward) -> Tensor:
    """Logits of states of one sign."""
    states = torch.rand(20, ARCHITECTURE.hidden, generator=torch.Generator().manual_seed(4)).add_(0.2)
    states[0], states[:, 0] = 1.0, 0.0
    return decoder.logits(RandomModel.rotation.back(states))  # so they are where the head is
