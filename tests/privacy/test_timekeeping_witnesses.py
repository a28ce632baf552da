"""Who is believed about the time, how far, and what a lie can do."""

from datetime import UTC, datetime, timedelta

import pytest

from privacy.moment import ALONE, EARLIEST, TOLERANCE, Witness
from tests.privacy.simulated_box import DAY, ORIGIN, Box, about, age, known_box

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
YEAR = 365 * DAY


def test_after_a_short_absence_the_network_alone_is_believed() -> None:
    box = known_box()
    box.run(timedelta(minutes=35))
    box.off(timedelta(minutes=9))
    assert not box.keeper.known
    box.network()
    assert box.keeper.known
    assert abs(box.keeper.now() - box.true) < SECOND


def test_many_short_absences_are_no_long_one() -> None:
    box = known_box()
    for _ in range(50):
        box.run(timedelta(minutes=14))
        box.off(timedelta(minutes=2))
        box.network()
        assert box.keeper.known


def test_after_a_long_absence_the_network_needs_a_second_witness() -> None:
    box = known_box()
    box.picture()
    box.off(3 * DAY)
    box.network()
    assert not box.keeper.known
    assert "if it was switched off that long" in box.keeper.unknown_because
    assert age(box).at_least < HOUR
    assert box.witness(Witness.CLOUD, late=timedelta(seconds=40))
    assert box.keeper.known
    assert box.keeper.unknown_because == ""
    assert about(age(box).at_most, box.true - ORIGIN)
    assert about(age(box).at_least, box.true - ORIGIN)


@pytest.mark.parametrize("by", Witness)
def test_every_witness_bridges_an_absence(by: Witness) -> None:
    box = known_box()
    box.off(3 * DAY)
    assert box.witness(by)
    assert box.keeper.known is (by is not Witness.CLOUD), "a signature alone says no more than that it is that late"
    box.network()
    assert box.keeper.known
    assert abs(box.keeper.now() - box.true) < SECOND
    # The next short absence needs no witness.
    box.run(HOUR)
    box.off(timedelta(minutes=9))
    box.network()
    assert box.keeper.known


def test_a_signature_that_was_long_on_its_way_is_a_lower_bound_and_no_more() -> None:
    box = known_box()
    box.off(3 * DAY)
    box.network()
    assert box.witness(Witness.CLOUD, late=5 * HOUR)
    assert not box.keeper.known
    assert box.keeper.now() == box.true - 5 * HOUR
    assert not box.witness(Witness.CLOUD, late=2 * DAY), "that has passed already"
    assert box.witness(Witness.CLOUD)
    assert box.keeper.known


def test_an_old_signature_takes_nothing_from_what_short_absences_are_allowed() -> None:
    box = known_box()
    for _ in range(3):
        box.run(timedelta(minutes=14))
        box.off(timedelta(minutes=5))
    assert box.witness(Witness.CLOUD, late=timedelta(minutes=30))
    box.network()
    assert box.keeper.known


def test_a_signature_proves_known_time_wrong() -> None:
    box = known_box()
    box.off(3 * DAY)
    box.network(timedelta(minutes=5) - 3 * DAY)
    assert box.keeper.known, "it lies as if the box had not been off, and nobody can tell"
    box.picture()
    assert box.witness(Witness.CLOUD, late=HOUR)
    assert not box.keeper.known
    assert "see where it gets its time from" in box.keeper.unknown_because
    assert not box.keeper.patience_over
    box.network()
    assert box.witness(Witness.CLOUD)
    assert box.keeper.known
    assert abs(box.pictures[-1].moment.wall - box.pictures[-1].at) < SECOND, "it was dated again"


def test_a_spoofed_jump_with_a_witness_is_believed_and_without_is_not() -> None:
    box = known_box()
    box.picture()
    box.off(timedelta(minutes=5))
    box.network(YEAR)
    assert not box.keeper.known
    assert age(box).at_least < HOUR
    assert box.keeper.witness(box.now(), Witness.PERSON), "the network and somebody who does not look: two witnesses"
    assert box.keeper.known
    assert age(box).at_least > YEAR - DAY


