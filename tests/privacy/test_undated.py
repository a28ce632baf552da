"""What sealed stores keep while the time is not known: undated until it is, out of no order's reach, and no older."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from privacy.entries import About, AgentStarted
from privacy.keyring import KeyRing
from privacy.moment import Moment
from privacy.operation_log import OperationLog
from privacy.record_store import RecordStore
from privacy.records import RecordClass, Scope
from privacy.redaction.line import redacted
from privacy.seal import Keys
from privacy.sealed_file import Concerns, Info
from privacy.spool import Spool
from privacy.store import Barrier, Store
from privacy.timekeeping import TimeKeeper, Witness

ALL = Scope(everything=True)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIMIT = timedelta(hours=72)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
WRONG = (datetime(1970, 1, 1, 0, 0, 30, tzinfo=UTC), NOON - 60 * DAY, NOON + 365 * DAY)


class Clock:
    """The true time goes on; what the wall clock says is somewhere else."""

    def __init__(self) -> None:
        self.true = NOON
        self.since_boot = 600.0
        self.wrong = timedelta()

    def now(self) -> datetime:
        return self.true + self.wrong

    def monotonic(self) -> float:
        return self.since_boot

    def go_on(self, by: timedelta) -> None:
        self.true += by
        self.since_boot += by.total_seconds()


class Box:
    """Boots, and the stores of one boot."""

    def __init__(self, folder: Path, open_ring: Callable[[], KeyRing], keys: Keys) -> None:
        self.clock = Clock()
        self._folder, self._open_ring, self._keys = folder, open_ring, keys
        self._note: bytes | None = None
        self._boots = 0
        self.boot(since_boot=600.0)
        self.time.witness(NOON, Witness.PERSON)

    def boot(self, wall: datetime | None = None, *, since_boot: float = 60.0) -> None:
        """Another boot, with the time unknown, and the clock at `wall`."""
        self._boots += 1
        self.clock.since_boot = since_boot
        if wall:
            self.clock.wrong = wall - self.clock.true
        self.barrier = Barrier(self.clock)
        self.ring = self._open_ring()
        self.time = TimeKeeper(
            self.clock, self._boots.to_bytes(16, "big"), lambda: False, lambda: self._note, self._save
        )
        self.time.tick()
        self.log = OperationLog(self._folder / "log", self.ring, self.time, LIMIT, admits=self.barrier.admits)
        self.spool = Spool(self._folder / "spool", self._keys, self.ring, self.time, LIMIT, admits=self.barrier.admits)
        self.presence = self._records(RecordClass.PRESENCE)
        self.logins = self._records(RecordClass.CAMERA_LOGIN)
        self.stores: tuple[OperationLog | Spool | RecordStore, ...] = (self.log, self.spool, self.presence)

    def learn(self) -> None:
        """Somebody puts the clock right."""
        self.clock.wrong = timedelta()
        assert self.time.witness(self.clock.now(), Witness.PERSON)
        self.date_anew()

    def date_anew(self) -> None:
        with self.ring.change():
            for store in self.stores:
                store.redate(self.time.redated)

    def write(self, text: str = "a", at: datetime | None = None) -> None:
        at = at or self.time.moment().wall
        self.log.append([AgentStarted(at=at, version=text)])
        self.spool.append([(redacted(text), About(at))])
        self.presence.append(Concerns(at), text.encode())

    def _records(self, record_class: RecordClass) -> RecordStore:
        return RecordStore(
            record_class.value,
            record_class,
            directory=self._folder / record_class.value,
            ring=self.ring,
            time=self.time,
            limit=LIMIT,
            barrier=self.barrier,
        )

    def _save(self, note: bytes) -> None:
        self._note = note


@pytest.fixture
def box(tmp_path: Path, open_ring: Callable[[], KeyRing], keys: Keys) -> Box:
    return Box(tmp_path, open_ring, keys)


def times(store: Store) -> list[datetime | None]:
    return [item.at for item in store.find(ALL, datetime(2099, 1, 1, tzinfo=UTC))]


@pytest.mark.parametrize("wall", WRONG)
def test_what_a_clock_in_doubt_dated_is_in_reach_of_every_order(box: Box, wall: datetime) -> None:
    box.write()
    box.clock.go_on(HOUR)
    box.boot(wall)
    box.write()
    for store in box.stores:
        assert times(store) == [NOON, None]
        assert next(iter(store.oldest()))[1:] == (2, NOON), "what cannot be dated is never overdue"
        long_ago = Scope(start=NOON - 2 * DAY, end=NOON - DAY)
        assert store.count(long_ago, NOON) == sum(store.scan(long_ago, NOON)) == 1
        assert store.erase(long_ago, NOON).erased == 1
        assert times(store) == [NOON]


@pytest.mark.parametrize("wall", WRONG)
def test_it_is_dated_once_the_time_is_known(box: Box, wall: datetime) -> None:
    box.boot(wall)
    right = []
    for _ in range(3):
        right.append(box.clock.true)
        box.write()
        box.clock.go_on(MINUTE)
    box.learn()
    box.clock.go_on(MINUTE)
    right.append(box.clock.true)
    box.write()
    box.date_anew()
    for store in box.stores:
        assert times(store) == right
        assert next(iter(store.oldest()))[1:] == (4, NOON)
        assert sum(store.scan(Scope(start=right[1], end=right[2]), right[3])) == 1
        assert store.erase(Scope(start=right[1]), right[3]).erased == 2, "in files that are sealed anew as well"
        assert times(store) == [right[0], right[3]]
    box.boot()
    for store in box.stores:
        assert times(store) == [right[0], right[3]]


def test_a_clock_that_is_set_before_anybody_believes_it_dates_nothing_later_than_that(box: Box) -> None:
    box.boot(WRONG[0])
    box.write()
    box.clock.go_on(MINUTE)
    box.clock.wrong = timedelta()
    box.write()
    box.clock.go_on(MINUTE)
    box.clock.wrong = timedelta(days=-9000)
    box.write()
    box.learn()
    for store in box.stores:
        assert times(store) == [NOON, NOON + 2 * MINUTE, NOON + 2 * MINUTE]
        assert store.erase(ALL, box.clock.true + MINUTE).left == 0


def test_time_that_never_became_known_leaves_it_undated(box: Box) -> None:
    box.boot(WRONG[0])
    box.write()
    box.boot()
    box.learn()
    for store in box.stores:
        assert times(store) == [None]
        assert store.erase(Scope(end=NOON - DAY), NOON - DAY).erased == 1


@pytest.mark.parametrize("wall", WRONG)
def test_what_waited_in_memory_while_the_time_became_known_is_undated(box: Box, wall: datetime) -> None:
    box.boot(wall)
    waiting = box.time.moment().wall
    box.learn()
    box.write("before")
    box.write("waited", waiting)
    box.write("after")
    for store in box.stores:
        assert times(store) == [NOON, None, NOON]
    assert all(moment.powered <= box.time.moment().powered for store in box.stores for moment in store.moments())


def test_a_time_that_no_calendar_has_is_none() -> None:
    moment = Moment(bytes(16), 1.0, 1.0, NOON, trusted=True, no_earlier=NOON)
    info = Info("", moment, timedelta(days=365).total_seconds(), NOON)
    assert info.right(datetime.max.replace(tzinfo=UTC)) is None


# A file's moment says how old the box is: it must never say more than the truth.


@pytest.mark.parametrize("wall", WRONG)
def test_a_part_that_dies_makes_the_box_no_older(box: Box, wall: datetime) -> None:
    box.boot(wall)
    box.write("first")
    box.clock.go_on(MINUTE)
    box.learn()
    box.clock.go_on(MINUTE)
    box.write("second")
    batch = box.spool.next_batch(1)
    assert batch
    assert box.spool.acknowledge(batch.id)
    box.spool.expire(HOUR)
    for store in box.stores:
        store.erase(ALL, NOON + MINUTE)
        assert times(store) == [NOON + 2 * MINUTE]
        assert [moment.powered for moment in store.moments()] == [box.time.moment().powered]
    stored = [moment for store in box.stores for moment in store.moments()]
    box.clock.go_on(MINUTE)
    before = box.clock.now()
    box.boot()
    box.time.remember(stored)
    assert abs(box.time.now() - before) < HOUR


@pytest.mark.parametrize("reboot", [False, True])
def test_the_wall_clock_moves_no_moment_further_than_the_boot_time_clock(box: Box, *, reboot: bool) -> None:
    box.write()
    box.clock.go_on(MINUTE)
    # As a file of an earlier version may be: lines of two clocks in it.
    far = Concerns(NOON + 60 * DAY)
    box.presence._files.append("0000000001", [(far, _record(far))])
    (begun,) = box.presence.moments()
    if reboot:
        box.boot(since_boot=9000)
    assert box.presence.erase(ALL, NOON + MINUTE).erased == 1
    (moment,) = box.presence.moments()
    if reboot:
        assert (moment.since_boot, moment.powered) == (begun.since_boot, begun.powered)
        assert begun.wall < moment.wall <= box.time.moment().wall
    else:
        assert moment == begun.later(MINUTE)


def _record(concerns: Concerns) -> bytes:
    from privacy.record_store import _encode, _Stored  # noqa: PLC0415 - a record as the store writes it

    return _encode(_Stored(concerns, b"later"))


# Not shown: what an order reaches, and what an earlier boot stored while nobody knows the time.


def said(spool: Spool) -> list[str]:
    batch = spool.next_batch(10)
    return [line.text for line in batch.lines] if batch else []


def exported(store: Store) -> int:
    return len(list(store.export(ALL)))


def test_what_an_order_reaches_is_neither_handed_out_nor_exported(box: Box) -> None:
    box.write("reached")
    box.clock.go_on(MINUTE)
    box.barrier.raise_for("order", ALL, box.clock.now())
    assert said(box.spool) == []
    assert box.spool.waiting == 1, "it is not done with"
    box.write("new")
    assert said(box.spool) == ["new"]
    assert [exported(store) for store in box.stores] == [1, 1, 1]
    assert [payload for _, payload in box.presence.records()] == [b"new"]
    assert box.spool.count(ALL, box.clock.now()) == 1, "it is not erased yet"


def test_a_batch_that_an_order_reaches_is_taken_back_and_nothing_is_counted_as_lost(box: Box) -> None:
    box.write("reached")
    batch = box.spool.next_batch(10)
    assert batch
    box.clock.go_on(MINUTE)
    box.barrier.raise_for("order", ALL, box.clock.now())
    box.write("new")
    again = box.spool.next_batch(10)
    assert again
    assert again.id != batch.id
    assert [line.text for line in again.lines] == ["new"]
    assert box.spool.acknowledge(again.id)
    assert box.spool.dropped == {}


def test_what_an_earlier_boot_stored_is_shown_when_the_time_is_known(box: Box) -> None:
    box.write("earlier")
    box.logins.append(Concerns(NOON), b"a login")
    box.boot()
    assert said(box.spool) == []
    box.write("now")
    assert said(box.spool) == ["now"]
    assert [exported(store) for store in box.stores] == [1, 1, 1]
    assert [payload for _, payload in box.presence.records()] == [b"now"]
    assert [payload for _, payload in box.logins.records()] == [b"a login"], "needed, whether the time is known or not"
    box.learn()
    batch = box.spool.next_batch(10)
    assert batch
    assert box.spool.acknowledge(batch.id)
    assert said(box.spool) == ["earlier"]
    assert [payload for _, payload in box.presence.records()] == [b"earlier", b"now"]


def test_a_batch_of_an_earlier_boot_waits_for_the_time(box: Box) -> None:
    box.write("earlier")
    batch = box.spool.next_batch(10)
    box.boot()
    box.write("now")
    assert box.spool.next_batch(10) is None
    assert box.spool.waiting == 2
    box.learn()
    assert box.spool.next_batch(10) == batch
    assert box.spool.dropped == {}
