"""`python -m bot check` as an operator sees it: a process, a local Telegram, real files."""

import asyncio
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot import app
from bot.config import Config, Database, ModelSettings, Telegram
from bot.engine.native import library
from bot.history.schema import upgrade
from bot.model import manifest
from bot.sandbox.faults import Stall
from bot.sandbox.server import Running

Start = Callable[..., Awaitable[tuple[int, str, str]]]
Check = Callable[..., Awaitable["Report"]]


@dataclass(frozen=True, slots=True)
class Report:
    """What was said, by name: the lines, and the advice below them."""

    code: int
    text: str
    lines: dict[str, str]
    advice: dict[str, str]
    faults: list[str]


def read(code: int, text: str) -> Report:
    lines: dict[str, str] = {}
    advice: dict[str, str] = {}
    faults: list[str] = []
    name = ""
    for line in text.splitlines():
        if line.startswith(("✓", "✗")):
            name = line.split()[1]
            lines[name] = f"{lines[name]}\n{line}" if name in lines else line
            faults += [name] if line.startswith("✗") else []
        else:
            advice[name] = line.partition("→ ")[2]
    assert all(advice.get(name) for name in faults), f"a fault without advice:\n{text}"
    assert code == (1 if faults else 0), text
    return Report(code, text, lines, advice, faults)


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Start:
    """Runs the command with other variables; gives its exit code, output and errors."""

    async def run(*arguments: str, **variables: str) -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", "check", *arguments),
            cwd=tmp_path,
            env=environment | variables,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await asyncio.wait_for(process.communicate(), 120)
        assert process.returncode is not None
        return process.returncode, output.decode(), errors.decode()

    return run


@pytest.fixture
def check(start: Start) -> Check:
    async def run(**variables: str) -> Report:
        code, output, errors = await start(**variables)
        assert errors == ""
        return read(code, output)

    return run


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Somebody listens there and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


@pytest.fixture
async def http_proxy(telegram: Running) -> AsyncIterator[str]:
    """The address of a proxy that leads to the local Telegram, whatever it is asked for."""

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, url, rest = (await reader.readuntil(b"\r\n")).split(b" ", 2)
        there_reader, there_writer = await asyncio.open_connection(telegram.host, telegram.port)
        # One request for each connection: only its first line is looked at.
        there_writer.write(b" ".join([method, b"/" + url.split(b"/", 3)[3], rest]) + b"Connection: close\r\n")
        await asyncio.gather(pipe(reader, there_writer), pipe(there_reader, writer))

    async def pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)
        sink.close()

    server = await asyncio.start_server(forward, "127.0.0.1", 0)
    async with server:
        yield f"http://ann:hunter2@127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_when_all_is_well(check: Check, telegram: Running, tiny_model: Path) -> None:
    found = await check()
    assert found.faults == []
    assert list(found.lines) == [
        *("CPU", "memory", "disk", "model", "database"),
        *("proxy", "Telegram", "token", "privacy", "webhook"),
    ]
    assert str(tiny_model) in found.lines["model"]
    assert f"@{telegram.world.bot.username}" in found.lines["token"]
    assert telegram.token not in found.text


async def test_a_token_that_telegram_does_not_know(check: Check) -> None:
    found = await check(TANDEM_TELEGRAM__TOKEN="123456:nobody-has-this-one")
    assert found.faults == ["token"]
    assert "@BotFather" in found.advice["token"]
    assert "nobody-has-this-one" not in found.text


async def test_no_token(check: Check) -> None:
    found = await check(TANDEM_TELEGRAM__TOKEN="")
    assert found.faults == ["token"]
    assert "not set" in found.lines["token"]
    assert "bot sandbox" in found.advice["token"]


async def test_telegram_out_of_reach(check: Check, closed_port: int) -> None:
    found = await check(TANDEM_TELEGRAM__BASE_URL=f"http://127.0.0.1:{closed_port}/bot")
    assert found.faults == ["Telegram"]
    assert "telegram.proxy" in found.advice["Telegram"]


async def test_whoever_never_answers_is_not_waited_for(
    check: Check, telegram: Running, silent_port: int
) -> None:
    telegram.sandbox.faults.order(Stall(), method="getMe")
    url = f"postgresql+asyncpg://ann:hunter2@127.0.0.1:{silent_port}/x"
    found = await asyncio.wait_for(check(TANDEM_DATABASE__URL=url), 60)
    assert found.faults == ["database", "Telegram"]
    assert "no answer" in found.lines["database"]
    assert "no answer in time" in found.lines["Telegram"]
    assert "hunter2" not in found.text


