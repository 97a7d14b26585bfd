"""A model from a hub: a program of its own fetches it, or finds it in the hub's cache; the sums are checked here.

A sum is what the hub itself states: the SHA-256 of large files, the git id of small ones. Knows no file format.
"""

import hashlib
import json
import os
import re
import sys
from pathlib import Path

from bot.model import child, files
from bot.model.files import (
    ChecksumMismatch,
    DownloadFailed,
    Progress,
    UnsupportedModel,
    WeightsError,
    remove,
    sha256,
)
from bot.model.hub_client import Snapshot

NAME = re.compile(r"[\w.-]+/[\w.-]+")
PATIENCE = 6  # times the hub client's own timeout: it tries several times before this ends it
# Plain HTTP works through every mirror and grows file by file; whoever sets the variables knows better.
QUIET = {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


def fetch(repo: str, work: Path, progress: Progress) -> Snapshot:
    """The checked files of `repo`: in `work`, or in place where the hub's cache has them. Raises WeightsError."""
    target, log = work / "hub", work / "hub.log"
    target.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "bot.model.hub_client", repo, str(target)]
    patience = PATIENCE * float(os.environ.get("HF_HUB_DOWNLOAD_TIMEOUT") or 10)

    def told(size: int) -> None:
        total = _last_line(log).get("total")
        progress("downloading", min(size, total), total) if isinstance(total, int) else progress(
            "asking", 0, 0
        )

    try:
        child.run(command, {**QUIET, **os.environ}, log, lambda: child.size_below(target), told, patience)
    except child.Stalled:
        raise DownloadFailed(
            f"the hub sent nothing of {repo} for {patience:.0f} s: check the network, the proxy and HF_ENDPOINT, "
            "then start again; finished files are kept"
        ) from None
    found = _snapshot(repo, _last_line(log), log)
    for name, stated in found.files.items():
        _check(Path(found.folder) / name, stated, fetched=Path(found.folder) == target)
    return found


def checksum(found: Snapshot) -> str:
    """The SHA-256 of the weights; of the sorted list of their sums where they are in several files."""
    folder = Path(found.folder)
    weights = sorted(name for name in found.files if name.endswith((".safetensors", ".gguf")))
    sums = [found.files[name] if len(found.files[name]) == 64 else sha256(folder / name) for name in weights]
    return sums[0] if len(sums) == 1 else hashlib.sha256("\n".join(sorted(sums)).encode()).hexdigest()


def sweep(work: Path) -> None:
    """Delete what is half fetched in `work`; whole files stay for the next try."""
    remove(work / "hub.log")
    for unfinished in (work / "hub").rglob("*.incomplete"):
        remove(unfinished)
    if not any(path.is_file() for path in (work / "hub").rglob("*")):
        remove(work / "hub")


def _last_line(log: Path) -> dict[str, object]:
    """The last thing that the program told; what its libraries say in between is not JSON."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("{")]
    answer: dict[str, object] = json.loads(lines[-1]) if lines else {}
    return answer


def _snapshot(repo: str, answer: dict[str, object], log: Path) -> Snapshot:
    if "error" in answer:
        kind: type[WeightsError] = getattr(files, str(answer["error"]))
        raise kind(str(answer["message"]))
    if "folder" not in answer:
        last = (log.read_text(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
        raise DownloadFailed(f"the program that fetches {repo} broke off ({last}): start again")
    found = Snapshot(**answer)  # type: ignore[arg-type]  # written by the same class
    if not found.files:
        raise UnsupportedModel(
            f"{repo} has neither model.safetensors nor a whole GGUF file: choose another model"
        )
    return found


def _check(path: Path, stated: str, *, fetched: bool) -> None:
    if re.fullmatch(r"[0-9a-f]{64}", stated):
        found = sha256(path)
    elif re.fullmatch(r"[0-9a-f]{40}", stated):
        found = _git_id(path)
    else:
        return  # a cache without links does not know the sums any more
    if found == stated:
        return
    if fetched:
        remove(path)
    advice = "start again" if fetched else "delete that file and start again"
    raise ChecksumMismatch(f"{path.resolve()} has the sum {found}, the hub states {stated}: {advice}")


def _git_id(path: Path) -> str:
    """What git calls a file of this content: the hub's sum of small files."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
