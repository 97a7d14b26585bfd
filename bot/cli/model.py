"""`model`: which models can be had, which are here, and getting one. Shows the progress of a fetch to everybody.

Knows how things look in a terminal; fetching is bot.model.weights.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.language import gettext as _
from bot.cli.language import rows, told
from bot.cli.shared import ConfigOption, explained, load_config

if TYPE_CHECKING:
    from bot.model.files import Progress
    from bot.model.manifest import LocalWeights

app = typer.Typer(help="The language models: what can be had, and what is here.", no_args_is_help=True)

NameArgument = Annotated[
    str | None,
    typer.Argument(
        help="A name from `model list`, a hub's org/name, a folder or a .gguf file; model.name by default."
    ),
]


@app.command("list")
def list_models(config: ConfigOption = None) -> None:
    """Show every model that has a name here, and which of them are on this machine."""
    from rich.console import Console
    from rich.table import Table

    from bot.model.catalogue import CATALOGUE
    from bot.model.files import gigabytes
    from bot.model.weights import find

    settings = load_config(config).model
    table = Table("", box=None, pad_edge=False, padding=(0, 2, 1, 0))
    table.add_column(_("Name"), no_wrap=True)
    table.add_column(_("Size"), no_wrap=True)
    table.add_column(_("Languages, licence, origin"))
    for entry in CATALOGUE.values():
        here = "✓" if find(entry, settings.dir) else ""
        size = f"{entry.parameters}\n{gigabytes(entry.disk)}"
        about = "\n".join(map(told, (entry.languages, entry.licence, entry.origin)))
        table.add_row(here, entry.name, size, about)
    console = Console()
    console.print(table)
    here = _("✓ is in {folder}.").format(folder=settings.dir)
    console.print(here, highlight=False, soft_wrap=True)
    console.print(_("A hub's org/name works as well, and a folder or a .gguf file of your own by its path."))


@app.command()
def pull(name: NameArgument = None, config: ConfigOption = None) -> None:
    """Fetch a model, unless it is here, and tell where it comes from."""
    from bot.model.files import WeightsError
    from bot.model.weights import ensure

    settings = load_config(config).model
    with explained(WeightsError), progress_bars() as tell:
        found = ensure(name or settings.name, settings.dir, tell)
    typer.echo(describe(found))


@app.command()
def path(name: NameArgument = None, config: ConfigOption = None) -> None:
    """Print the folder of a model, and nothing else; fetch it when it is missing."""
    from bot.model.files import WeightsError
    from bot.model.weights import ensure

    settings = load_config(config).model
    with explained(WeightsError), progress_bars() as tell:
        found = ensure(name or settings.name, settings.dir, tell)
    typer.echo(found.folder)


def describe(found: "LocalWeights") -> str:
    """Name, origin, licence and checksum, one to a line."""
    return rows(
        [
            (_("model"), found.name),
            (_("origin"), told(found.origin)),
            (_("licence"), told(found.licence)),
            ("sha256", found.checksum or _("not checked: a folder of your own")),
            (_("folder"), found.folder),
        ]
    )


@contextmanager
def progress_bars() -> "Iterator[Progress]":
    """A bar for each stage of a fetch, on standard error; nothing at all when there is nothing to fetch."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:12}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    stages: dict[str, TaskID] = {}
    bars = Progress(*columns, console=Console(stderr=True))

    def tell(stage: str, done: int, total: int) -> None:
        if stage not in stages:
            bars.start()
            stages[stage] = bars.add_task(told(stage), total=None)
        bars.update(stages[stage], completed=done, total=total or None)

    try:
        yield tell
    finally:
        if stages:
            bars.stop()
