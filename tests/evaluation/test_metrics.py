"""The figures of an evaluation, held against numbers worked out by hand."""

import pytest

from bot.evaluation.metrics import Outcome, figures, means


def outcomes(*groups):
    """Each group is (truth, found, confidence, how many)."""
    return [
        Outcome(truth, found, confidence) for truth, found, confidence, count in groups for _ in range(count)
    ]


def test_a_rare_label_counts_like_a_frequent_one():
    found = figures(outcomes(("positive", "positive", 1.0, 90), ("negative", "positive", 1.0, 10)))
    assert found.accuracy == pytest.approx(0.9)
    assert found.balanced_accuracy == pytest.approx(0.5)
    # F1 of positive is 2 · 90 / (100 + 90), that of negative 0.
    assert found.macro_f1 == pytest.approx((180 / 190) / 2)
    assert found.confusion == {
        "negative": {"negative": 0, "positive": 10},
        "positive": {"negative": 0, "positive": 90},
    }


def test_a_label_that_no_row_has_costs_precision_but_no_recall():
    found = figures(outcomes(("positive", "positive", 1.0, 3), ("positive", "neutral", 1.0, 1)))
    assert found.balanced_accuracy == pytest.approx(3 / 4)
    assert found.macro_f1 == pytest.approx(6 / 7)


def test_confidence_is_calibrated_when_it_is_right_that_often():
    honest = outcomes(("a", "a", 0.75, 3), ("b", "a", 0.75, 1))
    boasting = outcomes(("a", "a", 0.95, 1), ("b", "a", 0.95, 1))
    assert figures(honest).ece == pytest.approx(0)
    assert figures(boasting).ece == pytest.approx(0.45)
    assert figures(honest + boasting).ece == pytest.approx(0.45 / 3)


def test_overconfidence_in_one_bin_is_not_made_good_by_modesty_in_another():
    both = outcomes(("a", "a", 0.55, 2), ("a", "a", 1.0, 2), ("b", "a", 1.0, 2))
    assert figures(both).ece == pytest.approx((2 * 0.45 + 4 * 0.5) / 6)


def test_sets_count_the_same_however_large_they_are():
    small = figures(outcomes(("a", "b", 0.5, 2)))
    large = figures(outcomes(("a", "a", 1.0, 98)))
    assert means([small, large]).accuracy == pytest.approx(0.5)
