"""Fifty people at once, through the whole bot: every final arrives once and complete, whatever Telegram does.

python -m pytest tests/e2e/test_flood.py -s     prints the counts
"""

import sys
from collections import Counter

import pytest

from bot.sandbox.faults import TooMany
from bot.sandbox.objects import Chat, User
from tests.e2e.conftest import is_growing

PEOPLE = 50


@pytest.fixture
def people(telegram):
    """More people, who have all written to the bot before."""
    state = telegram.world.state
    for user_id in range(5000, 5000 + PEOPLE):
        state.users[user_id] = User(id=user_id, first_name=f"P{user_id}", language_code="en")
        state.chats[user_id] = Chat(id=user_id, type="private")
    return [telegram.person(user_id) for user_id in range(5000, 5000 + PEOPLE)]


def of_bot(person):
    return [message for message in person.messages() if message.from_id == person.world.bot.id]


def is_answered(person):
    verdict_and_answer = of_bot(person)
    return len(verdict_and_answer) >= 2 and not any(map(is_growing, verdict_and_answer))


@pytest.mark.parametrize("penalties", [False, True], ids=["calm", "429 on every fifth call"])
async def test_fifty_people_at_once_are_all_answered(bot, telegram, people, penalties, capsys):
    if penalties:
        telegram.sandbox.faults.order(TooMany((1, 2, 3)), every=5)
    async with bot(chat={"max_new_tokens": 48}):
        for person in people:
            await person.say("Tell me something")
        await telegram.wait_for(lambda _: all(map(is_answered, people)), within=240)
    # The whole verdict and one whole answer: nothing lost, nothing twice, and one of the two rings.
    delivered = [len(of_bot(person)) for person in people]
    rings = [sum(not message.silent for message in of_bot(person)) for person in people]
    writes = [call for call in telegram.sandbox.calls if call.chat_id is not None]
    statuses = Counter(call.status for call in writes)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{PEOPLE} finals expected, {sum(n >= 2 for n in delivered)} delivered, "
            f"{sum(n < 2 for n in delivered)} lost, {sum(n > 2 for n in delivered)} doubled; "
            f"{len(writes)} calls, {statuses[429]} answered with 429, "
            f"{sum(call.inside_penalty for call in writes)} inside a penalty\n"
        )
    assert delivered == [2] * PEOPLE
    assert rings == [1] * PEOPLE
    assert not any(call.inside_penalty for call in writes)
    assert statuses[429] == (len(writes) // 5 if penalties else 0)
