"""`python -m bot.model.hub_client REPO FOLDER`: one model's files from a hub, in a program of its own.

The hub's client reads HF_ENDPOINT, HF_HUB_OFFLINE, HF_TOKEN and its cache by itself. Prints JSON lines: how much
is coming, then what is there, or the error. Knows nothing of checksums and conversion.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from huggingface_hub import ModelInfo

SMALL_FILES = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "model.safetensors.index.json",
)
PREFERRED_GGUF = ("q8_0", "q4_k_m", "f16")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The model's files in `folder`; `files` maps each name to the hub's sum of it: a SHA-256 or a git id."""

    folder: str
    files: Mapping[str, str]
    licence: str
    revision: str


def main(repo: str, folder: Path) -> None:
    """Tell the Snapshot, or what kept it away."""
    from huggingface_hub import constants, errors

    from bot.model.files import WeightsError

    hub = constants.ENDPOINT
    try:
        _tell(asdict(_cached(repo) or _download(repo, folder)))
    except errors.GatedRepoError:
        _fail("DownloadFailed", f"{repo} wants its terms accepted on {hub}: do that, then set HF_TOKEN")
    except (errors.RepositoryNotFoundError, errors.HFValidationError):
        _fail(
            "UnknownModel",
            f"{hub} has no model {repo}, and there is no such folder: check the name, or HF_TOKEN",
        )
    except errors.OfflineModeIsEnabled:
        _fail(
            "DownloadFailed",
            f"{repo} is not in {constants.HF_HUB_CACHE}, and HF_HUB_OFFLINE forbids to fetch it",
        )
    except WeightsError as error:
        _fail(type(error).__name__, str(error))
    except Exception as error:  # what the client lets through of its own dependencies has no common name
        _fail("DownloadFailed", _explain(repo, hub, error))


def choose(files: Iterable[str]) -> list[str]:
    """The names that make a model: small files and safetensors, else one GGUF; empty when there is neither."""
    names = sorted(files)
    if weights := [name for name in names if name.startswith("model") and name.endswith(".safetensors")]:
        return [*(name for name in names if name in SMALL_FILES), *weights]
    whole = [name for name in names if name.endswith(".gguf") and "-of-" not in name]
    ranked = [name for kind in PREFERRED_GGUF for name in whole if kind in name.lower()]
    return [*ranked, *whole][:1]


def _cached(repo: str) -> Snapshot | None:
    """What the hub's cache on this machine holds, when it is a whole model. Asks nobody."""
    from huggingface_hub import errors, snapshot_download

    from bot.model.files import missing

    try:
        folder = Path(snapshot_download(repo, local_files_only=True, allow_patterns=["*.json", "*.jinja"]))
    except errors.LocalEntryNotFoundError:
        return None
    names = choose(path.name for path in folder.iterdir())
    if not names or (not names[0].endswith(".gguf") and next(missing(folder), None)):
        return None
    return Snapshot(str(folder), {name: (folder / name).resolve().name for name in names}, "", folder.name)


def _download(repo: str, folder: Path) -> Snapshot:
    """Fetch what the hub has now into `folder`; whole files of the same revision stay."""
    from huggingface_hub import HfApi, hf_hub_download

    from bot.model.files import full_disk, require_room

    info = HfApi().model_info(repo, files_metadata=True, timeout=30)
    listed = {file.rfilename: file for file in info.siblings or []}
    names = choose(listed)
    total = sum(listed[name].size or 0 for name in names)
    require_room(folder, total, repo)
    _tell({"total": total})
    with full_disk(folder):
        for name in names:
            hf_hub_download(repo, name, revision=info.sha, local_dir=folder)
    sums = {name: lfs.sha256 if (lfs := listed[name].lfs) else listed[name].blob_id or "" for name in names}
    return Snapshot(str(folder), sums, _licence(info), info.sha or "")


def _licence(info: "ModelInfo") -> str:
    stated = info.card_data.get("license") if info.card_data else None
    return str(stated or "")


def _explain(repo: str, hub: str, error: Exception) -> str:
    reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    advice = "check the network, the proxy and HF_ENDPOINT, then start again; finished files are kept"
    return f"{repo} could not be fetched from {hub} ({reason}): {advice}"


def _fail(kind: str, message: str) -> None:
    _tell({"error": kind, "message": message})


def _tell(value: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
