"""What people and groups chose is kept exactly, by bot, over a restart, and moves with a group."""

import asyncio
from datetime import timedelta

import pytest

from bot.history.database import Database
from bot.history.preferences import Preference, Preferences

ANN, GROUP, SUPERGROUP = 2**52, -13, -1_000_000_000_013


@pytest.fixture
def preferences(database: Database, bot_id: int, clock) -> Preferences:
    return Preferences(database, bot_id, clock)


async def test_choices_are_kept_and_can_be_taken_back(preferences: Preferences, database, bot_id) -> None:
    assert await preferences.of(ANN) == Preference()
    await preferences.choose(ANN, sentiment="reaction", language="zh_CN")
    assert await preferences.choose(ANN, persona="poet", language=None) == Preference("reaction", "poet")
    assert await preferences.of(ANN) == Preference("reaction", "poet")
    assert await Preferences(database, bot_id).of(ANN) == Preference("reaction", "poet")
    assert await Preferences(database, bot_id + 1).of(ANN) == Preference()


async def test_a_group_is_quiet_until_a_moment(preferences: Preferences, database, bot_id, clock) -> None:
    until = clock() + timedelta(hours=1)
    await preferences.choose(GROUP, quiet_until=until)
    assert (await Preferences(database, bot_id).of(GROUP)).quiet_until == until


async def test_who_reads_while_somebody_chooses_learns_the_choice(preferences: Preferences) -> None:
    for language in ("en", "zh_CN") * 5:
        reading = asyncio.create_task(preferences.of(ANN))
        await preferences.choose(ANN, language=language)
        await reading
        assert (await preferences.of(ANN)).language == language
        preferences.clear()


async def test_what_was_deleted_is_not_remembered_either(preferences: Preferences, database) -> None:
    await preferences.choose(ANN, persona="poet")
    async with database.engine.begin() as connection:
        await connection.exec_driver_sql("DELETE FROM preferences")
    preferences.clear()
    assert await preferences.of(ANN) == Preference()


async def test_a_group_that_moves_keeps_its_choices(preferences: Preferences) -> None:
    await preferences.of(SUPERGROUP)
    await preferences.choose(GROUP, persona="poet")
    for _ in range(2):
        await preferences.move(GROUP, SUPERGROUP)
    assert [await preferences.of(one) for one in (GROUP, SUPERGROUP)] == [
        Preference(),
        Preference(persona="poet"),
    ]
    # What was chosen under the new id is newer.
    await preferences.choose(GROUP, persona="teacher")
    await preferences.move(GROUP, SUPERGROUP)
    assert await preferences.of(SUPERGROUP) == Preference(persona="poet")


async def test_a_hint_is_given_once(preferences: Preferences, database, bot_id) -> None:
    assert [await preferences.hint(ANN), await preferences.hint(ANN)] == [True, False]
    assert not await Preferences(database, bot_id).hint(ANN)
