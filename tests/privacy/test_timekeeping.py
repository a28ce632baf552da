"""What happens to what was stored when the clock does what clocks on such boxes do."""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest

from privacy.clock import SystemClock
from privacy.errors import StoreBroken
from privacy.known_time import Knowledge
from privacy.moment import INTERVAL, PATIENCE, TICK, Age, Moment, Witness
from privacy.timekeeping import TimeKeeper
from tests.privacy.simulated_box import DAY, ORIGIN, Box, Picture, about, age, known_box

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
YEAR = 365 * DAY


JUMPS = {
    "set back a year": (-YEAR,),
    "set forward a year": (YEAR,),
    "back, then forward": (-YEAR, timedelta()),
    "forward, then back": (YEAR, timedelta()),
    "94 years back": (-94 * YEAR,),
    "94 years forward": (94 * YEAR,),
    "1970": (datetime(1970, 1, 1, tzinfo=UTC) - ORIGIN,),
    "2093": (datetime(2093, 1, 1, tzinfo=UTC) - ORIGIN,),
}
SETTERS: dict[str, Callable[[Box, timedelta], None]] = {"by hand": Box.set_by_hand, "by the network": Box.network}


@pytest.mark.parametrize("setter", SETTERS.values(), ids=SETTERS)
@pytest.mark.parametrize("jumps", JUMPS.values(), ids=JUMPS)
def test_a_jump_of_the_clock_changes_no_age_in_the_same_boot(
    jumps: tuple[timedelta, ...], setter: Callable[[Box, timedelta], None]
) -> None:
    box = known_box()
    box.picture()
    for jump in jumps:
        box.run(HOUR)
        setter(box, jump)
        box.picture()
        assert abs(box.keeper.now() - box.true) < SECOND
    box.run(HOUR)
    box.check(network_lied=False)
    assert age(box) == Age(box.true - ORIGIN, box.true - ORIGIN)
    assert all(one.moment.trusted and abs(one.moment.wall - one.at) < SECOND for one in box.pictures)


@pytest.mark.parametrize("setter", SETTERS.values(), ids=SETTERS)
@pytest.mark.parametrize("jumps", JUMPS.values(), ids=JUMPS)
def test_a_jump_of_the_clock_over_a_reboot_neither_purges_nor_keeps(
    jumps: tuple[timedelta, ...], setter: Callable[[Box, timedelta], None]
) -> None:
    box = known_box()
    box.picture()
    box.run(HOUR)
    for jump in jumps:
        box.off(timedelta(minutes=1))
        setter(box, jump)
        box.run(HOUR)
    box.check(network_lied=True)
    assert about(age(box).at_least, box.on, early=len(jumps) * INTERVAL)
    if jumps[-1]:
        assert not box.keeper.known
        assert box.keeper.sealed(box.pictures[0].moment)
        assert age(box).at_most is None
    # The truth comes, and finds nothing spoilt.
    box.network()
    assert box.keeper.known
    assert abs(box.keeper.now() - box.true) < SECOND
    assert about(age(box).at_least, box.true - ORIGIN, early=len(jumps) * INTERVAL)


@pytest.mark.parametrize("jumps", JUMPS.values(), ids=JUMPS)
def test_a_clock_that_starts_wrong_and_is_put_right_changes_no_age(jumps: tuple[timedelta, ...]) -> None:
    box = Box()
    box.set_by_hand(jumps[0])
    box.picture()
    assert not box.pictures[0].moment.trusted
    box.run(HOUR)
    box.network()
    box.witness(Witness.CLOUD)
    assert box.pictures[0].moment.trusted
    assert abs(box.pictures[0].moment.wall - ORIGIN) < SECOND
    box.off(DAY)
    box.network()
    box.witness(Witness.CLOUD)
    assert about(age(box).at_most, box.true - ORIGIN)
    assert about(age(box).at_least, box.true - ORIGIN)
    box.check(network_lied=False)


