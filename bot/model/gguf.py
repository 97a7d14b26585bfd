"""A GGUF file → a folder that transformers loads: config, tokenizer and safetensors, tensor by tensor.

Knows how llama.cpp writes the Llama family (llama, qwen2, qwen3); not where the file came from.
Matrices become FP16 (BF16 when the source is), norms and biases FP32; peak memory is the file
mapped and a few thousand rows.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from gguf import GGMLQuantizationType, GGUFReader, ReaderTensor, dequantize

from bot.model import gguf_config, gguf_tokenizer
from bot.model.files import Progress, UnsupportedModel, require_room
from bot.model.gguf_tokenizer import Metadata

ROWS = 4096  # dequantised at a time
ROPE_FACTORS = "rope_freqs.weight"
TOP_NAMES = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


class _Reader(GGUFReader):
    """GGUFReader over a plain array: cutting small pieces from a memmap is four times slower."""

    @property  # type: ignore[override]  # a plain array where the base class says memmap: the point
    def data(self) -> npt.NDArray[np.uint8]:
        return self._mapped

    @data.setter
    def data(self, mapped: npt.NDArray[np.uint8]) -> None:
        self._mapped = mapped.view(np.ndarray)


@dataclass(frozen=True)
class _Tensor:
    """One tensor on its way: its name in transformers, its raw rows, and the type to store."""

    name: str
    rows: npt.NDArray[np.generic]
    source: GGMLQuantizationType
    shape: tuple[int, ...]
    dtype: str

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape)) * (4 if self.dtype == "F32" else 2)

    def pieces(self) -> Iterator[bytes]:
        for start in range(0, len(self.rows), ROWS):
            yield self._encode(self.rows[start : start + ROWS])

    def _encode(self, rows: npt.NDArray[np.generic]) -> bytes:
        if self.dtype == "BF16":
            return rows.tobytes()
        with np.errstate(over="ignore"):
            values = dequantize(rows, self.source).astype(np.float32 if self.dtype == "F32" else np.float16)
        if not np.isfinite(values).all():
            raise UnsupportedModel(f"{self.name} has values that are not finite in FP16: use another file")
        return values.tobytes()


def convert(source: Path, folder: Path, progress: Progress) -> str:
    """Write the model in `source` into the empty `folder`; return the licence that the file states, or "".

    Raises UnsupportedModel and NotEnoughDisk.
    """
    progress("reading", 0, 0)
    reader = _open(source)
    metadata = Metadata(reader)
    tensors = _tensors(reader, metadata)
    shapes = {tensor.name: tensor.shape for tensor in tensors}
    config = gguf_config.build(metadata, shapes, _rope_factors(reader))
    require_room(folder, sum(tensor.nbytes for tensor in tensors), source.name)
    gguf_tokenizer.write(source, metadata, folder)
    _write_json(folder / "config.json", config)
    _write_json(folder / "generation_config.json", gguf_tokenizer.special_ids(metadata))
    _write_safetensors(folder / "model.safetensors", tensors, progress)
    return metadata.text("general.license")


def _open(source: Path) -> GGUFReader:
    try:
        return _Reader(source)
    except (ValueError, KeyError, IndexError, OverflowError, UnicodeDecodeError) as error:
        raise UnsupportedModel(f"{source} is not a readable GGUF file ({error}): fetch it again") from error


def _tensors(reader: GGUFReader, metadata: Metadata) -> list[_Tensor]:
    """FP32 first, so that every tensor starts at a multiple of its own size."""
    if metadata.architecture not in gguf_config.ARCHITECTURES:
        raise UnsupportedModel(
            f"GGUF files of architecture {metadata.architecture} cannot be converted, only "
            f"{', '.join(gguf_config.ARCHITECTURES)}: use a folder with the model's safetensors instead"
        )
    kept = (tensor for tensor in reader.tensors if tensor.name != ROPE_FACTORS)
    return sorted((_tensor(tensor, metadata) for tensor in kept), key=lambda tensor: tensor.dtype != "F32")


def _tensor(tensor: ReaderTensor, metadata: Metadata) -> _Tensor:
    rows = tensor.data
    if metadata.architecture == "llama" and (heads := _rope_heads(tensor.name, metadata)):
        rows = rows[_halves_from_pairs(len(rows), heads)]
    bf16 = tensor.tensor_type == GGMLQuantizationType.BF16
    shape = tuple(int(size) for size in reversed(tensor.shape))
    dtype = "F32" if len(shape) == 1 else "BF16" if bf16 else "F16"
    return _Tensor(_name(tensor.name), rows, tensor.tensor_type, shape, dtype)


def _name(gguf_name: str) -> str:
    stem, _, kind = gguf_name.rpartition(".")
    if stem in TOP_NAMES:
        return f"{TOP_NAMES[stem]}.{kind}"
    if (match := re.fullmatch(r"blk\.(\d+)\.(\w+)", stem)) and match[2] in LAYER_NAMES:
        return f"model.layers.{match[1]}.{LAYER_NAMES[match[2]]}.{kind}"
    raise UnsupportedModel(f"the GGUF file has a tensor {gguf_name} that this program does not know")


def _rope_heads(name: str, metadata: Metadata) -> int:
    if ".attn_q." in name:
        return metadata.number("attention.head_count")
    if ".attn_k." in name:
        return metadata.number("attention.head_count_kv", metadata.number("attention.head_count"))
    return 0


def _halves_from_pairs(rows: int, heads: int) -> npt.NDArray[np.intp]:
    """llama.cpp rotates neighbouring rows of a `llama` head, transformers its two halves: reorder whole rows.

    Undoes LlamaModel.permute of llama.cpp's convert_hf_to_gguf.py.
    """
    return np.arange(rows).reshape(heads, rows // heads // 2, 2).swapaxes(1, 2).reshape(-1)


def _rope_factors(reader: GGUFReader) -> npt.NDArray[np.float32] | None:
    found = [tensor for tensor in reader.tensors if tensor.name == ROPE_FACTORS]
    return dequantize(found[0].data, found[0].tensor_type) if found else None


def _write_safetensors(path: Path, tensors: Sequence[_Tensor], progress: Progress) -> None:
    """The format of huggingface/safetensors: length, JSON header, then the tensors without gaps."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    done, total = 0, 0
    for tensor in tensors:
        offsets = [total, total + tensor.nbytes]
        header[tensor.name] = {"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": offsets}
        total += tensor.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors:
            for piece in tensor.pieces():
                done += file.write(piece)
                progress("converting", done, total)
        os.fsync(file.fileno())


def _write_json(path: Path, value: Mapping[str, object]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
