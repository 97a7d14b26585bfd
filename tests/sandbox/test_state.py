"""The world survives a restart."""

import stat
from pathlib import Path

import pytest

from bot.sandbox.server import Sandbox, serve
from bot.sandbox.state import StateFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sandbox" / "state.json"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_conversations_and_pending_updates_survive(path: Path) -> None:
    async with serve(Sandbox(state_file=path)) as before:
        await before.person("Ann").say("remember me")
    assert mode(path) == 0o600, "it holds the token"
    async with serve(Sandbox(state_file=path)) as after:
        assert [message.text for message in after.person("Ann").messages()] == ["remember me"]
        assert after.token == before.token
        assert len(after.world.waiting(0, 100)) == 1
        await after.person("Ann").say("again")
        assert after.person("Ann").messages()[-1].message_id == 2


async def test_it_is_saved_while_it_runs(path: Path) -> None:
    async with serve(Sandbox(state_file=path)) as running:
        await running.person("Ann").say("hi")
        await running.wait_for(lambda _: running.sandbox.file and running.sandbox.file.saves)
        saved = StateFile(path).load()
        assert saved is not None
        assert saved.chats[1001].messages[1].text == "hi"


def test_a_broken_file_is_moved_aside(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.parent.mkdir()
    path.write_text('{"version": 1, "bot"')
    assert Sandbox(state_file=path).world.messages("Ann") == []
    (aside,) = path.parent.glob("state.json.broken-*")
    assert aside.read_text() == '{"version": 1, "bot"'
    assert [record.message for record in caplog.records if "cannot be read" in record.message] == [
        f"the sandbox's saved chats cannot be read; moved to {aside}, starting empty"
    ]


def test_update_ids_grow_even_when_the_file_is_lost(path: Path) -> None:
    earlier = Sandbox(lambda: 1_795_000_000.0).world.inject({})
    later = Sandbox(lambda: 1_795_000_060.0).world.inject({})
    assert later > earlier
