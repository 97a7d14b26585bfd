"""Small findings that are kept from start to start, in files of JSON that nobody misses when they are gone."""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any


def read(file: Path) -> Any:
    """What was kept; None for what is not there, or is half a file."""
    with suppress(OSError, ValueError):
        return json.loads(file.read_bytes())
    return None


def keep(file: Path, found: Any) -> None:
    """All or nothing, also when two processes do it at once. Where nothing can be written nothing is kept."""
    part = file.with_suffix(f".{os.getpid()}.part")
    with suppress(OSError):
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(found), encoding="utf-8")
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)
