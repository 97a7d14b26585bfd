"""`python -m bot bench` as a user sees it: a process, on a tiny random model. Nothing here depends on speed."""

import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bot.bench.processes import Command, EngineFailed, EngineProcess
from bot.bench.report import table

MACHINE = {"read_gb_s", "int8_tops", "bf16_gflops"}
FIGURES = {
    *(
        "sentiment_ms",
        "sentiment_under_load_ms",
        "first_token_ms",
        "continued_first_token_ms",
        "decode_tok_s",
    ),
    *("prefill_tok_s", "reply_s", "rss_mb", "ready_s", "kl"),
}


def bench(model: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "TANDEM_MODEL__NAME": str(model), "TANDEM_MODEL__DIR": str(model.parent)}
    return subprocess.run(
        [sys.executable, "-m", "bot", "bench", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def report(tiny_model: Path) -> dict[str, Any]:
    done = bench(tiny_model, "--quick", "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_report_is_complete(report: dict[str, Any]) -> None:
    assert set(report["machine"]) == MACHINE
    assert list(report["engines"]) == ["local", "reference"]
    for engine in report["engines"].values():
        assert set(engine) >= FIGURES
        assert set(engine["sentiment_under_load_ms"]) == {"p50", "p95"}
        assert set(engine["decode_tok_s"]) == {"1", "4", "8", "16"}


def test_what_an_engine_cannot_give_has_a_reason(report: dict[str, Any]) -> None:
    for engine in report["engines"].values():
        for name in FIGURES:
            values = engine[name].values() if isinstance(engine[name], dict) else [engine[name]]
            assert all(value is not None for value in values) or engine["reasons"][name]
    local = report["engines"]["local"]
    assert local["reasons"] == {}
    assert "one request after another" in report["engines"]["reference"]["reasons"]["sentiment_under_load_ms"]


def test_the_figures_fit_each_other(report: dict[str, Any]) -> None:
    assert all(value is None or value > 0 for value in report["machine"].values())
    for engine in report["engines"].values():
        assert 0 < engine["first_token_ms"] < 1000 * engine["reply_s"]
        assert all(rate > 0 for rate in engine["decode_tok_s"].values())
        assert engine["prefill_tok_s"] > 0
        assert engine["ready_s"] > 0
        assert engine["rss_mb"] > 50
        assert 0 <= engine["equal_top1"] <= 1
    load = report["engines"]["local"]["sentiment_under_load_ms"]
    assert 0 < load["p50"] <= load["p95"]
    assert report["engines"]["reference"]["kl"] == 0
    assert 0 < report["engines"]["local"]["kl"] < 0.1


def test_the_table_shows_every_engine_and_marks_what_is_missing(report: dict[str, Any]) -> None:
    console = Console(width=120, record=True, file=StringIO())
    console.print(table(report))
    shown = console.export_text()
    assert all(name in shown.splitlines()[0] for name in ("local", "reference"))
    load = next(line for line in shown.splitlines() if line.startswith("sentiment beside 8 answers"))
    assert load.split()[-1] == "–"
    assert load.split()[-2].isdigit()


def test_the_engine_before_it_is_compiled_is_measured_beside_it(tiny_model: Path) -> None:
    engines = ("--engine", "local", "--engine", "eager")
    done = bench(tiny_model, "--quick", "--json", *engines)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["engines"]
    assert found["local"]["about"].startswith("native, compiled for")
    assert "native" not in found["eager"]["about"].split(",")[0]
    assert all(found[name]["ready_s"] > 0 for name in ("local", "eager"))


@pytest.mark.parametrize("arguments", [("--fast",), ("--engine", "gpu"), ("--quick", "twice")])
def test_unknown_options_are_refused_with_their_name(tiny_model: Path, arguments: tuple[str, ...]) -> None:
    done = bench(tiny_model, *arguments)
    assert done.returncode == 2
    assert arguments[-1] in done.stderr
    assert "Traceback" not in done.stderr


async def start(program: str) -> EngineProcess:
    async with EngineProcess.started(Command("some", [sys.executable, "-c", program])) as engine:
        await engine.clear()
        return engine


async def test_an_engine_that_does_not_start_says_why() -> None:
    with pytest.raises(EngineFailed, match=r"(?s)the engine some .*no weights here"):
        await start("raise SystemExit('no weights here')")


async def test_an_engine_that_ends_in_the_middle_says_why() -> None:
    hello = """print('{"about": "", "parallel": 1}', flush=True); raise SystemExit('out of memory')"""
    with pytest.raises(EngineFailed, match=r"(?s)the engine some .*out of memory"):
        await start(hello)
