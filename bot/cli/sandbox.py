"""`sandbox`: the bot and a local Telegram in one process, to be tried in a browser."""

import asyncio
import os
import secrets
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.language import gettext as _
from bot.cli.run import fetch
from bot.cli.shared import ConfigOption, explained, load_config, start_log

if TYPE_CHECKING:
    from pathlib import Path

    from bot.config import Config

LOOPBACK = "127.0.0.1"


def sandbox(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = LOOPBACK,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page.")] = 7860,
    model: Annotated[str | None, typer.Option(help="Name, folder or .gguf file of the model.")] = None,
    config: ConfigOption = None,
) -> None:
    """Try the bot in a browser: no Telegram account, no token, nothing leaves this machine."""
    from bot.app import STARTUP_ERRORS
    from bot.sandbox.server import SandboxError

    settings = load_config(config)
    if model is not None:
        settings = settings.model_copy(update={"model": settings.model.model_copy(update={"name": model})})
    start_log(settings)
    weights = fetch(settings)
    with explained(SandboxError, *STARTUP_ERRORS):
        asyncio.run(_serve(settings, weights.folder, host, port))


async def _serve(settings: "Config", folder: "Path", host: str, port: int) -> None:
    from bot.app import running, stop_signals, unwatched
    from bot.cli.hood import Hood, names_of
    from bot.config import Database, Telegram, data_home
    from bot.sandbox.server import Sandbox, serve

    key = None if host == LOOPBACK else secrets.token_urlsafe(16)
    hood = Hood(folder, names_of(settings))
    # What people wrote is shown again under the hood: on this machine only.
    app, watched = (hood.app, hood.watch) if key is None else (None, unwatched)
    local = Sandbox(state_file=data_home() / "sandbox.json", hood=app)
    async with serve(local, host=host, port=port, key=key) as telegram:
        admin = telegram.person("Ann").user.id
        settings = settings.model_copy(
            update={
                "telegram": Telegram(
                    token=telegram.token, base_url=telegram.base_url, admins=(admin,), inline=True
                ),
                "database": Database(url=f"sqlite+aiosqlite:///{data_home() / 'sandbox.sqlite3'}"),
            }
        )
        async with hood.opened(telegram.world), running(settings, folder, watched=watched):
            stop = stop_signals()
            _announce(telegram.url, key, telegram.port)
            await stop.wait()


def _announce(url: str, key: str | None, port: int) -> None:
    """The address, and how to reach it from elsewhere."""
    ready = _("Tandem is ready:  {address}").format(address=f"{url}{f'?key={key}' if key else ''}")
    typer.secho(f"\n  {ready}\n", fg=typer.colors.GREEN, bold=True)
    if key:
        typer.echo(f"  {_('The key works once, for the first browser that opens this address.')}")
    elif "SSH_CONNECTION" in os.environ:
        user, server = os.environ.get("USER", "user"), os.environ["SSH_CONNECTION"].split()[2]
        tunnel = f"ssh -N -L {port}:{LOOPBACK}:{port} {user}@{server}"
        here = _("You are here over SSH. On your own computer:  {command}").format(command=tunnel)
        typer.echo(f"  {here}\n")
    typer.echo(f"  {_('Ctrl+C stops it.')}")
