"""Labelled texts: one JSON object to a line, with what was said, what it is, and which set it belongs to. Pure."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path


class DataError(Exception):
    """The file cannot be used; the message names the line and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled text. `set` names its kind: kinds are measured apart, and count the same."""

    text: str
    label: str
    set: str


def read(path: Path, labels: Sequence[str]) -> list[Row]:
    """All rows of a JSON Lines file. Raises DataError."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8 text") from None
    rows = list(_rows(lines, path.stem, labels))
    if not rows:
        raise DataError(f"{path} has no rows")
    return rows


def _rows(lines: Iterable[str], default_set: str, labels: Sequence[str]) -> Iterator[Row]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"line {number} is not JSON: {error.msg}") from None
        if not isinstance(found, dict) or not isinstance(found.get("text"), str):
            raise DataError(f'line {number}: must be an object with a "text"')
        if found.get("label") not in labels:
            raise DataError(
                f"line {number}: label = {found.get('label')!r}: must be one of {', '.join(labels)}"
            )
        yield Row(found["text"], found["label"], str(found.get("set", default_set)))
