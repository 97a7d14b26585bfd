"""`check`: what works, what does not, and how to mend it. The looking is done in probes/."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.language import gettext as _
from bot.cli.language import told
from bot.cli.shared import ConfigOption, fail, load_config

if TYPE_CHECKING:
    from bot.cli.probes.finding import Finding
    from bot.config import Config

    Probe = Callable[[Config], Iterator[Finding]]

PATIENCE_S = 15.0
"""After so long no probe is waited for; they all run at the same time."""


def check(
    quick: Annotated[
        bool, typer.Option("--quick", help="Only whether the running bot is well (for Docker).")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Look at this machine, the model, the database and Telegram, and say what needs mending."""
    settings = load_config(config)
    if quick:
        _check_heartbeat(settings)
        return
    all_well = True
    for finding in _findings(settings):
        _print(finding)
        all_well = all_well and finding.ok
    if not all_well:
        raise typer.Exit(1)


def _check_heartbeat(settings: "Config") -> None:
    from bot.observe.heartbeat import STALE_S, age_s

    age = age_s(settings.heartbeat_file)
    if age is None:
        raise fail(f"no bot is running on this database ({settings.heartbeat_file} is missing)")
    if age > STALE_S:
        raise fail(f"the bot gave no sign of life for {age:.0f} s: see its log, or start it again")
    typer.echo(_("well {seconds:.0f} s ago").format(seconds=age))


def _findings(settings: "Config") -> "Iterator[Finding]":
    """In their order, each as soon as it is there."""
    from bot.cli.probes import machine, network, storage
    from bot.cli.probes.finding import fault

    deadline = time.monotonic() + PATIENCE_S
    running = {
        name: _Running(probe, settings)
        for name, probe in {
            "CPU": machine.cpu,
            "memory": machine.memory,
            "disk": storage.disk,
            "model": storage.model,
            "database": storage.database,
            "Telegram": network.telegram,
        }.items()
    }
    for name, probe in running.items():
        probe.join(max(0.0, deadline - time.monotonic()))
        if probe.is_alive():
            yield fault(name, f"no answer within {PATIENCE_S:.0f} s", "see whether the machine is overloaded")
        elif probe.error:
            yield fault(name, f"looking at it failed with {probe.error}", "that is Tandem's fault: report it")
        else:
            yield from probe.found


class _Running(threading.Thread):
    """A probe under way. A daemon: what hangs does not keep the command from ending."""

    def __init__(self, probe: "Probe", settings: "Config") -> None:
        super().__init__(daemon=True)
        self.found: list[Finding] = []
        self.error = ""
        self._probe = probe
        self._settings = settings
        self.start()

    def run(self) -> None:
        try:
            self.found = list(self._probe(self._settings))
        except Exception as error:
            self.error = type(error).__name__  # its words may hold a secret


def _print(finding: "Finding") -> None:
    from rich.cells import set_cell_size

    mark, color = ("✓", typer.colors.GREEN) if finding.ok else ("✗", typer.colors.RED)
    typer.secho(f"{mark} {set_cell_size(told(finding.name), 9)} ", fg=color, nl=False)
    typer.echo(told(finding.told))
    if finding.advice:
        typer.echo(f"{'':<12}→ {told(finding.advice)}")
