"""Incidents: what in a row of readings is worth waking somebody for, once each. Pure; knows no clock and no admins."""

from collections.abc import Iterator
from enum import StrEnum

from bot.observe.reading import Reading

OVER_AFTER_S = 600.0
"""An incident without a sign for so long is over, and the next sign begins another."""

SILENT_S = 120.0
"""A long poll is answered within a minute, whatever happens."""

PENALTIES, REFUSALS = 3, 20
"""From so many between two readings Telegram finds us, or we find somebody, too fast."""


class Incident(StrEnum):
    """What may happen to a bot."""

    RESTARTED = "the model failed and was restarted"
    DISK_LOW = "the disk is nearly full"
    SILENT = "Telegram gives no updates"
    SLOWED = "Telegram slows the bot down"
    FLOODED = "somebody floods the bot"


class Incidents:
    """Tells each incident when it begins, and not again while it lasts."""

    def __init__(self, low_disk_bytes: int) -> None:
        self._low_disk_bytes = low_disk_bytes
        self._before = Reading()
        self._last_sign: dict[Incident, float] = {}

    def begun(self, reading: Reading, disk_free_bytes: int, now: float) -> list[Incident]:
        """What began since the last call. `now` is in seconds."""
        new = []
        for incident in self._signs(reading, disk_free_bytes):
            if now - self._last_sign.get(incident, -OVER_AFTER_S) >= OVER_AFTER_S:
                new.append(incident)
            self._last_sign[incident] = now
        self._before = reading
        return new

    def _signs(self, reading: Reading, disk_free_bytes: int) -> Iterator[Incident]:
        before = self._before
        if reading.restarts > before.restarts:
            yield Incident.RESTARTED
        if disk_free_bytes < self._low_disk_bytes:
            yield Incident.DISK_LOW
        if reading.silence_s > SILENT_S:
            yield Incident.SILENT
        if reading.penalties - before.penalties >= PENALTIES:
            yield Incident.SLOWED
        if reading.refused.get("too_fast", 0) - before.refused.get("too_fast", 0) >= REFUSALS:
            yield Incident.FLOODED
