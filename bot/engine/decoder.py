"""The forward pass of the Llama family over a ragged batch: rows of many sequences in one go.

Covers Llama, Mistral, SmolLM2, Qwen1.5, Qwen2.5 and Qwen3: grouped heads, QKV bias, QK norm, tied and untied
heads, rotary embeddings given as frequencies. Knows tensors and slots, nothing about requests.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from bot.engine.kv import Shape, Slot
from bot.engine.linear import Linear
from bot.engine.rotation import Rotation
from bot.engine.successor import Successor, SuccessorWeights, TorchSuccessor


@dataclass(frozen=True, slots=True)
class Architecture:
    """The numbers of a model of the Llama family. `rope_frequencies` is float32 [head_dim / 2], radians a token."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    norm_epsilon: float
    rope_frequencies: Tensor
    rope_scale: float = 1.0
    sliding_window: int | None = None

    def kv_shape(self, dtype: torch.dtype) -> Shape:
        """What a token takes in the KV pool."""
        return Shape(self.layers, self.kv_heads, self.head_dim, dtype)

    def rotations(self, context: int) -> tuple[Tensor, Tensor]:
        """Cosine and sine of every position's angles, float32 [context, head_dim / 2]."""
        angles = torch.outer(torch.arange(context).float(), self.rope_frequencies)
        return angles.cos().mul_(self.rope_scale), angles.sin().mul_(self.rope_scale)


@dataclass(eq=False, slots=True)
class Layer:
    """The weights of one layer; norms are float32, `query_norm` and `key_norm` only where the model has them."""

    attention_norm: Tensor
    qkv: Linear
    query_norm: Tensor | None
    key_norm: Tensor | None
    attention_out: Linear
    mlp_norm: Tensor
    gate_up: Linear
    down: Linear


@dataclass(eq=False, slots=True)
class Weights:
    """All weights; layers and head are in a space that is rotated by `rotation`. `norm`, which is before the head, and
    `embedding` and `output_embedding` (the head once more, for a few of its rows) are in the model's own. These are
    [vocab, hidden] in any float type, mapped from the file: only the rows that are used take memory.
    """

    rotation: Rotation
    embedding: Tensor
    output_embedding: Tensor
    layers: list[Layer]
    norm: Tensor
    head: Linear


@dataclass(frozen=True, slots=True)
class Span:
    """Adjacent rows of a batch that belong to one sequence.

    They are stored in `slot` from `start` on, and each attends to the first `context` tokens of the slot and to
    the rows of its own span up to itself. `context < start` makes a branch: another continuation of one prompt.
    """

    slot: Slot
    tokens: Sequence[int]
    start: int
    context: int

    @property
    def positions(self) -> range:
        """Where the rows stand in their text."""
        return range(self.context, self.context + len(self.tokens))


@dataclass(slots=True)
class Batch:
    """One forward pass: the rows of all spans, one after another, and which of them the caller wants to see.

    The first `early_spans`, which are `early_rows`, leave the pass when `exit_layer` layers are done; of those
    `early_wanted` are wanted. No word is drawn from these, and a decoder may compute them less exactly than the others.
    """

    spans: list[Span] = field(default_factory=list)
    wanted: list[int] = field(default_factory=list)
    rows: int = 0
    early_spans: int = 0
    early_rows: int = 0
    early_wanted: int = 0
    exit_layer: int = 0

    def add(self, span: Span, wanted: int = 0) -> range:
        """Append a span and ask for its last `wanted` rows; returns where those stand in the result."""
        return self._add(span, range(len(span.tokens) - wanted, len(span.tokens)))

    def add_early(self, span: Span, exit_layer: int, rows: Sequence[int]) -> range:
        """Append a span that leaves early, before all that do not, and ask for some of its rows, in ascending order."""
        if self.early_spans != len(self.spans) or self.exit_layer not in (0, exit_layer) or exit_layer < 1:
            raise ValueError("spans that leave early come first, and leave together, behind a layer")
        places = self._add(span, rows)
        self.early_spans, self.early_rows, self.exit_layer = len(self.spans), self.rows, exit_layer
        self.early_wanted = len(self.wanted)
        return places

    def _add(self, span: Span, rows: Sequence[int]) -> range:
        first = len(self.wanted)
        self.spans.append(span)
        self.wanted.extend(self.rows + row for row in rows)
        self.rows += len(span.tokens)
        return range(first, len(self.wanted))

    @property
    def needed_early(self) -> list[int]:
        """The rows that are needed when the early ones leave: the wanted ones of the early rows, and all late rows."""
        return [*self.wanted[: self.early_wanted], *range(self.early_rows, self.rows)]

    @property
    def needed_last(self) -> list[int]:
        """The wanted ones of the late rows, counted from the first late row."""
        return [row - self.early_rows for row in self.wanted[self.early_wanted :]]

    def tokens(self) -> Tensor:
        """Token ids of all rows, int64 [rows]."""
        return torch.tensor([token for span in self.spans for token in span.tokens])

    def positions(self) -> Tensor:
        """Positions of all rows, int64 [rows]."""
        return torch.tensor([position for span in self.spans for position in span.positions])


