"""What an operator reads when something is wrong: one clear line, while everybody else is served."""

import asyncio
import logging
import sqlite3
import subprocess
import sys

import pytest

from bot.history import schema
from bot.transport.errors import TokenRejected

QUIET = logging.INFO


@pytest.fixture(autouse=True)
def _every_line(caplog):
    caplog.set_level(QUIET, "bot")


def lines(caplog, part):
    return [record.getMessage() for record in caplog.records if part in record.getMessage()]


class Listener(logging.Handler):
    """Sets `heard` when the log says `part`."""

    def __init__(self, part):
        super().__init__()
        self.part = part
        self.heard = asyncio.Event()

    def emit(self, record):
        if self.part in record.getMessage():
            self.heard.set()


async def logged(caplog, part):
    """Until the log says `part`: it does so behind the last call, so no event of the sandbox follows for sure."""
    listener = Listener(part)
    logging.getLogger("bot").addHandler(listener)
    try:
        if not lines(caplog, part):
            async with asyncio.timeout(30):
                await listener.heard.wait()
    finally:
        logging.getLogger("bot").removeHandler(listener)


async def test_a_revoked_token_ends_the_bot_with_what_to_do(bot, ann, telegram, caplog):
    async def until_revoked():
        async with bot():
            await ann.reply("/help")
            telegram.world.state.token = f"{telegram.world.bot.id}:{'a' * 35}"
            await ann.person.say("hello?")
            await asyncio.Event().wait()

    with pytest.raises(TokenRejected, match=r"telegram\.token.*@BotFather"):
        await until_revoked()
    assert "Traceback" not in caplog.text
    assert len([record for record in caplog.records if record.levelno >= logging.ERROR]) <= 1


async def test_somebody_who_blocks_the_bot_while_it_answers_is_one_line(bot, ann, li_lei, telegram, caplog):
    async with bot():
        await li_lei.person.say("讲一个很长的故事")
        await telegram.wait_for(lambda _: li_lei.of_bot())
        await li_lei.person.block()
        await logged(caplog, "has no answer")
        await ann.turn("And I?")
        await li_lei.person.unblock()
        await li_lei.turn("我回来了")
    (line,) = lines(caplog, str(li_lei.person.user.id))
    assert "blocked by the user" in line
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_group_that_throws_the_bot_out_while_it_answers_is_one_line(bot, ann, telegram, caplog):
    team, name = telegram.world.chat("Team"), f"@{telegram.world.bot.username}"
    async with bot():
        await ann.person.say(f"{name} tell me a long story", "Team")
        await telegram.wait_for(lambda _: ann.of_bot("Team"))
        team.members[telegram.world.bot.id] = "kicked"
        await logged(caplog, "has no answer")
        await ann.turn("And here?")
    (line,) = lines(caplog, str(team.id))
    assert "kicked" in line
    assert "Traceback" not in caplog.text


async def test_a_chat_that_has_vanished_is_one_line(bot, ann, telegram, caplog):
    async with bot():
        telegram.world.inject({"message": message_from_nowhere(telegram)})
        await logged(caplog, "has no answer")
        await ann.turn("And I?")
    (line,) = lines(caplog, "has no answer")
    assert "chat not found" in line.lower()
    assert "Traceback" not in caplog.text


def message_from_nowhere(telegram):
    return {
        "message_id": 5,
        "date": int(telegram.world.clock()),
        "chat": {"id": 4711, "type": "private", "first_name": "Nobody"},
        "from": {"id": 4711, "is_bot": False, "first_name": "Nobody"},
        "text": "hello",
    }


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        ("overloaded", "⚠️ Too many people are asking right now. Please try again in a minute."),
        ("too_long", "⚠️ This is too long for me. Please send a shorter message, or start anew with /new."),
        ("error", "⚠️ Something went wrong on my side. Please send your message again."),
    ],
)
async def test_an_answer_that_cannot_be_written_says_so_once_and_can_be_asked_for_again(
    bot, ann, held, reason, line
):
    async with bot():
        held.script, held.reason = "Half an", reason
        _, answer = await ann.turn("hello")
        assert answer.text == line
        held.script, held.reason = "A whole answer", "stop"
        await ann.person.press(answer.message_id, "🔁 Again")
        await ann.telegram.wait_for(lambda _: answer.text == "A whole answer")
        held.reason = reason
        await ann.turn("what?")
        held.reason = "stop"
        await ann.turn("and now?")
    assert len(ann.of_bot()) == 6
    # What failed is no part of the conversation.
    assert [text for _, text in held.prompts[-1][1:]] == ["hello", "A whole answer", "and now?"]


async def test_a_start_after_an_update_copies_the_database_first(bot, ann, tmp_path, configure, caplog):
    await asyncio.to_thread(schema.upgrade, configure().database.url, "0001")
    with sqlite3.connect(tmp_path / "tandem.sqlite3") as connection:
        connection.execute("INSERT INTO users VALUES (1, 5, 'en', '2026-11-22', '2026-11-22')")
    async with bot():
        await ann.reply("/help")
    (copy,) = tmp_path.glob("tandem-before-*.sqlite3")
    with sqlite3.connect(copy) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]
        assert connection.execute("SELECT id FROM users").fetchall() == [(5,)]
    assert lines(caplog, str(copy))


async def test_the_database_is_copied_and_looked_over_while_the_bot_runs(bot, ann, tmp_path, configure):
    async with bot():
        await ann.turn("hello")
        url = configure().database.url
        for command in (["backup", str(tmp_path / "copy.sqlite3")], ["check"]):
            done = await asyncio.to_thread(run_db, url, command)
            assert done.returncode == 0, done.stderr
        await ann.turn("still there?")
    with sqlite3.connect(tmp_path / "copy.sqlite3") as connection:
        assert connection.execute("SELECT question FROM turns").fetchall() == [("hello",)]


def run_db(url, command):
    program = "from bot.cli.db import app; import sys; app(sys.argv[1:])"
    environment = {"TANDEM_DATABASE__URL": url, "PATH": "", "HOME": "/nowhere"}
    return subprocess.run(
        [sys.executable, "-c", program, *command],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
