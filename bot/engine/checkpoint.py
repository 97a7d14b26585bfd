"""Reads a folder of config.json and safetensors into an Architecture and packed Weights.

For the int8 formats the model is rotated and quantised once, and stored, so that later starts read half a gigabyte.
This goes layer by layer, with files that are closed in between: a mapped file counts as memory for as far as it was
read. Tensor names are those of Hugging Face's Llama family.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from bot.engine.architecture import UnsupportedModel, read_architecture
from bot.engine.decoder import Architecture, Layer, Weights
from bot.engine.linear import FORMATS, FOUR_AT_MOST, FormatName, Linear, Weight
from bot.engine.rotation import Rotated, Rotation


def load(folder: Path, format_name: FormatName, quantized: Path) -> tuple[Architecture, Weights]:
    """Everything that a Decoder needs, in the given format. Raises UnsupportedModel."""
    with opened(folder, quantized if format_name.startswith("int8") else None) as checkpoint:
        return checkpoint.architecture, pack(checkpoint, FORMATS[format_name])


@contextmanager
def opened(folder: Path, quantized: Path | None) -> Iterator["WeightSource"]:
    """The weights of `folder`; with `quantized`, a folder, they are rotated and int8, made once and kept there."""
    architecture = read_architecture(folder)
    if quantized is not None:
        _quantize(folder, architecture, quantized)
    with ExitStack() as files:
        source = Checkpoint(folder, architecture, files)
        yield source if quantized is None else Quantized(source, quantized)


@dataclass(frozen=True, slots=True)
class LayerNorms:
    """float32; `query` and `key` are [head_dim], the others [hidden]."""

    attention: Tensor
    mlp: Tensor
    query: Tensor | None
    key: Tensor | None


class WeightSource(Protocol):
    """Where a decoder's weights come from."""

    @property
    def architecture(self) -> Architecture: ...
    @property
    def rotation(self) -> Rotation: ...
    def embedding(self) -> Tensor: ...
    def output_embedding(self) -> Tensor: ...
    def matrix(self, name: str) -> Weight: ...
    def norms(self, layer: int) -> LayerNorms: ...
    def final_norm(self) -> Tensor: ...


class Checkpoint:
    """The safetensors files of a folder, mapped into memory: a tensor costs something when it is touched."""

    def __init__(self, folder: Path, architecture: Architecture, files: ExitStack) -> None:
        self.architecture = architecture
        self.rotation = Rotation.none(architecture.hidden)
        self.paths = sorted(folder.glob("model*.safetensors"))
        opened = [files.enter_context(safe_open(path, framework="pt")) for path in self.paths]
        self._file_of = {name: file for file in opened for name in file.keys()}  # noqa: SIM118  # not a dict

    def tensor(self, name: str) -> Tensor:
        """One tensor, a view of the mapped file. Raises UnsupportedModel when it is not there."""
        if name not in self._file_of:
            raise UnsupportedModel(f"its files hold no tensor {name}")
        tensor: Tensor = self._file_of[name].get_tensor(name)
        return tensor

    def optional(self, name: str) -> Tensor | None:
        """One float32 tensor, or None."""
        return self.tensor(name).float() if name in self._file_of else None

    def embedding(self) -> Tensor:
        """What turns token ids into states, [vocab, hidden]."""
        return self.tensor("model.embed_tokens.weight")

    def output_embedding(self) -> Tensor:
        """What turns states into logits, [vocab, hidden]: the embedding itself where the head is tied to it."""
        return self.tensor("lm_head.weight") if "lm_head.weight" in self._file_of else self.embedding()

    def matrix(self, name: str) -> Weight:
        """One weight of a Decoder; those that read the same input are one matrix."""
        if name == "head":
            return Weight(self.output_embedding())
        parts = _parts(name)
        biases = [self.optional(f"{part}.bias") for part in parts]
        given = [bias for bias in biases if bias is not None]
        if len(given) not in (0, len(parts)):
            raise UnsupportedModel(f"only some of {', '.join(parts)} have a bias")
        values = torch.cat([self.tensor(f"{part}.weight") for part in parts])
        return Weight(values, bias=torch.cat(given) if given else None)

    def norms(self, layer: int) -> LayerNorms:
        """The norms of one layer."""
        name = f"model.layers.{layer}"
        return LayerNorms(
            attention=self.tensor(f"{name}.input_layernorm.weight").float(),
            mlp=self.tensor(f"{name}.post_attention_layernorm.weight").float(),
            query=self.optional(f"{name}.self_attn.q_norm.weight"),
            key=self.optional(f"{name}.self_attn.k_norm.weight"),
        )

    def final_norm(self) -> Tensor:
        """The norm behind the last layer, float32 [hidden]."""
        return self.tensor("model.norm.weight").float()

    def fingerprint(self) -> str:
        """Changes when the files do."""
        stats = [(path.name, path.stat()) for path in self.paths]
        return ";".join(f"{name}:{stat.st_size}:{stat.st_mtime_ns}" for name, stat in stats)