def nobody(states: Tensor) -> None:
    """Who takes the states of early rows when nobody waits for them in particular."""


class Forward(Protocol):
    """What the engine asks of a decoder."""

    @property
    def kv_shape(self) -> Shape:
        """What a token takes in the KV pool."""
        ...

    def forward(self, batch: Batch, early: Callable[[Tensor], None] = nobody) -> Tensor:
        """States of the wanted rows, float32 [wanted, hidden]; fills the slots' keys and values.

        Of rows that leave early the residual stream, normed without weights; of the others what the head reads. Both
        in the model's own space, however it is stored.
        `early` is called with the former as soon as they are there, before the other rows go on.
        """
        ...

    def logits(self, states: Tensor) -> Tensor:
        """float32 [rows, vocab] from what `forward` returned."""
        ...

    def top(self, logits: Tensor, rows: Sequence[int], count: int) -> tuple[Tensor, Tensor]:
        """The `count` largest of some rows of contiguous logits and their token ids, [rows, count], largest first."""
        ...

    def embed(self, tokens: Tensor) -> Tensor:
        """What goes into the first layer, float32 [tokens, hidden]."""
        ...

    def output_rows(self, tokens: Tensor) -> Tensor:
        """The head's rows of a few tokens, float32 [tokens, hidden]: times a state, their logits."""
        ...

    def successor(self, weights: SuccessorWeights) -> Successor:
        """A draft's network in the format of the decoder's own weights; it lives as long as the decoder."""
        ...


