"""What a hold keeps, for how long, and who says so."""

import os
import runpy
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.errors import HoldRefused, StoreBroken
from privacy.hold import Actor, Reason, Role, overlap
from privacy.records import Item, RecordClass, Scope

_HOUSE: Any = runpy.run_path(str(Path(__file__).with_name("holds_house.py")))
House, picture, ALL, FRONT, BOTH, OWNER, RESIDENT, NOON, HOUR, DAY, MONTH, LATER = (
    _HOUSE[name]
    for name in (
        "House",
        "picture",
        "ALL",
        "FRONT",
        "BOTH",
        "OWNER",
        "RESIDENT",
        "NOON",
        "HOUR",
        "DAY",
        "MONTH",
        "LATER",
    )
)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "house")


@contextmanager
def refused(code: str) -> Iterator[None]:
    with pytest.raises(HoldRefused) as raised:
        yield
    assert raised.value.code == code
    assert raised.value.hint
    assert "\n" not in str(raised.value)


class TestPlacing:
    def test_it_keeps_what_is_in_its_scope_and_says_who_why_and_until_when(self, house: House) -> None:
        hold = house.place()
        assert (hold.reason, hold.scope, hold.by) == (Reason.POLICE_REPORT, FRONT, OWNER)
        assert (hold.made, hold.until) == (NOON, NOON + MONTH)
        assert house.holds.held(picture()) == hold
        assert house.holds.held(picture(at=NOON + DAY)) == hold
        assert house.holds.held(picture("back")) is None
        assert house.holds.active() == house.holds.history() == (hold,)

    def test_nothing_is_held_where_nobody_asked(self, house: House) -> None:
        assert house.holds.held(picture()) is None
        assert house.holds.active() == house.holds.history() == ()
        assert house.files == []

    def test_it_stands_after_a_restart_and_the_disk_does_not_say_what(self, house: House) -> None:
        hold = house.place()
        assert house.start().held(picture()) == hold
        [file] = house.files
        assert file.name == next(iter(house.ring.entries("holds"))).hex() + ".log"
        assert not any(word in file.read_bytes() for word in (b"p-owner", b"front", b"police", hold.id.encode()))

    def test_it_may_end_sooner_but_not_later_and_not_in_the_past(self, house: House) -> None:
        assert house.place(until=NOON + HOUR).until == NOON + HOUR
        assert house.place(until=NOON + MONTH).until == NOON + MONTH
        for until in (NOON, NOON - HOUR, NOON + MONTH + timedelta(microseconds=1)):
            with refused("bad_end"):
                house.place(until=until)
        assert len(house.holds.history()) == 2

    def test_it_ends_after_it_begins(self, house: House) -> None:
        for start in (NOON, NOON + HOUR):
            with refused("bad_range"):
                house.place(Scope(start=start, end=NOON))
        assert house.holds.history() == ()

    def test_it_names_something(self, house: House) -> None:
        with refused("empty_scope"):
            house.place(Scope())

    def test_a_persons_request_names_the_person(self, house: House) -> None:
        with refused("nobody_named"):
            house.holds.place(Reason.PERSONS_REQUEST, FRONT, RESIDENT)
        hold = house.holds.place(Reason.PERSONS_REQUEST, Scope(subjects=("p-1",)), RESIDENT)
        assert house.holds.held(picture("back", NOON, "p-1")) == hold

    def test_of_several_the_one_counts_that_lasts_longest(self, house: House) -> None:
        house.place(until=NOON + DAY)
        longest = house.place(ALL)
        house.place(until=NOON + 2 * DAY)
        assert house.holds.held(picture()) == longest
        assert [hold.until for hold in house.holds.active()] == [NOON + MONTH, NOON + 2 * DAY, NOON + DAY]

    def test_what_nobody_can_date_is_in_no_range_of_time(self, house: House) -> None:
        house.place(Scope(cameras=("front",), start=NOON))
        house.place(Scope(cameras=("front",), end=LATER))
        assert house.holds.held(picture(at=None)) is None
        hold = house.place()
        assert house.holds.held(picture(at=None)) == hold


