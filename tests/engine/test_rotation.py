"""A rotated model is the same model, and int8 does it less harm."""

from contextlib import ExitStack

import pytest
import torch
from safetensors.torch import load_file, safe_open, save_file
from transformers import LlamaConfig, LlamaForCausalLM

from bot.engine import checkpoint
from bot.engine.architecture import read_architecture
from bot.engine.checkpoint import Checkpoint
from bot.engine.decoder import Batch, Decoder, Span
from bot.engine.kv import Pool
from bot.engine.linear import Fp32, Weight
from bot.engine.native import library
from bot.engine.native.decoder import NativeDecoder
from bot.engine.rotation import Rotated, Rotation
from tests.engine.conftest import SIZES

FAMILIES = ("qwen1.5", "qwen2.5", "qwen3", "llama", "smollm2")
ODD = LlamaConfig(**SIZES | {"hidden_size": 192}, attention_bias=True, mlp_bias=True)
"""Biases everywhere, blocks of 64, heads of 48."""


@pytest.fixture
def folder(folders, tmp_path):
    """Makes a folder of a family whose norms and biases are random: those of an untrained model weigh nothing."""

    def make(family):
        torch.manual_seed(4)
        network = LlamaForCausalLM(ODD) if family == "odd" else folders[family][1]
        network.save_pretrained(tmp_path)
        generator = torch.Generator().manual_seed(8)
        tensors = load_file(tmp_path / "model.safetensors")
        for name, tensor in tensors.items():
            if "norm" in name or name.endswith("bias"):
                tensors[name] = torch.rand(tensor.shape, generator=generator) + 0.5
        save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
        return tmp_path

    return make


@pytest.mark.parametrize("size", [1, 7, 64, 96, 896])
def test_a_rotation_keeps_lengths_and_has_an_inverse(size):
    rotation = Rotation.of(size)
    x = torch.randn(3, 2, size, generator=torch.Generator().manual_seed(1))
    turned = rotation.into(x)
    assert turned.shape == x.shape
    assert torch.allclose(turned.norm(dim=-1), x.norm(dim=-1), rtol=1e-5)
    assert torch.allclose(rotation.back(turned), x, atol=1e-5)


def test_a_number_that_towers_is_shared_out():
    x = torch.full((896,), 0.1)
    x[300] = 100.0
    assert Rotation.of(896).into(x).abs().max() < 10


@pytest.mark.parametrize("family", [*FAMILIES, "odd"])
def test_a_rotated_model_computes_the_same(folder, prompt, family):
    place, tokens = folder(family), prompt(30)
    with ExitStack() as files:
        plain = Checkpoint(place, read_architecture(place), files)
        expected, found = (
            passed(Decoder(plain.architecture, checkpoint.pack(source, Fp32), 64), tokens)
            for source in (plain, Rotated(plain))
        )
    for one, other in zip(expected, found, strict=True):
        assert (one - other).abs().max() < 1e-4 * one.abs().max()


@pytest.mark.parametrize("family", ["qwen2.5", "qwen3"])
def test_the_compiled_one_computes_the_same_but_for_rounding(folder, tmp_path, library_cache, prompt, family):
    place, tokens = folder(family), prompt(30)
    with checkpoint.opened(place, None) as plain:
        exact = Decoder(plain.architecture, checkpoint.pack(plain, Fp32), 64)
    with checkpoint.opened(place, tmp_path / "int8") as stored:
        native = NativeDecoder(library.load(library_cache), stored, context=64, threads=1)
    for one, other in zip(passed(exact, tokens), passed(native, tokens), strict=True):
        assert (one - other).abs().max() < 0.1 * one.abs().max()


@torch.inference_mode()
def passed(decoder, tokens):
    """States of rows that leave early, with others and alone, and of the others; their logits; what is embedded."""
    pool = Pool(decoder.kv_shape, 1 << 24)
    batch = Batch()
    batch.add_early(Span(pool.take(tokens, 0), tokens, 0, 0), 2, range(len(tokens)))
    batch.add(Span(pool.take(tokens, 0), tokens, 0, 0), wanted=5)
    states = decoder.forward(batch)
    alone = Batch()
    alone.add_early(Span(pool.take(tokens, 0), tokens, 0, 0), 2, range(len(tokens)))
    return states, decoder.forward(alone), decoder.logits(states[-5:]), decoder.embed(torch.tensor(tokens))


@pytest.mark.parametrize("rows", [0, 2, 33])
def test_a_row_is_rotated_as_if_it_were_alone(rows):
    rotation = Rotation.of(896)
    x = torch.randn(rows, 896, generator=torch.Generator().manual_seed(3))
    assert rotation.into(x).shape == x.shape
    assert all(torch.equal(rotation.into(x)[row], rotation.into(x[row])) for row in range(rows))


def test_what_was_stored_without_a_rotation_is_made_again(folder, tmp_path):
    place, stored = folder("qwen2.5"), tmp_path / "int8"
    with checkpoint.opened(place, stored) as source:
        expected = {name: source.matrix(name) for name in ("layers.0.qkv", "layers.2.down", "head")}
    for file in stored.iterdir():
        with safe_open(file, "pt") as opened:
            source_of = opened.metadata()["source"].partition(" of ")[2]
        save_file({name: tensor * 0 for name, tensor in load_file(file).items()}, file, {"source": source_of})
    with checkpoint.opened(place, stored) as source:
        for name, weight in expected.items():
            assert torch.equal(source.matrix(name).values, weight.values)


def test_int8_does_less_harm_to_a_rotated_matrix():
    """As in real models: a few inputs weigh much more than all others."""
    generator = torch.Generator().manual_seed(2)
    values = torch.randn(64, 896, generator=generator)
    values[:, [3, 500]] *= 40
    rotation = Rotation.of(896)

    def harm(matrix):
        return ((Weight(matrix).quantized().dequantized() - matrix).norm() / matrix.norm()).item()

    assert harm(rotation.into(values)) < harm(values) / 2
