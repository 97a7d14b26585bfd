"""The threads of the compiled engine under thousands of small loops; threads.cpp does the trying."""

import shutil
import subprocess
from pathlib import Path

import pytest

from bot.engine.native import library

SOURCE = Path(__file__).with_name("threads.cpp")


def test_every_task_runs_once_and_nobody_hangs(tmp_path):
    if shutil.which("g++") is None:
        pytest.skip("there is no compiler")
    program = tmp_path / "threads"
    flags = ("-std=c++20", "-O2", "-pthread", "-Wall", "-Wextra", "-Werror")
    subprocess.run(["g++", *flags, f"-I{library.FOLDER}", "-o", program, SOURCE], check=True)
    done = subprocess.run([program], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "right\n")
