"""`python -m bot eval …` as a user sees it: a process, its output and its exit code."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]
KINDS = {
    "shop": [("很好", "positive"), ("很差", "negative"), ("坏了", "negative"), ("bad", "negative")],
    "chat": [("谢谢", "positive"), ("你好", "neutral"), ("几点了？", "neutral"), ("烦", "negative")],
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Run:
    """Runs `eval ARGUMENTS` on the tiny random model."""
    folder = tmp_path_factory.mktemp("eval")

    def start(*arguments: object, **variables: str) -> "subprocess.CompletedProcess[str]":
        environment = {
            **os.environ,
            "COLUMNS": "200",
            "TANDEM_MODEL__NAME": str(tiny_model),
            "TANDEM_MODEL__DIR": str(folder / "models"),
            "TANDEM_MODEL__WEIGHTS": "fp32",
            **variables,
        }
        return subprocess.run(
            [sys.executable, "-m", "bot", "eval", *map(str, arguments)],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return start


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few labelled texts of two kinds, one of them with neutral ones."""
    file = tmp_path_factory.mktemp("data") / "data.jsonl"
    rows = [
        {"text": text, "label": label, "set": kind} for kind, rows in KINDS.items() for text, label in rows
    ]
    file.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    return file


@pytest.fixture(scope="module")
def done(run: Run, data: Path) -> "subprocess.CompletedProcess[str]":
    """One evaluation, told as JSON."""
    return run("sentiment", data, "--json")


@pytest.fixture
def told(done: "subprocess.CompletedProcess[str]") -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_json_tells_all_figures_of_the_model_and_of_the_baselines(told: Any) -> None:
    assert {"majority", "template", "raw_prompt"} <= set(told["baselines"])
    for one in (told["model"], *told["baselines"].values()):
        assert set(one["sets"]) == set(KINDS)
        for name in ("accuracy", "balanced_accuracy", "macro_f1", "ece"):
            assert one[name] == pytest.approx(sum(own[name] for own in one["sets"].values()) / 2)
            assert 0 <= one[name] <= 1
    assert told["model"]["ms_per_text"] > 0


def test_progress_goes_to_standard_error(done: "subprocess.CompletedProcess[str]") -> None:
    assert "8/8" in done.stderr
    assert "texts/s" in done.stderr


def test_the_majority_is_what_the_labels_say(told: Any) -> None:
    sets = told["baselines"]["majority"]["sets"]
    assert (sets["shop"]["accuracy"], sets["shop"]["balanced_accuracy"]) == (3 / 4, 1 / 2)
    assert sets["chat"]["balanced_accuracy"] == pytest.approx(1 / 3)
    assert sets["chat"]["confusion"]["positive"] == {"negative": 0, "neutral": 1, "positive": 0}


def test_only_sets_with_neutral_rows_have_neutral_verdicts(told: Any) -> None:
    confusion = told["model"]["sets"]["shop"]["confusion"]
    assert all(set(found) <= {"positive", "negative"} for found in confusion.values())


def test_people_get_a_table(run: Run, data: Path) -> None:
    done = run("sentiment", data)
    assert done.returncode == 0, done.stderr
    for word in ("balanced", "macro-F1", "ECE", "ms/text", "majority", "raw_prompt", "shop (4)", "chat (4)"):
        assert word in done.stdout


def test_wrong_data_is_one_line_that_says_where(run: Run, data: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text(data.read_text("utf-8") + '\n{"text": "x", "label": "happy"}', "utf-8")
    done = run("sentiment", wrong)
    assert done.returncode == 1
    assert done.stderr.strip() == (
        "error: line 9: label = 'happy': must be one of positive, negative, neutral"
    )


def test_a_task_of_the_configuration_is_measured_with_its_own_labels(run: Run, tmp_path: Path) -> None:
    texts = [("What is the capital of France?", "提问"), ("Thank you!", "感谢")]
    data = tmp_path / "intents.jsonl"
    data.write_text("\n".join(json.dumps({"text": text, "label": label}) for text, label in texts), "utf-8")
    short = {"TANDEM_TASKS__INTENT__EXAMPLES": "[]"}
    done = run("task", "intent", data, "--json", **short)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["baselines"]["majority"]["accuracy"] == 0.5
    assert told["model"]["sets"]["intents"]["rows"] == 2
    assert set(told["model"]["sets"]["intents"]["confusion"]) == {"提问", "感谢"}


@pytest.mark.parametrize("name", ["summary", "no_such_task"])
def test_what_is_no_classification_cannot_be_measured(run: Run, data: Path, name: str) -> None:
    done = run("task", name, data)
    assert done.returncode == 1
    assert f"{name!r} is no classification" in done.stderr
    assert "intent" in done.stderr
    assert "Traceback" not in done.stderr
