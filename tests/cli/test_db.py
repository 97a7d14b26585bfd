"""`python -m bot db …` as an operator sees it: a process, its output and its exit code."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bot.history.schema import upgrade

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "tandem.sqlite3"


@pytest.fixture
def url(file: Path) -> str:
    return f"sqlite+aiosqlite:///{file}"


@pytest.fixture
def run(tmp_path: Path, url: str) -> Run:
    def start(*arguments: str | Path, database: str = url) -> "subprocess.CompletedProcess[str]":
        program = "from bot.cli.db import app; app(prog_name='db')"
        return subprocess.run(
            [sys.executable, "-c", program, *map(str, arguments)],
            cwd=tmp_path,
            env=os.environ | {"TANDEM_DATABASE__URL": database, "COLUMNS": "300"},
            capture_output=True,
            text=True,
            timeout=120,
        )

    return start


def add_user(file: Path, user_id: int) -> None:
    with closing(sqlite3.connect(file)) as connection:
        seen = "2026-11-22 12:00:00"
        connection.execute("INSERT INTO users VALUES (1, ?, 'en', ?, ?)", [user_id, seen, seen])
        connection.commit()


def users(file: Path) -> list[int]:
    with closing(sqlite3.connect(file)) as connection:
        return [row[0] for row in connection.execute("SELECT id FROM users ORDER BY id")]


def told(done: "subprocess.CompletedProcess[str]") -> dict[str, str]:
    """The lines of an output by their first word."""
    assert done.returncode == 0, done.stderr
    return dict(line.split(maxsplit=1) for line in done.stdout.splitlines())


def test_backup_and_restore(run: Run, file: Path, url: str, tmp_path: Path) -> None:
    upgrade(url)
    add_user(file, 1)
    assert told(run("backup", tmp_path / "copy")) == {"backup": str(tmp_path / "copy")}
    add_user(file, 2)
    lines = told(run("restore", tmp_path / "copy"))
    assert users(file) == [1]
    assert users(Path(lines["replaced"].removeprefix("kept as "))) == [1, 2]


def test_a_backup_without_a_name_lies_beside_the_database(run: Run, file: Path, url: str) -> None:
    upgrade(url)
    copy = Path(told(run("backup"))["backup"])
    assert copy.parent == file.parent
    assert copy.name.startswith("tandem-backup-20")


def test_check_tells_what_is_there(run: Run, file: Path, url: str) -> None:
    upgrade(url)
    add_user(file, 1)
    done = run("check")
    assert done.returncode == 0, done.stderr
    assert str(file) in done.stdout
    assert "1 users" in done.stdout
    assert "no problems found" in done.stdout


def test_check_fails_on_a_problem(run: Run, file: Path, url: str) -> None:
    upgrade(url)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_schema SET sql = replace(sql, 'created_at)', 'state)') WHERE name = 'ix_turns_created_at'"
        )
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute(
            "INSERT INTO turns (conversation_id, user_id, message_id, question, created_at, attempts, state,"
            " answer_ids, reply, delivered) VALUES (99, 1, 1, '?', '2026-11-22', 1, 'done', '[]', '', 1)"
        )
        connection.commit()
    done = run("check")
    assert done.returncode == 1
    assert "problem" in done.stdout
    assert "no problems found" not in done.stdout


@pytest.mark.parametrize("arguments", [("check",), ("backup",), ("restore", "nowhere")])
def test_one_line_says_what_is_wrong(run: Run, arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: there is no")
    assert len(done.stderr.splitlines()) == 1


def test_a_servers_password_is_not_shown(run: Run) -> None:
    done = run("check", database="postgresql+asyncpg://bot:hunter2@127.0.0.1:1/tandem")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "hunter2" not in done.stderr + done.stdout


def test_help_needs_no_database_library() -> None:
    program = "import sys, bot.cli.db; sys.exit('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
