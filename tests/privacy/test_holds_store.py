"""The book of holds forgets, as a store of `activity`."""

import runpy
from pathlib import Path
from typing import Any

import pytest

from privacy.errors import StoreBroken
from privacy.hold import Actor, Reason, Role
from privacy.records import RecordClass, Scope
from privacy.store import Exemption

_HOUSE: Any = runpy.run_path(str(Path(__file__).with_name("holds_house.py")))
House, picture, ALL, BOTH, OWNER, RESIDENT, NOON, DAY, MONTH, LATER, ACTIVITY = (
    _HOUSE[name]
    for name in ("House", "picture", "ALL", "BOTH", "OWNER", "RESIDENT", "NOON", "DAY", "MONTH", "LATER", "ACTIVITY")
)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "house")


class TestForgetting:
    """The book is a store of `activity`, and forgets as one."""

    def test_what_has_ended_goes_at_the_limit_of_activity(self, house: House) -> None:
        first = house.place()
        house.holds.release(first.id, OWNER)
        house.time = NOON + ACTIVITY - DAY
        second = house.place(Scope(cameras=("back",)))
        assert house.holds.expire(ACTIVITY) == 0
        house.time = NOON + ACTIVITY
        assert house.holds.expire(ACTIVITY) == 1
        assert house.holds.history() == house.start().history() == (second,)

    def test_what_lasts_stays_however_short_the_limit(self, house: House) -> None:
        hold = house.place()
        house.time += 8 * DAY
        assert house.holds.expire(7 * DAY) == 0
        assert house.holds.oldest() == ((RecordClass.ACTIVITY, 1, None),)
        house.time += MONTH
        assert house.holds.oldest() == ((RecordClass.ACTIVITY, 1, hold.made),)
        assert house.holds.expire(7 * DAY) == 1
        assert house.holds.oldest() == ((RecordClass.ACTIVITY, 0, None),)
        assert house.files == []

    @pytest.mark.parametrize("person", ["p-owner", "p-resident", "p-support", "p-1"])
    def test_everybody_who_is_named_in_it_finds_it_and_has_it_erased(self, house: House, person: str) -> None:
        hold = house.place(Scope(subjects=("p-1",)))
        house.time += DAY
        house.holds.renew(hold.id, BOTH)
        house.holds.release(hold.id, Actor("p-support", Role.SUPPORT))
        other = house.place(by=Actor("p-other", Role.OWNER))
        scope = Scope(subjects=(person,))
        [item] = house.holds.find(scope, LATER)
        assert (item.id, item.record_class, item.at) == (hold.id, RecordClass.ACTIVITY, NOON)
        assert [content for _, content in house.holds.export(scope)]
        assert sum(house.holds.scan(scope, LATER)) > 0
        erasure = house.holds.erase(scope, LATER)
        assert (erasure.found, erasure.erased, erasure.left, erasure.exemptions) == (1, 1, 0, ())
        assert house.holds.count(scope, LATER) == sum(house.holds.scan(scope, LATER)) == 0
        assert house.start().history() == (other,)

    def test_a_file_that_is_not_ours_keeps_nothing_and_stops_nothing(self, house: House) -> None:
        house.place()
        [file] = house.files
        file.write_bytes(b"somebody else's notes, which are long enough")
        assert house.start().held(picture()) is None
        hold = house.place()
        erasure = house.holds.erase(Scope(subjects=("nobody",)), LATER)
        assert (erasure.found, erasure.left) == (0, 0)
        assert len(house.ring.entries("holds")) == 1
        assert house.start().active() == (hold,)
        assert file.read_bytes().startswith(b"somebody")

    def test_a_damaged_head_costs_no_hold(self, house: House) -> None:
        hold = house.place()
        [file] = house.files
        damaged = bytearray(file.read_bytes())
        damaged[0] ^= 1
        file.write_bytes(damaged)
        assert house.start().held(picture()) == hold
        released = house.holds.release(hold.id, OWNER)
        assert house.start().history() == (released,)

    def test_no_earlier_line_of_it_comes_to_count(self, house: House) -> None:
        """The line that ended it names somebody whom the line that placed it does not."""
        hold = house.place()
        house.holds.release(hold.id, RESIDENT)
        house.holds.erase(Scope(subjects=("p-resident",)), LATER)
        assert house.start().held(picture()) is None
        assert house.holds.history() == ()

    def test_one_that_lasts_is_left_with_its_end_and_goes_after_that(self, house: House) -> None:
        hold = house.place()
        released = house.place(Scope(cameras=("back",)))
        house.holds.release(released.id, OWNER)
        erasure = house.holds.erase(ALL, LATER)
        assert (erasure.found, erasure.erased, erasure.left) == (2, 1, 1)
        assert erasure.exemptions == (Exemption(reason="police_report", count=1, due=hold.until),)
        assert house.holds.held(picture()) == hold
        house.time = hold.until
        assert house.holds.erase(ALL, LATER).left == 0
        assert sum(house.holds.scan(ALL, LATER)) == 0

    def test_a_hold_may_keep_what_is_said_of_another(self, house: House) -> None:
        house.holds.release(house.place(Scope(subjects=("p-1",))).id, OWNER)
        keeper = house.holds.place(Reason.DISPUTE, Scope(subjects=("p-1",)), RESIDENT)
        erasure = house.holds.erase(Scope(subjects=("p-1",)), LATER)
        assert (erasure.found, erasure.left) == (2, 2)
        assert erasure.exemptions == (Exemption(reason="dispute", count=2, due=keeper.until),)
        house.time += 8 * DAY
        assert house.holds.expire(7 * DAY) == 0

    def test_an_order_reaches_what_was_made_before_it(self, house: House) -> None:
        house.holds.release(house.place().id, OWNER)
        assert house.holds.erase(ALL, NOON).found == 0
        assert house.holds.erase(Scope(cameras=("front",)), LATER).found == 0
        assert len(house.holds.history()) == 1

    def test_twice_in_one_change_is_once(self, house: House) -> None:
        for camera in ("front", "back"):
            house.holds.release(house.place(Scope(cameras=(camera,)), Actor(f"p-{camera}", Role.OWNER)).id, OWNER)
        with house.ring.change():
            for person in ("p-front", "p-back", "p-front"):
                house.holds.erase(Scope(subjects=(person,)), LATER)
        assert house.holds.history() == house.start().history() == ()

    def test_a_change_that_fails_forgets_nothing(self, house: House) -> None:
        hold = house.place()
        released = house.holds.release(hold.id, OWNER)

        def fail() -> None:
            with house.ring.change():
                house.holds.erase(ALL, LATER)
                raise StoreBroken("another store")

        with pytest.raises(StoreBroken):
            fail()
        assert house.holds.history() == house.start().history() == (released,)
        assert house.holds.erase(ALL, LATER).erased == 1
        assert house.start().history() == ()

    def test_it_says_what_it_is(self, house: House) -> None:
        assert house.holds.name == "holds"
        assert house.holds.classes == {RecordClass.ACTIVITY}
        assert house.holds.tier is house.ring.tier


