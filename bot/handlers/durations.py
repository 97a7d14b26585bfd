"""Durations, as people write them behind a command: 30m, 12h, 7d. Pure."""

import re
from datetime import timedelta

LONGEST = timedelta(days=366)
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


def parse_duration(word: str) -> timedelta | None:
    """At most LONGEST; None if it cannot be understood, or is nothing."""
    match = re.fullmatch(r"(\d{1,6})([mhd])", word)
    if match is None or not int(match[1]):
        return None
    return min(int(match[1]) * _UNITS[match[2]], LONGEST)
