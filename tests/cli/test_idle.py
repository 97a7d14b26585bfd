"""A bot that nobody talks to leaves the computer alone, also when it has just answered somebody."""

import asyncio
import time
from pathlib import Path

import pytest

from bot.sandbox.people import Person
from bot.sandbox.server import Running

WINDOW_S = 3.0
MOST_SHARE = 0.01


def cpu_s(pid: int) -> float:
    """What all threads of a process have computed so far: clock_getcpuclockid(3), which Python does not have."""
    return time.clock_gettime((~pid << 3) | 2)


def is_answered(person: Person) -> bool:
    """The question, its mood, and a whole answer."""
    shown = person.messages()
    return len(shown) == 3 and not any((each.text or "…").endswith(("▌", "…")) for each in shown)


async def until_quiet(pid: int) -> None:
    """Until the process does next to nothing; one that never rests lets this fail."""
    async with asyncio.timeout(60):
        before, now = -1.0, cpu_s(pid)
        while now - before > 0.01:
            await asyncio.sleep(0.5)
            before, now = now, cpu_s(pid)


@pytest.mark.skipif(not Path("/proc").exists(), reason="the clock of another process is Linux's")
async def test_a_bot_that_nobody_talks_to_takes_no_cpu(
    launch, telegram: Running, real_model_folder: Path
) -> None:
    person = telegram.person("Ann")
    async with launch(
        "run",
        TANDEM_MODEL__ENGINE="local",
        TANDEM_MODEL__NAME=str(real_model_folder),
        TANDEM_MODEL__DIR=str(real_model_folder.parent),
    ) as program:
        await program.says("ready")
        await person.say("Hello! How are you?")
        await telegram.wait_for(lambda _: is_answered(person), within=120)
        pid = program.process.pid
        await until_quiet(pid)
        began, used = time.monotonic(), cpu_s(pid)
        await asyncio.sleep(WINDOW_S)
        share = (cpu_s(pid) - used) / (time.monotonic() - began)
        assert program.process.returncode is None
        assert share < MOST_SHARE
