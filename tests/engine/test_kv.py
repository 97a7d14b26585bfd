"""The pool of keys and values under anything that may happen to it: its books balance, and slots hold what they say."""

import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bot.engine.kv import Pool, PoolExhausted, Shape, Slot

SHAPE = Shape(layers=2, kv_heads=1, head_dim=4, dtype=torch.float32)
LIMIT = 7 * 64 * SHAPE.token_bytes
"""Seven slots of the smallest size."""

NAMES = st.sampled_from("abc")
# Few different tokens and starts, so that prompts share some.
TOKENS = st.lists(st.integers(0, 1), min_size=1, max_size=12).map(lambda ends: [7, 8, 9, *ends])


def fill(slot: Slot, tokens: list[int]) -> None:
    """What a decoder does: every token leaves something that only it can have left."""
    for place in range(len(slot.tokens), len(tokens)):
        slot.data[:, :, :, place] = float(hash((*tokens[: place + 1],)) % 9973)
    slot.tokens[:] = tokens


class Life(RuleBasedStateMachine):
    """Sequences come, are computed, end, are kept, forgotten and driven out."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = Pool(SHAPE, LIMIT)
        self.running: list[Slot] = []

    @rule(tokens=TOKENS, room=st.integers(0, 150), name=st.none() | NAMES)
    def begin(self, tokens: list[int], room: int, name: str | None) -> None:
        used = self.pool.usage().used
        try:
            slot = self.pool.take(tokens, room, name)
        except PoolExhausted:
            assert used + 64 * SHAPE.token_bytes * -(-(len(tokens) + room) // 64) > LIMIT
            return
        assert slot.tokens == tokens[: len(slot.tokens)]
        assert len(slot.tokens) < len(tokens)
        assert slot.capacity >= len(tokens) + room
        fill(slot, tokens)
        self.running.append(slot)

    @precondition(lambda self: self.running)
    @rule(which=st.integers(0, 99), name=st.none() | NAMES, prefix=st.integers(0, 4))
    def end(self, which: int, name: str | None, prefix: int) -> None:
        slot = self.running.pop(which % len(self.running))
        self.pool.keep_prefix(slot, prefix)
        self.pool.release(slot, name)

    @rule(name=NAMES)
    def forget(self, name: str) -> None:
        self.pool.forget(name)
        taken = self.pool.take([7, 8], 0, name) if self.pool.usage().used < LIMIT // 2 else None
        if taken is not None:
            self.pool.release(taken)

    @rule()
    def clear(self) -> None:
        self.pool.clear()
        assert self.pool.usage().kept == 0

    @rule()
    def change_decoder(self) -> None:
        self.pool.convert(SHAPE)

    @invariant()
    def the_books_balance(self) -> None:
        self.pool.check()
        usage = self.pool.usage()
        assert usage.used == sum(slot.bytes for slot in self.running)
        assert min(usage.used, usage.kept, usage.free) >= 0
        assert usage.used + usage.kept + usage.free == LIMIT

    @invariant()
    def every_slot_holds_its_own_past(self) -> None:
        for slot in [*self.running, *self.pool._kept()]:
            for place in range(len(slot.tokens)):
                expected = float(hash((*slot.tokens[: place + 1],)) % 9973)
                assert (slot.data[:, :, :, place] == expected).all()


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)


def prompt(start: int) -> list[int]:
    return list(range(start, start + 20))


def test_the_conversation_that_rested_longest_is_driven_out_first_and_prefixes_last() -> None:
    pool = Pool(SHAPE, 4 * 64 * SHAPE.token_bytes)
    for name, start in (("a", 0), ("b", 100), ("c", 200)):
        slot = pool.take(prompt(start), 0, name)
        fill(slot, prompt(start))
        if name == "a":
            pool.keep_prefix(slot, 10)
        pool.release(slot, name)
    again = pool.take([*prompt(0), 1], 0, "a")  # its next turn: the one that rests longest is b now
    pool.release(again, "a")
    assert len(again.tokens) == 20
    newcomer = pool.take(prompt(300), 0)
    pool.release(newcomer)
    kept = {
        name: len(pool.take([*prompt(start), 1], 0, name).tokens) for name, start in (("c", 200), ("b", 100))
    }
    assert kept == {"c": 20, "b": 0}
    assert len(pool.take([*prompt(0)[:10], 5], 0).tokens) == 10
    pool.check()
