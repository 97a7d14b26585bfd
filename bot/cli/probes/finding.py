"""Finding: one line of what `check` says."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """`advice` says how to mend what is not `ok`; beside what is, it is a hint."""

    name: str
    told: str
    ok: bool = True
    advice: str = ""


def fault(name: str, told: str, advice: str) -> Finding:
    """Something that needs mending."""
    return Finding(name, told, ok=False, advice=advice)
