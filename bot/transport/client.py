"""Client: the telegram.Bot of this process, its connections and its proxy.

Knows how Telegram is reached, and neither what is called nor when.
"""

import ipaddress
import json
import os
from urllib.parse import urlsplit

import httpx
from telegram import Bot
from telegram.error import EndPointNotFound, InvalidToken, TelegramError
from telegram.request import HTTPXRequest

from bot.config import ConfigError, Telegram
from bot.transport.errors import TokenRejected

# More than the 30 calls a second that Telegram allows: no call of ours waits for a connection.
CONNECTIONS = 64
CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 20.0
# A long poll lasts POLL_SECONDS when nothing happens; Telegram allows 50.
POLL_SECONDS = 30
# Shorter than servers keep idle connections (uvicorn: 5): a send must not meet one that is being closed,
# for nobody could tell whether it arrived.
KEEP_ALIVE_SECONDS = 4.0
_PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


class Request(HTTPXRequest):
    """python-telegram-bot's HTTP client, except that a broken answer is not written to the log."""

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, object]:
        try:
            parsed: dict[str, object] = json.loads(payload.decode("utf-8", "replace"))
        except ValueError:
            raise TelegramError("Invalid server response") from None
        return parsed


def make_bot(settings: Telegram) -> Bot:
    """The client of the bot that `settings` describe; nothing is called yet.

    Raises ConfigError when there is no token or when a proxy, set or inherited, cannot be used.
    """
    token = settings.token.get_secret_value()
    if not token:
        raise ConfigError(
            "telegram.token is empty: set it, or TANDEM_TELEGRAM__TOKEN, to what @BotFather gave"
        )
    # The library's own switch: without it every RetryAfter warns that it will be a timedelta one day.
    os.environ.setdefault("PTB_TIMEDELTA", "1")
    return Bot(
        token,
        base_url=settings.base_url,
        base_file_url=f"{settings.base_url.removesuffix('bot')}file/bot",
        request=_request(settings, CONNECTIONS, ANSWER_SECONDS),
        get_updates_request=_request(settings, 2, POLL_SECONDS + ANSWER_SECONDS),
    )


async def check_token(settings: Telegram) -> None:
    """Ask Telegram once whose token this is, before anything that takes long. That it does not answer is no answer.

    Raises TokenRejected, and ConfigError as make_bot does.
    """
    try:
        async with make_bot(settings):
            pass
    except (InvalidToken, EndPointNotFound):
        raise TokenRejected from None
    except TelegramError:
        return  # the intake waits for it, and says so


def _request(settings: Telegram, connections: int, read_seconds: float) -> Request:
    proxy = settings.proxy.get_secret_value() or None
    limits = httpx.Limits(max_connections=connections, keepalive_expiry=KEEP_ALIVE_SECONDS)
    try:
        return Request(
            read_timeout=read_seconds,
            write_timeout=ANSWER_SECONDS,
            connect_timeout=CONNECT_SECONDS,
            pool_timeout=CONNECT_SECONDS,
            proxy=proxy,
            httpx_kwargs={"trust_env": not is_loopback(settings.base_url), "limits": limits},
        )
    except (ValueError, httpx.InvalidURL):
        # Neither value is repeated: a proxy's address may hold its password.
        what = "telegram.proxy" if proxy else f"the environment variable {_unusable_variable()}"
        raise ConfigError(
            f"{what} does not describe a usable proxy: it must be like http://host:port or socks5://host:port"
            + ("" if proxy else "; correct it, or set telegram.proxy instead")
        ) from None


def is_loopback(url: str) -> bool:
    """Whether `url` leads to this machine, where no proxy of the environment has any business."""
    host = (urlsplit(url).hostname or "").lower()
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _unusable_variable() -> str:
    """The variable that httpx stumbled over."""
    for name in (variant for upper in _PROXY_VARIABLES for variant in (upper, upper.lower())):
        value = os.environ.get(name)
        try:
            if value:
                httpx.Proxy(value if "://" in value else f"http://{value}")
        except (ValueError, httpx.InvalidURL):
            return name
    return "NO_PROXY"
