"""The store: a turn lives through crashes and replays, and a prompt sees just its own conversation."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import delete, select

from bot.conversation import ConversationKey
from bot.history import tables
from bot.history.database import Database
from bot.history.journal import Journal
from bot.history.records import Percentiles, Turn, Verdict
from bot.history.store import Store, UnknownTurn
from bot.model.api import Usage

ANN = ConversationKey(chat_id=11, thread_id=0, user_id=11)
BOB = ConversationKey(chat_id=12, thread_id=0, user_id=12)
USAGE = Usage(prompt=50, cached=40, generated=9, queued_s=0.5, first_token_s=0.75, total_s=2.0)

Begin = Callable[..., Awaitable[Turn]]


@pytest.fixture
def store(database: Database, bot_id: int, clock) -> Store:
    return Store(database, bot_id, clock)


@pytest.fixture
def begin(database: Database, store: Store, bot_id: int, clock) -> Begin:
    """Begin a turn for a new update, or for the one named; it is journalled unless it is already."""
    journal = Journal(database, bot_id, clock)
    numbers = itertools.count(1000)

    async def begin(key: ConversationKey = ANN, question: str = "你好", update_id: int | None = None) -> Turn:
        update_id = update_id or next(numbers)
        await journal.append([{"update_id": update_id}])
        return await store.begin_turn(
            key,
            update_id=update_id,
            chat_type="private",
            user_id=key.user_id,
            message_id=5,
            question=question,
        )

    return begin


@pytest.fixture
def say(store: Store, begin: Begin) -> Begin:
    """A whole turn, answered and delivered."""

    async def say(question: str, reply: str, key: ConversationKey = ANN, state: str = "done") -> Turn:
        turn = await begin(key, question)
        await store.finish_turn(turn.id, reply, state)
        return await store.mark_delivered(turn.id)

    return say


def questions(turns: list[Turn]) -> list[str]:
    return [turn.question for turn in turns]


async def test_a_turn_from_question_to_delivery(store: Store, begin: Begin, clock) -> None:
    turn = await begin(question="代码又报错了")
    assert (turn.state, turn.attempts, turn.delivered) == ("running", 1, False)
    assert (turn.conversation, turn.chat_type, turn.message_id, turn.created_at) == (
        ANN,
        "private",
        5,
        clock(),
    )
    assert (turn.verdict, turn.answer_ids, turn.reply, turn.usage) == (None, (), "", None)

    turn = await store.record_sentiment(turn.id, "负面", 0.91, 0.05)
    assert turn.verdict == Verdict("负面", 0.91, 0.05, "sending", None)
    turn = await store.record_sentiment_sent(turn.id, 6)
    assert turn.verdict == Verdict("负面", 0.91, 0.05, "sent", 6)
    await store.record_answer(turn.id, 7)
    turn = await store.record_answer(turn.id, 8)
    assert turn.answer_ids == (7, 8)

    turn = await store.finish_turn(turn.id, "辛苦了", "done", USAGE)
    assert (turn.state, turn.reply, turn.usage, turn.delivered) == ("done", "辛苦了", USAGE, False)
    assert await store.unfinished_turns() == [turn]
    turn = await store.mark_delivered(turn.id)
    assert await store.unfinished_turns() == []
    assert await store.recent_turns(ANN, 5) == [turn]


async def test_a_replayed_update_continues_its_turn(store: Store, begin: Begin) -> None:
    first = await begin(update_id=77)
    await store.record_answer(first.id, 7)
    again = await begin(update_id=77)
    assert (again.id, again.attempts, again.answer_ids) == (first.id, 2, (7,))
    assert len(await store.unfinished_turns()) == 1


async def test_an_id_that_telegram_uses_again_begins_another_turn(store: Store, begin: Begin, clock) -> None:
    first = await begin(update_id=77)
    clock.advance(days=8)
    second = await begin(update_id=77)
    assert (second.id != first.id, second.attempts) == (True, 1)


async def test_a_turn_without_a_journalled_update_is_a_mistake(store: Store) -> None:
    with pytest.raises(LookupError, match="update 5 is not in the journal"):
        await store.begin_turn(ANN, update_id=5, chat_type="private", user_id=11, message_id=5, question="?")


async def test_two_finals_never_both_count(store: Store, begin: Begin) -> None:
    turn = await begin()
    first, second = await asyncio.gather(
        store.finish_turn(turn.id, "written so far", "stopped"),
        store.finish_turn(turn.id, "all of it", "done"),
    )
    assert first == second == await store.last_turn(ANN)
    # On connections of their own either may be the first, and then the other changes nothing.
    assert (first.reply, first.state) in {("written so far", "stopped"), ("all of it", "done")}


async def test_text_that_no_database_takes_is_stored_as_it_will_be_shown(store: Store, begin: Begin) -> None:
    turn = await begin(question="half \ud83d and nul \0, whole 👍")
    assert turn.question == "half � and nul �, whole 👍"
    turn = await store.finish_turn(turn.id, "\udc00'); DROP TABLE turns; --", "done")
    assert turn.reply == "�'); DROP TABLE turns; --"


async def test_a_prompt_knows_the_newest_answered_turns_oldest_first(store: Store, begin: Begin, say) -> None:
    for n in range(5):
        await say(f"question {n}", f"answer {n}")
    await say("stopped", "half an ans", state="stopped")
    await say("stopped at once", "", state="stopped")
    await say("crashed", "sorry", state="failed")
    await begin(question="running")
    assert questions(await store.recent_turns(ANN, 3)) == ["question 3", "question 4", "stopped"]
    assert questions(await store.recent_turns(ANN, 0)) == []
    assert (await store.last_turn(ANN)).question == "running"


async def test_conversations_topics_and_bots_are_apart(store: Store, say, database: Database) -> None:
    in_topic = ConversationKey(chat_id=-100123, thread_id=7, user_id=11)
    in_group = ConversationKey(chat_id=-100123, thread_id=0, user_id=11)
    for key, question in ((ANN, "private"), (in_topic, "topic"), (in_group, "group"), (BOB, "bob")):
        await say(question, "…", key)
    for key, question in ((ANN, "private"), (in_topic, "topic"), (in_group, "group"), (BOB, "bob")):
        assert questions(await store.recent_turns(key, 9)) == [question]
    other_bot = Store(database, bot_id=1)
    assert await other_bot.recent_turns(ANN, 9) == []
    assert await other_bot.unfinished_turns() == []


async def test_reset_empties_the_prompt_of_one_conversation(store: Store, begin: Begin, say) -> None:
    await say("before", "…")
    await say("bob", "…", BOB)
    running = await begin(question="still running")
    await store.reset(ANN)
    assert await store.recent_turns(ANN, 9) == []
    assert await store.last_turn(ANN) is None
    await store.finish_turn(running.id, "late", "done")
    assert await store.recent_turns(ANN, 9) == []
    await say("after", "…")
    assert questions(await store.recent_turns(ANN, 9)) == ["after"]
    assert questions(await store.recent_turns(BOB, 9)) == ["bob"]
    await store.reset(ConversationKey(404, 0, 404))


async def test_after_a_restart_unfinished_turns_come_back_in_order(
    store: Store, begin: Begin, say, url: str, bot_id: int
) -> None:
    await say("answered", "…")
    for question in ("running", "not delivered"):
        await begin(question=question)
    await store.finish_turn((await store.last_turn(ANN)).id, "a final", "done")

    restarted = Database(url)
    unfinished = await Store(restarted, bot_id).unfinished_turns()
    await restarted.close()
    assert [(turn.question, turn.state, turn.reply) for turn in unfinished] == [
        ("running", "running", ""),
        ("not delivered", "done", "a final"),
    ]


async def test_a_turn_that_was_deleted_meanwhile_says_so(
    store: Store, begin: Begin, database: Database
) -> None:
    turn = await begin()
    async with database.engine.begin() as connection:
        await connection.execute(delete(tables.conversations))
    for late in (
        store.record_sentiment(turn.id, "正面", 0.9, 0.1),
        store.record_answer(turn.id, 7),
        store.finish_turn(turn.id, "late", "done"),
        store.mark_delivered(turn.id),
    ):
        with pytest.raises(UnknownTurn):
            await late


async def test_a_turn_outlives_its_journal_entry(store: Store, say, database: Database) -> None:
    turn = await say("kept", "…")
    async with database.engine.begin() as connection:
        await connection.execute(delete(tables.updates))
    (kept,) = await store.recent_turns(ANN, 9)
    assert kept == turn


async def test_users_are_remembered_with_their_language(store: Store, database: Database, clock) -> None:
    await store.touch_user(11, "zh-hans")
    first = clock()
    clock.advance(hours=1)
    await store.touch_user(11, None)
    await store.touch_user(2**52, "en")
    async with database.engine.connect() as connection:
        rows = (await connection.execute(select(tables.users).order_by(tables.users.c.id))).all()
    assert [(row.id, row.language, row.first_seen, row.last_seen) for row in rows] == [
        (11, "zh-hans", first, clock()),
        (2**52, "en", clock(), clock()),
    ]


async def test_fifty_chats_at_once(store: Store, begin: Begin) -> None:
    async def chat(user: int) -> None:
        key = ConversationKey(user, 0, user)
        for n in range(2):
            await store.touch_user(user, "en")
            turn = await begin(key, f"{user} asks {n}")
            history = await store.recent_turns(key, 9)
            assert questions(history) == [f"{user} asks {k}" for k in range(n)]
            await store.record_sentiment(turn.id, "正面", 0.9, 0.1)
            await store.record_answer(turn.id, n)
            await store.finish_turn(turn.id, f"answer {n}", "done", USAGE)
            await store.mark_delivered(turn.id)

    await asyncio.gather(*(chat(user) for user in range(1, 51)))
    assert await store.unfinished_turns() == []


async def test_stats_count_what_happened(store: Store, begin: Begin, clock) -> None:
    assert (await store.stats(clock())).sentiment_s is None
    now = clock()
    for days, hours, label in (
        (40, 0, "正面"),
        (3, 0, "负面"),
        (0, 13, "正面"),
        (0, 2, "正面"),
        (0, 1, "负面"),
    ):
        clock.now = now - timedelta(days=days, hours=hours)
        turn = await begin()
        await store.record_sentiment(turn.id, label, 0.9, 0.1 * (hours + 1))
        await store.finish_turn(turn.id, "…", "done", USAGE)
    await begin()  # running: counted, without a mood
    clock.now = now - timedelta(days=1)
    await store.finish_turn((await begin()).id, "⚠️", "failed")
    await store.touch_user(11, "en")
    await store.touch_user(12, "en")
    stats = await store.stats(now)
    assert (stats.users, stats.turns_today, stats.turns, stats.failed) == (2, 3, 6, 1)
    assert stats.moods == {"正面": 2, "负面": 2}
    assert [day.turns for day in stats.days] == [0] * 26 + [1, 0, 2, 3]
    assert [day.date.day for day in stats.days[-2:]] == [21, 22]
    assert stats.days[-1].moods == {"正面": 1, "负面": 1}
    assert stats.days[-2].moods == {"正面": 1}
    assert stats.reused == pytest.approx(0.8)
    assert stats.sentiment_s == Percentiles(p50=pytest.approx(0.2), p95=pytest.approx(1.4))
    assert stats.first_token_s == Percentiles(0.75, 0.75)


async def test_today_begins_at_the_readers_midnight(store: Store, begin: Begin, clock) -> None:
    clock.now = datetime(2026, 11, 21, 17, tzinfo=UTC)  # in Shanghai it is the 22nd, one o'clock
    await begin()
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
    shanghai = timezone(timedelta(hours=8))
    assert (await store.stats(noon)).turns_today == 0
    assert (await store.stats(noon.astimezone(shanghai))).turns_today == 1


async def test_other_bots_are_not_counted(store: Store, begin: Begin, database: Database, clock) -> None:
    await begin()
    await store.touch_user(11, "en")
    stats = await Store(database, bot_id=1).stats(clock())
    assert (stats.users, stats.turns, stats.moods, stats.reused) == (0, 0, {}, None)


async def test_a_turn_is_opened_again_with_its_messages(store: Store, begin: Begin) -> None:
    turn = await begin(question="cat?")
    await store.record_sentiment(turn.id, "positive", 0.9, 0.1)
    await store.record_sentiment_sent(turn.id, 6)
    await store.record_answer(turn.id, 7)
    await store.finish_turn(turn.id, "A cat.", "done")
    await store.mark_delivered(turn.id)
    again = await store.reopen_turn(turn.id)
    assert (again.state, again.reply, again.delivered, again.answer_ids) == ("running", "", False, (7,))
    assert again.verdict is not None
    assert again.verdict.state == "sent"
    other = await store.reopen_turn(turn.id, "dog?")
    assert other.question == "dog?"
    assert other.verdict is not None
    assert (other.verdict.state, other.verdict.message_id) == ("outdated", 6)
    assert await store.recent_turns(ANN, 10) == []
    assert (await store.record_answers(turn.id, [8, 9])).answer_ids == (8, 9)


async def test_the_turn_before_is_found_also_from_before_a_reset(store: Store, begin: Begin) -> None:
    first, second = await begin(), await begin()
    assert await store.turn_before(first) is None
    await store.reset(ANN)
    assert await store.turn_before(second) == first


async def test_a_group_that_moves_keeps_its_history(store: Store, say) -> None:
    def place(chat: int, user: int, thread: int = 0) -> ConversationKey:
        return ConversationKey(chat, thread, user)

    await say("before a reset", "…", place(-13, 11))
    await store.reset(place(-13, 11))
    for user, thread in ((11, 0), (11, 7), (12, 0)):
        await say(f"{user} in {thread}", "…", place(-13, user, thread))
    await say("elsewhere", "…", place(-14, 11))
    # A message overtook the news that the group moved.
    await say("already there", "…", place(-1013, 12))
    for _ in range(2):
        await store.move_chat(-13, -1013)
    assert questions(await store.recent_turns(place(-1013, 11), 9)) == ["11 in 0"]
    assert questions(await store.recent_turns(place(-1013, 11, 7), 9)) == ["11 in 7"]
    assert questions(await store.recent_turns(place(-1013, 12), 9)) == ["12 in 0", "already there"]
    assert questions(await store.recent_turns(place(-14, 11), 9)) == ["elsewhere"]
    assert await store.recent_turns(place(-13, 11), 9) == []
