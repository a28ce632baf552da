"""Agreements with processors, and disclosures: who gets what, and who sees it."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from agent.errors import Refused
from agent.processing import desk as desk_module
from agent.processing.contract import AgreementBody, DisclosureBody
from agent.processing.desk import RegistersDesk
from agent.processing.disclosures import Ground, Receiver
from agent.rights.grants import Actor
from agent.rights.local import LOCAL_OWNER
from privacy.hold import Actor as HoldActor
from privacy.hold import Reason, Role
from privacy.records import RecordClass, Scope
from tests.agent.processing.working_house import WorkingHouse

DAY = timedelta(days=1)
LIMIT = 1095 * DAY
OP_LOG, SNAPSHOT = RecordClass.OP_LOG, RecordClass.SNAPSHOT
FRONT = Scope(cameras=("front",))


@pytest.fixture
def desk(house: WorkingHouse) -> RegistersDesk:
    return house.doorway._registers


def sky(**fields: Any) -> AgreementBody:
    return AgreementBody(**{"name": "Sky AS", "classes": (OP_LOG,), "country": "NO", **fields})


def handed(**fields: Any) -> DisclosureBody:
    return DisclosureBody(**{"receiver": Receiver.POLICE, "ground": Ground.CRIME_REPORT, "scope": FRONT, **fields})


async def refused(call: Any, code: str) -> None:
    with pytest.raises(Refused) as refusal:
        await call
    assert refusal.value.code == code, refusal.value


def actor(house: WorkingHouse, name: str) -> Actor:
    return Actor(house.ids[name])


class TestAgreements:
    async def test_who_has_none_gets_nothing(self, house: WorkingHouse, desk: RegistersDesk) -> None:
        assert not await desk.may_receive("Sky AS", OP_LOG)
        made = await desk.agree(sky(reference="K-17"), actor(house, "olga"))
        assert (made.lasts, made.by, made.reference) == (True, house.ids["olga"], "K-17")
        assert await desk.may_receive("Sky AS", OP_LOG)
        assert await desk.may_receive("sky as", OP_LOG)
        assert not await desk.may_receive("Sky", OP_LOG)
        assert not await desk.may_receive("Sky AS", SNAPSHOT)
        ended = await desk.end(made.id)
        assert (ended.lasts, ended.ended) == (False, house.clock.now())
        assert not await desk.may_receive("Sky AS", OP_LOG)
        assert await desk.agreements() == (ended,)
        await refused(desk.end(made.id), "ended")
        await refused(desk.end("k1"), "unknown_processor")

    async def test_it_lasts_from_its_day_to_its_day(self, house: WorkingHouse, desk: RegistersDesk) -> None:
        now = house.clock.now()
        await desk.agree(sky(since=now + DAY, until=now + 2 * DAY), LOCAL_OWNER)
        for lasts in (False, True, False):
            assert await desk.may_receive("Sky AS", OP_LOG) is lasts
            assert [one.lasts for one in await desk.agreements()] == [lasts]
            house.clock.move(days=1)

    async def test_none_outlives_its_record(self, house: WorkingHouse, desk: RegistersDesk) -> None:
        now = house.clock.now()
        await refused(desk.agree(sky(until=now + LIMIT + DAY), LOCAL_OWNER), "bad_range")
        made = await desk.agree(sky(), LOCAL_OWNER)
        assert (made.until, made.by) == (now + LIMIT, None)
        house.clock.move(days=1094)
        await house.agent._disk.run(house.storage.disclosures.expire, timedelta(hours=1))
        assert await desk.may_receive("Sky AS", OP_LOG)
        house.clock.move(days=1)
        await house.agent._disk.run(house.storage.disclosures.expire, timedelta(hours=1))
        assert not await desk.may_receive("Sky AS", OP_LOG)
        assert await desk.agreements() == ()

    async def test_bad_ones_are_refused(
        self, house: WorkingHouse, desk: RegistersDesk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = house.clock.now()
        await refused(desk.agree(sky(name="<b>"), LOCAL_OWNER), "bad_name")
        await refused(desk.agree(sky(since=now + DAY, until=now + DAY), LOCAL_OWNER), "bad_range")
        await refused(desk.agree(sky(since=now - 2 * DAY, until=now - DAY), LOCAL_OWNER), "bad_range")
        house.storage.barrier.raise_for("order", Scope(classes=(RecordClass.DISCLOSURE,)), now + DAY)
        await refused(desk.agree(sky(), LOCAL_OWNER), "ordered")
        monkeypatch.setattr(desk_module, "MOST_AGREEMENTS", 0)
        await refused(desk.agree(sky(), LOCAL_OWNER), "too_many")

    async def test_who_registered_it_can_be_erased_and_it_stays(self, house: WorkingHouse, desk: RegistersDesk) -> None:
        await desk.agree(sky(), actor(house, "olga"))
        house.clock.move(minutes=1)
        scope = Scope(subjects=(house.ids["olga"],))
        house.storage.disclosures.erase(scope, house.clock.now())
        [left] = await desk.agreements()
        assert (left.by, left.lasts) == (None, True)
        assert not sum(house.storage.disclosures.scan(scope, house.clock.now()))


class TestDisclosures:
    async def test_what_is_recorded(self, house: WorkingHouse, desk: RegistersDesk) -> None:
        scope = Scope(cameras=("front",), subjects=(house.ids["rune"],))
        made = await desk.disclose(handed(scope=scope, reference="2026/17"), actor(house, "olga"))
        assert (made.scope, made.by, made.at) == (scope, house.ids["olga"], house.clock.now())
        for name in ("olga", "rune"):
            assert await desk.disclosures(actor(house, name), sees=False) == (made,)
        assert await desk.disclosures(actor(house, "gro"), sees=False) == ()
        assert await desk.disclosures(LOCAL_OWNER, sees=True) == (made,)
        assert await desk.disclosed_to() == {Receiver.POLICE: 1}

    async def test_what_somebody_takes_to_the_police_of_their_own_nobody_else_sees(
        self, house: WorkingHouse, desk: RegistersDesk
    ) -> None:
        """Least of all whom it may be about: the owner of the home."""
        made = await desk.disclose(handed(scope=Scope(subjects=(house.ids["rune"],))), actor(house, "rune"))
        assert await desk.disclosures(actor(house, "rune"), sees=True) == (made,)
        for other in (actor(house, "olga"), LOCAL_OWNER):
            assert await desk.disclosures(other, sees=True) == ()
        assert await desk.disclosed_to() == {}
        house.clock.move(minutes=1)
        house.storage.disclosures.erase(Scope(subjects=(house.ids["rune"],)), house.clock.now())
        assert await desk.disclosures(actor(house, "olga"), sees=True) == ()

    async def test_who_is_erased_is_gone_from_it_and_it_stays(self, house: WorkingHouse, desk: RegistersDesk) -> None:
        people = (house.ids["rune"], house.ids["gro"])
        await desk.disclose(handed(scope=Scope(subjects=people)), actor(house, "olga"))
        house.clock.move(minutes=1)
        for name in ("rune", "olga"):
            house.storage.disclosures.erase(Scope(subjects=(house.ids[name],)), house.clock.now())
        [left] = await desk.disclosures(LOCAL_OWNER, sees=True)
        assert (left.by, left.scope.subjects) == (None, (house.ids["gro"],))

    async def test_what_is_held_goes_to_those_alone_for_whom_it_is_held(
        self, house: WorkingHouse, desk: RegistersDesk
    ) -> None:
        by = HoldActor(house.ids["olga"], Role.OWNER)
        claim = house.storage.holds.place(Reason.INSURANCE_CLAIM, FRONT, by, None)
        olga = actor(house, "olga")
        await refused(desk.disclose(handed(hold=claim.id, scope=None), olga), "other_reason")
        made = await desk.disclose(
            handed(hold=claim.id, scope=None, receiver=Receiver.INSURER, ground=Ground.LEGAL_CLAIM), olga
        )
        assert (made.hold, made.scope) == (claim.id, FRONT)
        await refused(desk.disclose(handed(receiver=Receiver.INSURER), olga), "nothing_held")

    async def test_bad_ones_are_refused(self, house: WorkingHouse, desk: RegistersDesk) -> None:
        olga, now = actor(house, "olga"), house.clock.now()
        hold = "0198c0de-0000-7000-8000-000000000002"
        await refused(desk.disclose(handed(scope=None), olga), "empty_scope")
        await refused(desk.disclose(handed(hold=hold), olga), "empty_scope")
        await refused(desk.disclose(handed(scope=Scope()), olga), "empty_scope")
        await refused(desk.disclose(handed(scope=Scope(start=now, end=now)), olga), "bad_range")
        await refused(desk.disclose(handed(scope=None, hold=hold), olga), "unknown_hold")
        await refused(desk.disclose(handed(by=house.ids["rune"]), LOCAL_OWNER), "not_an_owner")
        house.storage.barrier.raise_for("order", Scope(subjects=(house.ids["rune"],)), now + DAY)
        await refused(desk.disclose(handed(scope=Scope(subjects=(house.ids["rune"],))), olga), "ordered")
        assert await desk.disclosures(olga, sees=True) == ()

    async def test_the_loop_forgets(
        self, house: WorkingHouse, desk: RegistersDesk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await desk.agree(sky(), LOCAL_OWNER)
        house.clock.move(days=1095)
        monkeypatch.setattr(desk_module, "EARLIER", 0)
        loop = asyncio.create_task(desk.run())
        try:
            async with asyncio.timeout(10):
                while await desk.agreements():
                    await asyncio.sleep(0)
        finally:
            loop.cancel()
            with suppress(asyncio.CancelledError):
                await loop

    async def test_it_goes_after_three_years(self, house: WorkingHouse, desk: RegistersDesk) -> None:
        await desk.disclose(handed(scope=Scope(subjects=(house.ids["rune"],))), actor(house, "olga"))
        store = house.storage.disclosures
        house.clock.move(days=1094)
        assert await house.agent._disk.run(store.expire, timedelta(hours=1)) == 0
        house.clock.move(days=1)
        assert await house.agent._disk.run(store.expire, timedelta(hours=1)) == 3
