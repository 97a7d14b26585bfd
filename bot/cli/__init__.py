"""The commands. Each module imports its parts when it runs, so that `--help` answers at once."""

import typer

from . import bench, check, db, eval, model, run, sandbox

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
