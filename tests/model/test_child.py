"""A program that fetches is watched: its growth is told, its end is certain."""

import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from bot.model import child

WRITES = "import sys, time; f = open(sys.argv[1], 'w', buffering=1); f.write('x' * 1000); f.flush(); {then}"


def command(path: Path, then: str) -> list[str]:
    return [sys.executable, "-c", WRITES.format(then=then), str(path)]


def no_children_left() -> bool:
    return not psutil.Process().children()


def test_growth_is_told_and_the_exit_code_returned(tmp_path: Path) -> None:
    told: list[int] = []
    wait = "\nwhile not __import__('os').path.exists(sys.argv[1] + '.seen'): time.sleep(0.01)\nsys.exit(3)"

    def tell(size: int) -> None:
        told.append(size)
        if size == 1000:
            (tmp_path / "file.seen").touch()

    code = child.run(
        command(tmp_path / "file", wait), os.environ, tmp_path / "log", lambda: grown(tmp_path), tell
    )
    assert code == 3
    assert told == sorted(told)
    assert told[-1] == 1000


def grown(folder: Path) -> int:
    return child.size_below(folder, "file")


def test_a_stalled_program_is_ended(tmp_path: Path) -> None:
    endless = command(tmp_path / "file", "time.sleep(600)")
    began = time.monotonic()
    with pytest.raises(child.Stalled):
        child.run(
            endless, os.environ, tmp_path / "log", lambda: grown(tmp_path), lambda size: None, patience=1
        )
    assert time.monotonic() - began < 60
    assert no_children_left()


def test_giving_up_ends_the_program(tmp_path: Path) -> None:
    def give_up(size: int) -> None:
        raise KeyboardInterrupt

    endless = command(tmp_path / "file", "time.sleep(600)")
    with pytest.raises(KeyboardInterrupt):
        child.run(endless, os.environ, tmp_path / "log", lambda: 0, give_up)
    assert no_children_left()


def test_what_the_program_says_is_kept(tmp_path: Path) -> None:
    says = [sys.executable, "-c", "import sys; print('out', flush=True); print('err', file=sys.stderr)"]
    child.run(says, os.environ, tmp_path / "log", lambda: 0, lambda size: None)
    assert (tmp_path / "log").read_text().split() == ["out", "err"]
