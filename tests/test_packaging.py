"""What is installed, and what the wheel brings along."""

import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import distributions
from pathlib import Path, PurePosixPath

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).parents[1]
NOT_SHIPPED = {"__pycache__"}


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        str(folder),
        str(PROJECT),
    ]
    subprocess.run(command, check=True)
    (built,) = folder.glob("*.whl")
    return zipfile.ZipFile(built)


@pytest.fixture(scope="session")
def shipped(wheel: zipfile.ZipFile) -> set[str]:
    return set(wheel.namelist())


def files_below(folder: Path) -> set[str]:
    found = (path for path in folder.rglob("*") if path.is_file() and not NOT_SHIPPED & set(path.parts))
    return {path.relative_to(folder).as_posix() for path in found}


def test_torch_is_the_cpu_build() -> None:
    names = {distribution.name.lower() for distribution in distributions()}
    assert "torch" in names
    assert sorted(name for name in names if name.startswith("nvidia")) == []


def test_the_wheel_has_every_file_of_the_package(shipped: set[str]) -> None:
    assert {f"bot/{name}" for name in files_below(PROJECT / "bot")} - shipped == set()


def test_the_wheel_has_the_migrations(shipped: set[str]) -> None:
    migrations = files_below(PROJECT / "migrations")
    assert any(name.startswith("versions/") for name in migrations)
    assert {f"bot/migrations/{name}" for name in migrations} - shipped == set()


@pytest.mark.parametrize(
    "pattern",
    [
        *("bot/py.typed", "bot/engine/native/*.cpp", "bot/engine/native/*.h", "bot/locales/*.po"),
        *("bot/sandbox/page/index.html", "bot/sandbox/page/js/*.js", "bot/sandbox/page/css/*.css"),
        *("bot/migrations/env.py", "bot/migrations/versions/*.py", "*.dist-info/licenses/LICENSE"),
    ],
)
def test_the_wheel_has_what_is_not_code(pattern: str, shipped: set[str]) -> None:
    assert any(PurePosixPath(name).match(pattern) for name in shipped)


def test_the_wheel_has_nothing_else(shipped: set[str]) -> None:
    tops = {PurePosixPath(name).parts[0] for name in shipped}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"bot"}


def required() -> list[Requirement]:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [
        Requirement(line) for line in [*project["dependencies"], *project["optional-dependencies"]["test"]]
    ]


def locked() -> dict[str, str]:
    lines = (PROJECT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pins}


@pytest.mark.parametrize("requirement", required(), ids=str)
def test_the_lock_has_a_release_of_every_requirement(requirement: Requirement) -> None:
    assert locked()[canonicalize_name(requirement.name)] in requirement.specifier


def test_the_lock_suits_every_index() -> None:
    assert [version for version in locked().values() if "+" in version] == []
    assert "tandem-bot" not in locked()


@pytest.mark.parametrize("file", ["Makefile", "Dockerfile"])
def test_one_release_of_torch_everywhere(file: str) -> None:
    text = (PROJECT / file).read_text(encoding="utf-8")
    assert set(re.findall(r"^(?:ARG )?TORCH ?= ?(.+)$", text, re.MULTILINE)) == {locked()["torch"]}
