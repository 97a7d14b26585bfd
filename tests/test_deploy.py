"""The ways to run the bot for good: what they name exists, and they wait for answers under way."""

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from bot.app import SHUTDOWN_SECONDS
from bot.config import Config

PROJECT = Path(__file__).parents[1]
UNIT = PROJECT / "contrib" / "tandem.service"


@pytest.fixture
def service() -> configparser.SectionProxy:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(UNIT.read_text(encoding="utf-8"))
    return unit["Service"]


def test_compose_keeps_what_the_image_keeps_and_waits_for_answers() -> None:
    compose = yaml.safe_load((PROJECT / "compose.yaml").read_text(encoding="utf-8"))
    (bot,) = compose["services"].values()
    dockerfile = (PROJECT / "Dockerfile").read_text(encoding="utf-8")
    places = [volume.partition(":")[2] for volume in bot["volumes"]]
    assert f"VOLUME {str(places).replace(chr(39), chr(34))}" in dockerfile
    assert {volume.partition(":")[0] for volume in bot["volumes"]} == set(compose["volumes"])
    assert int(bot["stop_grace_period"].removesuffix("s")) > 2 * SHUTDOWN_SECONDS
    assert bot["restart"] == "unless-stopped"


def test_the_unit_runs_the_bot_and_waits_for_answers(service: configparser.SectionProxy) -> None:
    assert " -m bot run " in service["ExecStart"]
    assert int(service["TimeoutStopSec"]) > 2 * SHUTDOWN_SECONDS
    assert "TANDEM_TELEGRAM__TOKEN_FILE" in UNIT.read_text(encoding="utf-8")
    assert "token_file" in Config.model_fields["telegram"].annotation.model_fields  # type: ignore[union-attr]


def test_the_command_line_of_the_service_finds_what_the_service_uses(
    service: configparser.SectionProxy,
) -> None:
    script = (PROJECT / "contrib" / "tandem").read_text(encoding="utf-8")
    unit = UNIT.read_text(encoding="utf-8")
    for place in ("/opt/tandem/.venv/bin/", "/etc/tandem/config.toml", "/etc/tandem/token"):
        assert place in unit
        assert place in script
    for variable in ("XDG_DATA_HOME=/var/lib", "XDG_CACHE_HOME=/var/cache"):
        assert variable in unit
        assert f"\n{variable}\n" in script
    assert f"runuser -u {service['User']} -- " in script
    assert f"cd /var/lib/{service['StateDirectory']} " in script
    assert f"umask {service['UMask'].removeprefix('0')}\n" in script
    done = subprocess.run(["sh", "-n", str(PROJECT / "contrib" / "tandem")], capture_output=True, text=True)
    assert done.stderr == ""


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    text = UNIT.read_text(encoding="utf-8").replace("/opt/tandem/.venv/bin/python", "/bin/true")
    (tmp_path / UNIT.name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / UNIT.name)], capture_output=True, text=True
    )
    assert "tandem.service" not in done.stderr
