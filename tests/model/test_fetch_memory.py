"""The default model comes from nothing within the memory of a small machine."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

LIMIT = 1.5e9  # the whole start may take 3 GB; the fetch is only its beginning


def resident(process: psutil.Process) -> int:
    """Bytes that the process and its children hold now; what has just ended holds none."""
    total = 0
    try:
        for one in [process, *process.children(recursive=True)]:
            total += one.memory_info().rss
    except psutil.NoSuchProcess:
        return total
    return total


@pytest.mark.real_model
def test_the_default_model_comes_within_the_memory_of_a_small_machine(tmp_path: Path) -> None:
    program = (
        "from pathlib import Path; from bot.model.catalogue import DEFAULT; from bot.model.weights import ensure;"
        f"ensure(DEFAULT.name, Path({str(tmp_path)!r}))"
    )
    process = psutil.Popen([sys.executable, "-c", program], stdout=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        peak = max(peak, resident(process))
        try:
            process.wait(timeout=0.05)
        except psutil.TimeoutExpired:
            continue
    assert process.returncode == 0
    assert (tmp_path / "qwen2.5-coder-0.5b-instruct" / "model.safetensors").stat().st_size > 1e9
    assert 0.3e9 < peak < LIMIT, f"{peak / 1e9:.2f} GB"
