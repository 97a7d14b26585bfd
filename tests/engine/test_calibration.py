"""What a step costs is measured once in a while, not at every start."""

import os
import time
from dataclasses import replace
from itertools import accumulate, chain, repeat

import pytest

from bot.engine.calibration import DISTURBED_KEPT_S, KEPT_S, TIMES, kept_or, measure
from bot.engine.scheduler import Costs
from bot.model.parts import LocalSettings, load_parts

START = 1e9
FROM_BEFORE = '{"step_s": 0.02, "row_s": 0.001, "past_s": 0.0, "few_s": 0.0, "more_s": 0.0}'
SOON = time.time() + 60
WITHOUT_SENSE = (
    f'{{"until": {SOON}, "step_s": 0.02, "row_s": 0.0, "past_s": 0.0, "few_s": 0.0, "more_s": NaN}}'
)
FIRST, SECOND = Costs(0.02, 0.001, 1e-6, 0.0005, 0.002), Costs(0.03, 0.002)


def kept(measured, file, **changes):
    """As on a computer with nothing else to do."""
    return kept_or(measured, file, **{"cores": 2, "clock": lambda: 0.0, "spent": lambda: 0.0} | changes)


def fail():
    pytest.fail("measured although it is kept")


def test_the_next_start_measures_nothing(tmp_path):
    file = tmp_path / "not there yet" / "costs.json"
    assert kept(lambda: FIRST, file) == FIRST
    assert kept(fail, file) == FIRST
    assert os.listdir(file.parent) == ["costs.json"]


@pytest.mark.parametrize("age", [KEPT_S + 1, -60])
def test_what_is_old_or_from_the_future_is_measured_again(tmp_path, age):
    file = tmp_path / "costs.json"
    kept(lambda: FIRST, file, now=lambda: START)
    assert kept(lambda: SECOND, file, now=lambda: START + age) == SECOND
    assert kept(fail, file, now=lambda: START + age) == SECOND


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
def test_what_cannot_be_understood_is_measured_again(tmp_path, written):
    file = tmp_path / "costs.json"
    file.write_text(written, encoding="utf-8")
    assert kept(lambda: SECOND, file) == SECOND
    assert kept(fail, file) == SECOND


def test_what_is_measured_while_others_compute_is_kept_for_less_long(tmp_path):
    """Not to be measured at every start of a busy machine, nor to be believed for a week."""
    file, clock = tmp_path / "costs.json", iter((5.0, 6.0))
    spent = iter((1.0, 2.5))
    disturbed = {"clock": lambda: next(clock), "spent": lambda: next(spent), "now": lambda: START}
    assert kept(lambda: FIRST, file, **disturbed) == FIRST
    assert kept(fail, file, now=lambda: START + DISTURBED_KEPT_S - 1) == FIRST
    assert kept(lambda: SECOND, file, now=lambda: START + DISTURBED_KEPT_S + 1) == SECOND
    assert kept(fail, file, now=lambda: START + DISTURBED_KEPT_S + KEPT_S) == SECOND


def test_where_nothing_can_be_kept_it_is_measured_every_time(tmp_path):
    (tmp_path / "a file").touch()
    file = tmp_path / "a file" / "costs.json"
    assert kept(lambda: FIRST, file) == FIRST
    assert kept(lambda: SECOND, file) == SECOND


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


def test_a_slow_moment_makes_no_size_look_dearer_than_the_others(tiny_model):
    settings = LocalSettings(weights="fp32", context=256, threads=1)
    forward = load_parts(tiny_model, settings).backend.forward
    # Every step takes a second, but for as many as one size is measured times. The clock is read before and after.
    durations = chain([10.0] * TIMES, repeat(1.0))
    readings = accumulate(chain.from_iterable((0.0, seconds) for seconds in durations))
    costs = measure(forward, 256, clock=lambda: next(readings))
    assert (costs.step_s, costs.few_s, costs.more_s, costs.past_s) == (1.0, 0.0, 0.0, 0.0)
