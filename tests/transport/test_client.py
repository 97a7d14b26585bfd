"""Telegram is reached as configured, whatever the environment says; nothing secret is told."""

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from pydantic import SecretStr

from bot.config import ConfigError, Telegram
from bot.sandbox.server import Running
from bot.transport.client import is_loopback, make_bot

OpenProxy = Callable[[str], AbstractAsyncContextManager[Any]]
CALL = """
import asyncio, sys
from pydantic import SecretStr
from bot.config import Telegram
from bot.transport.client import make_bot

async def main():
    async with make_bot(Telegram(base_url=sys.argv[1], token=SecretStr(sys.argv[2]))) as bot:
        await bot.do_api_request("get_Updates")
        print((await bot.get_me()).username)

asyncio.run(main())
"""


@pytest.fixture(autouse=True)
def _no_inherited_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    "broken", ["socks://127.0.0.1:1", "socks5://127.0.0.1:1", "nonsense://", "http://[::1"]
)
async def test_the_sandbox_is_reached_whatever_proxies_the_environment_names(
    telegram: Running, open_proxy: OpenProxy, broken: str
) -> None:
    async with open_proxy("http") as proxy:
        environment = os.environ | {
            "HTTP_PROXY": proxy.url,
            "http_proxy": proxy.url,
            "HTTPS_PROXY": proxy.url,
        }
        environment |= {"ALL_PROXY": broken, "all_proxy": broken, "NO_PROXY": "[::1]"}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", CALL, telegram.base_url, telegram.token),
            env=environment,
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
    assert output.decode().strip() == telegram.world.bot.username
    assert proxy.targets == []


@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
async def test_a_configured_proxy_serves_every_call(
    telegram: Running, open_proxy: OpenProxy, scheme: str
) -> None:
    async with open_proxy(scheme) as proxy:
        through = Telegram(
            token=SecretStr(telegram.token), base_url=telegram.base_url, proxy=SecretStr(proxy.url)
        )
        async with make_bot(through) as bot:
            await bot.do_api_request("get_Updates")
    # One connection for calls and one for the poll.
    assert proxy.targets == [f"127.0.0.1:{telegram.port}"] * 2


async def test_proxies_of_the_environment_serve_when_telegram_is_far(
    open_proxy: OpenProxy, monkeypatch: pytest.MonkeyPatch, telegram: Running
) -> None:
    async with open_proxy("http") as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        # Another name of this machine, which is_loopback does not know for one.
        far = f"http://0.0.0.0:{telegram.port}/bot"
        async with make_bot(Telegram(token=SecretStr(telegram.token), base_url=far)) as bot:
            assert bot.username == telegram.world.bot.username
    assert proxy.targets == [f"0.0.0.0:{telegram.port}"]


@pytest.mark.parametrize("name", ["ALL_PROXY", "https_proxy"])
@pytest.mark.parametrize("value", ["socks://user:hunter2@host:1", "http://[::1"])
def test_an_unusable_proxy_of_the_environment_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=rf"environment variable {name}.*telegram\.proxy") as refused:
        make_bot(Telegram(token=SecretStr("1:a")))
    assert "hunter2" not in str(refused.value)


def test_an_unusable_configured_proxy_is_named() -> None:
    with pytest.raises(ConfigError, match=r"telegram\.proxy"):
        make_bot(Telegram(token=SecretStr("1:a"), proxy=SecretStr("http://[::1")))


def test_without_a_token_it_says_what_to_do() -> None:
    with pytest.raises(ConfigError, match="TANDEM_TELEGRAM__TOKEN"):
        make_bot(Telegram())


@pytest.mark.parametrize(
    ("url", "near"),
    [
        ("http://127.0.0.1:8081/bot", True),
        ("http://[::1]:8081/bot", True),
        ("http://localhost/bot", True),
        ("https://api.telegram.org/bot", False),
        ("http://localhost.example.org/bot", False),
        ("http://10.0.0.1/bot", False),
    ],
)
def test_what_counts_as_this_machine(url: str, near: bool) -> None:
    assert is_loopback(url) is near