class TestOrders:
    """What an order in the journal reaches cannot be held any more."""

    @pytest.mark.parametrize(
        "scope",
        [FRONT, ALL, Scope(classes=(RecordClass.SNAPSHOT,)), Scope(subjects=("p-1",)), Scope(start=NOON - DAY)],
    )
    def test_what_is_being_erased_is_not_held(self, house: House, scope: Scope) -> None:
        house.barrier.raise_for("order", FRONT, NOON)
        with refused("ordered"):
            house.place(scope)

    def test_what_it_does_not_reach_is(self, house: House) -> None:
        house.barrier.raise_for("order", Scope(cameras=("front",), start=NOON - 2 * DAY, end=NOON - DAY), NOON)
        house.barrier.raise_for("order", Scope(classes=(RecordClass.OP_LOG,)), NOON)
        snapshots = (RecordClass.SNAPSHOT,)
        house.place(Scope(classes=snapshots, cameras=("back",)))
        house.place(Scope(classes=snapshots, cameras=("front",), start=NOON - DAY))
        house.place(Scope(classes=snapshots, cameras=("front",), end=NOON - 2 * DAY))
        house.place(Scope(start=NOON))

    def test_nor_held_for_longer(self, house: House) -> None:
        hold = house.place()
        house.barrier.raise_for("order", FRONT, NOON)
        house.time += DAY
        with refused("ordered"):
            house.holds.renew(hold.id, BOTH)
        assert house.holds.held(picture()) == hold


class TestAgain:
    """Holds do not add up: a record is held for 30 days for one reason, and for longer by a renewal alone."""

    def test_placed_again_before_its_end_it_ends_with_the_first(self, house: House) -> None:
        first = house.place()
        house.time += 29 * DAY
        second = house.place()
        assert second.until == first.until
        house.time += DAY
        assert house.holds.held(picture()) is None
        for days in (0, 29, 29):
            house.time += days * DAY
            with refused("again"):
                house.place()
        assert len(house.start().history()) == 2

    def test_an_end_that_somebody_asked_for_is_not_cut_but_refused(self, house: House) -> None:
        house.place(until=NOON + DAY)
        house.time += HOUR
        with refused("again"):
            house.place(until=NOON + MONTH + timedelta(microseconds=1))
        assert house.place(until=NOON + MONTH).until == NOON + MONTH

    def test_released_and_placed_anew_it_counts_from_the_first(self, house: House) -> None:
        house.holds.release(house.place().id, OWNER)
        house.time += DAY
        assert house.place().until == NOON + MONTH

    @pytest.mark.parametrize("scope", [ALL, Scope(classes=(RecordClass.SNAPSHOT,)), Scope(start=NOON - DAY)])
    def test_other_words_for_the_same_do_not_help(self, house: House, scope: Scope) -> None:
        house.place()
        house.time += MONTH
        with refused("again"):
            house.place(scope)

    def test_what_came_after_the_first_can_be_held_and_the_refusal_says_from_when(self, house: House) -> None:
        house.place()
        house.time += 90 * DAY
        with pytest.raises(HoldRefused, match=r"begin at 2026-03-31 12:00:01 UTC"):
            house.place()
        hold = house.place(Scope(cameras=("front",), start=NOON + MONTH + timedelta(seconds=1)))
        assert hold.until == house.time + MONTH
        assert house.holds.held(picture(at=NOON)) is None

    def test_while_the_first_lasts_what_is_yet_to_come_can_be_held_for_thirty_days(self, house: House) -> None:
        house.place()
        house.time += 20 * DAY
        assert house.place(Scope(cameras=("front",), start=house.time)).until == house.time + MONTH
        with pytest.raises(HoldRefused, match=r"begin at 2026-03-21 12:00:01 UTC"):
            house.place(Scope(start=NOON + 19 * DAY), until=house.time + MONTH)

    def test_what_was_captured_before_the_first_scope_or_after_it_is_not_the_same(self, house: House) -> None:
        house.place(Scope(cameras=("front",), start=NOON - 2 * DAY, end=NOON - DAY))
        house.time += 20 * DAY
        for scope in (Scope(end=NOON - 2 * DAY), Scope(start=NOON - DAY), Scope(cameras=("back",))):
            assert house.place(scope, until=house.time + MONTH).until == house.time + MONTH

    def test_each_reason_and_each_person_has_a_hold_of_their_own(self, house: House) -> None:
        for person in ("p-1", "p-2"):
            house.holds.place(Reason.PERSONS_REQUEST, Scope(subjects=(person,)), RESIDENT)
            house.time += MONTH
        house.holds.place(Reason.DISPUTE, Scope(subjects=("p-1",)), RESIDENT)
        with refused("again"):
            house.holds.place(Reason.PERSONS_REQUEST, Scope(subjects=("p-3", "p-1")), RESIDENT)
        with refused("again"):
            house.holds.place(Reason.PERSONS_REQUEST, Scope(subjects=("p-1",), everything=True), RESIDENT)


