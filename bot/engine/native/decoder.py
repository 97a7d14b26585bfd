"""NativeDecoder: a Decoder whose forward pass is one call into the compiled library."""

import ctypes
from collections.abc import Callable, Sequence
from functools import partial
from weakref import finalize

import torch
from torch import Tensor
from torch.nn import functional as F

from bot.engine.checkpoint import WeightSource
from bot.engine.decoder import Architecture, Batch, Span, nobody
from bot.engine.kv import Shape
from bot.engine.linear import Weight
from bot.engine.native import library
from bot.engine.successor import Successor, Successors, SuccessorWeights

KINDS = {"qkv": 0, "attention_out": 1, "gate_up": 2, "down": 3, "head": 4}
"""Numbers of the matrices in the library, of a layer but for the head."""

MOST_HEAD_DIM = 256


class NativeDecoder:
    """Implements Forward over int8 weights. Every row is computed as if it were alone, bit for bit."""

    def __init__(
        self, compiled: ctypes.CDLL, checkpoint: WeightSource, *, context: int, threads: int
    ) -> None:
        self.architecture = checkpoint.architecture
        self._library = compiled
        self._embedding = checkpoint.embedding()
        self._output_embedding = checkpoint.output_embedding()
        self._vocabulary = len(self._output_embedding)
        self._final_norm = checkpoint.final_norm()
        self._rotation = checkpoint.rotation
        self._cos, self._sin = self.architecture.rotations(context)
        self._decoder = _fill(compiled, checkpoint, self._vocabulary, threads)
        finalize(self, compiled.tandem_free, self._decoder)

    @property
    def kv_shape(self) -> Shape:
        """Keys and values in the type that the library stores."""
        return self.architecture.kv_shape(
            torch.float16 if self._library.tandem_stored_bytes() == 2 else torch.float32
        )

    def forward(self, batch: Batch, early: Callable[[Tensor], None] = nobody) -> Tensor:
        """See Forward."""
        positions = batch.positions()
        x = self._hadamard(self.embed(batch.tokens()))
        cos, sin = self._cos[positions], self._sin[positions]
        layers, left, spans = self.architecture.layers, batch.early_rows, batch.spans
        early_states = states = torch.empty(0, self.architecture.hidden)
        if left:
            x = self._pass(range(batch.exit_layer), x, cos, sin, spans, batch.needed_early, coarse_rows=left)
            early_states = self._states(x[: batch.early_wanted])
            early(early_states)
            x, cos, sin, spans = x[batch.early_wanted :], cos[left:], sin[left:], spans[batch.early_spans :]
        if spans:
            x = self._pass(range(batch.exit_layer, layers), x, cos, sin, spans, batch.needed_last)
            states = self._states(x).mul_(self._final_norm)
        return torch.cat((early_states, states))

    def _pass(
        self,
        layers: range,
        x: Tensor,
        cos: Tensor,
        sin: Tensor,
        spans: Sequence[Span],
        needed: Sequence[int],
        coarse_rows: int = 0,
    ) -> Tensor:
        """What layers make of the rows that are needed, in ascending order; the last computes no others.

        `x` is changed. The first `coarse_rows` may be computed less exactly.
        """
        rows = torch.tensor(needed, dtype=torch.int32)
        self._library.tandem_pass(
            self._decoder, layers.start, layers.stop, x.data_ptr(), len(x), coarse_rows,
            cos.data_ptr(), sin.data_ptr(), _spans(spans), len(spans), rows.data_ptr(), len(rows),
        )  # fmt: skip
        return x[: len(rows)]

    def _states(self, x: Tensor) -> Tensor:
        states = torch.empty_like(x)
        self._library.tandem_states(self._decoder, x.data_ptr(), len(x), states.data_ptr())
        return self._hadamard(states, back=True)

    def _hadamard(self, x: Tensor, *, back: bool = False) -> Tensor:
        """`x` itself, float32 [rows, hidden], into the space of the layers or back; every row as if it were alone."""
        signs, block = self._rotation.signs, self._rotation.block
        self._library.tandem_hadamard(x.data_ptr(), len(x), x.shape[1], signs.data_ptr(), block, back)
        return x

    def logits(self, states: Tensor) -> Tensor:
        """See Forward."""
        states = self._hadamard(states.clone(memory_format=torch.contiguous_format))
        out = torch.empty(len(states), self._vocabulary)
        self._library.tandem_logits(self._decoder, states.data_ptr(), len(states), out.data_ptr())
        return out

    def top(self, logits: Tensor, rows: Sequence[int], count: int) -> tuple[Tensor, Tensor]:
        """See Forward."""
        chosen = torch.tensor(rows, dtype=torch.int32)
        values, places = torch.empty(len(rows), count), torch.empty(len(rows), count, dtype=torch.int32)
        self._library.tandem_top(
            self._decoder, logits.data_ptr(), logits.shape[1], chosen.data_ptr(), len(rows), count,
            values.data_ptr(), places.data_ptr(),
        )  # fmt: skip
        return values, places

    def embed(self, tokens: Tensor) -> Tensor:
        """See Forward."""
        return F.embedding(tokens, self._embedding).float()

    def output_rows(self, tokens: Tensor) -> Tensor:
        """See Forward."""
        return F.embedding(tokens, self._output_embedding).float()

    def successor(self, weights: SuccessorWeights) -> Successor:
        """See Forward."""
        number: int = self._library.tandem_add_successor(self._decoder)
        for kind, weight in enumerate((weights.inner, weights.outer, weights.head)):
            _hand_over(weight, partial(self._library.tandem_set_successor, self._decoder, number, kind))
        return partial(self._succeed, number)

    def _succeed(self, number: int, states: Tensor, embeddings: Tensor) -> Successors:
        states = states.contiguous().clone()
        places, chances = torch.empty(len(states), dtype=torch.int64), torch.empty(len(states))
        self._library.tandem_succeed(
            self._decoder, number, states.data_ptr(), embeddings.data_ptr(), len(states),
            places.data_ptr(), chances.data_ptr(),
        )  # fmt: skip
        return Successors(states, places, chances)


