"""Keys and values of the attention: one slot per sequence, reused by exact token prefix, evicted by bytes.

A slot is one contiguous tensor, so attention reads it as a view. Knows token ids and bytes, not what they mean.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import torch

Key = TypeVar("Key")

CAPACITY_STEP = 64
"""Slots grow in steps of so many tokens, so that a little longer answer fits the same slot."""


class PoolExhausted(Exception):
    """The memory cap does not leave room for this sequence now."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What one token's keys and values look like."""

    layers: int
    kv_heads: int
    head_dim: int
    dtype: torch.dtype

    @property
    def token_bytes(self) -> int:
        """Bytes that one token takes over all layers."""
        return self.layers * 2 * self.kv_heads * self.head_dim * self.dtype.itemsize


@dataclass(eq=False, slots=True)
class Slot:
    """The past of one sequence. `data` is [layers, 2, kv_heads, capacity, head_dim]; 0 keys, 1 values.

    `tokens` are exactly the ids whose keys and values `data` holds, in order, for the first `depth` layers.
    """

    data: torch.Tensor
    depth: int
    tokens: list[int] = field(default_factory=list)

    @property
    def capacity(self) -> int:
        """Number of tokens that fit."""
        return self.data.shape[3]

    @property
    def bytes(self) -> int:
        """Bytes reserved for this slot."""
        return self.data.nbytes

    def truncate(self, length: int) -> None:
        """Forget everything behind the first `length` tokens."""
        del self.tokens[length:]


@dataclass(frozen=True, slots=True)
class PoolUsage:
    """Bytes of a pool: `used` by running sequences, `kept` for later turns and prefixes, `free`."""

    used: int
    kept: int
    free: int


