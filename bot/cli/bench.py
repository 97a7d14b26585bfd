"""`bench`: what a user may expect on this machine. The measuring is done in bot/bench."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.language import told
from bot.cli.run import fetch
from bot.cli.shared import ConfigOption, explained, load_config

if TYPE_CHECKING:
    from pathlib import Path

    from bot.bench.run import Plan, Progress
    from bot.config import Config


class EngineName(StrEnum):
    """What can be measured."""

    LOCAL = "local"
    EAGER = "eager"
    REFERENCE = "reference"


QUICKLY = (EngineName.LOCAL, EngineName.REFERENCE)


def bench(
    quick: Annotated[bool, typer.Option("--quick", help="One repetition: about a minute.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One object of JSON instead of a table.")] = False,
    engine: Annotated[
        list[EngineName] | None, typer.Option(help="Only this engine; may be given several times.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Measure this machine, the bot's engine compiled and (not with --quick) before that, and plain transformers."""
    import asyncio

    from bot.bench.processes import EngineFailed
    from bot.bench.run import QUICK, Plan

    settings = load_config(config)
    folder = fetch(settings).folder
    with explained(EngineFailed), progress_bar() as tell:
        plan = QUICK if quick else Plan()
        names = [name.value for name in engine or (QUICKLY if quick else EngineName)]
        found = asyncio.run(_measure(settings, folder, names, plan, tell))
    typer.echo(json.dumps(found, indent=2)) if as_json else _show(found)


async def _measure(
    settings: "Config", folder: "Path", names: "Sequence[str]", plan: "Plan", tell: "Progress"
) -> dict[str, Any]:
    from bot.bench.machine import limits
    from bot.bench.processes import own
    from bot.bench.report import report
    from bot.bench.run import run
    from bot.bench.setup import options, prompts

    tell("this machine", 0, 1)
    machine = await limits()
    given = options(settings, folder)
    measured = await run([own(name, given) for name in names], plan, *prompts(settings, folder), tell)
    return report(machine, measured, plan)


def _show(found: "Mapping[str, Any]") -> None:
    """The table, below what the machine can do at most."""
    from rich.console import Console

    from bot.bench.report import ceiling, table

    console = Console()
    console.print(ceiling(found["machine"], told), highlight=False)
    console.print(table(found, told))


@contextmanager
def progress_bar() -> "Iterator[Progress]":
    """One bar on standard error, with the words of what is being measured."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("", total=None)

        def tell(what: str, done: int, total: int) -> None:
            bars.update(task, description=told(what), completed=done, total=total)

        yield tell
