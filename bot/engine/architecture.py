"""Reads config.json into an Architecture.

transformers knows what each family means by its config.json, and takes a second to import. What it said is kept
beside it, and it is asked again only when one of the two has changed.
"""

from contextlib import suppress
from dataclasses import asdict, fields
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from bot.engine.decoder import Architecture
from bot.engine.kept import keep, read

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

SUPPORTED = frozenset({"llama", "mistral", "qwen2", "qwen3"})
"""Values of `model_type` whose forward pass `decoder.py` computes."""

KEPT = "architecture.json"
"""In the model's folder."""


class UnsupportedModel(Exception):
    """Another architecture, or a variant that the decoder does not compute."""


def read_architecture(folder: Path) -> Architecture:
    """From config.json, or from what is kept of it. Raises UnsupportedModel."""
    source = _source(folder)
    if (kept := _kept(folder / KEPT, source)) is not None:
        return kept
    architecture = _read(folder)
    # A float32 is the same after a trip through JSON.
    numbers = asdict(architecture) | {"rope_frequencies": architecture.rope_frequencies.tolist()}
    keep(folder / KEPT, {"source": source, "numbers": numbers})
    return architecture


def _source(folder: Path) -> str:
    """Changes when config.json does, or who reads it."""
    config = sha256((folder / "config.json").read_bytes()).hexdigest()
    return f"transformers {version('transformers')} on {config}"


def _kept(file: Path, source: str) -> Architecture | None:
    """None also for a file that another version of this program has written."""
    with suppress(TypeError, KeyError):
        kept = read(file)
        numbers = kept["numbers"]
        if kept["source"] == source and numbers.keys() == {field.name for field in fields(Architecture)}:
            return Architecture(**numbers | {"rope_frequencies": torch.tensor(numbers["rope_frequencies"])})
    return None


def _read(folder: Path) -> Architecture:
    from transformers import AutoConfig  # here, because most starts do without

    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    if config.model_type not in SUPPORTED:
        raise UnsupportedModel(f"{config.model_type} is not one of {', '.join(sorted(SUPPORTED))}")
    if config.hidden_act != "silu":
        raise UnsupportedModel(f"its activation {config.hidden_act} is not silu")
    frequencies, scale = _rope(config)
    return Architecture(
        layers=config.num_hidden_layers,
        hidden=config.hidden_size,
        heads=config.num_attention_heads,
        kv_heads=config.num_key_value_heads,
        head_dim=_head_dim(config),
        intermediate=config.intermediate_size,
        norm_epsilon=config.rms_norm_eps,
        rope_frequencies=frequencies,
        rope_scale=scale,
        sliding_window=_sliding_window(config),
    )


def _rope(config: "PreTrainedConfig") -> tuple[Tensor, float]:
    """Frequencies, float32 [head_dim / 2], and the factor on cosine and sine."""
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    parameters: dict[str, Any] = config.rope_parameters
    kind = parameters["rope_type"]
    if kind == "default":
        exponents = torch.arange(0, _head_dim(config), 2).float() / _head_dim(config)
        return 1.0 / parameters["rope_theta"] ** exponents, 1.0
    if kind not in {"linear", "llama3", "yarn"}:
        raise UnsupportedModel(f"its rotary embedding is of the kind {kind}")
    frequencies, scale = ROPE_INIT_FUNCTIONS[kind](config, torch.device("cpu"))
    return frequencies, float(scale)


def _head_dim(config: "PreTrainedConfig") -> int:
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


def _sliding_window(config: "PreTrainedConfig") -> int | None:
    """Of all layers; a mix of windowed and full layers is another architecture."""
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    window = getattr(config, "sliding_window", None)
    if config.model_type == "mistral" and window:
        return int(window)
    if kinds == {"full_attention"}:
        return None
    if kinds == {"sliding_attention"} and window:
        return int(window)
    raise UnsupportedModel("it mixes layers with and without a sliding window")