class Pool:
    """All slots, under one cap in bytes.

    Every slot is in exactly one place: `_taken` (a running sequence writes to it), `_conversations` (waits for
    the conversation's next turn) or `_prefixes` (the constant start of a task's prompts, only ever copied from).
    The dictionaries are in order of last use, oldest first.
    """

    def __init__(self, shape: Shape, limit_bytes: int) -> None:
        self.shape = shape
        self.limit_bytes = limit_bytes
        self._taken: set[Slot] = set()
        self._conversations: dict[str, Slot] = {}
        self._prefixes: dict[tuple[int, tuple[int, ...]], Slot] = {}

    def take(
        self,
        tokens: Sequence[int],
        room: int,
        conversation: str | None = None,
        *,
        depth: int | None = None,
        reusable: int | None = None,
    ) -> Slot:
        """A slot for `tokens` and `room` more, already filled with the longest prefix that is known.

        At least the last token is left to compute, for somebody needs its output; with `reusable` all behind so
        many. Only the first `depth` layers will be computed. Raises PoolExhausted.
        """
        needed = self._bytes_for(len(tokens) + room)
        self._require(needed)
        own = self._conversations.pop(conversation, None) if conversation is not None else None
        depth = self.shape.layers if depth is None else depth
        most = len(tokens) - 1 if reusable is None else min(reusable, len(tokens) - 1)
        source, reused = self._longest_prefix(tokens[:most], own, depth)
        if own is not None and own.bytes >= needed and source in (own, None):
            slot = own
            slot.truncate(reused)
        else:
            slot = self._allocate(needed, depth, keep=source)
            if source is not None:
                _copy(source, slot, reused)
        self._taken.add(slot)
        return slot

    def catch_up(self, slot: Slot, tokens: Sequence[int]) -> int:
        """Copy what became known of `tokens`, the start of what `slot` is for, since it was taken.

        Returns how many tokens that spares.
        """
        source, known = self._longest_prefix(tokens, None, slot.depth)
        spared = known - len(slot.tokens)
        if source is None or spared <= 0:
            return 0
        _copy(source, slot, known)
        return spared

    def release(self, slot: Slot, conversation: str | None = None) -> None:
        """Give a slot back; with `conversation` it waits for the next turn, else its memory is freed."""
        self._taken.discard(slot)
        if conversation is not None and slot.tokens:
            self._conversations[conversation] = slot

    def keep_prefix(self, slot: Slot, length: int) -> None:
        """Remember the first `length` tokens of `slot` for all later prompts that start with them."""
        key = (slot.depth, tuple(slot.tokens[:length]))
        if not length or key in self._prefixes or len(slot.tokens) < length:
            return
        needed = self._bytes_for(length)
        if needed <= self.usage().free:
            self._prefixes[key] = copy = self._allocate(needed, slot.depth, keep=slot)
            _copy(slot, copy, length)

    def forget(self, conversation: str) -> None:
        """Free what is kept for `conversation`."""
        self._conversations.pop(conversation, None)

    def clear(self) -> None:
        """Free everything that no running sequence holds."""
        self._conversations.clear()
        self._prefixes.clear()

    def convert(self, shape: Shape) -> None:
        """Keep everything in another type of numbers, for a decoder that stores them so; not in a larger one."""
        self.shape = shape
        for slot in itertools.chain(self._taken, self._kept()):
            slot.data = slot.data.to(shape.dtype)

    def fits(self, tokens: int) -> bool:
        """Whether a sequence of so many tokens could ever be held."""
        return self._bytes_for(tokens) <= self.limit_bytes

    def usage(self) -> PoolUsage:
        """Where the bytes are."""
        used = sum(slot.bytes for slot in self._taken)
        kept = sum(slot.bytes for slot in self._kept())
        return PoolUsage(used, kept, self.limit_bytes - used - kept)

    def check(self) -> None:
        """Raise AssertionError if the books do not balance; tests call this after every scenario."""
        slots = [*self._taken, *self._kept()]
        addresses = {slot.data.data_ptr() for slot in slots}
        if len({id(slot) for slot in slots}) != len(slots) or len(addresses) != len(slots):
            raise AssertionError("a slot is in two places")
        if any(len(slot.tokens) > slot.capacity for slot in slots):
            raise AssertionError("a slot holds more tokens than it has room for")
        if any(slot.data.dtype != self.shape.dtype for slot in slots):
            raise AssertionError("a slot holds numbers of another type than the decoder's")
        if self.usage().free < 0:
            raise AssertionError("the pool is over its cap")

    def _kept(self) -> Iterator[Slot]:
        return itertools.chain(self._conversations.values(), self._prefixes.values())

    def _longest_prefix(self, tokens: Sequence[int], own: Slot | None, depth: int) -> tuple[Slot | None, int]:
        """The slot that shares most of the start of `tokens`; the conversation's own wins a tie.

        Only one of the same depth: rows that stop at one may be computed less exactly.
        """
        best, length = own, _common(own.tokens, tokens) if own is not None else 0
        for slot in self._kept():
            if slot.depth == depth and (common := _common(slot.tokens, tokens)) > length:
                best, length = slot, common
        return (best, length) if length else (None, 0)

    def _require(self, needed: int) -> None:
        if needed > (free := self.limit_bytes - self.usage().used):
            raise PoolExhausted(f"{needed} bytes of KV needed, {free} of {self.limit_bytes} not in use")

    def _allocate(self, needed: int, depth: int, keep: Slot | None) -> Slot:
        """A new slot; kept ones make room, least recently used first, conversations before prefixes.

        `keep` is about to be copied from. It goes last, and is freed only when its reader lets go of it.
        """
        for spared in (keep, None):
            _drop_oldest(self._conversations, needed - self.usage().free, spared)
            _drop_oldest(self._prefixes, needed - self.usage().free, spared)
        capacity = needed // self.shape.token_bytes
        size = (self.shape.layers, 2, self.shape.kv_heads, capacity, self.shape.head_dim)
        return Slot(torch.empty(size, dtype=self.shape.dtype), depth)

    def _bytes_for(self, tokens: int) -> int:
        steps = -(-tokens // CAPACITY_STEP)
        return steps * CAPACITY_STEP * self.shape.token_bytes


def _drop_oldest(slots: dict[Key, Slot], missing: int, keep: Slot | None) -> None:
    """Drop slots but `keep`, oldest first, until `missing` bytes are free or there are no more."""
    for key in [key for key, slot in slots.items() if slot is not keep]:
        if missing <= 0:
            return
        missing -= slots.pop(key).bytes


def _common(known: Sequence[int], tokens: Sequence[int]) -> int:
    """Length of the common start."""
    limit = min(len(known), len(tokens))
    return next((i for i in range(limit) if known[i] != tokens[i]), limit)


def _copy(source: Slot, target: Slot, length: int) -> None:
    target.data[:, :, :, :length] = source.data[:, :, :, :length]
    target.tokens = source.tokens[:length]
