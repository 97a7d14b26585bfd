"""Fifty chats at once, through the whole bot: every final arrives once and complete, whatever Telegram does.

python -m pytest tests/e2e/test_flood.py -s     prints the counts

Bot and sandbox are in one process, on one clock that the test moves whenever nobody has anything to do: a penalty
of half a minute costs no time, and what is counted does not depend on the machine.
"""

import asyncio
import sys
from collections import Counter, defaultdict
from itertools import pairwise

import pytest

from bot import app
from bot.config import ModelSettings
from bot.sandbox.faults import TooMany
from bot.sandbox.objects import Chat, User
from bot.sandbox.server import Sandbox, serve
from bot.transport.render import CURSOR, render
from tests.clock import Time
from tests.e2e.conftest import is_growing

PEOPLE, GROUPS = 42, 8
CHATS = PEOPLE + GROUPS
TOKENS = 120
PIECE_S = 0.4


@pytest.fixture
def clock(held, monkeypatch):
    """It stands still as long as Telegram, the database or the model owes somebody an answer."""
    clock, made = Time(), {"Outbox": [], "Database": []}
    for name, those in made.items():
        make = getattr(app, name)
        monkeypatch.setattr(
            app, name, lambda *a, make=make, those=those, **k: those.append(make(*a, **k)) or those[-1]
        )
    clock.busy = lambda: (
        held.busy
        or any(outbox.in_flight for outbox in made["Outbox"])
        or any(database.engine.pool.checkedout() for database in made["Database"])
    )
    held.beat = lambda: clock.sleep(PIECE_S)
    return clock


@pytest.fixture
def timed_bot(configure, tiny_model, clock):
    """The bot on that clock."""
    return lambda **sections: app.running(
        configure(**sections), tiny_model, clock, clock.sleep, monotonic=clock, wait=clock.sleep
    )


@pytest.fixture
async def running(clock):
    async with serve(Sandbox(clock)) as running:
        yield running


@pytest.fixture
def people(telegram):
    """People who have all written to the bot before."""
    state, ids = telegram.world.state, range(5000, 5000 + PEOPLE)
    for user_id in ids:
        state.users[user_id] = User(id=user_id, first_name=f"P{user_id}", language_code="en")
        state.chats[user_id] = Chat(id=user_id, type="private")
    return [telegram.person(user_id) for user_id in ids]


@pytest.fixture
async def asked(telegram, people):
    """Questions by chat: one in each."""
    ann, world = telegram.person("Ann"), telegram.world
    groups = [world.create_chat(f"T{n}", [ann.user.id, world.bot.id]).id for n in range(GROUPS)]
    questions = {
        chat_id: f"What is {n}?" for n, chat_id in enumerate([*(p.user.id for p in people), *groups])
    }
    for person in people:
        await person.say(questions[person.user.id])
    for chat_id in groups:
        await ann.say(f"/ask {questions[chat_id]}", chat_id)
    return questions


class Seen:
    """What stood on the screens, one after another, by chat."""

    def __init__(self, world):
        self.texts = defaultdict(list)
        self._world = world
        world.listeners.append(self._hear)

    def _hear(self, event):
        if event.kind == "edit":
            self.texts[event.chat_id].append(event.data["text"])

    def frames(self, chat_id):
        return [text for text in self.texts[chat_id] if text.endswith(CURSOR)]

    def finals(self, chat_id):
        return [text for text in self.texts[chat_id] if not text.endswith(CURSOR)]


def of_bot(telegram, chat_id):
    return [
        message for message in telegram.world.messages(chat_id) if message.from_id == telegram.world.bot.id
    ]


def shown(written):
    """What stands on the screen of what the model wrote."""
    return [content.text for content in render(written.strip())]


def is_answered(telegram, chat_id):
    shown = of_bot(telegram, chat_id)
    return len(shown) >= 2 and not any(map(is_growing, shown))


@pytest.mark.parametrize("penalties", [False, True], ids=["calm", "429 on every fifth call"])
async def test_fifty_chats_stream_at_once_and_every_final_arrives(
    timed_bot, telegram, asked, held, clock, penalties, capsys
):
    if penalties:
        telegram.sandbox.faults.order(TooMany(tuple(range(1, 31))), every=5)
    seen = Seen(telegram.world)

    async def answered():
        await telegram.wait_for(lambda _: all(is_answered(telegram, chat) for chat in asked), within=240)

    model = ModelSettings(context=2048, threads=1, running=CHATS)
    async with timed_bot(model=model, chat={"max_new_tokens": TOKENS, "temperature": 0}):
        await asyncio.wait_for(clock.until(lambda: len(held.prompts) == CHATS), 60)
        begun = clock()
        await clock.run(answered())
    expected = {chat: shown(held.written[asked[chat]]) for chat in asked}
    delivered = {chat: [message.text for message in of_bot(telegram, chat)[1:]] for chat in asked}
    writes = [call for call in telegram.sandbox.calls if call.chat_id is not None]
    statuses = Counter(call.status for call in writes)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{CHATS} finals expected, {sum(delivered[chat] == expected[chat] for chat in asked)} delivered, "
            f"{sum(expected[chat] != delivered[chat][:1] for chat in asked)} lost, "
            f"{sum(len(delivered[chat]) > 1 for chat in asked)} doubled; "
            f"{sum(len(seen.frames(chat)) for chat in asked)} growing frames in {clock() - begun:.0f} s; "
            f"{len(writes)} calls, {statuses[429]} answered with 429, "
            f"{sum(call.inside_penalty for call in writes)} inside a penalty\n"
        )
    assert delivered == expected
    assert all(len(seen.finals(chat)) == 1 for chat in asked)
    assert all(sum(not message.silent for message in of_bot(telegram, chat)) == 1 for chat in asked)
    for chat in asked:
        frames = [text.removesuffix(CURSOR) for text in seen.frames(chat)]
        assert all(newer.startswith(older) and newer != older for older, newer in pairwise(frames))
    frames = [len(seen.frames(chat)) for chat in asked]
    assert min(frames) >= 3 or (penalties and sum(frames) >= 3 * CHATS)
    assert not any(call.inside_penalty for call in writes)
    assert statuses[429] == (len(writes) // 5 if penalties else 0)


@pytest.mark.parametrize("spent", [12, 19], ids=["short", "empty"])
async def test_where_a_groups_budget_is_short_the_answer_arrives_whole(
    timed_bot, telegram, held, clock, ann, spent
):
    """Twenty calls a minute are for everything: what is left of them is for the end, not for its growth."""
    team, seen = telegram.world.chat("Team").id, Seen(telegram.world)
    async with timed_bot(chat={"max_new_tokens": TOKENS, "temperature": 0}):
        for _ in range(spent):
            await ann.person.say("/help", "Team")
        await asyncio.wait_for(clock.until(lambda: len(ann.of_bot("Team")) == spent), 60)
        await ann.person.say("/ask What is left?", "Team")
        await asyncio.wait_for(clock.until(lambda: held.prompts), 60)
        verdict, final = await clock.run(ann.answer(spent, "Team"))
    assert [final.text] == seen.texts[team] == shown(held.written["What is left?"])
    assert ann.of_bot("Team")[spent:] == [verdict, final]
    assert all(call.status == 200 for call in telegram.sandbox.calls if call.chat_id == team)