async def test_privacy_mode(check: Check, telegram: Running) -> None:
    found = await check()
    assert "mode on" in found.lines["privacy"]
    assert "/setprivacy" in found.advice["privacy"]
    telegram.world.state.privacy = "off"
    found = await check()
    assert "mode off" in found.lines["privacy"]
    assert "privacy" not in found.advice


async def test_inline_mode_needs_botfather_too(
    check: Check, environment: dict[str, str], telegram: Running
) -> None:
    environment["TANDEM_TELEGRAM__INLINE"] = "true"
    assert (await check()).faults == []
    telegram.world.state.inline = False
    found = await check()
    assert found.faults == ["inline"]
    assert "/setinline" in found.advice["inline"]


async def test_a_webhook_left_over(check: Check, telegram: Running) -> None:
    telegram.world.state.webhook_url = "https://example.org/a-secret-path"
    found = await check()
    assert found.faults == ["webhook"]
    assert "example.org" in found.lines["webhook"]
    assert "a-secret-path" not in found.text


async def test_a_proxy_that_works(check: Check, http_proxy: str) -> None:
    found = await check(
        TANDEM_TELEGRAM__PROXY=http_proxy, TANDEM_TELEGRAM__BASE_URL="http://telegram.invalid/bot"
    )
    assert found.faults == []
    assert "from telegram.proxy listens" in found.lines["proxy"]
    assert "hunter2" not in found.text


async def test_a_proxy_from_the_environment(check: Check, http_proxy: str) -> None:
    found = await check(http_proxy=http_proxy, TANDEM_TELEGRAM__BASE_URL="http://telegram.invalid/bot")
    assert found.faults == []
    assert "from the variable HTTP_PROXY listens" in found.lines["proxy"]
    assert "hunter2" not in found.text


async def test_a_proxy_from_the_environment_has_no_business_on_loopback(
    check: Check, closed_port: int
) -> None:
    found = await check(ALL_PROXY=f"http://127.0.0.1:{closed_port}")
    assert found.faults == []
    assert found.lines["proxy"].endswith("none")


async def test_a_proxy_that_is_down(check: Check, closed_port: int) -> None:
    found = await check(TANDEM_TELEGRAM__PROXY=f"socks5://ann:hunter2@127.0.0.1:{closed_port}")
    assert found.faults == ["proxy", "Telegram"]
    assert f"socks5://127.0.0.1:{closed_port}" in found.lines["proxy"]
    assert "telegram.proxy" in found.advice["proxy"]
    assert "hunter2" not in found.text


async def test_a_proxy_of_the_environment_that_nobody_can_use(check: Check) -> None:
    found = await check(
        ALL_PROXY="socks://ann:hunter2@127.0.0.1:1", TANDEM_TELEGRAM__BASE_URL="http://telegram.invalid/bot"
    )
    assert "Telegram" in found.faults
    assert "ALL_PROXY" in found.lines["Telegram"]
    assert "hunter2" not in found.text


async def test_a_model_that_is_not_here(check: Check) -> None:
    found = await check(TANDEM_MODEL__NAME="smollm2-135m")
    assert found.faults == ["model"]
    assert "bot model pull" in found.advice["model"]


async def test_a_model_that_does_not_exist(check: Check) -> None:
    found = await check(TANDEM_MODEL__NAME="smollm")
    assert found.faults == ["model"]
    assert "did you mean smollm2-135m" in found.lines["model"]


