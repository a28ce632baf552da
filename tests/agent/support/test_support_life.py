"""The whole life of a support case: let in, seen, counted, sent away; by people, by time, and by who goes."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from agent.rights.actions import Action
from agent.support import desk as desk_module
from agent.support.cases import Why
from privacy import entries
from privacy.errors import StoreBroken
from privacy.records import Scope
from privacy.timekeeping import Witness
from tests.agent.support.support_house import DAY, HOUR, LIMIT, SupportHouse

MINUTE = timedelta(minutes=1)


async def test_support_sees_nothing_unless_it_is_let_in(house: SupportHouse) -> None:
    assert not house.may()
    assert not await house.desk.all(house.actor("olga"), sees=True)


async def test_who_is_let_in_sees_what_was_granted_and_no_more(house: SupportHouse) -> None:
    view = await house.open()
    assert (view.person, view.by, view.lasts) == (house.ids["siri"], house.ids["olga"], True)
    assert view.until - view.opened == 2 * HOUR
    assert house.may()
    assert house.may(action=Action.READ_METRICS)
    assert not house.may(action=Action.READ_INVENTORY)
    assert not house.may(action=Action.VIEW_PICTURES)
    assert not house.may("stein")
    [opened] = [entry for entry in house.recorded if isinstance(entry, entries.SupportOpened)]
    assert (opened.subject, opened.actor) == (house.ids["siri"], house.ids["olga"])


@pytest.mark.parametrize(("who", "why"), [("olga", Why.HOME), ("rune", Why.HOME), ("siri", Why.SUPPORT)])
async def test_either_side_ends_it(house: SupportHouse, who: str, why: Why) -> None:
    case = (await house.open()).id
    house.desk.acted(house.ids["siri"], Action.READ_DIAGNOSTICS)
    house.desk.acted(house.ids["siri"], Action.READ_DIAGNOSTICS)
    house.desk.acted(house.ids["siri"], Action.READ_METRICS)
    house.desk.acted(house.ids["stein"], Action.READ_METRICS)
    house.pass_(MINUTE)
    ended = await house.desk.end(case, house.actor(who))
    assert not house.may()
    assert ended == await house.only()
    assert (ended.why, ended.ended_by, ended.lasts) == (why, house.ids[who], False)
    assert ended.ended == house.clock.now()
    assert ended.done == {"read_diagnostics": 2, "read_metrics": 1}
    assert not house.household.current().grants
    house.desk.acted(house.ids["siri"], Action.READ_METRICS)
    house.start()
    await house.desk.settle()
    assert (await house.only()).done == ended.done
    assert not house.may()


async def test_the_hand_at_the_box_lets_in_for_the_only_owner_and_ends_without_a_name(house: SupportHouse) -> None:
    from agent.rights.local import LOCAL_OWNER  # noqa: PLC0415 - of this test alone
    from agent.support.contract import SupportBody  # noqa: PLC0415

    view = await house.desk.open(SupportBody(person=house.ids["siri"], hours=1), LOCAL_OWNER)
    assert view.by == house.ids["olga"]
    ended = await house.desk.end(view.id, LOCAL_OWNER)
    assert (ended.why, ended.ended_by) == (Why.HOME, None)
    assert ended == await house.only()


async def test_it_ends_by_itself_and_not_before(house: SupportHouse) -> None:
    await house.open(hours=2)
    house.pass_(2 * HOUR - MINUTE)
    await house.desk.settle()
    assert house.may()
    house.pass_(MINUTE)
    assert not house.may(), "whether or not anybody has looked"
    await house.desk.settle()
    view = await house.only()
    assert (view.why, view.ended_by, view.ended) == (Why.TIME, None, house.clock.now())
    assert [entry.why for entry in house.recorded if isinstance(entry, entries.SupportEnded)] == ["time"]
    assert (await house.open()).lasts, "and may be opened anew"


@pytest.mark.parametrize("jump", [-400 * DAY, -HOUR, HOUR, 400 * DAY])
async def test_a_clock_that_is_set_neither_lengthens_nor_cuts_it(house: SupportHouse, jump: timedelta) -> None:
    await house.open(hours=2)
    house.pass_(HOUR)
    house.machine.wall += jump
    await house.desk.settle()
    assert house.may()
    house.pass_(HOUR)
    await house.desk.settle()
    assert not house.may()
    assert (await house.only()).why is Why.TIME


async def test_where_the_time_was_not_known_it_lasts_as_long(house: SupportHouse) -> None:
    house.noted = None
    house.boot(wall=house.machine.wall - 3000 * DAY)
    house.start()
    await house.desk.settle()
    await house.open(hours=2)
    assert house.may()
    house.pass_(HOUR)
    house.machine.wall += 3000 * DAY
    assert house.time.witness(house.machine.wall, Witness.PERSON)
    await house.disk.run(house.cases.redate, house.time.redated)
    await house.desk.settle()
    view = await house.only()
    assert view.lasts
    assert view.opened == house.clock.now() - HOUR
    assert [session.person for session in house.household.current().support] == [house.ids["siri"]]
    house.pass_(HOUR)
    await house.desk.settle()
    assert not house.may()
    assert (await house.only()).why is Why.TIME


class TestRestarts:
    async def test_a_session_survives_a_restart_until_its_end(self, house: SupportHouse) -> None:
        await house.open(hours=2)
        house.desk.acted(house.ids["siri"], Action.READ_METRICS)
        await house.desk._note()
        house.pass_(HOUR)
        house.start()
        await house.desk.settle()
        assert house.may()
        house.desk.acted(house.ids["siri"], Action.READ_METRICS)
        assert (await house.only()).done == {"read_metrics": 2}
        house.pass_(HOUR)
        await house.desk.settle()
        assert not house.may()
        assert (await house.only()).done == {"read_metrics": 2}

    async def test_and_a_power_cut_where_the_time_is_known_afterwards(self, house: SupportHouse) -> None:
        await house.open(hours=2)
        house.boot(10 * MINUTE)
        house.start()
        await house.desk.settle()
        assert not house.may(), "nobody knows how long it was off"
        assert not (await house.only()).lasts
        assert (await house.only()).ended is None
        assert house.time.witness(house.machine.wall, Witness.PERSON)
        await house.desk.settle()
        assert house.may()
        house.pass_(2 * HOUR)
        await house.desk.settle()
        assert (await house.only()).why is Why.TIME

    async def test_after_a_month_in_a_cupboard_it_is_over(self, house: SupportHouse) -> None:
        await house.open(hours=2)
        house.boot(30 * DAY, wall=house.machine.wall)
        house.start()
        await house.desk.settle()
        assert not house.may(), "its clock says that nothing has passed"
        house.machine.wall += 30 * DAY
        assert house.time.witness(house.machine.wall, Witness.PERSON)
        await house.desk.settle()
        assert not house.may()
        assert (await house.only()).why is Why.TIME

    async def test_what_ended_stays_ended(self, house: SupportHouse) -> None:
        await house.desk.end((await house.open()).id, house.actor("siri"))
        house.start()
        await house.desk.settle()
        assert not house.may()


class TestWhoGoes:
    async def test_support_that_is_erased_is_out_and_the_case_stays(self, house: SupportHouse) -> None:
        await house.open()
        house.desk.acted(house.ids["siri"], Action.READ_METRICS)
        await house.erase("siri")
        view = await house.only()
        assert (view.person, view.by, view.why) == (None, house.ids["olga"], Why.GONE)
        assert view.done == {"read_metrics": 1}
        assert not sum(house.cases.scan(Scope(subjects=(house.ids["siri"],)), house.clock.now()))

    async def test_who_let_them_in_is_erased_likewise(self, house: SupportHouse) -> None:
        await house.open("rune")
        await house.erase("rune")
        assert not house.may()
        view = await house.only()
        assert (view.person, view.by, view.why) == (house.ids["siri"], None, Why.GONE)
        assert not sum(house.cases.scan(Scope(subjects=(house.ids["rune"],)), house.clock.now()))

    async def test_an_erased_person_leaves_a_case_that_has_ended(self, house: SupportHouse) -> None:
        await house.desk.end((await house.open()).id, house.actor("rune"))
        for name in ("rune", "siri"):
            await house.erase(name)
        view = await house.only()
        assert (view.person, view.ended_by, view.by) == (None, None, house.ids["olga"])
        house.start()
        assert await house.only() == view

    @pytest.mark.parametrize("name", ["siri", "rune"])
    async def test_who_leaves_takes_the_session_along(self, house: SupportHouse, name: str) -> None:
        await house.open("rune")
        await house.people.remove(house.ids[name], "somebody")
        assert not house.may()
        await house.desk.settle()
        assert (await house.only()).why is Why.GONE

    async def test_who_was_erased_while_the_gateway_was_off_is_out(self, house: SupportHouse) -> None:
        await house.open()
        house.pass_(MINUTE)
        await house.disk.run(house.cases.erase, Scope(subjects=(house.ids["siri"],)), house.clock.now())
        house.start()
        await house.desk.settle()
        assert not house.may()
        assert (await house.only()).why is Why.GONE

    async def test_an_order_for_everything_takes_the_case_too(self, house: SupportHouse) -> None:
        await house.open()
        house.barrier.raise_for("order", Scope(everything=True), house.clock.now() + MINUTE)
        await house.desk.settle()
        assert not house.may()
        assert not await house.desk.all(house.actor("olga"), sees=True)
        await house.disk.run(house.cases.erase, Scope(everything=True), house.clock.now() + MINUTE)
        assert sum(count for _, count, _ in house.cases.oldest()) == 0

    async def test_a_case_that_is_erased_while_it_ends_is_gone(
        self, house: SupportHouse, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        case = (await house.open()).id
        with monkeypatch.context() as patch:
            patch.setattr(house.cases, "end", broken)
            with pytest.raises(StoreBroken):
                await house.desk.end(case, house.actor("olga"))
        house.barrier.raise_for("order", Scope(everything=True), house.clock.now() + MINUTE)
        await house.desk.settle()
        assert not house.desk._ending
        assert not [entry for entry in house.recorded if isinstance(entry, entries.SupportEnded)]


class TestLimit:
    async def test_a_case_goes_as_a_whole_after_three_years(self, house: SupportHouse) -> None:
        case = (await house.open(hours=24)).id
        house.pass_(20 * HOUR)
        await house.desk.end(case, house.actor("rune"))
        house.pass_(LIMIT - 21 * HOUR)
        assert await house.disk.run(house.cases.expire, HOUR / 2) == 0
        assert await house.disk.run(house.cases.expire, HOUR) == 5
        assert not list(house.cases.find(Scope(everything=True), house.clock.now()))

    async def test_who_took_part_goes_by_the_same_limit_where_the_case_is_gone(self, house: SupportHouse) -> None:
        await house.open()
        name = next(name for name in house.cases._files.names() if name.startswith("/"))
        house.cases._files.lose(name, lambda *_: True)
        house.pass_(LIMIT)
        assert await house.disk.run(house.cases.expire, HOUR) == 2

    async def test_the_loop_ends_notes_and_forgets(self, house: SupportHouse, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(desk_module, "LOOK_SECONDS", 0.01)
        await house.open(hours=2)
        house.desk.acted(house.ids["siri"], Action.READ_METRICS)
        looks, settle = [0], house.desk.settle

        async def look() -> None:
            looks[0] += 1
            await settle()

        monkeypatch.setattr(house.desk, "settle", look)
        loop = asyncio.create_task(house.desk.run())
        try:
            await _until(lambda: house.cases.all()[0].done == {"read_metrics": 1}, house)
            await _until(lambda: looks[0] > 2, house)
            assert len(house.cases.all()) == 1
            house.pass_(2 * HOUR)
            await _until(lambda: house.cases.all()[0].ended is not None, house)
            house.pass_(LIMIT)
            house.desk._wake.set()
            await _until(lambda: not house.cases.all(), house)
        finally:
            loop.cancel()
            with suppress(asyncio.CancelledError):
                await loop


class TestBrokenMedium:
    async def test_nobody_is_let_in_where_it_cannot_be_noted(
        self, house: SupportHouse, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(house.cases, "open", broken)
        with pytest.raises(StoreBroken):
            await house.open()
        assert not house.may()
        assert not house.household.current().grants

    @pytest.mark.parametrize("written", [0, 1, 2])
    async def test_a_power_cut_before_the_case_itself_is_written_lets_nobody_in(
        self, house: SupportHouse, monkeypatch: pytest.MonkeyPatch, written: int
    ) -> None:
        add, left = house.cases.add, [written]

        def until(*arguments: Any) -> bool:
            if not left[0]:
                raise StoreBroken("the power is gone")
            left[0] -= 1
            return add(*arguments)

        monkeypatch.setattr(house.cases, "add", until)
        with pytest.raises(StoreBroken):
            await house.open()
        house.start()
        await house.desk.settle()
        assert not house.may()
        assert not await house.desk.all(house.actor("olga"), sees=True)
        house.pass_(LIMIT)
        assert await house.disk.run(house.cases.expire, HOUR) == written

    async def test_who_is_sent_away_is_out_whether_or_not_it_can_be_noted(
        self, house: SupportHouse, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        case = (await house.open()).id
        with monkeypatch.context() as patch:
            patch.setattr(house.cases, "end", broken)
            with pytest.raises(StoreBroken):
                await house.desk.end(case, house.actor("olga"))
            assert not house.may()
            assert not (await house.only()).lasts
        house.pass_(MINUTE)
        await house.desk.settle()
        view = await house.only()
        assert (view.why, view.ended_by) == (Why.HOME, house.ids["olga"])
        assert view.ended == house.clock.now() - MINUTE


def broken(*_: Any) -> bool:
    raise StoreBroken("the card is full")


async def _until(true: Any, house: SupportHouse) -> None:
    for _ in range(500):
        if await house.disk.run(true):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to that")
