"""Who imports whom, held over the syntax trees of all modules: each package knows only what is below it."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import bot

FOLDER = Path(bot.__file__).parent

# Leaves: they know nothing of the rest, and everybody above the model may know them.
LEAVES = ("bot.config", "bot.conversation", "bot.definitions", "bot.locales", "bot.personas")
BELOW_HANDLERS = ("bot.tasks", "bot.transport", "bot.history", "bot.observe")

# What each part may import besides itself. A name stands for the module and for what is in it.
MAY_IMPORT = {
    "bot.__main__": ("bot.cli",),
    "bot.cli": ("bot",),
    "bot.app": ("bot.dispatch", "bot.handlers", *BELOW_HANDLERS, "bot.model", "bot.engine", *LEAVES),
    "bot.dispatch": ("bot.handlers", *BELOW_HANDLERS, "bot.model.api", "bot.model.results", *LEAVES),
    "bot.bench": ("bot.app", "bot.dispatch", "bot.model", "bot.engine", "bot.config"),
    "bot.handlers": (*BELOW_HANDLERS, "bot.model.api", *LEAVES),
    "bot.tasks": ("bot.model.api", *LEAVES),
    "bot.transport": ("bot.model.api", *LEAVES),
    "bot.history": ("bot.model.api", *LEAVES),
    "bot.observe": ("bot.model.api", *LEAVES),
    "bot.evaluation": ("bot.tasks", "bot.model.api"),
    "bot.model": ("bot.engine",),
    "bot.engine": (),
    "bot.sandbox": (),
    "bot.config": ("bot.definitions", "bot.personas"),
    "bot.personas": ("bot.definitions",),
    "bot.conversation": (),
    "bot.definitions": (),
    "bot.locales": (),
}
PURE = (
    "bot.evaluation.metrics",
    "bot.evaluation.rows",
    "bot.transport.triggers",
    "bot.transport.render",
    "bot.model.tokens",
    "bot.engine",
)
"""Tested without asyncio, so free of it, with all that they import from here."""


@dataclass(frozen=True, slots=True)
class Import:
    """`module` (of ours) imports `target` in `line`."""

    module: str
    target: str
    line: int

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.target}"


def name_of(path: Path) -> str:
    parts = ("bot", *path.relative_to(FOLDER).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


TREES = {name_of(path): ast.parse(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.rglob("*.py"))}
PACKAGES = {name_of(path) for path in FOLDER.rglob("__init__.py")}


def imports_of(module: str) -> Iterator[Import]:
    """All of them, also those inside functions and those for types only."""
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            yield from (Import(module, alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = absolute(module, node)
            for alias in node.names:
                inner = f"{source}.{alias.name}"
                yield Import(module, inner if inner in TREES else source, node.lineno)


def absolute(module: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    up = node.level - 1 if module in PACKAGES else node.level
    return ".".join([*parts[: len(parts) - up], *([node.module] if node.module else [])])


def is_in(module: str, name: str) -> bool:
    return module == name or module.startswith(f"{name}.")


def part_of(module: str) -> str:
    """The longest key of MAY_IMPORT that the module lies in."""
    return max((name for name in MAY_IMPORT if is_in(module, name)), key=len, default="")


def closure(modules: set[str]) -> set[str]:
    """The modules and all of ours that they import, directly or not."""
    seen: set[str] = set()
    while new := modules - seen:
        seen |= new
        modules = {one.target for module in new for one in imports_of(module) if one.target in TREES}
    return seen


def test_every_module_has_its_place() -> None:
    assert [module for module in TREES if not part_of(module)] == ["bot"]


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_a_part_knows_only_what_is_below_it(part: str) -> None:
    allowed = (*MAY_IMPORT[part], part)
    ours = [one for module in TREES if part_of(module) == part for one in imports_of(module)]
    assert [
        str(one)
        for one in ours
        # `import bot` alone asks where the package lies.
        if is_in(one.target, "bot")
        and one.target != "bot"
        and not any(is_in(one.target, name) for name in allowed)
    ] == []


@pytest.mark.parametrize("module", ["bot.model.api", "bot.conversation"])
def test_what_crosses_boundaries_needs_only_the_standard_library(module: str) -> None:
    packages = {one.target.split(".")[0] for one in imports_of(module)}
    assert packages <= sys.stdlib_module_names


@pytest.mark.parametrize("name", PURE)
def test_pure_parts_are_free_of_asyncio(name: str) -> None:
    modules = closure({module for module in TREES if is_in(module, name)})
    assert modules
    assert [
        str(one) for module in modules for one in imports_of(module) if is_in(one.target, "asyncio")
    ] == []
    asynchronous = ast.AsyncFunctionDef | ast.AsyncFor | ast.AsyncWith | ast.Await
    own = [module for module in modules if is_in(module, name)]
    assert [one for one in own if any(isinstance(node, asynchronous) for node in ast.walk(TREES[one]))] == []
