"""What every way to get a model shares: progress, errors, checksums and room on the disk.

Knows files and folders; nothing of wheels, hubs or formats.
"""

import errno
import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

CHUNK = 4 << 20
MARGIN = 64 << 20  # small files, and room for everybody else
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Progress(Protocol):
    """Told several times a second what is being done. Raising from it gives up; nothing half-done stays."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """`done` of `total` bytes of this stage; `total` 0 when nobody knows."""
        ...


def silent(stage: str, done: int, total: int) -> None:
    """A Progress that tells nobody."""


class WeightsError(Exception):
    """The model cannot be had. The message is one sentence that says what to do."""


class UnknownModel(WeightsError):
    """No catalogue row, folder or file has this name."""


class DownloadFailed(WeightsError):
    """A source could not be reached, or broke off."""


class ChecksumMismatch(WeightsError):
    """What was fetched is not what was published."""


class NotEnoughDisk(WeightsError):
    """The model does not fit where it should be kept."""


class UnsupportedModel(WeightsError):
    """The files are there, but this program cannot read them."""


def gigabytes(size: int) -> str:
    """`1.3 GB`, as disks are sold."""
    return f"{size / 1e9:.1f} GB" if size >= 95_000_000 else f"{size / 1e6:.0f} MB"


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def require_room(folder: Path, needed: int, what: str) -> None:
    """Raise NotEnoughDisk unless `needed` bytes fit into `folder`, before anything is fetched."""
    free = shutil.disk_usage(folder).free
    if free < needed + MARGIN:
        raise NotEnoughDisk(
            f"{what} needs {gigabytes(needed + MARGIN)} in {folder}, where {gigabytes(free)} is free: "
            "make room, or set model.dir to a folder on another disk"
        )


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """A disk that fills up while `folder` is written is told like every other problem."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise NotEnoughDisk(
            f"no room left while writing to {folder} ({error.strerror}): "
            "make room, or set model.dir to a folder on another disk"
        ) from error


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """The same for whatever else the disk refuses."""
    try:
        with full_disk(folder):
            yield
    except OSError as error:
        raise WeightsError(
            f"{error.filename or folder} cannot be used ({error.strerror or error}): "
            "set model.dir to a folder that you may write to"
        ) from error


def missing(folder: Path) -> Iterator[str]:
    """The files that a folder lacks to be a model as hubs keep them."""
    yield from (name for name in ("config.json", "tokenizer.json") if not (folder / name).is_file())
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        shards = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        yield from (shard for shard in shards if not (folder / shard).is_file())
    elif not any(folder.glob("*.safetensors")):
        yield "model.safetensors"


def remove(path: Path) -> None:
    """Delete a file or a folder that may not be there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
