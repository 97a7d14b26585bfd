"""Budgets: whoever keeps to them is not refused, and a final always finds room."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.sandbox.limits import FloodControl
from bot.transport.pace import (
    GROUP_RESERVE,
    PRIVATE_RESERVE,
    TOTAL_RESERVE,
    backoff,
    chat_budget,
    frame_interval,
    total_budget,
)

PRIVATE, GROUP = 1001, -1001
seconds = st.floats(0, 5, allow_nan=False)


@given(st.sampled_from([PRIVATE, GROUP]), st.lists(st.tuples(seconds, seconds, seconds), max_size=60))
def test_calls_within_the_budget_are_never_refused(
    chat_id: int, calls: list[tuple[float, float, float]]
) -> None:
    """Whenever Telegram counts a call between its start and its end."""
    now = 0.0
    flood = FloodControl(lambda: counted_at)
    budget = chat_budget(chat_id)
    for pause, until_counted, until_answered in calls:
        now = budget.when(now + pause)
        budget.begin()
        counted_at = now + until_counted
        flood.spend(chat_id)
        now = counted_at + until_answered
        budget.end(now)


@pytest.mark.parametrize(("chat_id", "reserve"), [(PRIVATE, PRIVATE_RESERVE), (GROUP, GROUP_RESERVE)])
def test_frames_leave_room_for_a_final(chat_id: int, reserve: int) -> None:
    budget, now = chat_budget(chat_id), 0.0
    for _ in range(100):
        now = budget.when(now, reserve)
        assert budget.when(now) == now
        budget.begin()
        budget.end(now)
        assert budget.when(now) == now


def test_calls_under_way_count_towards_the_total() -> None:
    total = total_budget()
    for _ in range(30 - TOTAL_RESERVE):
        assert total.when(0.0, TOTAL_RESERVE) == 0.0
        total.begin()
    assert total.when(0.0, TOTAL_RESERVE) == float("inf")
    for _ in range(TOTAL_RESERVE):
        assert total.when(0.0) == 0.0
        total.begin()
    assert total.when(0.0) == float("inf")
    total.end(0.5)
    assert total.when(0.5) == 1.5


def test_a_budget_that_rested_is_as_good_as_new() -> None:
    for chat_id in (PRIVATE, GROUP):
        budget = chat_budget(chat_id)
        budget.begin()
        assert not budget.idle(0.0)
        budget.end(0.0)
        assert not budget.idle(0.5)
        assert budget.idle(60.0)


def test_frames_are_lively_first_and_calm_later() -> None:
    assert 1.0 <= frame_interval(PRIVATE, 0, 10) <= 1.5
    assert frame_interval(PRIVATE, 60, 10) == pytest.approx(3.0)
    assert frame_interval(PRIVATE, 0, 4000) == pytest.approx(3.0)
    assert 3.0 <= frame_interval(GROUP, 0, 10) <= 4.0
    assert frame_interval(GROUP, 60, 10) > 4.0


def test_waits_after_failures_grow_to_half_a_minute() -> None:
    waits = [backoff(failures) for failures in range(1, 50)]
    assert waits == sorted(waits)
    assert waits[0] == 1.0
    assert waits[-1] <= 30