def test_the_battery_clock_is_no_witness_for_what_it_copied_from_the_network() -> None:
    box = known_box()
    box.picture()
    box.run(HOUR)
    box.network(20 * DAY)
    assert not box.witness(Witness.BATTERY_CLOCK)
    box.off(timedelta(minutes=1))
    assert not box.witness(Witness.BATTERY_CLOCK), "it keeps the lie over the reboot"
    assert not box.keeper.known
    # Once the network told the truth for a while the kernel has put it right.
    box.network()
    assert box.keeper.known
    box.run(timedelta(minutes=25))
    box.off(5 * DAY)
    assert box.witness(Witness.BATTERY_CLOCK)
    assert box.keeper.known
    assert about(age(box).at_most, box.true - ORIGIN)


def test_a_dispute_is_noted_at_once() -> None:
    box = known_box()
    box.run(timedelta(minutes=2))
    written = len(box.notes)
    box.network(YEAR)
    assert len(box.notes) == written + 1


def test_a_battery_clock_that_stood_still_is_not_believed() -> None:
    box = known_box()
    box.off(DAY)
    for stopped in (datetime(1970, 1, 1, tzinfo=UTC), datetime(2000, 1, 1, tzinfo=UTC), ORIGIN - DAY):
        assert not box.keeper.witness(stopped, Witness.BATTERY_CLOCK)
    assert not Box().keeper.witness(datetime(2000, 1, 1, tzinfo=UTC), Witness.BATTERY_CLOCK)


def test_a_battery_clock_a_little_ahead_gives_way_to_the_network() -> None:
    box = known_box()
    box.off(DAY)
    assert box.keeper.witness(box.true + timedelta(minutes=8), Witness.BATTERY_CLOCK)
    assert box.keeper.now() == box.true + timedelta(minutes=8)
    box.network()
    assert box.keeper.now() == box.true
    box.check(network_lied=False)


def test_a_little_lie_of_the_network_does_not_grow() -> None:
    box = known_box()
    for minutes in range(9, 200, 9):
        box.run(timedelta(minutes=9))
        box.network(timedelta(minutes=minutes))
        box.check(network_lied=True)
    assert box.keeper.now() - box.true <= TOLERANCE


PERSON_REFUSED = {
    "cannot be: set": ORIGIN - 94 * YEAR,
    "cannot be, because": ORIGIN - DAY,
    "more than 31 days": ORIGIN + DAY + ALONE + HOUR,
    "2093": datetime(2093, 1, 1, tzinfo=UTC),
}


@pytest.mark.parametrize(("because", "at"), PERSON_REFUSED.items())
def test_a_persons_word_has_limits_and_is_told_why(because: str, at: datetime) -> None:
    box = known_box()
    box.sleep(DAY)
    box.off(timedelta(minutes=5))
    box.set_by_hand(at - box.true)
    assert because in box.keeper.objection(at, Witness.PERSON)
    assert not box.keeper.witness(at, Witness.PERSON)
    assert not box.keeper.known


def test_a_person_cannot_confirm_what_the_clock_no_longer_says() -> None:
    box = known_box()
    box.off(DAY)
    shown = box.now()
    box.set_by_hand(HOUR)
    assert "look again" in box.keeper.objection(shown, Witness.PERSON)


def test_after_months_a_person_is_believed_when_the_network_agrees() -> None:
    box = known_box()
    box.off(150 * DAY)
    assert not box.witness(Witness.PERSON)
    box.network()
    assert box.witness(Witness.PERSON)
    assert box.keeper.known


def test_nobody_is_believed_about_2093_not_even_two_who_agree() -> None:
    box = Box()
    box.network(datetime(2093, 1, 1, tzinfo=UTC) - box.true)
    for by in Witness:
        assert not box.keeper.witness(box.now(), by)
    assert box.keeper.now() == box.now(), "with nothing known at all it is as good as anything"
    box.set_by_hand(datetime(1970, 1, 1, tzinfo=UTC) - box.true)
    assert box.keeper.now() == EARLIEST


def test_somebody_is_told_why_the_time_is_not_known_and_what_to_do() -> None:
    box = Box()
    assert "connect it to the internet, or confirm" in box.keeper.unknown_because
    box.network()
    assert (
        box.keeper.unknown_because == "nobody has confirmed yet that it is 2026-03-01 12:00 UTC: confirm it in the app"
    )
    box.witness(Witness.PERSON)
    assert box.keeper.unknown_because == ""


def test_a_tick_says_once_that_the_time_has_become_known() -> None:
    box = known_box()
    box.off(timedelta(minutes=1))
    assert not box.tick()
    box.wrong, box.synchronised = timedelta(), True
    assert box.tick()
    assert not box.tick()
