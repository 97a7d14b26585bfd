"""Models from a hub: a small one on loopback that speaks the real client's language, and its cache."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from transformers import AutoModelForCausalLM

from bot.model.catalogue import CATALOGUE, Entry, Hub
from bot.model.files import ChecksumMismatch, DownloadFailed, UnknownModel, UnsupportedModel, silent
from bot.model.manifest import LocalWeights
from bot.model.weights import ensure

REPO = "tester/tiny-chat"
REVISION = "0123456789abcdef0123456789abcdef01234567"


class LocalHub(ThreadingHTTPServer):
    """One repository of a hub: its listing, and its files with the headers that the client wants."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.files: dict[str, bytes] = {}
        self.sums: dict[str, str] = {}
        self.fetched: list[str] = []
        self.asked: list[str] = []
        self.stall: str = ""
        self.gated = False
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def add(self, folder: Path) -> None:
        for path in folder.iterdir():
            data = path.read_bytes()
            large = path.suffix in {".safetensors", ".gguf"}
            git = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            self.files[path.name] = data
            self.sums[path.name] = hashlib.sha256(data).hexdigest() if large else git

    def listing(self) -> dict[str, object]:
        siblings = []
        for name, data in self.files.items():
            sibling: dict[str, object] = {
                "rfilename": name,
                "size": len(data),
                "blobId": self.sums[name][:40],
            }
            if len(self.sums[name]) == 64:
                sibling["lfs"] = {"size": len(data), "sha256": self.sums[name], "pointerSize": 134}
            siblings.append(sibling)
        card = {"license": "apache-2.0"}
        return {
            "id": REPO,
            "modelId": REPO,
            "sha": REVISION,
            "siblings": siblings,
            "tags": [],
            "cardData": card,
        }


