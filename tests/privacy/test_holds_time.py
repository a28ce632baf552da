"""How long a hold lasts on a box without a clock of its own, over a real time keeper and a real key ring."""

import runpy
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from privacy.errors import HoldRefused
from privacy.hold import Actor, Reason, Role
from privacy.holds import Holds
from privacy.keyring import KeyRing
from privacy.records import Scope
from privacy.store import Barrier
from privacy.timekeeping import TimeKeeper, Witness

_HOUSE: Any = runpy.run_path(str(Path(__file__).with_name("holds_house.py")))
MemorySlots, FRONT, BOTH, OWNER, NOON, HOUR, DAY, MONTH, LATER = (
    _HOUSE[name] for name in ("MemorySlots", "FRONT", "BOTH", "OWNER", "NOON", "HOUR", "DAY", "MONTH", "LATER")
)
EPOCH = datetime(1970, 1, 1, 0, 1, tzinfo=UTC)
BACK = Scope(cameras=("back",))


class Box:
    """`wall` is what the clock says, `true` what time it is, `on` the seconds since the boot."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.slots = MemorySlots()
        self.note: bytes | None = None
        self.network = False
        self.boots = 0
        self.wall, self.true = EPOCH, NOON
        root.mkdir()
        self.boot()

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.on

    def boot(self, off: timedelta = timedelta(), wall: datetime = EPOCH) -> None:
        self.boots += 1
        self.on, self.wall, self.true = 60.0, wall, self.true + off
        self.time = TimeKeeper(self, bytes([self.boots]) * 16, lambda: self.network, lambda: self.note, self._save)
        self.time.tick()
        self.ring = KeyRing.open(self.root / "keys", self.slots, secrets.token_bytes)
        self.holds = Holds(self.root / "holds", self.ring, Barrier(self), self.time, secrets.token_bytes)

    def go(self, by: timedelta) -> None:
        """Powered on."""
        self.on += by.total_seconds()
        self.wall += by
        self.true += by
        self.time.tick()

    def learn(self, *, date: bool = True) -> None:
        """Somebody says what time it is."""
        self.wall = self.true
        assert self.time.witness(self.true, Witness.PERSON)
        if date:
            self.holds.redate(self.time.redated)

    def place(self, scope: Scope = FRONT) -> Any:
        return self.holds.place(Reason.DISPUTE, scope, OWNER)

    def lasts(self) -> bool:
        return bool(self.holds.active())

    def _save(self, note: bytes) -> None:
        self.note = note


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path / "box")


def test_where_the_clock_starts_in_1970_it_ends_after_thirty_days_of_power(box: Box) -> None:
    box.place()
    box.go(MONTH - HOUR)
    assert box.lasts()
    assert box.holds.end_due() == []
    box.go(HOUR)
    assert not box.lasts()
    [ended] = box.holds.end_due()
    assert (ended.ended.at, ended.ended.by) == (ended.until, None)


def test_a_renewal_counts_from_itself(box: Box) -> None:
    hold = box.place()
    box.go(29 * DAY)
    renewed = box.holds.renew(hold.id, BOTH)
    assert renewed.length == MONTH
    box.go(MONTH - HOUR)
    assert box.lasts()
    box.go(HOUR)
    assert not box.lasts()


@pytest.mark.parametrize("date", [True, False], ids=["dated anew", "not yet"])
def test_when_the_time_becomes_known_it_lasts_as_long_as_before(box: Box, date: bool) -> None:  # noqa: FBT001 - a case
    hold = box.place()
    box.go(DAY)
    box.learn(date=date)
    assert box.lasts()
    assert box.holds.end_due() == []
    box.go(29 * DAY - HOUR)
    assert box.lasts()
    box.go(HOUR)
    assert [ended.id for ended in box.holds.end_due()] == [hold.id]


def test_dated_anew_it_says_when_it_was_placed_and_ends(box: Box) -> None:
    placed = box.place()
    box.go(HOUR)
    box.learn()
    [dated] = box.holds.active()
    assert placed.made < NOON - DAY
    assert (dated.id, dated.made, dated.until, dated.moment.trusted) == (placed.id, NOON, NOON + MONTH, True)
    assert sum(box.holds.scan(Scope(everything=True), NOON)) == 0, "no line of it is found under its old date"
    generation = box.ring.generation
    box.holds.redate(box.time.redated)
    assert box.ring.generation == generation, "once is enough"
    box.boot(off=29 * DAY)
    assert box.holds.active() == (dated,)
    box.learn()
    assert box.lasts()
    box.boot(off=DAY)
    box.learn()
    assert not box.lasts()


def test_a_renewal_is_dated_anew(box: Box) -> None:
    box.learn()
    hold = box.place()
    box.boot(off=20 * DAY)
    box.go(HOUR)
    box.holds.renew(hold.id, BOTH)
    box.learn()
    [dated] = box.holds.active()
    assert (dated.made, dated.renewed.at) == (NOON, box.true)
    assert dated.until == box.true + MONTH


def test_one_that_has_ended_is_dated_anew_and_stays_ended(box: Box) -> None:
    hold = box.place()
    box.go(HOUR)
    box.holds.release(hold.id, OWNER)
    box.go(HOUR)
    box.learn()
    assert not box.lasts()
    [dated] = box.holds.history()
    assert (dated.made, dated.ended.at, dated.ended.by) == (NOON, NOON + HOUR, OWNER)


def test_one_of_an_earlier_boot_that_never_learnt_the_time_is_as_old_as_it_is_at_least(box: Box) -> None:
    hold = box.place()
    box.go(10 * DAY)
    box.boot(off=DAY)
    box.go(DAY)
    box.learn()
    [dated] = box.holds.active()
    assert (dated.id, dated.moment.trusted) == (hold.id, True)
    assert box.true - 12 * DAY < dated.made <= box.true - 11 * DAY
    assert dated.until - dated.made == MONTH
    box.boot(off=19 * DAY)
    box.learn()
    assert not box.lasts(), "from then on the time counts that it was off"


def test_in_known_time_it_ends_at_its_date(box: Box) -> None:
    """The network corrects the clock by minutes; what people were told counts."""
    box.learn()
    hold = box.place()
    box.network = True
    box.wall += timedelta(minutes=5)
    box.go(MONTH - timedelta(minutes=5))
    assert box.time.now() == hold.until
    assert not box.lasts()


def test_how_long_it_is_remembered_goes_by_power_too(box: Box) -> None:
    box.holds.release(box.place().id, Actor("p-other", Role.RESIDENT))
    box.boot()
    box.go(DAY - HOUR)
    assert box.holds.expire(DAY) == 0
    box.go(HOUR)
    assert box.holds.expire(DAY) == 1


def test_a_line_that_cannot_be_read_is_left_as_it_is(box: Box) -> None:
    from privacy.sealed_file import Concerns  # noqa: PLC0415 - here alone

    box.place()
    box.holds._book._files.append("", [(Concerns(NOON), b'{"later": 1}')])
    box.learn()
    assert [payload for _, _, payload in box.holds._book._files.records("")][1:] == [b'{"later": 1}']
    assert box.holds.active()[0].made == NOON


def test_where_time_stands_still_holds_do_not_add_up(box: Box) -> None:
    first = box.place()
    box.go(29 * DAY)
    assert box.place().until == first.until, "a day is left"
    box.go(DAY)
    assert not box.lasts()
    with pytest.raises(HoldRefused) as refused:
        box.place()
    assert refused.value.code == "again"
    box.place(BACK)
