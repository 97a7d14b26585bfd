"""`run`: the bot on Telegram, until it is told to stop."""

from typing import TYPE_CHECKING

import typer

from bot.cli.shared import ConfigOption, explained, load_config, start_log

if TYPE_CHECKING:
    from bot.config import Config
    from bot.model.weights import LocalWeights


def run(config: ConfigOption = None) -> None:
    """Run the bot on Telegram. Needs a token from @BotFather (telegram.token)."""
    settings = load_config(config)
    start_log(settings)
    _check_token(settings)
    serve(settings, fetch(settings))


def _check_token(settings: "Config") -> None:
    """A token that Telegram does not know ends the start here, and not behind the download of a model."""
    import asyncio

    from bot.config import ConfigError
    from bot.transport.client import check_token
    from bot.transport.errors import TokenRejected

    with explained(ConfigError, TokenRejected):
        asyncio.run(check_token(settings.telegram))


def fetch(settings: "Config") -> "LocalWeights":
    """The model, fetched on first use with a progress bar."""
    from bot.cli.model import describe, progress_bars
    from bot.model.files import WeightsError
    from bot.model.weights import ensure

    with explained(WeightsError), progress_bars() as told:
        found = ensure(settings.model.name, settings.model.dir, told)
    typer.echo(describe(found), err=True)
    return found


def serve(settings: "Config", weights: "LocalWeights") -> None:
    """Run the whole bot until SIGINT or SIGTERM."""
    import asyncio

    from bot.app import STARTUP_ERRORS, run_until_stopped

    with explained(*STARTUP_ERRORS):
        asyncio.run(run_until_stopped(settings, weights.folder))
