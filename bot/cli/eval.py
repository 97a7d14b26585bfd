"""`eval`: how well the model does its tasks, measured on labelled texts."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.language import gettext as _
from bot.cli.language import rows as aligned
from bot.cli.shared import ConfigOption, explained, fail, load_config

if TYPE_CHECKING:
    from bot.config import Config
    from bot.definitions import Classification
    from bot.evaluation.metrics import Figures, Means
    from bot.evaluation.rows import Row
    from bot.evaluation.sentiment import Result, Told

app = typer.Typer(help="How well the model does its tasks, measured on labelled texts.", no_args_is_help=True)

DataArgument = Annotated[Path, typer.Argument(help='JSON Lines: {"text": …, "label": …, "set": …}')]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


@app.command()
def sentiment(data: DataArgument, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Judge the mood of labelled texts, beside baselines: the majority, plain scoring, the article's raw prompt.

    Labels are positive, negative and neutral; a set without neutral rows is judged as positive or negative. Figures
    are by set, and the mean over sets. SnowNLP is one of the baselines where it is installed.
    """
    import asyncio

    from bot.cli.run import fetch
    from bot.evaluation.rows import DataError, read

    settings = load_config(config)
    with explained(DataError):
        rows = read(data, ("positive", "negative", "neutral"))
    weights = fetch(settings)
    with progress(_("judging"), len(rows)) as told:
        results = asyncio.run(_judge(settings, weights.folder, rows, told))
    _tell(results, as_json)


@app.command()
def task(
    name: Annotated[str, typer.Argument(help="A classification of the configuration, like intent.")],
    data: DataArgument,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Let one of the [tasks] judge labelled texts, beside the majority. Labels are the task's own words."""
    import asyncio

    from bot.cli.run import fetch
    from bot.definitions import Classification
    from bot.evaluation.rows import DataError, read

    settings = load_config(config)
    known = {each: one for each, one in settings.enabled_tasks.items() if isinstance(one, Classification)}
    if name not in known:
        refusal = _("'{name}' is no classification of the configuration: they are {names}")
        raise fail(refusal.format(name=name, names=", ".join(known) or _("none")))
    with explained(DataError):
        rows = read(data, tuple(known[name].labels))
    weights = fetch(settings)
    with progress(_("judging"), len(rows)) as told:
        results = asyncio.run(_judge_task(settings, weights.folder, name, known[name], rows, told))
    _tell(results, as_json)


@app.command()
def feedback(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """How far verdicts agree with the people who wrote the messages, as far as they said so with /sentiment."""
    import json
    from dataclasses import asdict

    from bot.evaluation.metrics import Outcome, figures
    from bot.history.errors import DatabaseError
    from bot.history.opinions import read_opinions

    with explained(DatabaseError):
        found = read_opinions(load_config(config).database.url)
    outcomes = [Outcome(one.correction, one.verdict, one.probability) for one in found.corrections]
    agreement = figures(outcomes) if outcomes else None
    if as_json:
        own = asdict(agreement) if agreement else {"rows": 0}
        typer.echo(json.dumps({"judged": found.judged, **own}, indent=2))
        return
    judged = (_("judged"), _("{count} messages").format(count=found.judged))
    if agreement is None:
        none = _("none yet: people reply to a verdict with /sentiment and what is right")
        typer.echo(aligned([judged, (_("opinions"), none)]))
        return
    names = (_("agreement"), _("balanced"), "macro-F1", "ECE")
    shown = ", ".join(f"{name} {value}" for name, value in zip(names, _percents(agreement), strict=True))
    opinions = (_("opinions"), f"{agreement.rows}: {shown}")
    typer.echo(aligned([judged, opinions, (_("confusion"), _confusion(agreement.confusion))]))


async def _judge(settings: "Config", folder: Path, rows: "list[Row]", told: "Told") -> "dict[str, Result]":
    from bot.app import open_model
    from bot.dispatch import make_sentiment
    from bot.evaluation.judges import Bot, baselines
    from bot.evaluation.sentiment import evaluate

    async with await open_model(settings.model, folder) as model:
        sentiment = make_sentiment(settings.sentiment, model)
        judges = {"model": Bot(sentiment), **baselines(model, settings.sentiment.prompt, sentiment.labels)}
        return await evaluate(rows, judges, told)


async def _judge_task(
    settings: "Config", folder: Path, name: str, task: "Classification", rows: "list[Row]", told: "Told"
) -> "dict[str, Result]":
    from bot.app import open_model
    from bot.evaluation.tasks import evaluate_task
    from bot.tasks.custom import Classifier

    async with await open_model(settings.model, folder) as model:
        return await evaluate_task(rows, Classifier(model, name, task).classify, told)


@contextmanager
def progress(what: str, total: int) -> "Iterator[Told]":
    """A bar on standard error, with what is done in a second; called with the number of texts that are done."""
    import time

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bars:
        bar, began = bars.add_task("", total=total), time.perf_counter()

        def told(done: int) -> None:
            speed = done / (time.perf_counter() - began)
            bars.update(bar, completed=done, description=_("{speed:.1f} texts/s").format(speed=speed))

        yield told


def _tell(results: "dict[str, Result]", as_json: bool) -> None:
    import json

    if not as_json:
        _show(results)
        return
    own = results.pop("model").as_json()
    told_apart = {name: result.as_json() for name, result in results.items()}
    typer.echo(json.dumps({"model": own, "baselines": told_apart}, ensure_ascii=False, indent=2))


def _show(results: "Mapping[str, Result]") -> None:
    from rich.console import Console
    from rich.table import Table

    from bot.evaluation.metrics import means

    table = Table(_("who"), _("set"), box=None, pad_edge=False)
    confusion = _("confusion (truth → found)")
    for name in (_("accuracy"), _("balanced"), "macro-F1", "ECE", _("ms/text"), confusion):
        table.add_column(name, justify="left" if "→" in name else "right")
    for who, result in results.items():
        mean = means(result.sets.values())
        table.add_row(who, _("mean"), *_percents(mean), f"{result.ms_per_text:.1f}", style="bold")
        for name, one in result.sets.items():
            table.add_row("", f"{name} ({one.rows})", *_percents(one), "", _confusion(one.confusion))
    Console().print(table)


def _percents(one: "Means | Figures") -> list[str]:
    return [f"{value:.1%}" for value in (one.accuracy, one.balanced_accuracy, one.macro_f1, one.ece)]


def _confusion(counts: "Mapping[str, Mapping[str, int]]") -> str:
    """`negative → negative 140, positive 10; …`"""
    return "; ".join(
        f"{truth} → " + ", ".join(f"{found} {count}" for found, count in row.items() if count)
        for truth, row in counts.items()
    )
