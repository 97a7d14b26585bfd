"""Flood control, on a clock that the test moves."""

from typing import Any

import pytest

from bot.sandbox.limits import FloodControl, Flooded

ANN, TEAM = 1001, -1002


@pytest.fixture
def flood(clock: Any) -> FloodControl:
    return FloodControl(clock)


def refused(flood: FloodControl, chat_id: int) -> Flooded | None:
    try:
        flood.spend(chat_id)
    except Flooded as flooded:
        return flooded
    return None


def test_a_private_chat_takes_bursts_of_three(flood: FloodControl) -> None:
    assert [refused(flood, ANN) is None for _ in range(4)] == [True, True, True, False]


def test_a_private_chat_takes_one_a_second(flood: FloodControl, clock: Any) -> None:
    for _ in range(3):
        flood.spend(ANN)
    for _ in range(100):
        clock.advance(1.0)
        flood.spend(ANN)
    clock.advance(0.9)
    assert refused(flood, ANN) is not None


def test_a_group_takes_twenty_a_minute(flood: FloodControl, clock: Any) -> None:
    for _ in range(20):
        flood.spend(TEAM)
        clock.advance(1.0)
    flooded = refused(flood, TEAM)
    assert flooded is not None
    assert flooded.retry_after == 40
    clock.advance(40)
    assert refused(flood, TEAM) is None


def test_all_chats_together_take_thirty_a_second(flood: FloodControl, clock: Any) -> None:
    assert all(refused(flood, chat) is None for chat in range(1, 31))
    assert refused(flood, 31) is not None
    clock.advance(1)
    assert refused(flood, 31) is None


def test_a_penalty_is_for_that_chat_alone(flood: FloodControl) -> None:
    while refused(flood, ANN) is None:
        pass
    assert refused(flood, ANN + 1) is None


def test_calling_inside_a_penalty_lengthens_it(flood: FloodControl, clock: Any) -> None:
    flood.punish(ANN, 10)
    clock.advance(9)
    flooded = refused(flood, ANN)
    assert flooded is not None
    assert (flooded.inside, flooded.retry_after) == (True, 11)
    clock.advance(11)
    assert refused(flood, ANN) is None


def test_waiting_exactly_as_told_is_enough(flood: FloodControl, clock: Any) -> None:
    for _ in range(50):
        while (flooded := refused(flood, ANN)) is None:
            pass
        assert not flooded.inside
        clock.advance(flooded.retry_after)


def test_switched_off_only_ordered_penalties_hold(clock: Any) -> None:
    flood = FloodControl(clock, enabled=False)
    for _ in range(100):
        flood.spend(ANN)
    flood.refuse_next(ANN, 7)
    flooded = refused(flood, ANN)
    assert flooded is not None
    assert flooded.retry_after == 7
