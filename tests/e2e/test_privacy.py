"""What the bot keeps about somebody: told, handed over, and deleted when they ask or when it is old."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from bot import app
from bot.history.retention import DAY_S

SECRET = "swordfish"
DELETE, KEEP = "🗑 Delete", "Keep"


@pytest.fixture
def exported(telegram):
    """What a person gets for /export."""

    async def export(reader):
        sent = await reader.reply("/export")
        return json.loads(telegram.world.state.files[sent.attachment.file].content)

    return export


@pytest.fixture
def forget(telegram):
    """A person asks to be forgotten, and presses a button."""

    async def ask(reader, label=DELETE, chat=None, question=None):
        question = question or await reader.reply("/forget", chat)
        asked = question.text
        await reader.person.press(question.message_id, label, chat)
        await telegram.wait_for(lambda _: question.text != asked, within=60)
        return question

    return ask


@pytest.fixture
def written(configure):
    """All that is on the disk beside the database, and in it."""

    def read():
        folder = Path(configure().database.file).parent
        return b"".join(path.read_bytes() for path in folder.glob("tandem.sqlite3*"))

    return read


async def test_everybody_is_told_what_is_kept_in_their_language(bot, ann, li_lei, configure):
    async with bot():
        english = (await ann.reply("/privacy")).text
        assert all(part in english for part in ("365 days", "/export", "/forget"))
        assert "365 天" in (await li_lei.reply("/privacy", "Team")).text
    keeps = configure().database.model_copy(update={"keep_days": 0})
    async with bot(database=keeps):
        assert "until you delete it" in (await ann.reply("/privacy")).text


async def test_an_export_is_a_file_with_everything_of_ones_own(bot, ann, li_lei, exported, telegram):
    async with bot():
        _, answer = await ann.turn(SECRET)
        await ann.turn("/ask in the group", "Team")
        await li_lei.turn("别人的话")
        found = await exported(ann)
        sent = ann.of_bot()[-1]
    assert (found["bot"], found["user_id"]) == (telegram.world.bot.username, ann.person.user.id)
    assert [turn["question"] for turn in found["turns"]] == [SECRET, "in the group"]
    assert found["turns"][0]["answer_ids"] == [answer.message_id]
    assert {place["chat_type"] for place in found["conversations"]} == {"private", "supergroup"}
    assert found["users"][0]["language"] == "en"
    assert "别人的话" not in json.dumps(found, ensure_ascii=False)
    assert "2 of your messages" in sent.caption
    assert sent.attachment.name.startswith(telegram.world.bot.username)
    assert sent.attachment.name.endswith(".json")


async def test_nothing_of_it_is_shown_in_a_group(bot, ann):
    async with bot():
        await ann.turn(SECRET)
        told = await ann.reply("/export", "Team")
        assert "private chat" in told.text
    assert [message for message in ann.of_bot("Team") if message.attachment] == []


async def test_forgetting_leaves_nothing_anywhere(bot, ann, held, exported, forget, written):
    async with bot():
        await ann.turn(SECRET)
        await ann.turn(f"/ask {SECRET} in the group", "Team")
        assert SECRET.encode() in written()
        question = await forget(ann)
        assert "do not know you" in question.text
        assert question.keyboard == []
        me, team = ann.person.user.id, ann.telegram.world.chat("Team").id
        assert sorted(held.forgotten) == sorted([f"{me}:0:{me}", f"{team}:0:{me}"])
        assert SECRET.encode() not in written()
        found = await exported(ann)
        assert {name for name, rows in found.items() if rows and isinstance(rows, list)} == {"users"}
        # The verdict is not remembered either, and the prompt knows nothing of before.
        await ann.turn(SECRET)
    assert held.judged == [SECRET, f"{SECRET} in the group", SECRET]
    assert len(held.prompts[-1]) == 2


async def test_only_whoever_asked_can_say_yes_and_no_is_no(bot, ann, li_lei, held, forget, exported):
    async with bot():
        await ann.turn(SECRET)
        question = await ann.reply("/forget", "Team")
        await li_lei.person.press(question.message_id, DELETE, "Team")
        assert "Nothing was deleted" in (await forget(ann, KEEP)).text
        assert len((await exported(ann))["turns"]) == 1
    assert held.forgotten == []


async def test_who_writes_in_a_groups_name_cannot_be_forgotten_by_it(bot, ann):
    async with bot():
        told = await ann.reply("/forget", "Team", sender="Team")
    assert "please send /forget in our private chat" in told.text
    assert not told.keyboard


async def test_what_runs_is_stopped_and_what_waits_is_never_answered(
    bot, ann, li_lei, held, forget, exported, telegram
):
    async with bot():
        question = await ann.reply("/forget")
        held.hold()
        growing = await ann.growing(SECRET)
        await ann.person.say("And this waits")
        other = await li_lei.growing("你好")
        notice = (await telegram.wait_for(lambda _: ann.of_bot()[3:], within=60))[0]
        assert "⏳" in notice.text
        await forget(ann, question=question)
        assert (await ann.finished(growing.message_id)).text.endswith("⏹")
        assert notice not in ann.of_bot()
        assert (await exported(ann))["turns"] == []
        held.release()
        assert not (await li_lei.finished(other.message_id)).text.endswith("⏹")
    assert [prompt[-1][1] for prompt in held.prompts] == [SECRET, "你好"]
    assert all("⚠️" not in (message.text or "") for message in ann.of_bot())


async def test_an_edited_question_that_waits_is_not_remembered_in_memory(bot, ann, held, forget, telegram):
    async with bot():
        question = await ann.reply("/forget")
        held.hold()
        await ann.growing("First")
        second = await ann.person.say("Second")
        await ann.person.edit(second.message_id, SECRET)
        await telegram.wait_for(lambda world: not world.state.pending)
        await forget(ann, question=question)
        held.release()
        await ann.turn("Third")
    assert [prompt[-1][1] for prompt in held.prompts] == ["First", "Third"]


async def test_what_is_too_old_is_gone_after_a_start(bot, ann, configure, tiny_model, exported, written):
    async with bot():
        await ann.turn(SECRET)
    year = configure().database.keep_days * 86_400

    async def never(_seconds):
        await asyncio.Event().wait()

    later = lambda: time.time() + year + 3600  # noqa: E731
    async with app.running(configure(), tiny_model, clock=later, sleep=never):
        assert (await exported(ann))["turns"] == []
        assert SECRET.encode() not in written()


class Broom:
    """The daily removal, at the test's command, at a time of the test's choice."""

    def __init__(self):
        self.later_s = 0.0
        self._asleep, self._wake = asyncio.Event(), asyncio.Event()

    def clock(self):
        return time.time() + self.later_s

    async def sleep(self, seconds):
        if seconds != DAY_S:
            await asyncio.Event().wait()
        self._asleep.set()
        await self._wake.wait()

    async def sweep(self, later_s):
        await self._asleep.wait()
        self._asleep.clear()
        self.later_s = later_s
        self._wake.set()
        self._wake.clear()
        await self._asleep.wait()
        self.later_s = 0.0


async def test_what_has_become_too_old_is_in_no_cache_either(ann, held, configure, tiny_model, telegram):
    broom, year_s = Broom(), configure().database.keep_days * DAY_S
    async with app.running(configure(), tiny_model, clock=broom.clock, sleep=broom.sleep):
        page = await ann.reply("/persona")
        before = page.keyboard
        await ann.person.press(page.message_id, "🪶 Poet")
        await telegram.wait_for(lambda _: page.keyboard != before)
        before = len(ann.of_bot())
        await ann.person.say(SECRET)
        await ann.answer(before)
        await broom.sweep(year_s - 60)
        assert held.forgotten == []
        await broom.sweep(year_s + 3600)
        assert held.forgotten == [f"{ann.person.user.id}:0:{ann.person.user.id}"]
        await ann.turn(SECRET)
        page = await ann.reply("/persona")
    assert held.judged == [SECRET, SECRET]
    assert held.prompts[0][0] != held.prompts[1][0]  # the poet, and whoever the bot is by itself
    assert "✅ 🤖 Myself" in str(page.keyboard)