class _Answers(BaseHTTPRequestHandler):
    server: LocalHub

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        path = urlsplit(self.path).path
        self.server.asked.append(path)
        name = path.removeprefix(f"/{REPO}/resolve/{REVISION}/").removeprefix(f"/{REPO}/resolve/main/")
        if self.server.gated:
            self._send(403, b"", {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted"})
        elif path == f"/api/models/{REPO}":
            self._send(200, json.dumps(self.server.listing()).encode(), {"Content-Type": "application/json"})
        elif name in self.server.files:
            self._send_file(name, body)
        else:
            self._send(404, b"", {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})

    def _send_file(self, name: str, body: bool) -> None:
        data = self.server.files[name]
        headers = {"ETag": f'"{self.server.sums[name]}"', "X-Repo-Commit": REVISION, "Accept-Ranges": "bytes"}
        if not body:
            self._send(200, b"", headers | {"Content-Length": str(len(data))})
            return
        self.server.fetched.append(name)
        if name == self.server.stall:
            self._send(200, data[:1000], headers | {"Content-Length": str(len(data))})
            self.wfile.flush()
            self.server.released.wait()
        else:
            self._send(200, data, headers)

    def _send(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(data))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LocalHub]:
    """The hub that HF_ENDPOINT names, with an empty cache on this side."""
    server = LocalHub()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    for name in [
        name for name in os.environ if name.startswith(("HF_", "HUGGING")) or name.lower().endswith("_proxy")
    ]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def tiny_model(tiny_gguf: Any, tmp_path: Path) -> Path:
    """A folder as hubs keep it."""
    found = ensure(str(tiny_gguf("qwen3").write(tmp_path / "tiny.gguf")), tmp_path / "elsewhere")
    folder = tmp_path / "published"
    shutil.copytree(found.folder, folder)
    (folder / "tandem.json").unlink()
    return folder


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


def leftovers(models: Path) -> list[str]:
    return [path.name for path in models.iterdir() if path.name.startswith(".") and path.suffix != ".lock"]


def test_a_name_of_the_hub_becomes_a_checked_folder(hub: LocalHub, tiny_model: Path, models: Path) -> None:
    hub.add(tiny_model)
    hub.files["README.md"], hub.sums["README.md"] = b"# Tiny", "0" * 40
    hub.files["pytorch_model.bin"], hub.sums["pytorch_model.bin"] = b"x" * 5000, "0" * 64
    found = ensure(REPO, models)
    assert found == LocalWeights(
        models / "tester--tiny-chat",
        "tester--tiny-chat",
        f"{REPO}, revision {REVISION}",
        "apache-2.0",
        hub.sums["model.safetensors"],
    )
    assert type(AutoModelForCausalLM.from_pretrained(found.folder)).__name__ == "Qwen3ForCausalLM"
    assert sorted(hub.fetched) == sorted(path.name for path in tiny_model.iterdir())
    assert not leftovers(models)


def test_what_is_there_needs_no_hub(hub: LocalHub, tiny_model: Path, models: Path) -> None:
    hub.add(tiny_model)
    first = ensure(REPO, models)
    hub.asked.clear()
    assert ensure(REPO, models) == first
    assert not hub.asked


def test_a_catalogue_row_brings_its_own_name_and_licence(
    hub: LocalHub, tiny_model: Path, models: Path
) -> None:
    hub.add(tiny_model)
    row = Entry("tiny-chat", "0.1 M", 1, "none", "A licence of its own", "the hub", Hub(REPO))
    found = ensure("tiny-chat", models, catalogue={"tiny-chat": row})
    assert (found.folder, found.licence) == (models / "tiny-chat", "A licence of its own")


def test_the_articles_model_states_its_licence() -> None:
    assert "Tongyi Qianwen Research" in CATALOGUE["qwen1.5-0.5b-chat"].licence
    assert CATALOGUE["qwen1.5-0.5b-chat"].source == Hub("Qwen/Qwen1.5-0.5B-Chat")


def test_a_repository_with_gguf_files_only_is_converted(
    hub: LocalHub, tiny_gguf: Any, models: Path, tmp_path: Path
) -> None:
    published = tmp_path / "published"
    published.mkdir()
    for name in ("tiny-q4_k_m.gguf", "tiny-q8_0.gguf", "tiny-f16.gguf"):
        tiny_gguf().write(published / name)
    hub.add(published)
    found = ensure(REPO, models)
    assert hub.fetched == ["tiny-q8_0.gguf"]
    assert found.checksum == hub.sums["tiny-q8_0.gguf"]
    assert type(AutoModelForCausalLM.from_pretrained(found.folder)).__name__ == "Qwen2ForCausalLM"
    assert not leftovers(models)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_a_changed_file_is_refused_and_fetched_again(
    hub: LocalHub, tiny_model: Path, models: Path, name: str
) -> None:
    hub.add(tiny_model)
    whole = hub.files[name]
    hub.files[name] = whole[:-1] + bytes([whole[-1] ^ 1])
    with pytest.raises(ChecksumMismatch, match=rf"{name} has the sum .* the hub states {hub.sums[name]}"):
        ensure(REPO, models)
    hub.files[name] = whole
    hub.fetched.clear()
    ensure(REPO, models)
    assert hub.fetched == [name]


def test_a_stalled_hub_is_given_up(
    hub: LocalHub, tiny_model: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", "1")
    hub.add(tiny_model)
    hub.stall = "model.safetensors"
    with pytest.raises(DownloadFailed, match=rf"{REPO}.*HF_ENDPOINT, then start again"):
        ensure(REPO, models)
    assert not [path for path in models.rglob("*") if path.suffix in {".incomplete", ".safetensors"}]
    hub.stall = ""
    hub.fetched.clear()
    ensure(REPO, models)
    assert hub.fetched == ["model.safetensors"]


def test_an_unreachable_hub_is_named(hub: LocalHub, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(
        DownloadFailed, match=r"could not be fetched from http://127\.0\.0\.1:9 .*HF_ENDPOINT"
    ):
        ensure(REPO, models)
    assert not leftovers(models)


def test_a_repository_that_is_not_there_is_an_unknown_model(hub: LocalHub, models: Path) -> None:
    with pytest.raises(UnknownModel, match=r"has no model somebody/nothing, and there is no such folder"):
        ensure("somebody/nothing", models)


def test_a_gated_repository_says_what_it_wants(hub: LocalHub, models: Path) -> None:
    hub.gated = True
    with pytest.raises(DownloadFailed, match=r"terms accepted .* HF_TOKEN"):
        ensure(REPO, models)


def test_a_repository_without_readable_weights_is_refused(hub: LocalHub, models: Path) -> None:
    hub.files["pytorch_model.bin"], hub.sums["pytorch_model.bin"] = b"x", "0" * 64
    with pytest.raises(UnsupportedModel, match="neither"):
        ensure(REPO, models)


def test_giving_up_ends_the_download(hub: LocalHub, tiny_model: Path, models: Path) -> None:
    class GaveUp(Exception):
        pass

    def give_up(stage: str, done: int, total: int) -> None:
        if total and done > total // 100:
            raise GaveUp

    hub.add(tiny_model)
    hub.stall = "model.safetensors"
    with pytest.raises(GaveUp):
        ensure(REPO, models, give_up)
    assert not [path for path in models.rglob("*") if path.suffix in {".incomplete", ".safetensors"}]


@pytest.fixture
def cached(hub: LocalHub, tiny_model: Path) -> Path:
    """The hub's cache after another program fetched the model, by the hub's own client."""
    hub.add(tiny_model)
    program = (
        "import sys; from huggingface_hub import hf_hub_download\n"
        f"for name in sys.argv[1:]: path = hf_hub_download({REPO!r}, name)\n"
        "print(path)"
    )
    command = [sys.executable, "-c", program, *hub.files]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Path(done.stdout.strip()).parent


@pytest.mark.parametrize("offline", ["1", "0"])
def test_what_the_hubs_cache_holds_is_used_in_place(
    hub: LocalHub, cached: Path, models: Path, monkeypatch: pytest.MonkeyPatch, offline: str
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", offline)
    hub.asked.clear()
    found = ensure(REPO, models)
    assert (found.folder, found.checksum) == (cached, hub.sums["model.safetensors"])
    assert ensure(REPO, models) == found
    assert not hub.asked
    assert not list(models.rglob("*.safetensors"))


def test_a_damaged_cache_is_told_and_left_alone(hub: LocalHub, cached: Path, models: Path) -> None:
    damaged = (cached / "model.safetensors").resolve()
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"!")
    with pytest.raises(ChecksumMismatch, match=r"delete that file"):
        ensure(REPO, models)
    assert damaged.exists()


def test_offline_without_the_model_says_why(
    hub: LocalHub, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DownloadFailed, match="HF_HUB_OFFLINE forbids"):
        ensure(REPO, models, silent)
    assert not hub.asked
