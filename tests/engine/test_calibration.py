"""What a step costs is measured once in a while, not at every start."""

import os
from dataclasses import replace

import pytest

from bot.engine import calibration
from bot.engine.calibration import KEPT_S, kept_or
from bot.engine.scheduler import Costs
from bot.model.parts import LocalSettings, load_parts

FROM_BEFORE = '{"step_s": 0.02, "row_s": 0.001}'
WITHOUT_SENSE = '{"step_s": 0.02, "row_s": 0.0, "past_s": 0.0, "few_s": 0.0, "more_s": NaN}'
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
    kept(lambda: FIRST, file)
    assert kept(lambda: SECOND, file, now=lambda: file.stat().st_mtime + age) == SECOND
    assert kept(fail, file) == SECOND


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


def test_what_is_measured_while_others_compute_is_used_and_not_kept(tmp_path):
    file, clock = tmp_path / "costs.json", iter((5.0, 6.0))
    assert kept(lambda: FIRST, file, clock=lambda: next(clock), spent=iter((1.0, 2.5)).__next__) == FIRST
    assert kept(lambda: SECOND, file) == SECOND
    assert kept(fail, file) == SECOND


def test_where_nothing_can_be_kept_it_is_measured_every_time(tmp_path):
    (tmp_path / "a file").touch()
    file = tmp_path / "a file" / "costs.json"
    assert kept(lambda: FIRST, file) == FIRST
    assert kept(lambda: SECOND, file) == SECOND


def test_a_model_is_measured_once_for_each_way_to_compute_it(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr(calibration, "UNDISTURBED", 0.0)  # other tests may run beside this one
    settings = LocalSettings(weights="fp32", context=256, threads=1, library_cache=tmp_path / "cache")

    def costs(**changes):
        return load_parts(tiny_model, replace(settings, **changes)).costs

    first = costs()
    assert costs() == first
    assert costs(context=128) != first
    assert costs(weights="bf16") != first
    assert costs(library_cache=None) != first
    assert costs() == first
