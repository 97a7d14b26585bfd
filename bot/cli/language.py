"""The command line in the language of whoever calls it: its own words, Typer's, and those that other parts say.

`gettext` is for sentences that are written here, `told` for finished ones (see bot.locales.terminal).
"""

import os
from collections.abc import Callable, Sequence
from functools import wraps
from inspect import cleandoc
from typing import TYPE_CHECKING, Any

import typer

from bot.locales import translation
from bot.locales.terminal import language_from, sentence

if TYPE_CHECKING:
    from typer._click.core import Command

TITLES = (
    "ARGUMENTS_PANEL_TITLE",
    "COMMANDS_PANEL_TITLE",
    "OPTIONS_PANEL_TITLE",
    "ERRORS_PANEL_TITLE",
    "ABORTED_TEXT",
    "DEFAULT_STRING",
    "REQUIRED_LONG_STRING",
    "RICH_HELP",
)
"""Words that typer.rich_utils holds as constants."""


def gettext(text: str) -> str:
    """One of our own sentences, before its values are put in."""
    return translation(_language(), "cli").gettext(text)


def told(text: str) -> str:
    """A finished sentence of another part or of a library."""
    language = _language()
    return text if language == "en" else sentence(text, language)


def rows(pairs: Sequence[tuple[str, object]]) -> str:
    """Names with their values, one to a line and in two columns."""
    from rich.cells import cell_len

    width = max(cell_len(name) for name, _ in pairs) + 2
    return "\n".join(f"{name}{' ' * (width - cell_len(name))}{value}" for name, value in pairs)


def _language() -> str:
    return language_from(os.environ)


def localised(command: "Command") -> "Command":
    """The same command and all below it, with help and errors in the caller's language."""
    if _language() == "en":
        return command
    from typer import rich_utils

    for title in TITLES:
        setattr(rich_utils, title, gettext(getattr(rich_utils, title)))
    for call in ("make_context", "invoke"):
        setattr(command, call, _explaining(getattr(command, call)))
    _translate(command)
    return command


def _translate(command: "Command") -> None:
    """What the help of a command shows, and of every command below it."""
    command.help = command.help and gettext(cleandoc(command.help))
    command.options_metavar = command.options_metavar and gettext(command.options_metavar)
    usage = command.get_usage
    setattr(command, "get_usage", lambda context: usage(context).replace("Usage:", gettext("Usage:"), 1))  # noqa: B010
    for parameter in (*command.params, command.get_help_option(typer.Context(command))):
        if text := getattr(parameter, "help", None):
            setattr(parameter, "help", gettext(text))  # noqa: B010
    for below in getattr(command, "commands", {}).values():
        _translate(below)


def _explaining(call: Callable[..., Any]) -> Callable[..., Any]:
    """`call`, except that the errors of Typer that leave it speak the caller's language."""

    @wraps(call)
    def explained(*arguments: Any, **named: Any) -> Any:
        try:
            return call(*arguments, **named)
        except Exception as error:
            if words := getattr(error, "format_message", None):
                message = told(words())
                setattr(error, "format_message", lambda: message)  # noqa: B010
            raise

    return explained