class Quantized(Rotated):
    """Its matrices in int8, from the folder where they are stored."""

    def __init__(self, source: WeightSource, folder: Path) -> None:
        super().__init__(source)
        self._folder = folder

    def matrix(self, name: str) -> Weight:
        """One weight, int8."""
        return _read_quantized(self._folder, name)


def pack(checkpoint: WeightSource, linear: type[Linear]) -> Weights:
    """All weights in one format."""

    def layer(index: int) -> Layer:
        norms = checkpoint.norms(index)
        return Layer(
            attention_norm=norms.attention,
            qkv=linear.pack(checkpoint.matrix(f"layers.{index}.qkv")),
            query_norm=norms.query,
            key_norm=norms.key,
            attention_out=linear.pack(checkpoint.matrix(f"layers.{index}.attention_out")),
            mlp_norm=norms.mlp,
            gate_up=linear.pack(checkpoint.matrix(f"layers.{index}.gate_up")),
            down=linear.pack(checkpoint.matrix(f"layers.{index}.down")),
        )

    return Weights(
        rotation=checkpoint.rotation,
        embedding=checkpoint.embedding(),
        output_embedding=checkpoint.output_embedding(),
        layers=[layer(index) for index in range(checkpoint.architecture.layers)],
        norm=checkpoint.final_norm(),
        head=linear.pack(checkpoint.matrix("head")),
    )


def _names(layers: int) -> Iterator[str]:
    for index in range(layers):
        for name in ("qkv", "attention_out", "gate_up", "down"):
            yield f"layers.{index}.{name}"
    yield "head"


def _parts(name: str) -> Sequence[str]:
    """Our name of a matrix → Hugging Face's names of what it consists of."""
    layer, _, kind = name.rpartition(".")
    parts = {
        "qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        "attention_out": ("self_attn.o_proj",),
        "gate_up": ("mlp.gate_proj", "mlp.up_proj"),
        "down": ("mlp.down_proj",),
    }
    return [f"model.{layer}.{part}" for part in parts[kind]]


def _quantize(folder: Path, architecture: Architecture, target: Path) -> None:
    """Fill `target` unless it holds this very model: all or nothing, also when two processes do it at once."""
    with ExitStack() as files:
        checkpoint = Checkpoint(folder, architecture, files)
        rotation = Rotated(checkpoint).rotation.fingerprint
        source = f"fours up to {FOUR_AT_MOST}, rotation {rotation} of {checkpoint.fingerprint()}"
    if _is_quantized(target, architecture, source):
        return
    part = target.with_suffix(f".{os.getpid()}.part")
    try:
        part.mkdir(parents=True)
        for name in _names(architecture.layers):
            with ExitStack() as files:
                weight = Rotated(Checkpoint(folder, architecture, files)).matrix(name).quantized()
            tensors = {"values": weight.values, "scale": weight.scale, "bias": weight.bias}
            given = {key: tensor for key, tensor in tensors.items() if tensor is not None}
            save_file(given, part / f"{name}.safetensors", metadata={"source": source})
        shutil.rmtree(target, ignore_errors=True)
        part.rename(target)
    except OSError:
        if not _is_quantized(target, architecture, source):  # else another process was faster
            raise
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _is_quantized(target: Path, architecture: Architecture, source: str) -> bool:
    paths = [target / f"{name}.safetensors" for name in _names(architecture.layers)]
    return all(path.exists() and _source(path) == source for path in paths)


def _source(path: Path) -> str | None:
    with safe_open(path, framework="pt") as file:
        return (file.metadata() or {}).get("source")


def _read_quantized(folder: Path, name: str) -> Weight:
    with safe_open(folder / f"{name}.safetensors", framework="pt") as file:
        bias = file.get_tensor("bias") if "bias" in file.keys() else None  # noqa: SIM118  # not a dict
        return Weight(file.get_tensor("values"), file.get_tensor("scale"), bias)
