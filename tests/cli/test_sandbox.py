"""`python -m bot sandbox` from nothing, and again without a network."""

import asyncio
import re
from pathlib import Path

import httpx
import psutil
import pytest

LIMIT_BYTES = 3e9
READY = "Tandem is ready"
# A network namespace of its own with nothing in it but loopback.
OFFLINE = ("unshare", "--net", "--map-root-user", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")


def address(line: str) -> str:
    found = re.search(r"http://\S+", line)
    assert found is not None
    return found[0]


def resident(process: psutil.Process) -> int:
    """Bytes that it holds now; what has just ended holds none."""
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


async def peak_until_ready(program) -> float:
    """The most memory that the process and its children held, in bytes, until it was ready."""
    root, peak = psutil.Process(program.process.pid), 0
    ready = asyncio.create_task(program.says(READY, within=600))
    while not ready.done():
        peak = max(peak, sum(map(resident, [root, *root.children(recursive=True)])))
        await asyncio.wait({ready}, timeout=0.05)
    await ready
    return peak


@pytest.mark.real_model
async def test_from_nothing_it_is_ready_within_the_memory_of_a_small_machine_and_later_without_a_network(
    launch, tmp_path: Path
) -> None:
    everything = {"TANDEM_MODEL__NAME": "", "TANDEM_MODEL__DIR": "", "TANDEM_MODEL__ENGINE": ""}
    async with launch("sandbox", "--port", "0", **everything) as program:
        peak = await peak_until_ready(program)
        page = address(await program.says(READY))
        async with httpx.AsyncClient(trust_env=False) as client:
            assert "Tandem" in (await client.get(page)).text
        assert await program.stop() == 0
    told = "\n".join(program.lines)
    assert "Apache-2.0" in told
    assert "sha256" in told
    assert (tmp_path / ".cache/tandem/models/qwen2.5-coder-0.5b-instruct/model.safetensors").exists()
    assert 0.5e9 < peak < LIMIT_BYTES, f"{peak / 1e9:.2f} GB"

    async with launch("sandbox", "--port", "0", before=OFFLINE, **everything) as program:
        await program.says(READY)
        assert await program.stop() == 0
    assert not any("downloading" in line for line in program.lines)


async def test_over_ssh_it_prints_the_command_for_a_tunnel(launch) -> None:
    async with launch(
        "sandbox", "--port", "0", SSH_CONNECTION="10.0.0.1 5000 10.0.0.2 22", USER="me"
    ) as program:
        port = address(await program.says(READY)).rstrip("/").rpartition(":")[2]
        line = await program.says("ssh -N -L")
        await program.stop()
    assert f"ssh -N -L {port}:127.0.0.1:{port} me@10.0.0.2" in line


async def test_another_host_needs_the_printed_key_which_works_once(launch) -> None:
    async with launch("sandbox", "--host", "127.0.0.2", "--port", "0") as program:
        page = address(await program.says(READY))
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(page.partition("?")[0])).status_code in (401, 403)
            assert (await client.get(page, follow_redirects=True)).status_code == 200
        async with httpx.AsyncClient(trust_env=False) as somebody_else:
            assert (await somebody_else.get(page, follow_redirects=True)).status_code in (401, 403)
        await program.stop()


async def test_a_model_is_chosen_by_its_folder(launch, tiny_model: Path) -> None:
    async with launch("sandbox", "--port", "0", "--model", str(tiny_model), TANDEM_MODEL__NAME="") as program:
        await program.says(READY)
        await program.stop()
    await program.says(str(tiny_model))


async def test_an_unknown_model_is_one_line(launch) -> None:
    async with launch("sandbox", "--port", "0", "--model", "no-such-model") as program:
        assert await program.ends() == 1
    (line,) = program.lines
    assert "no-such-model" in line
    assert "qwen2.5-coder-0.5b-instruct" in line


async def test_a_busy_port_is_one_line(launch, telegram) -> None:
    async with launch("sandbox", "--port", str(telegram.port)) as program:
        assert await program.ends() == 1
    assert str(telegram.port) in program.lines[-1]
    assert program.lines[-1].startswith("error: ")