def supports(architecture: Architecture, compiled: ctypes.CDLL) -> str:
    """Why the library cannot compute this model, or an empty text."""
    if architecture.head_dim % 16 or architecture.head_dim > MOST_HEAD_DIM:
        return f"heads of {architecture.head_dim} numbers are not supported"
    if architecture.intermediate % compiled.tandem_tile():
        return f"an MLP of {architecture.intermediate} numbers is not supported"
    if architecture.sliding_window is not None:
        return "a sliding window is not supported"
    return ""


def _fill(compiled: ctypes.CDLL, checkpoint: WeightSource, vocabulary: int, threads: int) -> int:
    """A decoder of the library with all weights in it."""
    arch = checkpoint.architecture
    shape = library.Shape(
        arch.layers, arch.hidden, arch.heads, arch.kv_heads, arch.head_dim, arch.intermediate,
        vocabulary, threads, arch.norm_epsilon,
    )  # fmt: skip
    width = arch.heads * arch.head_dim
    sizes = [
        (width + 2 * arch.kv_heads * arch.head_dim, arch.hidden),
        (arch.hidden, width),
        (2 * arch.intermediate, arch.hidden),
        (arch.hidden, arch.intermediate),
    ]
    total = arch.layers * sum(compiled.tandem_linear_bytes(*size) for size in sizes)
    total += compiled.tandem_linear_bytes(vocabulary, arch.hidden)
    decoder: int | None = compiled.tandem_new(shape, total)
    if decoder is None:
        raise MemoryError(f"{total} bytes for the weights")
    for layer in range(arch.layers):
        for name in ("qkv", "attention_out", "gate_up", "down"):
            _set_linear(compiled, decoder, layer, KINDS[name], checkpoint.matrix(f"layers.{layer}.{name}"))
        norms = checkpoint.norms(layer)
        for kind, norm in enumerate((norms.attention, norms.mlp, norms.query, norms.key)):
            if norm is not None:
                compiled.tandem_set_norm(decoder, layer, kind, norm.contiguous().data_ptr(), len(norm))
    _set_linear(compiled, decoder, 0, KINDS["head"], checkpoint.matrix("head"))
    return decoder


def _set_linear(compiled: ctypes.CDLL, decoder: int, layer: int, kind: int, weight: Weight) -> None:
    if _hand_over(weight, partial(compiled.tandem_set_linear, decoder, layer, kind)):
        raise MemoryError("the weights are larger than announced")


def _hand_over(weight: Weight, take: Callable[[int, int, int | None, int, int], int]) -> int:
    """What `take` returns for a weight in int8: where values, scales and bias are, outputs and inputs."""
    weight = weight.quantized()
    assert weight.scale is not None
    values, scale = weight.values.contiguous(), weight.scale.contiguous()
    bias = None if weight.bias is None else weight.bias.contiguous()
    outputs, inputs = values.shape
    return take(
        values.data_ptr(), scale.data_ptr(), None if bias is None else bias.data_ptr(), outputs, inputs
    )


def _spans(spans: Sequence[Span]) -> "ctypes.Array[library.Span]":
    places = (library.Span * len(spans))()
    row = 0
    for place, span in zip(places, spans, strict=True):
        data = span.slot.data
        place.first_row, place.rows = row, len(span.tokens)
        place.start, place.context, place.capacity = span.start, span.context, data.shape[3]
        place.kv = data.data_ptr()
        row += len(span.tokens)
    return places