@pytest.mark.parametrize("uptime", [timedelta(minutes=10), timedelta(hours=20)])
def test_with_a_reboot_every_day_nothing_is_ever_late_by_powered_on_time(uptime: timedelta) -> None:
    box = Box()
    box.set_by_hand(-YEAR)
    for _ in range(30):
        box.picture()
        box.sleep(max(timedelta(), uptime - INTERVAL))
        box.run(min(uptime, INTERVAL))
        box.off(DAY - uptime)
        box.check(network_lied=False)
    assert about(age(box).at_least, box.on, early=30 * INTERVAL)
    # It did not begin anew at each boot: with 20 hours a day, seven days are over after nine.
    assert age(box).at_least >= 30 * uptime


def test_boots_that_are_over_before_the_first_write_is_due_are_counted_too() -> None:
    box = Box()
    box.picture()
    for _ in range(100):
        box.run(timedelta(minutes=3))
        box.off(timedelta(seconds=5))
    box.check(network_lied=False)
    assert about(age(box).at_least, box.on, early=100 * INTERVAL)


def test_a_first_boot_needs_no_witness_to_show_its_own_pictures() -> None:
    box = Box()
    box.network()
    moment = box.picture().moment
    assert not box.keeper.known
    assert not box.keeper.sealed(moment)
    box.sleep(10 * DAY)
    assert age(box) == Age(10 * DAY, 10 * DAY)


def test_a_restart_of_the_program_alone_forgets_nothing() -> None:
    box = known_box()
    box.picture()
    box.run(timedelta(minutes=7))
    box.start()
    assert box.keeper.known
    assert age(box) == Age(timedelta(minutes=7), timedelta(minutes=7))
    assert box.keeper.moment().powered == box.on.total_seconds()


def test_after_24_hours_of_uptime_without_known_time_patience_is_over() -> None:
    box = known_box()
    box.picture()
    box.off(DAY)
    box.sleep(PATIENCE - 2 * TICK)
    assert not box.keeper.patience_over
    box.run(3 * TICK)
    assert box.keeper.patience_over
    assert box.keeper.sealed(box.pictures[0].moment)
    assert box.witness(Witness.PERSON)
    assert not box.keeper.patience_over


def test_patience_ends_where_a_box_is_switched_off_every_day_and_is_given_anew_once_it_was_served() -> None:
    box = known_box()
    box.off(HOUR)
    box.sleep(20 * HOUR)
    box.off(HOUR)
    assert not box.keeper.patience_over
    box.sleep(4 * HOUR)
    assert box.keeper.patience_over
    box.off(timedelta(minutes=5))
    assert not box.keeper.patience_over, "what the last boot stored waits anew"


def test_a_suspended_box_grows_older() -> None:
    box = known_box()
    box.picture()
    box.sleep(8 * DAY)
    assert age(box) == Age(8 * DAY, 8 * DAY)


def test_a_leap_second_and_a_step_of_daylight_saving_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    box = known_box()
    box.picture()
    box.run(HOUR)
    box.network(-SECOND)
    assert box.keeper.known
    assert abs(box.keeper.now() - box.true) <= SECOND
    assert age(box) == Age(HOUR, HOUR)
    # All is UTC: the zone of the machine, and its steps in spring and autumn, are nowhere in it.
    for zone in ("Europe/Oslo", "America/St_Johns", "UTC"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        now = SystemClock().now()
        assert now.utcoffset() == timedelta()
        assert abs(now.timestamp() - time.time()) < 60
    monkeypatch.undo()
    time.tzset()
    summer = timezone(timedelta(hours=2))
    moment = box.keeper.moment()
    there = msgspec.structs.replace(moment, wall=moment.wall.astimezone(summer))
    assert msgspec.msgpack.encode(there) == msgspec.msgpack.encode(moment)


@pytest.mark.parametrize("wrong", [-94 * YEAR, 94 * YEAR])
def test_a_moment_of_any_century_survives_its_format(wrong: timedelta) -> None:
    box = Box()
    box.set_by_hand(wrong)
    moment = box.keeper.moment()
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(moment), type=Moment) == moment


def test_the_counter_is_written_every_ten_minutes_and_no_more_often() -> None:
    box = known_box()
    written = len(box.notes)
    box.run(10 * HOUR)
    assert 60 <= len(box.notes) - written <= 67


