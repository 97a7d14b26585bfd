"""What is taken from times: pure functions on times made up by hand."""

import numpy as np
import pytest

from bot.bench.figures import decode_rate
from bot.bench.quality import compare
from bot.bench.report import p95
from bot.bench.scenario import Timing


def timing(first: float, step: float, count: int, tokens: int | None = None) -> Timing:
    pieces = [(first + index * step, 1.0) for index in range(count)]
    return Timing(0.0, pieces[-1][0], count if tokens is None else tokens, "", pieces)


def test_one_user_counts_the_tokens_behind_the_first() -> None:
    assert decode_rate([timing(5.0, 0.1, 11)]) == pytest.approx(10)


def test_pieces_stand_for_as_many_tokens_as_were_drawn() -> None:
    assert decode_rate([timing(5.0, 0.1, 11, tokens=22)]) == pytest.approx(20)


def test_several_users_count_while_all_are_writing() -> None:
    """One begins late, one ends early: in between there are two of ten tokens per second each."""
    assert decode_rate([timing(0.0, 0.1, 31), timing(2.0, 0.1, 31)]) == pytest.approx(20)


def test_users_one_after_another_have_the_speed_of_one() -> None:
    assert decode_rate([timing(0.0, 0.1, 100), timing(10.0, 0.1, 101)]) == pytest.approx(10, rel=0.01)


def test_users_who_hardly_overlap_are_counted_from_the_first_to_the_last() -> None:
    """A third of a step together, in which nobody's next token came, says nothing about both."""
    assert decode_rate([timing(0.0, 0.1, 11), timing(0.97, 0.1, 11)]) == pytest.approx(22 / 1.97, rel=0.1)


def test_gaps_are_those_that_end_within_the_time() -> None:
    pieces = [(0.0, 1.0), (1.0, 1.0), (1.5, 1.0), (3.5, 1.0)]
    assert Timing(0, 3.5, 4, "", pieces).gaps(1.0, 3.0) == [0.5]
    assert Timing(0, 3.5, 4, "", pieces).gaps(0.0, 4.0) == [1.0, 0.5, 2.0]


def test_95_of_100() -> None:
    assert p95(range(1, 101)) == 95
    assert p95([3.0]) == 3.0
    assert p95([1.0, 2.0]) == 2.0
    assert p95(None) is None


def test_quality() -> None:
    exact = np.log(np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]], np.float32))
    other = np.log(np.array([[0.3, 0.5, 0.2], [0.1, 0.1, 0.8]], np.float32))
    assert compare(exact, exact).kl == pytest.approx(0)
    found = compare(exact, other)
    assert found.equal_top1 == 0.5
    assert found.kl == pytest.approx((0.5 * np.log(0.5 / 0.3) + 0.3 * np.log(0.3 / 0.5)) / 2, rel=1e-5)
