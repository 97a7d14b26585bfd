"""A person's own data: all of it can be had and deleted, whichever table it is in, and nobody else's."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, insert, select

from bot.conversation import ConversationKey
from bot.history.database import Database
from bot.history.journal import Journal
from bot.history.personal import IMPERSONAL, KEPT, PersonalData, owner_of
from bot.history.store import Store, UnknownTurn
from bot.history.tables import metadata

ANN, LI_LEI = 11, 12
OWNED = [table for table in metadata.sorted_tables if owner_of(table) is not None]


def test_every_table_is_somebodys_or_says_why_not() -> None:
    """Whoever adds a table decides here: a column that says whose a row is, or a reason."""
    assert {table.name for table in metadata.sorted_tables} - {t.name for t in OWNED} == set(IMPERSONAL)
    assert {table.name for table in OWNED} >= KEPT


async def fill(database: Database, clock, bot_id: int, user_id: int) -> None:
    """One row of this person in every table."""
    made_up: dict[str, Any] = {"Moment": clock(), "Date": date(2026, 11, 22), "Boolean": False, "Float": 0.5}
    made_up |= {"String": f"{user_id}", "Text": "{}", "Words": "a secret", "JSON": [], "Integer": 1}

    def value(column: Column[Any]) -> Any:
        if column.name == "bot_id" or column is owner:
            return bot_id if column.name == "bot_id" else user_id
        for key in column.foreign_keys:
            return ids[key.column]
        return made_up.get(type(column.type).__name__, user_id)

    ids: dict[Column[Any], Any] = {}
    async with database.engine.begin() as connection:
        for table in metadata.sorted_tables:
            owner = owner_of(table)
            row = {column.name: value(column) for column in table.c if column is owner or column.name != "id"}
            made = await connection.execute(insert(table).values(row))
            ids |= dict(zip(table.primary_key, made.inserted_primary_key, strict=True))


async def counts(database: Database) -> dict[str, int]:
    async with database.engine.connect() as connection:
        return {t.name: len((await connection.execute(select(t))).all()) for t in OWNED}


async def test_an_export_has_ones_own_rows_of_every_table(database: Database, clock) -> None:
    for bot_id, user_id in ((1, ANN), (1, LI_LEI), (2, ANN)):
        await fill(database, clock, bot_id, user_id)
    exported = await PersonalData(database, 1, clock).export(ANN)
    assert {name: len(rows) for name, rows in exported.items()} == {table.name: 1 for table in OWNED}
    for table in OWNED:
        assert exported[table.name][0][owner_of(table).name] == ANN
    assert json.loads(json.dumps(exported))["turns"][0]["question"] == "a secret"
    assert exported["users"][0]["first_seen"] == clock().isoformat()


async def test_forgetting_leaves_what_the_operator_decided_and_everybody_elses(
    database: Database, clock
) -> None:
    for bot_id, user_id in ((1, ANN), (1, LI_LEI), (2, ANN)):
        await fill(database, clock, bot_id, user_id)
    personal = PersonalData(database, 1, clock)
    others = [
        await PersonalData(database, bot_id, clock).export(who) for bot_id, who in ((1, LI_LEI), (2, ANN))
    ]
    await personal.forget(ANN, before=0)
    left = await personal.export(ANN)
    assert {name for name, rows in left.items() if rows} == KEPT
    assert await counts(database) == {table.name: 3 if table.name in KEPT else 2 for table in OWNED}
    assert others == [
        await PersonalData(database, bot_id, clock).export(who) for bot_id, who in ((1, LI_LEI), (2, ANN))
    ]


async def ask(store: Store, journal: Journal, update_id: int, user_id: int, chat_id: int) -> None:
    await journal.append([{"update_id": update_id, "message": {"from": {"id": user_id}, "text": "a secret"}}])
    await begin(store, update_id, user_id, chat_id)


async def begin(store: Store, update_id: int, user_id: int, chat_id: int) -> Any:
    key = ConversationKey(chat_id, 0, user_id)
    return await store.begin_turn(
        key, update_id=update_id, chat_type="private", user_id=user_id, message_id=5, question="a secret"
    )


async def test_what_waits_is_taken_back_and_what_comes_later_is_not(database: Database, clock) -> None:
    store, journal = Store(database, 1, clock), Journal(database, 1, clock)
    await ask(store, journal, 1, ANN, ANN)
    await ask(store, journal, 2, LI_LEI, LI_LEI)
    press = {"update_id": 3, "callback_query": {"from": {"id": ANN}, "message": {"from": {"id": 1}}}}
    later = {"update_id": 4, "message": {"from": {"id": ANN}}}
    channel = {"update_id": 5, "channel_post": {"text": "nobody's"}}
    await journal.append([press, later, channel])
    (unfinished,) = await PersonalData(database, 1, clock).forget(ANN, before=3)
    assert (unfinished.question, unfinished.user_id) == ("a secret", ANN)
    assert [entry.update_id for entry in await journal.pending()] == [2, 3, 4, 5]
    with pytest.raises(UnknownTurn):
        await begin(store, 1, ANN, ANN)
    assert (await begin(store, 4, ANN, ANN)).attempts == 1
    # Telegram may send it once more: it is still known.
    assert await journal.append([{"update_id": 1}]) == []


async def test_conversations_of_a_person_are_found_in_groups_too(database: Database, clock) -> None:
    store, journal = Store(database, 1, clock), Journal(database, 1, clock)
    for number, (user_id, chat_id) in enumerate([(ANN, ANN), (ANN, -5), (LI_LEI, -5)]):
        await ask(store, journal, number, user_id, chat_id)
    found = await PersonalData(database, 1, clock).conversations(ANN)
    assert found == [ConversationKey(-5, 0, ANN), ConversationKey(ANN, 0, ANN)]


async def test_whoever_was_not_here_for_long_is_forgotten(database: Database, clock) -> None:
    store, personal = Store(database, 1, clock), PersonalData(database, 1, clock)
    for _ in range(2):
        await fill(database, clock, 1 + _, ANN)
    clock.advance(days=20)
    await store.touch_user(LI_LEI, "zh")
    assert await personal.forget_unseen(clock() - timedelta(days=10)) == 1
    assert {name for name, rows in (await personal.export(ANN)).items() if rows} == KEPT
    assert await personal.export(LI_LEI) == (await personal.export(ANN)) | {name: [] for name in KEPT} | {
        "users": (await personal.export(LI_LEI))["users"]
    }
    assert (await PersonalData(database, 2, clock).export(ANN))["turns"]
    assert await personal.forget_unseen(clock() - timedelta(days=10)) == 0


async def test_no_file_holds_what_was_forgotten(sqlite_url: str, clock) -> None:
    database = Database(sqlite_url)
    await database.migrate()
    store, journal = Store(database, 1, clock), Journal(database, 1, clock)
    await ask(store, journal, 1, ANN, ANN)
    await PersonalData(database, 1, clock).forget(ANN, before=1)
    await journal.done(1)
    await database.empty_log()
    folder = Path(str(database.url.database)).parent
    assert b"a secret" not in b"".join(path.read_bytes() for path in folder.iterdir())
    await database.close()
