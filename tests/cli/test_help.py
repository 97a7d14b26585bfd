"""The help answers at once: no command imports the parts that it is about before it is called."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from bot.cli import app

HEAVY = {"torch", "transformers", "telegram", "sqlalchemy", "numpy", "uvicorn", "starlette", "tokenizers"}
# python -X importtime: "import time:       123 |        456 |   package.module"
IMPORTED = re.compile(r"^import time:.*\| +([\w.]+)$", re.MULTILINE)


def commands() -> list[tuple[str, ...]]:
    """Every command and group of commands, as it is typed."""

    def below(group: TyperGroup, path: tuple[str, ...]) -> list[tuple[str, ...]]:
        found = [path]
        for name, command in group.commands.items():
            found += below(command, (*path, name)) if isinstance(command, TyperGroup) else [(*path, name)]
        return found

    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    return below(root, ())


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_help_works_and_imports_nothing_heavy(command: tuple[str, ...], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "bot", *command, "--help"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "Usage: " in done.stdout
    packages = {name.split(".")[0] for name in IMPORTED.findall(done.stderr)}
    assert "typer" in packages
    assert not packages & HEAVY


def test_every_command_says_what_it_does() -> None:
    def helps(group: TyperGroup) -> dict[str, str | None]:
        found = {name: command.help for name, command in group.commands.items()}
        for command in group.commands.values():
            found |= helps(command) if isinstance(command, TyperGroup) else {}
        return found

    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    told = helps(root)
    assert {"sandbox", "run", "check", "model", "pull", "list", "db", "backup", "restore"} <= set(told)
    assert all(told.values())


def test_without_a_command_the_help_is_shown(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bot"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert "Usage: " in done.stdout + done.stderr
    assert "sandbox" in done.stdout + done.stderr


def test_a_command_that_does_not_exist(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bot", "dance"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "dance" in done.stderr
    assert "Traceback" not in done.stderr
