"""`db`: copies of the database and its health. Knows how things look in a terminal; bot/history does the work."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
    typer.echo(f"backup  {copy}")


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
    typer.echo(f"restored  {source}")
    if replaced:
        typer.echo(f"replaced  kept as {replaced}")


@app.command()
def check(config: ConfigOption = None) -> None:
    """Look the database over: is it sound, of which version, how full. The bot may be running."""
    from bot.history.errors import DatabaseError
    from bot.history.examine import examine

    with explained(DatabaseError):
        found = examine(load_config(config).database.url)
    typer.echo("\n".join(_lines(found)))
    if found.problems:
        raise typer.Exit(1)


def _lines(found: "Examination") -> list[str]:
    older = f" (the next start makes it {found.head})" if found.revision != found.head else ""
    return [
        f"database  {found.database}",
        *([f"size      {found.size / 1e6:.1f} MB"] if found.size is not None else []),
        f"schema    {found.revision}{older}",
        *(f"rows      {count} {name}" for name, count in found.rows.items()),
        f"waiting   {found.waiting_updates} updates, {found.undelivered_turns} answers",
        *(f"problem   {problem}" for problem in found.problems),
        *([] if found.problems else ["sound     no problems found"]),
    ]
