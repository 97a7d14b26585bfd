"""Each incident is told once, and again only when it was over in between."""

from dataclasses import replace

import pytest

from bot.observe.incidents import OVER_AFTER_S, PENALTIES, REFUSALS, SILENT_S, Incident, Incidents
from bot.observe.reading import Reading

PLENTY = 1 << 40
WELL = Reading()


@pytest.fixture
def incidents() -> Incidents:
    return Incidents(low_disk_bytes=1000)


def test_a_bot_that_is_well_wakes_nobody(incidents: Incidents) -> None:
    busy = replace(WELL, running=8, waiting=60, errors=3, penalties=PENALTIES - 1, silence_s=SILENT_S)
    assert incidents.begun(busy, 1000, 0) == []
    assert (
        incidents.begun(replace(busy, refused={"used_up": 900, "too_fast": REFUSALS - 1}), PLENTY, 30) == []
    )


@pytest.mark.parametrize(
    ("sign", "incident"),
    [
        ({"restarts": 1}, Incident.RESTARTED),
        ({"silence_s": SILENT_S + 1}, Incident.SILENT),
        ({"penalties": PENALTIES}, Incident.SLOWED),
        ({"refused": {"too_fast": REFUSALS}}, Incident.FLOODED),
    ],
)
def test_an_incident_is_told_when_it_begins(incidents: Incidents, sign: dict, incident: Incident) -> None:
    assert incidents.begun(WELL, PLENTY, 0) == []
    assert incidents.begun(replace(WELL, **sign), PLENTY, 30) == [incident]


def test_it_is_not_told_again_while_it_lasts_however_long(incidents: Incidents) -> None:
    times = [30.0 * number for number in range(100)]
    assert [incidents.begun(WELL, 999, now) for now in times] == [[Incident.DISK_LOW]] + [[]] * 99


def test_counts_are_compared_with_those_before(incidents: Incidents) -> None:
    crashed = replace(WELL, restarts=1, penalties=50)
    assert incidents.begun(crashed, PLENTY, 0) == [Incident.RESTARTED, Incident.SLOWED]
    assert incidents.begun(crashed, PLENTY, OVER_AFTER_S) == []
    assert incidents.begun(replace(crashed, restarts=2), PLENTY, OVER_AFTER_S + 30) == [Incident.RESTARTED]


def test_a_quick_row_of_failures_is_one_incident(incidents: Incidents) -> None:
    told = [incidents.begun(replace(WELL, restarts=number), PLENTY, 60.0 * number) for number in range(1, 30)]
    assert told == [[Incident.RESTARTED]] + [[]] * 28
