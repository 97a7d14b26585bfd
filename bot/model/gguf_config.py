"""The settings inside a GGUF file → the config.json of transformers, checked against the tensors present.

Knows the three architectures of the Llama family; nothing of what is in the tensors.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bot.model.files import UnsupportedModel
from bot.model.gguf_tokenizer import Metadata, special_ids

ARCHITECTURES = {"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM"}
# What Llama 3.1 and 3.2 share; llama.cpp keeps only the factors that come out of it.
LLAMA3_ROPE = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}

Shapes = Mapping[str, Sequence[int]]
Factors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Sizes:
    """The figures that fix every tensor's shape."""

    vocabulary: int
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int


def build(metadata: Metadata, shapes: Shapes, rope_factors: Factors | None) -> dict[str, object]:
    """config.json for a file with tensors of these `shapes`. Raises UnsupportedModel.

    `rope_factors` are the [head_dim / 2] divisors of the rope's frequencies, where the file has them.
    """
    sizes = _sizes(metadata, shapes)
    tied, bias = "lm_head.weight" not in shapes, "model.layers.0.self_attn.q_proj.bias" in shapes
    _check(shapes, _expected(metadata.architecture, sizes, tied, bias))
    return {
        "architectures": [ARCHITECTURES[metadata.architecture]],
        "model_type": metadata.architecture,
        "vocab_size": sizes.vocabulary,
        "hidden_size": sizes.hidden,
        "intermediate_size": sizes.intermediate,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "num_key_value_heads": sizes.kv_heads,
        "head_dim": sizes.head_dim,
        "hidden_act": "silu",
        "max_position_embeddings": metadata.number("context_length"),
        "rms_norm_eps": metadata.real("attention.layer_norm_rms_epsilon", 1e-6),
        "rope_theta": metadata.real("rope.freq_base", 10000.0),
        "rope_scaling": _rope_scaling(metadata, sizes.head_dim, rope_factors),
        "tie_word_embeddings": tied,
        "attention_bias": bias,
        "attention_dropout": 0.0,
        "use_cache": True,
        "dtype": "float32",
        **special_ids(metadata),
    }


def _sizes(metadata: Metadata, shapes: Shapes) -> _Sizes:
    if "model.embed_tokens.weight" not in shapes:
        raise UnsupportedModel("the GGUF file has no embeddings: it is not a language model")
    vocabulary, hidden = shapes["model.embed_tokens.weight"]
    heads = metadata.number("attention.head_count")
    return _Sizes(
        vocabulary,
        hidden,
        intermediate=metadata.number("feed_forward_length"),
        layers=metadata.number("block_count"),
        heads=heads,
        kv_heads=metadata.number("attention.head_count_kv", heads),
        head_dim=metadata.number("attention.key_length", hidden // heads),
    )


def _expected(architecture: str, sizes: _Sizes, tied: bool, bias: bool) -> dict[str, tuple[int, ...]]:
    """Every tensor that transformers' class has; a gap would be filled with random numbers."""
    hidden, wide, deep = sizes.hidden, sizes.heads * sizes.head_dim, sizes.intermediate
    narrow = sizes.kv_heads * sizes.head_dim
    layer: dict[str, tuple[int, ...]] = {
        "input_layernorm.weight": (hidden,),
        "post_attention_layernorm.weight": (hidden,),
        "self_attn.q_proj.weight": (wide, hidden),
        "self_attn.k_proj.weight": (narrow, hidden),
        "self_attn.v_proj.weight": (narrow, hidden),
        "self_attn.o_proj.weight": (hidden, wide),
        "mlp.gate_proj.weight": (deep, hidden),
        "mlp.up_proj.weight": (deep, hidden),
        "mlp.down_proj.weight": (hidden, deep),
    }
    if architecture == "qwen3":
        layer |= {f"self_attn.{letter}_norm.weight": (sizes.head_dim,) for letter in "qk"}
    if architecture == "qwen2" or bias:
        layer |= {
            f"self_attn.{n}_proj.bias": (rows,) for n, rows in zip("qkv", (wide, narrow, narrow), strict=True)
        }
    if architecture != "qwen2" and bias:
        layer["self_attn.o_proj.bias"] = (hidden,)
    expected = {
        f"model.layers.{n}.{name}": shape for n in range(sizes.layers) for name, shape in layer.items()
    }
    ends = {"model.embed_tokens.weight": (sizes.vocabulary, hidden), "model.norm.weight": (hidden,)}
    head = {} if tied else {"lm_head.weight": (sizes.vocabulary, hidden)}
    return {**expected, **ends, **head}


def _check(shapes: Shapes, expected: Shapes) -> None:
    wrong = [name for name in sorted({*shapes, *expected}) if shapes.get(name) != expected.get(name)]
    if wrong:
        found, wanted = shapes.get(wrong[0], "missing"), expected.get(wrong[0], "not expected")
        raise UnsupportedModel(
            f"the GGUF file does not fit its own settings ({wrong[0]} is {found}, {wanted} is right; "
            f"{len(wrong)} such tensors): use another file"
        )


def _rope_scaling(metadata: Metadata, head_dim: int, factors: Factors | None) -> dict[str, object] | None:
    kind = metadata.text("rope.scaling.type") or "none"
    factor = metadata.real("rope.scaling.factor", 1.0)
    if factors is not None:
        return _llama3(metadata.real("rope.freq_base", 10000.0), head_dim, factors)
    if kind == "none":
        return None
    if kind == "linear":
        return {"rope_type": "linear", "factor": factor}
    if kind == "yarn":
        original = metadata.number("rope.scaling.original_context_length")
        return {"rope_type": "yarn", "factor": factor, "original_max_position_embeddings": original}
    raise UnsupportedModel(f"rope scaling {kind!r} cannot be converted: use the model's safetensors instead")


def _llama3(theta: float, head_dim: int, factors: Factors) -> dict[str, object]:
    """The settings behind `factors`, found again by computing them as Llama 3.1 does."""
    low, high = LLAMA3_ROPE["low_freq_factor"], LLAMA3_ROPE["high_freq_factor"]
    factor = float(factors.max())
    turns = LLAMA3_ROPE["original_max_position_embeddings"] * theta ** -(np.arange(0, head_dim, 2) / head_dim)
    smooth = np.clip((turns / (2 * math.pi) - low) / (high - low), 0, 1)
    if factors.shape != smooth.shape or not np.allclose(
        1 / ((1 - smooth) / factor + smooth), factors, rtol=1e-3
    ):
        raise UnsupportedModel(
            "the GGUF file stretches its rope in an unknown way: use the model's safetensors"
        )
    return {"rope_type": "llama3", "factor": factor, **LLAMA3_ROPE}
