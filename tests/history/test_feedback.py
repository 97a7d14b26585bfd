"""Corrections of verdicts: found by the message on the screen, kept with their turn, counted in moods."""

import asyncio
from datetime import timedelta

import pytest

from bot.conversation import ConversationKey
from bot.history.database import Database
from bot.history.feedback import Feedback
from bot.history.journal import Journal
from bot.history.opinions import read_opinions
from bot.history.records import Correction, Opinions, Turn
from bot.history.store import Store

ANN, LI_LEI, TEAM = 11, 12, -5


@pytest.fixture
def store(database: Database, clock) -> Store:
    return Store(database, 1, clock)


@pytest.fixture
def judge(database: Database, store: Store, clock):
    """A question and its verdict; its messages are numbered by the question's."""
    journal = Journal(database, 1, clock)

    async def judge(message_id: int, mood: str, user_id: int = ANN, chat_id: int = ANN) -> Turn:
        await journal.append([{"update_id": message_id}])
        turn = await store.begin_turn(
            ConversationKey(chat_id, 0, user_id),
            update_id=message_id,
            chat_type="private",
            user_id=user_id,
            message_id=message_id,
            question="?",
        )
        await store.record_sentiment(turn.id, mood, 0.75, 0.1)
        return await store.record_sentiment_sent(turn.id, message_id + 1)

    return judge


@pytest.fixture
def opinions(url: str):
    """What an evaluation reads while the bot runs."""
    return lambda: asyncio.to_thread(read_opinions, url)


async def test_a_turn_is_found_by_its_verdict_or_its_question(database: Database, clock, judge) -> None:
    feedback = Feedback(database, 1, clock)
    turn = await judge(100, "positive")
    assert [await feedback.judged(ANN, number) for number in (100, 101, 102)] == [turn, turn, None]
    assert await feedback.judged(LI_LEI, 101) is None
    assert await Feedback(database, 2, clock).judged(ANN, 101) is None


async def test_the_last_word_counts_and_goes_with_its_turn(
    database: Database, clock, judge, store, opinions
) -> None:
    feedback = Feedback(database, 1, clock)
    turn = await judge(100, "positive")
    await feedback.correct(turn, "negative")
    await feedback.correct(turn, "neutral")
    assert await opinions() == Opinions((Correction("positive", 0.75, "neutral"),), judged=1)
    clock.advance(days=1)
    await store.delete_turns_before(clock(), 10)
    assert (await opinions()).corrections == ()


async def test_another_question_needs_another_opinion(
    database: Database, clock, judge, store, opinions
) -> None:
    feedback = Feedback(database, 1, clock)
    turn = await judge(100, "positive")
    await feedback.correct(turn, "negative")
    await store.reopen_turn(turn.id)
    assert len((await opinions()).corrections) == 1
    await store.finish_turn(turn.id, "!", "done")
    await store.reopen_turn(turn.id, "another")
    assert (await opinions()).corrections == ()


async def test_moods_are_ones_own_by_day_as_corrected(database: Database, clock, judge, store) -> None:
    feedback = Feedback(database, 1, clock)
    await judge(100, "negative")
    clock.advance(days=31)
    await judge(200, "positive")
    await feedback.correct(await judge(300, "positive"), "neutral")
    await judge(400, "negative", LI_LEI, TEAM)
    clock.advance(days=1)
    await judge(500, "negative", ANN, TEAM)
    days = await store.moods(ANN, clock())
    assert [day.date for day in days[-2:]] == [clock().date() - timedelta(days=1), clock().date()]
    assert [dict(day.moods) for day in days if day.turns] == [{"positive": 1, "neutral": 1}, {"negative": 1}]
    assert len(days) == 30
    in_team = await store.moods(ANN, clock(), TEAM)
    assert [dict(day.moods) for day in in_team if day.turns] == [{"negative": 1}]
