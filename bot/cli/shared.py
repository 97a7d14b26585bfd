"""What commands share: the configuration, the log, and errors as one line instead of a traceback."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.language import gettext as _
from bot.cli.language import told

if TYPE_CHECKING:
    from bot.config import Config

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="Configuration file; config.toml in this folder by default.")
]


def load_config(path: Path | None) -> "Config":
    """The configuration, or one line per mistake and the end."""
    from bot.config import ConfigError, load

    try:
        return load(path)
    except ConfigError as error:
        raise fail(str(error)) from None


def start_log(config: "Config") -> None:
    """Log lines to standard error, without secrets and without anybody's words."""
    from bot.transport.redaction import redact_logs

    secrets = [config.telegram.token.get_secret_value(), config.telegram.proxy.get_secret_value()]
    redact_logs(secrets)
    # It tells what it is made of as soon as it is imported.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.basicConfig(
        level=config.log.level,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)-7s %(message)s",
        datefmt="%H:%M:%S",
    )


def fail(message: str) -> typer.Exit:
    """Print one error and give the exception that ends the command."""
    typer.secho(_("error: {message}").format(message=told(message)), err=True, fg=typer.colors.RED)
    return typer.Exit(1)


@contextmanager
def explained(*errors: type[Exception]) -> Iterator[None]:
    """Turn expected errors into one line."""
    try:
        yield
    except errors as error:
        raise fail(str(error)) from None
