"""Whom nobody lets in, and who ends nothing."""

from typing import Any

import msgspec
import pytest

from agent.api.problems import NotPermitted
from agent.errors import Refused
from agent.rights.actions import Action
from agent.rights.grants import Reach
from agent.rights.local import LOCAL_OWNER
from agent.support.contract import SupportBody
from privacy.records import RecordClass, Scope
from tests.agent.support.support_house import HOUR, SupportHouse


async def refused(call: Any, code: str) -> None:
    with pytest.raises(Refused) as refusal:
        await call
    assert refusal.value.code == code, refusal.value


@pytest.mark.parametrize(
    ("whom", "code"),
    [("gro", "not_support"), ("rune", "not_support"), ("olga", "not_support"), ("nobody", "unknown_person")],
)
async def test_only_who_is_from_support_is_let_in(house: SupportHouse, whom: str, code: str) -> None:
    await refused(house.open("rune", whom), code)
    assert not house.household.current().grants


async def test_one_session_of_each_at_a_time(house: SupportHouse) -> None:
    await house.open()
    await refused(house.open("rune"), "already_open")
    assert (await house.open("rune", "stein")).lasts


async def test_nobody_lends_what_they_may_not_do_or_no_support_gets(house: SupportHouse) -> None:
    for action in (Action.ERASE_EVERYTHING, Action.VIEW_POSITION):
        await refused(house.open(actions=(action,)), "not_granted")
    with pytest.raises(NotPermitted):
        await house.open("rune", actions=(Action.CHANGE_SETTINGS,))
    await refused(house.open(reach=Reach(cameras=("cellar",))), "unknown_camera")
    await refused(house.open(by=house.ids["rune"]), "not_own")
    assert not house.household.current().grants


@pytest.mark.parametrize("hours", [0, -1, 24.1, 1e9, "2", None])
def test_a_session_lasts_a_day_at_the_most(hours: Any) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"person": "p1", "hours": hours}, SupportBody)


async def test_no_time_at_all_is_no_session(house: SupportHouse) -> None:
    await refused(house.open(hours=1e-12), "bad_range")


async def test_whom_an_order_reaches_is_not_let_in(house: SupportHouse) -> None:
    scope = Scope(classes=(RecordClass.SUPPORT_CASE,))
    house.barrier.raise_for("order", scope, house.clock.now() + HOUR)
    await refused(house.open(), "ordered")
    assert not house.household.current().grants


async def test_what_there_is_not_is_not_ended_nor_twice(house: SupportHouse) -> None:
    await refused(house.desk.end("c1", house.actor("olga")), "unknown_case")
    case = (await house.open()).id
    await house.desk.end(case, house.actor("olga"))
    await refused(house.desk.end(case, house.actor("siri")), "ended")
    await refused(house.desk.end(case, LOCAL_OWNER), "ended")


async def test_support_sees_and_ends_its_own_alone(house: SupportHouse) -> None:
    case = (await house.open()).id
    await refused(house.desk.end(case, house.actor("stein")), "unknown_case")
    assert await house.desk.all(house.actor("stein"), sees=True) == ()
    assert (await house.only("siri")).id == case
    assert await house.desk.all(house.actor("gro"), sees=False) == ()
    assert house.may()


async def test_a_hold_hides_a_case_and_keeps_nobody_in(house: SupportHouse) -> None:
    case = (await house.open()).id
    house.held.add(house.ids["siri"])
    assert house.may()
    assert (await house.desk.end(case, house.actor("olga"))).person == house.ids["siri"]
    assert not house.may()
    assert (await house.only()).person is None, "what is held is not shown"


async def test_what_cannot_be_read_is_no_case(house: SupportHouse) -> None:
    now = house.clock.now()
    assert house.cases.add("c1", now, b'{"type": "of a later version"}')
    assert house.cases.add("c1", now, b'{"did": "something new"}', house.ids["siri"])
    house.start()
    await house.desk.settle()
    assert await house.desk.all(house.actor("olga"), sees=True) == ()
    assert [case.id for case in house.cases.cases()] == ["c1"]


async def test_what_a_person_did_in_a_later_version_is_passed_over(house: SupportHouse) -> None:
    case = (await house.open()).id
    assert house.cases.add(case, house.clock.now(), b'{"did": "something new"}', house.ids["rune"])
    assert (await house.only()).person == house.ids["siri"]


async def test_a_grant_that_cannot_be_taken_back_lets_nobody_see(
    house: SupportHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = (await house.open()).id
    monkeypatch.setattr(house.book, "end", lambda _id: False)
    await house.desk.end(case, house.actor("olga"))
    assert house.household.current().grants
    assert not house.may()