async def test_a_model_of_the_catalogue(check: Check, tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models" / "smollm2-135m"
    shutil.copytree(tiny_model, folder)
    manifest.write(
        manifest.LocalWeights(folder, "smollm2-135m", "somewhere", "Apache-2.0", "0123456789abcdef"), folder
    )
    found = await check(TANDEM_MODEL__NAME="smollm2-135m")
    assert found.faults == []
    for told in ("smollm2-135m", "somewhere", "0123456789ab"):
        assert told in found.lines["model"]
    next(folder.glob("*.safetensors")).unlink()
    assert (await check(TANDEM_MODEL__NAME="smollm2-135m")).faults == ["model"]


async def test_too_little_memory(check: Check) -> None:
    found = await check(TANDEM_MODEL__MEMORY_MB="1000000")
    assert found.faults == ["memory"]
    assert "smaller" in found.advice["memory"]


async def test_a_folder_that_cannot_be_written(check: Check, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = await check(TANDEM_MODEL__DIR=str(tmp_path / "file" / "models"))
    assert found.faults == ["disk"]
    assert "model.dir" in found.advice["disk"]


async def test_the_database(check: Check, environment: dict[str, str], tmp_path: Path) -> None:
    assert "none yet" in (await check()).lines["database"]
    await asyncio.to_thread(upgrade, environment["TANDEM_DATABASE__URL"])
    assert "sound, schema 0" in (await check()).lines["database"]
    (tmp_path / "tandem.sqlite3").write_bytes(b"nothing of the kind" * 100)
    found = await check()
    assert found.faults == ["database"]
    assert "database.url" in found.advice["database"]


async def test_a_database_server_that_is_down(check: Check, closed_port: int) -> None:
    found = await check(TANDEM_DATABASE__URL=f"postgresql+asyncpg://ann:hunter2@127.0.0.1:{closed_port}/x")
    assert found.faults == ["database"]
    assert "cannot be reached" in found.lines["database"]
    assert "hunter2" not in found.text


async def test_the_engine_is_compiled_by_the_first_start(check: Check) -> None:
    found = await check(TANDEM_MODEL__ENGINE="local")
    assert found.faults == []
    assert "the first start compiles the engine" in found.lines["CPU"]
    assert "until then torch with" in found.lines["CPU"]
    found = await check(TANDEM_MODEL__ENGINE="local", TANDEM_MODEL__WEIGHTS="native")
    assert "the first start waits until" in found.lines["CPU"]


async def test_the_compiled_engine(check: Check, tmp_path: Path) -> None:
    cache = Path(tempfile.gettempdir()) / "tandem"  # LocalModel's own default: compiled once for all tests
    library.load(cache)
    shutil.copytree(cache, tmp_path / "models" / "native")
    found = await check(TANDEM_MODEL__ENGINE="local")
    assert found.faults == []
    assert "compiled for this CPU" in found.lines["CPU"]
    assert "self-test passed" in found.lines["CPU"]


async def test_a_machine_without_a_compiler_is_well_and_gets_a_hint(check: Check) -> None:
    found = await check(TANDEM_MODEL__ENGINE="local", PATH="")
    assert found.faults == []
    assert "torch with" in found.lines["CPU"]
    assert "install g++" in found.advice["CPU"]


async def test_a_cpu_path_that_was_insisted_on(check: Check) -> None:
    found = await check(TANDEM_MODEL__ENGINE="local", TANDEM_MODEL__WEIGHTS="native", PATH="")
    assert found.faults == ["CPU"]
    assert 'set it to "auto"' in found.advice["CPU"]


async def test_a_wrong_configuration_ends_it(start: Start) -> None:
    code, output, errors = await start(TANDEM_MODEL__CONTEXT="many")
    assert (code, output) == (1, "")
    assert errors.startswith("error: model.context = 'many'")


async def test_quick_without_a_bot(start: Start, tmp_path: Path) -> None:
    code, _, errors = await start("--quick")
    assert code == 1
    assert errors.startswith("error: no bot is running")
    heartbeat = tmp_path / "tandem.heartbeat"
    heartbeat.touch()
    assert (await start("--quick"))[0] == 0
    os.utime(heartbeat, (0, 0))
    code, _, errors = await start("--quick")
    assert code == 1
    assert "no sign of life" in errors


async def test_quick_beside_a_running_bot(
    start: Start, telegram: Running, environment: dict[str, str], tiny_model: Path
) -> None:
    config = Config(
        telegram=Telegram(token=telegram.token, base_url=telegram.base_url),
        database=Database(url=environment["TANDEM_DATABASE__URL"]),
        model=ModelSettings(context=2048, threads=1, weights="fp32"),
    )
    async with app.running(config, tiny_model):
        while not config.heartbeat_file.exists():  # noqa: ASYNC110  # the disk tells nobody
            await asyncio.sleep(0)
        code, output, _ = await start("--quick")
        assert code == 0
        assert output.startswith("well")
    assert (await start("--quick"))[0] == 1
