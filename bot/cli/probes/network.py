"""Probes of the way to Telegram and of what it says about this bot: proxy, token, privacy mode, webhook.

Nothing here shows the token, or a proxy's user and password.
"""

import asyncio
import socket
import urllib.request
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from bot.cli.probes.finding import Finding, fault

if TYPE_CHECKING:
    from telegram import User, WebhookInfo

    from bot.config import Config, Telegram

CONNECT_S = 3.0
ANSWER_S = 8.0
NOBODY = "0:nobody"
"""A token that no bot has: to see whether Telegram answers when there is none."""
TOKEN_ADVICE = "ask @BotFather for one and set TANDEM_TELEGRAM__TOKEN; `python -m bot sandbox` works without"
UNREACHABLE_ADVICE = "check the network; where Telegram is blocked, set telegram.proxy"


def telegram(settings: "Config") -> Iterator[Finding]:
    """The proxy first: whatever comes after it depends on it."""
    yield proxy(settings.telegram)
    yield from asyncio.run(_ask(settings.telegram))


def proxy(settings: "Telegram") -> Finding:
    """Is there one, and does anything listen there?"""
    source, url = _proxy_in_use(settings)
    if url is None:
        return Finding("proxy", "none")
    address = f"{url.scheme}://{url.hostname}{f':{url.port}' if url.port else ''} from {source}"
    port = url.port or {"http": 80, "https": 443}.get(url.scheme, 1080)
    try:
        socket.create_connection((url.hostname or "", port), timeout=CONNECT_S).close()
    except OSError as error:
        return fault(
            "proxy", f"{address} does not answer ({_reason(error)})", f"start it, or correct {source}"
        )
    return Finding("proxy", f"{address} listens")


def _proxy_in_use(settings: "Telegram") -> tuple[str, SplitResult | None]:
    """Where the proxy's address comes from, and the address; as the client finds it."""
    from bot.transport.client import is_loopback

    if own := settings.proxy.get_secret_value():
        return "telegram.proxy", urlsplit(own)
    target = urlsplit(settings.base_url)
    if is_loopback(settings.base_url) or urllib.request.proxy_bypass(target.hostname or ""):
        return "", None
    inherited = urllib.request.getproxies()
    for scheme in (target.scheme, "all"):
        if value := inherited.get(scheme):
            return f"the variable {scheme.upper()}_PROXY", urlsplit(
                value if "://" in value else f"http://{value}"
            )
    return "", None


async def _ask(settings: "Telegram") -> list[Finding]:
    """What Telegram says about the bot, as far as it gets."""
    from pydantic import SecretStr
    from telegram.error import InvalidToken, TelegramError

    from bot.config import ConfigError
    from bot.transport.client import make_bot

    unset: list[Finding] = []
    if not settings.token.get_secret_value():
        unset = [fault("token", "not set", TOKEN_ADVICE)]
        settings = settings.model_copy(update={"token": SecretStr(NOBODY)})
    try:
        bot = make_bot(settings)
    except ConfigError as error:
        return [fault("Telegram", str(error), "until then no call can be made")]
    reached = Finding("Telegram", f"answers at {urlsplit(settings.base_url).netloc}")
    try:
        async with asyncio.timeout(ANSWER_S):
            await bot.initialize()
            return [reached, *_about(bot.bot, await bot.get_webhook_info(), settings.inline)]
    except InvalidToken:
        return [reached, *(unset or [fault("token", "Telegram does not know it", TOKEN_ADVICE)])]
    except (TelegramError, TimeoutError) as error:
        return [fault("Telegram", f"cannot be reached ({_reason(error)})", UNREACHABLE_ADVICE), *unset]
    finally:
        await bot.shutdown()


def _about(me: "User", webhook: "WebhookInfo", inline: bool) -> Iterator[Finding]:
    yield Finding("token", f"of @{me.username}")
    if me.can_read_all_group_messages:
        yield Finding("privacy", "mode off: in groups the bot gets every message, and answers those for it")
    else:
        yield Finding(
            "privacy",
            "mode on: in groups the bot gets commands and replies to it, but perhaps no mentions",
            advice="@BotFather, /setprivacy, Disable lets mentions through; then add the bot to its groups again",
        )
    if inline and not me.supports_inline_queries:
        yield fault(
            "inline", "off at Telegram, though telegram.inline is on", "send /setinline to @BotFather"
        )
    if webhook.url:
        # The rest of such an address is often a secret.
        told = f"{urlsplit(webhook.url).hostname} takes this bot's updates"
        yield fault(
            "webhook", told, "the next start removes it; if it comes back, another program uses this token"
        )
    else:
        waiting = webhook.pending_update_count
        yield Finding("webhook", f"none; {waiting} updates wait" if waiting else "none")


def _reason(error: Exception) -> str:
    """Why a connection failed, without addresses."""
    from telegram.error import NetworkError, TelegramError

    match error:
        case NetworkError():
            return type(error.__cause__ or error).__name__
        case TelegramError():
            return error.message
        case TimeoutError():
            return "no answer in time"
        case OSError():
            return error.strerror or type(error).__name__
    return type(error).__name__
