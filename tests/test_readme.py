"""The documents say what is true: links lead somewhere, every command is told, the model is the one that comes."""

import re
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from bot.cli import app
from bot.handlers.menu import commands
from bot.model.catalogue import DEFAULT, Wheels

PROJECT = Path(__file__).parents[1]
READMES = ["README.md", "README.zh-CN.md"]
DOCUMENTS = [*READMES, "CHANGELOG.md", *(f"docs/{path.name}" for path in (PROJECT / "docs").glob("*.md"))]


def text(document: str) -> str:
    return (PROJECT / document).read_text(encoding="utf-8")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_to_files(document: str) -> None:
    targets = re.findall(r"\[[^\]]*\]\(([^)#]+)", text(document))
    folder = (PROJECT / document).parent
    local = [target for target in targets if not target.startswith(("http://", "https://"))]
    assert [target for target in local if not (folder / target).exists()] == []


def test_pictures_are_small() -> None:
    assert [path.name for path in (PROJECT / "docs/images").iterdir() if path.stat().st_size > 200_000] == []


@pytest.mark.parametrize("readme", READMES)
def test_every_command_is_told(readme: str) -> None:
    told = text(readme)
    assert [name for name, _, _ in commands(str) if f"`/{name}`" not in told] == []
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    names = [
        f"{name} {below}" if isinstance(command, TyperGroup) else name
        for name, command in root.commands.items()
        for below in (command.commands if isinstance(command, TyperGroup) else [""])
    ]
    assert [name for name in names if f"`{name}`" not in told] == []


@pytest.mark.parametrize("readme", READMES)
def test_the_model_is_named_with_licence_and_checksum(readme: str) -> None:
    source = DEFAULT.source
    assert isinstance(source, Wheels)
    first, last = source.parts[0], source.parts[-1]
    for fact in (
        DEFAULT.licence,
        source.sha256,
        first.package,
        first.version,
        last.package.rpartition("-")[2],
    ):
        assert fact in text(readme)


@pytest.mark.parametrize("readme", READMES)
def test_the_commands_of_make_exist(readme: str) -> None:
    targets = set(re.findall(r"^(\w[\w-]*):", text("Makefile"), re.MULTILINE))
    told = set(re.findall(r"^make ([a-z-]+)", text(readme), re.MULTILINE))
    assert {"sandbox", "test"} <= told <= targets
