"""`db`: copies of the database and its health. Knows how things look in a terminal; bot/history does the work."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.language import gettext as _
from bot.cli.language import rows, told
from bot.cli.shared import ConfigOption, explained, load_config

if TYPE_CHECKING:
    from bot.history.examine import Examination

app = typer.Typer(help="The database: back it up, restore it, check it.", no_args_is_help=True)


@app.command()
def backup(
    target: Annotated[
        Path | None,
        typer.Argument(help="The copy to make; by default one beside the database, named by time."),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Copy the database. The bot may be running."""
    from bot.history.backup import backup as make
    from bot.history.errors import DatabaseError

    with explained(DatabaseError):
        copy = make(load_config(config).database.url, target)
    typer.echo(rows([(_("backup"), copy)]))


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="A copy that `db backup` made.")],
    config: ConfigOption = None,
) -> None:
    """Put a copy in the place of the database, which is kept aside. Stop the bot first."""
    from bot.history.errors import DatabaseError
    from bot.history.restore import restore as put_back

    with explained(DatabaseError):
        replaced = put_back(load_config(config).database.url, source)
    kept = [(_("replaced"), _("kept as {file}").format(file=replaced))] if replaced else []
    typer.echo(rows([(_("restored"), source), *kept]))


@app.command()
def check(config: ConfigOption = None) -> None:
    """Look the database over: is it sound, of which version, how full. The bot may be running."""
    from bot.history.errors import DatabaseError
    from bot.history.examine import examine

    with explained(DatabaseError):
        found = examine(load_config(config).database.url)
    typer.echo(rows(_lines(found)))
    if found.problems:
        raise typer.Exit(1)


def _lines(found: "Examination") -> list[tuple[str, str]]:
    schema = found.revision
    if found.revision != found.head:
        schema = _("{schema} (the next start makes it {newest})").format(schema=schema, newest=found.head)
    waiting = _("{updates} updates, {answers} answers").format(
        updates=found.waiting_updates, answers=found.undelivered_turns
    )
    return [
        (_("database"), found.database),
        *([(_("size"), f"{found.size / 1e6:.1f} MB")] if found.size is not None else []),
        (_("schema"), schema),
        *((_("rows"), f"{count} {name}") for name, count in found.rows.items()),
        (_("waiting"), waiting),
        *((_("problem"), told(problem)) for problem in found.problems),
        *([] if found.problems else [(_("sound"), _("no problems found"))]),
    ]
