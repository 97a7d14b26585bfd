"""Counters: what happened since the start, as numbers. Knows no texts, no ids and nobody's name."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counters:
    """`refused` by reason. Everything belongs to the event loop."""

    errors: int = 0
    unreachable: int = 0
    refused: Counter[str] = field(default_factory=Counter)
