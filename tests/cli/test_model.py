"""`python -m bot model …` as a user sees it: a process, its output and its exit code."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.model.catalogue import CATALOGUE
from bot.model.manifest import CONVERTER

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs `model ARGUMENTS` with an empty model folder and a wide terminal."""

    def start(*arguments: str, columns: str = "300") -> "subprocess.CompletedProcess[str]":
        environment = {**os.environ, "TANDEM_MODEL__DIR": str(tmp_path / "models"), "COLUMNS": columns}
        program = "from bot.cli.model import app; app(prog_name='model')"
        return subprocess.run(
            [sys.executable, "-c", program, *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return start


@pytest.fixture
def own_model(tmp_path: Path) -> Path:
    """A folder that is whole enough to be used by its path."""
    folder = tmp_path / "own"
    folder.mkdir()
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (folder / name).write_text("{}")
    return folder


def test_list_names_every_model_with_its_licence_and_marks_what_is_here(run: Run, tmp_path: Path) -> None:
    here = tmp_path / "models" / "smollm2-135m"
    here.mkdir(parents=True)
    manifest = {
        "name": "smollm2-135m",
        "origin": "",
        "licence": "",
        "sha256": "",
        "converter": CONVERTER,
        "files": {},
    }
    (here / "tandem.json").write_text(json.dumps(manifest))
    listing = run("list").stdout
    for entry in CATALOGUE.values():
        assert re.search(
            rf"^. +{re.escape(entry.name)} +{re.escape(entry.parameters)} ", listing, re.MULTILINE
        )
        assert entry.licence in listing
        assert entry.origin in listing
    assert re.findall(r"^✓ +(\S+) +\d", listing, re.MULTILINE) == ["smollm2-135m"]


def test_names_are_whole_in_a_narrow_terminal(run: Run) -> None:
    listing = run("list", columns="80").stdout
    assert all(f" {name} " in listing for name in CATALOGUE)


def test_pull_tells_origin_licence_and_checksum(run: Run, own_model: Path) -> None:
    done = run("pull", str(own_model))
    assert done.returncode == 0, done.stderr
    told = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert told["origin"] == told["folder"] == str(own_model)
    assert told["licence"] == "not known"
    assert "not checked" in told["sha256"]


def test_path_prints_only_the_folder(run: Run, own_model: Path) -> None:
    done = run("path", str(own_model))
    assert (done.stdout, done.stderr) == (f"{own_model}\n", "")


def test_an_unknown_name_is_one_line_and_a_failure(run: Run) -> None:
    done = run("pull", "qwen2.5-coder")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: there is no model 'qwen2.5-coder': did you mean")
    assert "Traceback" not in done.stderr


def test_listing_and_help_import_nothing_heavy(tmp_path: Path) -> None:
    program = (
        "import sys; from typer.testing import CliRunner; from bot.cli.model import app;"
        "assert CliRunner().invoke(app, ['list']).exit_code == 0;"
        "print(sorted({'torch', 'transformers', 'gguf', 'numpy', 'tokenizers'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "[]\n", done.stderr
