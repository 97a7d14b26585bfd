"""The commands. Each module imports its parts when it runs, so that `--help` answers at once."""

from typing import TYPE_CHECKING

import typer
from typer.main import get_command

from . import bench, check, db, eval, language, model, run, sandbox

if TYPE_CHECKING:
    from typer._click.core import Command

app = typer.Typer(
    name="tandem",
    help="One small language model on a CPU reads the mood of every Telegram message and answers it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("sandbox")(sandbox.sandbox)
app.command("run")(run.run)
app.command("bench")(bench.bench)
app.command("check")(check.check)
app.add_typer(model.app, name="model")
app.add_typer(db.app, name="db")
app.add_typer(eval.app, name="eval")


def command() -> "Command":
    """All of it, ready to be called, in the language of the environment."""
    return language.localised(get_command(app))
