"""What a step costs is measured once in a while, not at every start."""

import os
from dataclasses import replace
from itertools import accumulate, chain, count, repeat

import pytest

from bot.engine.calibration import DISTURBED_KEPT_S, KEPT_S, TIMES, Measured, keep_costs, kept_costs, measure
from bot.engine.scheduler import Costs
from bot.model.parts import LocalSettings, load_parts

NOW = 1e9
FROM_BEFORE = '{"step_s": 0.02, "row_s": 0.001, "past_s": 0.0, "few_s": 0.0, "more_s": 0.0}'
WITHOUT_SENSE = (
    f'{{"until": {NOW + 60}, "step_s": 0.02, "row_s": 0.0, "past_s": 0.0, "few_s": 0.0, "more_s": NaN}}'
)
COSTS = Costs(0.02, 0.001, 1e-6, 0.0005, 0.002)


def test_the_next_start_knows_them(tmp_path):
    file = tmp_path / "not there yet" / "costs.json"
    assert kept_costs(file, NOW) is None
    keep_costs(Measured(COSTS, disturbed=False), file, NOW)
    assert kept_costs(file, NOW) == COSTS
    assert os.listdir(file.parent) == ["costs.json"]


@pytest.mark.parametrize(("disturbed", "seconds"), [(False, KEPT_S), (True, DISTURBED_KEPT_S)])
def test_what_is_old_or_from_the_future_is_not_believed(tmp_path, disturbed, seconds):
    """What was measured while others computed is kept for less long: a busy machine does not measure at every start."""
    file = tmp_path / "costs.json"
    keep_costs(Measured(COSTS, disturbed), file, NOW)
    assert kept_costs(file, NOW + seconds - 1) == COSTS
    assert kept_costs(file, NOW + seconds + 1) is None
    assert kept_costs(file, NOW - KEPT_S) is None


@pytest.mark.parametrize(
    "written",
    [
        "",
        '{"step_s": 0.02',
        "[]",
        '{"step_s": 0.02, "row_s": 0.1, "of_later": 1}',
        FROM_BEFORE,
        WITHOUT_SENSE,
    ],
)
def test_what_cannot_be_understood_is_not_believed(tmp_path, written):
    file = tmp_path / "costs.json"
    file.write_text(written, encoding="utf-8")
    assert kept_costs(file, NOW) is None


def test_where_nothing_can_be_kept_nothing_fails(tmp_path):
    (tmp_path / "a file").touch()
    file = tmp_path / "a file" / "costs.json"
    keep_costs(Measured(COSTS, disturbed=False), file, NOW)
    assert kept_costs(file, NOW) is None


@pytest.mark.parametrize(("own_s", "disturbed"), [(1.0, True), (1.7, False)])
def test_it_is_seen_when_others_want_the_cores(tiny_forward, own_s, disturbed):
    """Two cores for a second are two seconds; here `own_s` of them were this process's."""
    seconds, own = count(0.0, 1.0), count(0.0, own_s)
    found = measured(tiny_forward, cores=2, clock=lambda: next(seconds), spent=lambda: next(own))
    assert found.disturbed is disturbed


def test_a_model_is_measured_once_for_each_way_to_compute_it(tiny_model, tmp_path):
    settings = LocalSettings(weights="fp32", context=256, threads=1, library_cache=tmp_path / "cache")

    def costs(**changes):
        return load_parts(tiny_model, replace(settings, **changes)).costs

    first = costs()
    assert costs() == first
    assert costs(context=128) != first
    assert costs(weights="bf16") != first
    assert costs(library_cache=None) != first
    assert costs() == first


def test_a_slow_moment_makes_no_size_look_dearer_than_the_others(tiny_forward):
    # Every step takes a second, but for as many as one size is measured times. The clock is read before and after.
    durations = chain([10.0] * TIMES, repeat(1.0))
    readings = accumulate(chain.from_iterable((0.0, seconds) for seconds in durations))
    costs = measured(tiny_forward, clock=lambda: next(readings)).costs
    assert (costs.step_s, costs.few_s, costs.more_s, costs.past_s) == (1.0, 0.0, 0.0, 0.0)


@pytest.fixture
def tiny_forward(tiny_model):
    settings = LocalSettings(weights="fp32", context=256, threads=1, library_cache=None)
    return load_parts(tiny_model, settings, patient=False).backend.forward


def measured(forward, cores=1, **clocks):
    """All steps of it, one after another."""
    steps = measure(forward, 256, cores, **clocks)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
