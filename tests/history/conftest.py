"""Databases for the tests of the history: SQLite files, and a PostgreSQL server of this test run."""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.history import schema
from bot.history.database import Database

BOT_ID = 4242
_missing: list[str] = []


@dataclass
class Clock:
    """A clock that the test sets."""

    now: datetime = field(default_factory=lambda: datetime(2026, 11, 22, 12, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **duration: float) -> None:
        self.now += timedelta(**duration)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bot_id() -> int:
    return BOT_ID


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'data' / 'tandem.sqlite3'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    empty_database: Callable[[], str] = request.getfixturevalue("postgresql")
    return empty_database()


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """It never waits for a lock: our own writers must not meet at all."""
    database = Database(url, busy_timeout_s=0)
    await database.migrate()
    yield database
    await database.close()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Callable[[], str]]:
    """A server on a socket in a folder of its own; every call empties its database and gives the URL."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")) or [shutil.which("pg_ctl")]
    if programs[-1] is None:
        _skip("no PostgreSQL server is installed (Debian: postgresql)")
    if importlib.util.find_spec("asyncpg") is None:
        _skip("the Python package asyncpg is not installed")
    programs_dir = Path(str(programs[-1])).parent
    # PostgreSQL refuses to run as root; Debian's package brings a user for it.
    user = "postgres" if os.geteuid() == 0 else None
    home = Path(tempfile.mkdtemp(prefix="tandem-pg-", dir="/tmp"))
    if user:
        shutil.chown(home, user)

    def run(program: str, *arguments: str) -> None:
        command = [str(programs_dir / program), *arguments]
        nothing = subprocess.DEVNULL
        environment = os.environ | {"PGOPTIONS": "-c client_min_messages=warning"}
        subprocess.run(
            command, check=True, user=user, cwd=home, env=environment, stdin=nothing, stdout=nothing
        )

    data = str(home / "data")
    run("initdb", "-D", data, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-sync")
    options = f"-k {home} -c listen_addresses='' -c fsync=off"
    run("pg_ctl", "-D", data, "-w", "-o", options, "-l", str(home / "log"), "start")
    server = ("-h", str(home), "-U", "postgres")
    run("createdb", *server, "tandem")

    def empty_database() -> str:
        run("psql", *server, "-q", "-c", "DROP SCHEMA public CASCADE", "-c", "CREATE SCHEMA public", "tandem")
        return f"postgresql+asyncpg://postgres@/tandem?host={home}"

    try:
        yield empty_database
    finally:
        run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(home)


def _skip(reason: str) -> None:
    _missing.append(reason)
    pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A skipped database is said aloud, also with -q."""
    if _missing:
        terminalreporter.write_line(f"HISTORY WAS NOT TESTED ON POSTGRESQL: {_missing[0]}", yellow=True)


NEXT_MIGRATION = """
import sqlalchemy as sa
from alembic import op

revision = "next"
down_revision = "{head}"


def upgrade():
    with op.batch_alter_table("conversations") as table:
        table.add_column(sa.Column("title", sa.Text, nullable=False, server_default=""))
        table.alter_column("chat_type", type_=sa.String(32))


def downgrade():
    with op.batch_alter_table("conversations") as table:
        table.drop_column("title")
        table.alter_column("chat_type", type_=sa.String(16))
"""


@pytest.fixture(scope="session")
def next_version(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], None]:
    """Starts the next version of the bot on a database: this code with one more migration, in a process."""
    project, folder = Path(__file__).parents[2], tmp_path_factory.mktemp("next")
    for package in ("bot", "migrations"):
        shutil.copytree(project / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    migration = folder / "migrations" / "versions" / "next.py"
    migration.write_text(NEXT_MIGRATION.format(head=schema.head()))
    program = "import sys; from bot.history import schema; schema.upgrade(sys.argv[1])"

    def start(url: str) -> None:
        subprocess.run([sys.executable, "-c", program, url], cwd=folder, check=True)

    return start