class TestEnding:
    def test_it_ends_by_itself_at_its_date(self, house: House) -> None:
        hold = house.place()
        house.time = NOON + MONTH - timedelta(microseconds=1)
        assert house.holds.held(picture()) == hold
        assert house.holds.end_due() == []
        house.time = NOON + MONTH
        assert house.holds.held(picture()) is None
        assert house.holds.active() == ()

    def test_once_ended_no_clock_brings_it_back(self, house: House) -> None:
        house.place()
        house.time = NOON + MONTH
        assert house.holds.held(picture()) is None
        house.time = NOON
        assert house.holds.held(picture()) is None
        [ended] = house.holds.end_due()
        assert ended.ended
        assert (ended.ended.at, ended.ended.by) == (NOON + MONTH, None)
        assert house.holds.end_due() == []
        assert house.start().held(picture()) is None
        assert house.holds.history() == (ended,)

    def test_those_that_came_to_their_date_are_told_once(self, house: House) -> None:
        holds = [house.place(until=NOON + n * HOUR) for n in (3, 1, 2)]
        house.time = NOON + 2 * HOUR
        assert {hold.id for hold in house.holds.end_due()} == {holds[1].id, holds[2].id}
        assert house.holds.active() == (holds[0],)
        house.time = NOON + 3 * HOUR
        assert [hold.id for hold in house.start().end_due()] == [holds[0].id]

    def test_somebody_releases_it(self, house: House) -> None:
        hold = house.place()
        house.time += DAY
        released = house.holds.release(hold.id, RESIDENT)
        assert released.ended
        assert (released.ended.at, released.ended.by) == (NOON + DAY, RESIDENT)
        assert house.holds.held(picture()) is None
        assert house.start().history() == (released,)
        assert house.holds.held(picture()) is None
        with refused("ended"):
            house.holds.release(hold.id, OWNER)

    def test_what_has_ended_or_never_was_is_neither_released_nor_renewed(self, house: House) -> None:
        hold = house.place()
        house.time += MONTH
        for hold_id, code in ((hold.id, "ended"), ("none", "unknown_hold")):
            with refused(code):
                house.holds.release(hold_id, OWNER)
            with refused(code):
                house.holds.renew(hold_id, BOTH)


