"""Who was let in, blocked or invited, and how much was used: kept exactly, also over a crash."""

from datetime import timedelta

import pytest

from bot.history.access import Access, Standing
from bot.history.database import Database
from bot.history.journal import Journal

ANN, BOB, GROUP, SUPERGROUP = 11, 12, -13, -1_000_000_000_013


@pytest.fixture
def access(database: Database, bot_id: int, clock) -> Access:
    return Access(database, bot_id, clock)


@pytest.fixture
def invite(access: Access, clock):
    async def invite(code: str = "code", uses: int = 1, **lifetime: float) -> None:
        await access.invite(code, uses, clock() + timedelta(**lifetime or {"days": 1}), by=ANN)

    return invite


async def standing(access: Access, one: int) -> Standing:
    return (await access.standings([one]))[one]


async def test_nothing_is_decided_about_strangers(access: Access) -> None:
    assert await access.standings([ANN, GROUP]) == {ANN: Standing(), GROUP: Standing()}


async def test_a_block_holds_whatever_was_decided_before_and_ends_as_it_began(access: Access) -> None:
    await access.admit(ANN)
    await access.block(ANN)
    await access.block(BOB)
    assert await access.standings([ANN, BOB]) == {ANN: Standing(True, True), BOB: Standing(False, True)}
    assert await access.unblock(ANN)
    assert await access.unblock(BOB)
    assert not await access.unblock(BOB)
    assert await access.standings([ANN, BOB]) == {ANN: Standing(admitted=True), BOB: Standing()}


async def test_an_invitation_has_so_many_uses(access: Access, invite) -> None:
    await invite(uses=2)
    assert [await access.redeem("code", person) for person in (21, 22, 23)] == [True, True, False]
    found = await access.standings([21, 22, 23])
    assert [found[person].admitted for person in (21, 22, 23)] == [True, True, False]
    assert not await access.redeem("other", 23)


async def test_an_invitation_expires(access: Access, invite, clock) -> None:
    await invite(hours=1)
    clock.advance(hours=1)
    assert not await access.redeem("code", BOB)


async def test_bots_have_their_own_guests(access: Access, database: Database, invite, clock) -> None:
    other = Access(database, 4243, clock)
    await invite()
    await access.block(ANN)
    assert await standing(other, ANN) == Standing()
    assert not await other.redeem("code", BOB)


async def test_a_day_has_so_many_turns(access: Access, clock) -> None:
    assert [await access.spend(n, ANN, 2) for n in range(3)] == [True, True, False]
    assert await access.spend(3, GROUP, 2)
    clock.advance(days=1)
    assert await access.spend(4, ANN, 2)


async def test_a_turn_that_a_crash_interrupted_is_counted_once(
    access: Access, database: Database, bot_id: int, clock
) -> None:
    journal = Journal(database, bot_id, clock)
    (entry,) = await journal.append([{"update_id": 7}])
    for _ in range(3):
        await journal.started(entry.id)
        assert await access.spend(7, ANN, 1)
    assert not await access.spend(8, ANN, 1)


async def test_a_group_that_moves_takes_its_rights_along(access: Access) -> None:
    await access.admit(GROUP)
    await access.spend(1, GROUP, 1)
    for _ in range(2):
        await access.move(GROUP, SUPERGROUP)
    assert (await standing(access, SUPERGROUP)).admitted
    assert not await access.spend(2, SUPERGROUP, 1)


async def test_what_has_expired_goes(access: Access, database: Database, invite, clock) -> None:
    await invite("used")
    await access.redeem("used", BOB)
    await invite("old", hours=1)
    await invite("good", days=9)
    await access.spend(1, ANN, 9)
    clock.advance(days=1)
    await access.spend(2, ANN, 9)
    await access.delete_expired()
    async with database.engine.connect() as connection:
        codes = (await connection.exec_driver_sql("SELECT code FROM invites")).scalars().all()
        days = (await connection.exec_driver_sql("SELECT count(*) FROM usage")).scalar()
    assert (codes, days) == (["good"], 1)
    assert (await standing(access, BOB)).admitted