class Decoder:
    """Implements Forward with plain torch calls, for weights of every format."""

    def __init__(self, architecture: Architecture, weights: Weights, context: int) -> None:
        self.architecture = architecture
        self.weights = weights
        self._cos, self._sin = architecture.rotations(context)

    @property
    def kv_shape(self) -> Shape:
        """Keys and values in float32, which torch attends to at full speed on every CPU."""
        return self.architecture.kv_shape(torch.float32)

    def forward(self, batch: Batch, early: Callable[[Tensor], None] = nobody) -> Tensor:
        """See Forward."""
        arch = self.architecture
        spans, positions = batch.spans, batch.positions()
        cos, sin = self._cos[positions, None], self._sin[positions, None]
        masks = [_mask(span, arch.heads // arch.kv_heads, arch.sliding_window) for span in spans]
        rotation = self.weights.rotation
        x = rotation.into(self.embed(batch.tokens()))
        left = x[:0]
        needed = {arch.layers - 1: batch.needed_last}
        if batch.early_spans:
            needed[batch.exit_layer - 1] = batch.needed_early
        for index, layer in enumerate(self.weights.layers):
            if index == batch.exit_layer and batch.early_spans:
                left, x = rotation.back(self._norm(x[: batch.early_wanted])), x[batch.early_wanted :]
                cos, sin = cos[batch.early_rows :], sin[batch.early_rows :]
                spans, masks = spans[batch.early_spans :], masks[batch.early_spans :]
                early(left)
                if not spans:
                    break
            qkv = layer.qkv(self._norm(x, layer.attention_norm))
            query, key, value = self._heads(qkv, layer, cos, sin)
            attended = self._attend(index, spans, masks, query, key, value)
            if (rows := needed.get(index)) is not None:  # of the others only keys and values
                x, attended = x[rows], attended[rows]
            if len(x):
                x = x + layer.attention_out(attended)
                gate, up = layer.gate_up(self._norm(x, layer.mlp_norm)).chunk(2, dim=1)
                x = x + layer.down(F.silu(gate) * up)
        return torch.cat((left, rotation.back(self._norm(x)) * self.weights.norm))

    def logits(self, states: Tensor) -> Tensor:
        """See Forward."""
        return self.weights.head(self.weights.rotation.into(states))

    def top(self, logits: Tensor, rows: Sequence[int], count: int) -> tuple[Tensor, Tensor]:
        """See Forward."""
        chosen = logits if list(rows) == list(range(len(logits))) else logits[list(rows)]
        values, tokens = chosen.topk(count)
        return values, tokens

    def embed(self, tokens: Tensor) -> Tensor:
        """See Forward."""
        return F.embedding(tokens, self.weights.embedding).float()

    def output_rows(self, tokens: Tensor) -> Tensor:
        """See Forward."""
        return F.embedding(tokens, self.weights.output_embedding).float()

    def successor(self, weights: SuccessorWeights) -> Successor:
        """See Forward."""
        pack = type(self.weights.head).pack
        return TorchSuccessor(pack(weights.inner), pack(weights.outer), pack(weights.head))

    def _norm(self, x: Tensor, weight: Tensor | None = None) -> Tensor:
        return F.rms_norm(x, (x.shape[-1],), weight, self.architecture.norm_epsilon)

    def _heads(self, qkv: Tensor, layer: Layer, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Split [rows, …] into query, key and value [rows, heads, head_dim], normed and rotated."""
        arch = self.architecture
        sizes = [arch.heads, arch.kv_heads, arch.kv_heads]
        query, key, value = torch.split(qkv.view(len(qkv), -1, arch.head_dim), sizes, dim=1)
        if layer.query_norm is not None and layer.key_norm is not None:
            query, key = self._norm(query, layer.query_norm), self._norm(key, layer.key_norm)
        return _rotate(query, cos, sin), _rotate(key, cos, sin), value

    def _attend(
        self,
        layer: int,
        spans: Sequence[Span],
        masks: Sequence[Tensor | None],
        query: Tensor,
        key: Tensor,
        value: Tensor,
    ) -> Tensor:
        """Store keys and values, then attend span by span; returns [rows, heads · head_dim]."""
        out = torch.empty_like(query)
        row = 0
        for span, mask in zip(spans, masks, strict=True):
            rows = slice(row, row := row + len(span.tokens))
            stored = span.slot.data[layer]
            keys, values = _remember(stored, span, key[rows], value[rows])
            out[rows] = _attention(query[rows].to(stored.dtype), keys, values, mask)
        return out.flatten(1)


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding in halves (Su et al. 2021, as in GPT-NeoX); x is [rows, heads, head_dim]."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


def _remember(stored: Tensor, span: Span, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """Write a span's keys and values to its slot; returns all that it attends to, [kv_heads, keys, head_dim]."""
    end = span.start + len(span.tokens)
    stored[0, :, span.start : end] = key.transpose(0, 1)
    stored[1, :, span.start : end] = value.transpose(0, 1)
    if span.context == span.start:
        return stored[0, :, :end], stored[1, :, :end]
    both = torch.cat((stored[:, :, : span.context], stored[:, :, span.start : end]), dim=2)
    return both[0], both[1]


def _attention(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    """[rows, heads, head_dim] of one span. The heads of a group become rows, which spares `enable_gqa`'s slow path."""
    rows, heads, head_dim = query.shape
    kv_heads = len(keys)
    grouped = query.view(rows, kv_heads, -1, head_dim).permute(1, 2, 0, 3).reshape(kv_heads, -1, head_dim)
    mask = None if mask is None else mask.to(query.dtype)
    out = F.scaled_dot_product_attention(grouped[None], keys[None], values[None], attn_mask=mask)[0]
    return out.view(kv_heads, -1, rows, head_dim).permute(2, 0, 1, 3).reshape(rows, heads, head_dim).float()


def _mask(span: Span, group: int, window: int | None) -> Tensor | None:
    """What each row of a span must not see, as 0 or -inf [group · rows, keys]; None where it may see all."""
    rows, keys = len(span.tokens), span.context + len(span.tokens)
    if rows == 1 and (window is None or keys <= window):
        return None
    position = torch.arange(span.context, keys)[:, None]
    key = torch.arange(keys)
    hidden = key > position
    if window is not None:
        hidden |= key <= position - window
    return torch.zeros(rows, keys).masked_fill_(hidden, float("-inf")).repeat(group, 1)
