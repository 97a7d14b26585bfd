"""What config.json says about a model, read through transformers once and kept for the starts after it."""

import json
import subprocess
import sys
from dataclasses import asdict

import pytest

from bot.engine.architecture import KEPT, read_architecture

FAMILIES = ("qwen1.5", "qwen2.5", "qwen3", "llama", "smollm2", "mistral")

AGAIN = """
import sys
from pathlib import Path
from bot.engine.architecture import read_architecture
assert read_architecture(Path(sys.argv[1])).layers == int(sys.argv[2])
print("transformers" in sys.modules)
"""


@pytest.fixture
def folder(folders, tmp_path):
    """Makes a folder with the config.json of a family."""

    def make(family):
        (tmp_path / "config.json").write_bytes((folders[family][0] / "config.json").read_bytes())
        return tmp_path

    return make


def asks_transformers(folder, layers):
    """Whether another program that reads this folder has to import transformers."""
    command = [sys.executable, "-c", AGAIN, str(folder), str(layers)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() == "True"


def numbers(architecture):
    return asdict(architecture) | {"rope_frequencies": architecture.rope_frequencies.tolist()}


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_kept_is_what_was_read(folder, family):
    read = read_architecture(folder(family))
    kept = read_architecture(folder(family))
    assert kept is not read
    assert numbers(kept) == numbers(read)
    assert kept.rope_frequencies.dtype == read.rope_frequencies.dtype


def test_the_next_start_does_not_wait_for_transformers(folder):
    layers = read_architecture(folder("qwen2.5")).layers
    assert not asks_transformers(folder("qwen2.5"), layers)


def test_a_config_that_has_changed_is_read_again(folder):
    place = folder("qwen2.5")
    layers = read_architecture(place).layers
    config = json.loads((place / "config.json").read_text())
    (place / "config.json").write_text(
        json.dumps(config | {"num_hidden_layers": layers + 1, "layer_types": None})
    )
    assert read_architecture(place).layers == layers + 1
    assert not asks_transformers(place, layers + 1)


@pytest.mark.parametrize("broken", [b"", b"{", b"[]", b'{"source": 1}', b"\xff"])
def test_what_is_broken_is_made_again(folder, broken):
    place = folder("llama")
    read = read_architecture(place)
    (place / KEPT).write_bytes(broken)
    assert numbers(read_architecture(place)) == numbers(read)
    assert not asks_transformers(place, read.layers)


def test_what_another_version_kept_is_made_again(folder):
    place = folder("llama")
    read = read_architecture(place)
    kept = json.loads((place / KEPT).read_text())
    del kept["numbers"]["sliding_window"]
    (place / KEPT).write_text(json.dumps(kept))
    assert numbers(read_architecture(place)) == numbers(read)


def test_where_nothing_can_be_kept_it_is_read_and_nothing_is_left_behind(folder):
    place = folder("llama")
    (place / KEPT).mkdir()
    assert read_architecture(place).layers
    assert sorted(path.name for path in place.iterdir()) == [KEPT, "config.json"]