@pytest.mark.parametrize("note", [b"", b"\xc1", b"\x90", msgspec.msgpack.encode({"boot": 1})])
def test_a_note_that_is_lost_or_damaged_makes_nothing_younger(note: bytes) -> None:
    box = known_box()
    box.sleep(20 * DAY)
    box.picture()
    box.sleep(DAY)
    box.picture()
    if note:
        box.notes.append(note)
    else:
        box.notes.clear()
    box.off(DAY)
    assert not box.keeper.known
    assert box.keeper.age(box.pictures[1].moment).at_least >= INTERVAL
    assert age(box).at_least >= DAY
    assert age(box).at_most is None
    box.off(timedelta(seconds=1))
    assert age(box).at_least >= DAY + INTERVAL
    box.network()
    assert box.witness(Witness.CLOUD)
    assert about(age(box).at_most, box.true - box.pictures[0].at)


def test_a_note_that_could_not_be_written_is_made_up_for_by_what_was_stored() -> None:
    box = known_box()
    note = box.notes[-1]
    box.run(5 * HOUR)
    box.picture()
    box.notes.append(note)
    box.start()
    assert box.keeper.moment().powered == box.on.total_seconds()
    box.notes.append(note)
    box.off(timedelta(minutes=1))
    box.check(network_lied=False)


@pytest.mark.parametrize(
    "wrong",
    [
        {"powered": 56 * 365 * 86_400.0},
        {"powered": 10.0, "since_boot": 12.0},
        {"since_boot": 40 * 3600.0, "powered": 50 * 3600.0},
    ],
    ids=["on for longer than any gateway lives", "on for less than its boot", "after now"],
)
def test_a_moment_that_cannot_have_been_proves_nothing(wrong: dict[str, float]) -> None:
    box = known_box()
    box.run(HOUR)
    before = box.keeper.moment()
    box.keeper.remember([msgspec.structs.replace(before, **wrong)])
    assert box.keeper.moment() == before


def test_an_older_note_is_read() -> None:
    box = known_box()
    box.run(HOUR)
    box.off(timedelta(minutes=1))
    short = msgspec.msgpack.encode(msgspec.msgpack.decode(box.notes[-1])[:5])
    assert msgspec.msgpack.decode(short, type=Knowledge).slack == 0
    box.notes.append(short)
    box.off(timedelta(minutes=1))
    box.network()
    assert box.keeper.known


def test_a_medium_that_refuses_is_asked_again_at_the_next_tick() -> None:
    box = Box()
    refuse = True

    def save(note: bytes) -> None:
        if refuse:
            raise StoreBroken("full")
        box.notes.append(note)

    keeper = TimeKeeper(box, bytes(16), lambda: False, lambda: None, save)
    with pytest.raises(StoreBroken):
        keeper.tick()
    refuse = False
    before = len(box.notes)
    keeper.tick()
    assert len(box.notes) == before + 1


def test_a_moment_from_a_time_before_any_witness_has_no_upper_bound() -> None:
    box = Box()
    box.picture()
    box.off(HOUR)
    box.network()
    box.witness(Witness.CLOUD)
    assert box.keeper.known
    assert age(box).at_most is None


def test_what_was_not_dated_is_no_older_than_the_mark_allows() -> None:
    box = known_box()
    box.off(3 * DAY)
    box.picture()
    moment = box.pictures[0].moment
    assert not moment.trusted
    assert moment.no_earlier is not None
    assert moment.no_earlier < box.true - 2 * DAY
    box.off(timedelta(minutes=1))
    box.network()
    box.witness(Witness.CLOUD)
    assert about(age(box).at_most, box.true - moment.no_earlier)
    assert about(age(box).at_least, timedelta(minutes=1), early=INTERVAL)


def test_a_new_boot_id_alone_makes_a_new_boot() -> None:
    first = Box()
    first.picture()
    again = Picture(msgspec.structs.replace(first.pictures[0].moment, boot=os.urandom(16)), first.true, first.on, 9)
    assert first.keeper.sealed(again.moment)
    assert not first.keeper.sealed(first.pictures[0].moment)
    assert first.keeper.redated(again.moment) == again.moment