@pytest.mark.parametrize("since", [False, True], ids=["nothing since", "another since"])
def test_a_book_that_was_away_during_an_erasure_is_dead_when_it_comes_back(
    house: House,
    since: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    house.place(Scope(subjects=("p-1",)))
    [file] = house.files
    data = file.read_bytes()
    file.unlink()
    house.start()
    left = (house.place(Scope(cameras=("back",))),) if since else ()
    assert house.holds.erase(Scope(subjects=("p-1",)), LATER).found == 0
    assert house.holds.history() == left
    file.write_bytes(data)
    assert house.start().history() == left
    assert sum(house.holds.scan(Scope(subjects=("p-1",)), LATER)) == 0


def test_a_book_that_is_back_before_any_order_came_is_read_and_dated_and_forgotten_as_a_whole(house: House) -> None:
    first = house.place(Scope(subjects=("p-1",)))
    [file] = house.files
    data = file.read_bytes()
    file.unlink()
    house.start()
    second = house.place(Scope(cameras=("back",)))
    house.holds.release(second.id, OWNER)
    file.write_bytes(data)
    assert {hold.id for hold in house.start().history()} == {first.id, second.id}
    house.holds.redate(lambda moment: moment)
    house.holds.release(first.id, OWNER)
    assert house.holds.erase(ALL, LATER).erased == 2
    assert house.start().history() == ()
