"""CPUs with fewer instructions: a format that computes wrong there is not taken, and the engine is right anyhow."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

# In a process of its own, for oneDNN asks once which instructions there are.
PROGRAM = """
import json, torch
from bot.engine import linear
print(json.dumps({name: linear.self_test(product) for name, product in linear.FORMATS.items()}))
"""


def self_tests(most: str) -> dict[str, float]:
    """The error of every format where oneDNN may use no more than `most`."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "ONEDNN_MAX_CPU_ISA": most},
        capture_output=True,
        text=True,
        check=True,
    )
    errors: dict[str, float] = json.loads(done.stdout)
    return errors


@pytest.mark.parametrize("most", ["AVX2", "AVX512_CORE"])
def test_without_vnni_the_saturating_product_is_refused_and_the_others_are_right(most: str) -> None:
    errors = self_tests(most)
    assert errors["int8"] > 0.1
    assert all(errors[name] < 0.01 for name in ("int8-bf16", "bf16", "fp32"))


@pytest.mark.parametrize("most", ["AVX2", "AVX512_CORE"])
def test_the_engine_keeps_its_promises_there(most: str) -> None:
    """Its own tests once more, without those of the compiled library, which oneDNN has no part in."""
    files = ("engine/test_torch.py", "engine/test_loop.py", "engine/test_guess.py", "model/test_local.py")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", "-k", "not native"),
            *(str(TESTS / file) for file in files),
        ],
        cwd=TESTS.parent,
        env={**os.environ, "ONEDNN_MAX_CPU_ISA": most},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert " passed" in done.stdout


def test_with_vnni_every_format_is_right() -> None:
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        if "vnni" not in file.read():
            pytest.skip("this CPU has no VNNI")
    assert all(error < 0.01 for error in self_tests("ALL").values())
