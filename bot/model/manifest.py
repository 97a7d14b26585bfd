"""tandem.json: what a model folder is, where it came from, and which files make it whole.

Knows nothing of how a model gets there.
"""

import json
from dataclasses import dataclass
from pathlib import Path

NAME = "tandem.json"
CONVERTER = 1  # raise it when what a conversion writes changes: older folders are then made anew


@dataclass(frozen=True, slots=True)
class LocalWeights:
    """A folder that transformers loads, and where it came from.

    `checksum` is the SHA-256 of the source; empty for a folder of the user's own, which nobody published.
    """

    folder: Path
    name: str
    origin: str
    licence: str
    checksum: str


def write(made: LocalWeights, folder: Path) -> None:
    """Say in `folder` what the model is, and which files make it: here, or where `made` says."""
    files = {path.name: path.stat().st_size for path in sorted(made.folder.iterdir()) if path.is_file()}
    manifest = {
        "name": made.name,
        "origin": made.origin,
        "licence": made.licence,
        "sha256": made.checksum,
        "converter": CONVERTER,
        "folder": "." if made.folder == folder else str(made.folder),
        "files": files,
    }
    text = json.dumps(manifest, indent=2, ensure_ascii=False)
    (folder / NAME).write_text(text + "\n", encoding="utf-8")


def read(folder: Path) -> LocalWeights | None:
    """What the manifest in `folder` describes, when every file of it still has its size."""
    try:
        manifest = json.loads((folder / NAME).read_text(encoding="utf-8"))
        place = folder / manifest.get("folder", ".")
        whole = all((place / name).stat().st_size == size for name, size in manifest["files"].items())
        about = LocalWeights(place, *(manifest[key] for key in ("name", "origin", "licence", "sha256")))
    except (OSError, ValueError, KeyError):
        return None
    return about if whole and manifest.get("converter") == CONVERTER else None