class TestRenewal:
    def test_two_roles_renew_it_once_for_thirty_days_from_then(self, house: House) -> None:
        hold = house.place()
        house.time = NOON + 20 * DAY
        renewed = house.holds.renew(hold.id, BOTH)
        assert renewed.until == NOON + 50 * DAY
        assert renewed.renewed
        assert (renewed.renewed.at, renewed.renewed.by) == (NOON + 20 * DAY, BOTH)
        assert (renewed.id, renewed.made, renewed.by) == (hold.id, NOON, OWNER)
        house.time = NOON + 49 * DAY
        assert house.start().held(picture()) == renewed
        with refused("renewed"):
            house.holds.renew(hold.id, BOTH)
        house.time = NOON + 50 * DAY
        assert house.holds.held(picture()) is None

    @pytest.mark.parametrize(
        "by",
        [
            (OWNER, OWNER),
            (OWNER, Actor("p-owner", Role.RESIDENT)),
            (OWNER, Actor("p-other", Role.OWNER)),
        ],
    )
    def test_one_person_or_one_role_is_not_enough(self, house: House, by: tuple[Actor, Actor]) -> None:
        hold = house.place()
        house.time += DAY
        with refused("one_role"):
            house.holds.renew(hold.id, by)
        assert house.holds.active() == (hold,)

    @pytest.mark.parametrize("until", [NOON, NOON + 5 * DAY, NOON + 10 * DAY, NOON + 31 * DAY + HOUR])
    def test_for_longer_than_before_and_thirty_days_at_most(self, house: House, until: datetime) -> None:
        hold = house.place(until=NOON + 10 * DAY)
        house.time = NOON + DAY
        with refused("bad_end"):
            house.holds.renew(hold.id, BOTH, until)
        assert house.holds.renew(hold.id, BOTH, NOON + 31 * DAY).until == NOON + 31 * DAY


scopes = st.builds(
    Scope,
    everything=st.booleans(),
    classes=st.lists(st.sampled_from([RecordClass.SNAPSHOT, RecordClass.OP_LOG]), max_size=1).map(tuple),
    cameras=st.lists(st.sampled_from(["a", "b"]), max_size=2).map(tuple),
    devices=st.lists(st.sampled_from(["c", "d"]), max_size=2).map(tuple),
    subjects=st.lists(st.sampled_from(["p", "q"]), max_size=2).map(tuple),
    start=st.none() | st.integers(0, 3).map(lambda n: NOON + n * HOUR),
    end=st.none() | st.integers(0, 3).map(lambda n: NOON + n * HOUR),
)
items = st.builds(
    Item,
    id=st.just("1"),
    record_class=st.sampled_from([RecordClass.SNAPSHOT, RecordClass.OP_LOG]),
    at=st.integers(0, 3).map(lambda n: NOON + n * HOUR),
    camera=st.sampled_from([None, "a", "b"]),
    device=st.sampled_from([None, "c", "d"]),
    subjects=st.frozensets(st.sampled_from(["p", "q"])),
)


@given(one=scopes, other=scopes, item=items)
def test_scopes_that_do_not_overlap_share_no_record(one: Scope, other: Scope, item: Item) -> None:
    assert overlap(one, other) == overlap(other, one)
    if one.covers(item) and other.covers(item):
        assert overlap(one, other)


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        (FRONT, FRONT, True),
        (FRONT, ALL, True),
        (FRONT, Scope(), False),
        (Scope(), ALL, False),
        (FRONT, Scope(cameras=("back",)), False),
        (FRONT, Scope(cameras=("back", "front")), True),
        (FRONT, Scope(devices=("lamp",)), True),
        (Scope(devices=("door",)), Scope(devices=("lamp",)), False),
        (Scope(classes=(RecordClass.ALARM,)), Scope(classes=(RecordClass.VISIT,)), False),
        (Scope(subjects=("p",)), Scope(subjects=("q",)), True),
        (Scope(end=NOON), Scope(start=NOON), False),
        (Scope(end=NOON + HOUR), Scope(start=NOON), True),
        (Scope(start=NOON), Scope(start=LATER), True),
    ],
)
def test_scopes_overlap_where_one_record_may_be_in_both(one: Scope, other: Scope, shared: bool) -> None:  # noqa: FBT001 - an expectation
    assert overlap(one, other) is overlap(other, one) is shared


@pytest.mark.parametrize("method", ["place", "release"])
def test_where_the_medium_refuses_nothing_has_changed(house: House, method: str) -> None:
    hold = house.place()
    full = patch.object(os, "fdatasync", side_effect=OSError(28, "No space left on device"))
    with full, pytest.raises(StoreBroken, match="No space left"):
        house.place() if method == "place" else house.holds.release(hold.id, OWNER)
    assert house.holds.active() == house.start().active() == (hold,)
