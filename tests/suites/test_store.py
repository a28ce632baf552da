"""What every `privacy.store.Store` must do. A new store adds itself to `STORES`: a line, and a class that plants."""

import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol, cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.register import Adoption, DeviceRegister
from camera.picture import Picture
from camera.vault.retention import Limits
from camera.vault.tags import Tags
from camera.vault.vault import Vault
from privacy.entries import About, Entry
from privacy.hold import Actor, Hold, Reason, Role
from privacy.holds import Holds
from privacy.keyring import KeyRing
from privacy.keystore.contract import Held, Slot
from privacy.moment import Moment
from privacy.operation_log import OperationLog
from privacy.record_store import RecordStore
from privacy.records import Item, RecordClass, Scope, Tier
from privacy.redaction.line import redacted
from privacy.seal import Keys
from privacy.sealed_file import Concerns
from privacy.spool import Spool
from privacy.store import Barrier, Erasure, Exemption, Store
from privacy.timekeeping import TimeKeeper, Witness

NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
FUTURE = NOON + timedelta(days=3650)
ALL = Scope(everything=True)


class PlantersClock:
    """Noon of the day before, and then whenever something is planted."""

    def __init__(self) -> None:
        self.at = NOON - timedelta(days=1)

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return (self.at - NOON + timedelta(days=2)).total_seconds()


class Slots:
    """A root in memory: what the disk alone cannot open again."""

    tier = Tier.HARDWARE_SLOT
    secret_bytes = 32
    where = "two slots in memory"

    def __init__(self) -> None:
        self._held: dict[int, Held | None] = {}

    def read(self, slot: Slot) -> Held | None:
        return self._held.get(slot)

    def write(self, slot: Slot, held: Held) -> None:
        self._held[slot] = held

    def destroy(self, slot: Slot) -> None:
        self._held[slot] = None


@dataclass(frozen=True)
class Kept:
    """A hold."""

    reason: str
    until: datetime


@dataclass
class Ground:
    """What every store stands on."""

    folder: Path
    """The store's own."""
    ring: KeyRing
    keys: Keys
    time: TimeKeeper
    clock: PlantersClock
    held_people: set[str] = field(default_factory=set)

    @classmethod
    def opened(cls, folder: Path, slots: Slots, name: str = "store") -> "Ground":
        ring = KeyRing.open(folder / "keys", slots, secrets.token_bytes)
        clock = PlantersClock()
        time = TimeKeeper(clock, bytes(16), lambda: True, lambda: None, lambda _note: None)
        time.witness(clock.now(), Witness.PERSON)
        return cls(folder / name, ring, Keys(bytes(range(32))), time, clock)

    def come_to(self, at: datetime | None) -> None:
        """Let the time pass until `at`."""
        self.clock.at = max(self.clock.at, at or NOON)

    def holds(self, item: Item) -> Kept | None:
        """The hold that keeps what concerns one of `held_people`."""
        return Kept("dispute", FUTURE) if item.subjects & self.held_people else None


class Planted(Protocol):
    """One kind of store, and how to put records into it.

    `plant` keeps a record and returns its id. A store ignores what its records do not know: a device, a camera, a
    subject. `at` is None for a record that nobody can date any more, such as a damaged one; a store that cannot have
    these raises NotImplementedError. `canary` goes into the record's payload.
    """

    knows: frozenset[str]
    """Which of `camera`, `device` and `subject` its records carry."""

    @property
    def store(self) -> Store: ...

    def plant(self, camera: str, device: str, subject: str, at: datetime | None, canary: bytes) -> str: ...


@dataclass
class Setting:
    """A time keeper for `camera.vault`, set to when each picture is captured."""

    at: datetime | None = NOON
    patience_over = False

    def now(self) -> datetime:
        return self.at or NOON

    def moment(self) -> Moment:
        known = self.at is not None
        return Moment(bytes(16), 3600.0, 3600.0, self.now(), known, self.at)

    def sealed(self, moment: Moment) -> bool:
        return False

    def redated(self, moment: Moment) -> Moment:
        return moment


@dataclass
class HeldPeople:
    """`privacy.holds`, for what concerns one of `held_people`."""

    ground: Ground

    def active(self) -> tuple[Hold, ...]:
        people = tuple(self.ground.held_people)
        by, reason = Actor("kari", Role.OWNER), Reason.DISPUTE
        moment = self.ground.time.moment()
        hold = Hold(id="0", reason=reason, scope=Scope(subjects=people), by=by, made=NOON, moment=moment, until=FUTURE)
        return (hold,) if people else ()


class Snapshots:
    """`camera.vault`."""

    knows = frozenset({"camera", "subject"})

    def __init__(self, ground: Ground) -> None:
        self._time = Setting()
        self.store = Vault(
            ground.folder / "vault",
            ring=ground.ring,
            time=cast(TimeKeeper, self._time),
            holds=cast(Holds, HeldPeople(ground)),
            barrier=Barrier(),
            tags=Tags(ground.folder / "tags", ground.ring, self._time.moment),
            limits=Limits(),
            random_bytes=secrets.token_bytes,
        )

    def plant(self, camera: str, device: str, subject: str, at: datetime | None, canary: bytes) -> str:
        self._time.at = at
        picture = Picture(canary * 9, canary, 64, 48)
        snapshot = self.store.append(camera, self._time.now(), picture, frozenset({subject}))
        assert snapshot
        self.store.flush()
        return snapshot.id


@dataclass(frozen=True, slots=True)
class Planting(Entry):
    camera: str
    device: str
    subjects: tuple[str, ...]
    text: str


class OperationLogs:
    """`privacy.operation_log`."""

    knows = frozenset({"camera", "device", "subject"})

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        limit = timedelta(hours=72)
        self.store = OperationLog(ground.folder, ground.ring, ground.time, limit, holds=ground.holds)

    def plant(self, camera: str, device: str, subject: str, at: datetime | None, canary: bytes) -> str:
        self._ground.come_to(at)
        before = {item.id for item in self.store.find(ALL, FUTURE)}
        entry = Planting(at or NOON, camera, device, (subject,), canary.decode())
        if at is None:
            self.store._files.append("damaged", [(Concerns.of(entry.about), b"\xc1" + canary)])
        else:
            self.store.append([entry])
        (new,) = {item.id for item in self.store.find(ALL, FUTURE)} - before
        return new


class Spools:
    """`privacy.spool`."""

    knows = frozenset({"camera", "device", "subject"})

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        limit = timedelta(hours=72)
        self.store = Spool(ground.folder, ground.keys, ground.ring, ground.time, limit, holds=ground.holds)

    def plant(self, camera: str, device: str, subject: str, at: datetime | None, canary: bytes) -> str:
        self._ground.come_to(at)
        before = {item.id for item in self.store.find(ALL, FUTURE)}
        about = About(at or NOON, camera, device, frozenset({subject}))
        if at is None:
            self.store._files.append("0000000001", [(Concerns.of(about), b"\xc1" + canary)])
        else:
            self.store.append([(redacted(canary.decode()), about)])
        (new,) = {item.id for item in self.store.find(ALL, FUTURE)} - before
        return new


class DeviceRegisters:
    """`agent.register`. Written past `add`, which would keep the newest of each device alone."""

    knows = frozenset({"device"})

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.store = DeviceRegister(ground.folder, ground.ring, ground.time.moment, Barrier(), holds=ground.holds)

    def plant(self, camera: str, device: str, subject: str, at: datetime | None, canary: bytes) -> str:
        self._ground.come_to(at)
        adoption = Adoption(device, "homekit", at or NOON, {"devices": [{"name": canary.decode()}]})
        record = msgspec.json.encode(adoption) if at else b'{"of": "a later version"}'
        return f"{device}.{self.store._files.append(device, [(Concerns(at or NOON), record)])}"


class RecordStores:
    """`privacy.record_store`, for the classes whose writers need no more."""

    knows = frozenset({"camera", "device", "subject"})

    def __init__(self, ground: Ground, record_class: RecordClass, limit: timedelta | None) -> None:
        self._ground = ground
        self.store = RecordStore(
            f"{record_class}_store",
            record_class,
            directory=ground.folder,
            ring=ground.ring,
            time=ground.time,
            limit=limit,
            barrier=Barrier(),
            holds=ground.holds,
        )

    def plant(self, camera: str, device: str, subject: str, at: datetime | None, canary: bytes) -> str:
        self._ground.come_to(at)
        before = {item.id for item in self.store.find(ALL, FUTURE)}
        concerns = Concerns(at or NOON, camera, device, (subject,))
        if at is None:
            self.store._files.append("damaged", [(concerns, b"\xc1" + canary)])
        else:
            assert self.store.append(concerns, canary)
        (new,) = {item.id for item in self.store.find(ALL, FUTURE)} - before
        return new


STORES: dict[str, Callable[[Ground], Planted]] = {
    "backup": lambda ground: RecordStores(ground, RecordClass.BACKUP, timedelta(days=30)),
    "camera_login": lambda ground: RecordStores(ground, RecordClass.CAMERA_LOGIN, None),
    "device_register": DeviceRegisters,
    "export": lambda ground: RecordStores(ground, RecordClass.EXPORT, timedelta(hours=24)),
    "operation_log": OperationLogs,
    "sensor_history": lambda ground: RecordStores(ground, RecordClass.SENSOR_HISTORY, timedelta(days=30)),
    "snapshots": Snapshots,
    "spool": Spools,
}


class Open:
    """Opens the same store anew with each call, as after a restart."""

    def __init__(self, folder: Path, make: Callable[[Ground], Planted]) -> None:
        self.folder = folder
        self._make = make
        self._slots = Slots()

    def __call__(self) -> Planted:
        self.ground = Ground.opened(self.folder, self._slots)
        return self.beside()

    def beside(self) -> Planted:
        """Another one on the same ground as the last: neither knows what the other does."""
        return self._make(self.ground)


@pytest.fixture(params=STORES)
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    return Open(tmp_path, STORES[request.param])


def plant_house(planted: Planted) -> dict[str, Item]:
    """Two of everything over four hours; returns what the store says of each record."""
    for hour in range(4):
        for camera, device, subject in (("front", "lamp", "kari"), ("garden", "heat-pump", "ola")):
            planted.plant(camera, device, subject, NOON + hour * HOUR, b"canary")
    return found(planted.store)


def found(store: Store, scope: Scope = ALL, before: datetime = FUTURE) -> dict[str, Item]:
    items = list(store.find(scope, before))
    assert len({item.id for item in items}) == len(items)
    return {item.id: item for item in items}


def scanned(store: Store, scope: Scope = ALL, before: datetime = FUTURE) -> int:
    return sum(store.scan(scope, before))


KARI_SINCE = Scope(subjects=("kari",), start=NOON + HOUR)
SCOPES = {
    "everything": ALL,
    "start": Scope(start=NOON + HOUR),
    "end": Scope(end=NOON + 2 * HOUR),
    "an hour": Scope(start=NOON + HOUR, end=NOON + 2 * HOUR),
    "camera": Scope(cameras=("front",)),
    "both cameras": Scope(cameras=("front", "garden")),
    "device": Scope(devices=("lamp",)),
    "subject": Scope(subjects=("kari",)),
    "subject of another camera": Scope(subjects=("kari",), cameras=("garden",)),
    "subject and time": KARI_SINCE,
    "unknown subject": Scope(subjects=("nobody",)),
    "nothing named": Scope(),
}


@pytest.mark.parametrize("scope", SCOPES.values(), ids=SCOPES)
def test_one_scope_means_the_same_everywhere(open_store: Open, scope: Scope) -> None:
    planted = open_store()
    store = planted.store
    house = plant_house(planted)
    assert len(house) == 8
    wanted = {record for record, item in house.items() if scope.covers(item)}
    assert found(store, scope).keys() == wanted
    assert store.count(scope, FUTURE) == len(wanted)
    assert {item.id for item, _ in store.export(scope)} == wanted
    assert scanned(store, scope) == len(wanted)
    erasure = store.erase(scope, FUTURE)
    assert (erasure.found, erasure.erased, erasure.left) == (len(wanted), len(wanted), 0)
    assert scanned(store, scope) == 0
    assert found(store).keys() == house.keys() - wanted, "nothing out of scope is lost"
    assert found(open_store().store).keys() == house.keys() - wanted
    assert scanned(store) == len(house) - len(wanted)


def test_records_carry_what_the_store_says_it_knows(open_store: Open) -> None:
    # Else the scopes above would match nothing and prove nothing.
    planted = open_store()
    house = plant_house(planted).values()
    expected = {"camera": {"front", "garden"}, "device": {"lamp", "heat-pump"}}
    for word, values in expected.items():
        seen = {getattr(item, word) for item in house} - {None}
        assert seen == (values if word in planted.knows else set())
    subjects = frozenset[str]().union(*(item.subjects for item in house))
    assert subjects == ({"kari", "ola"} if "subject" in planted.knows else set())
    assert {item.at for item in house} == {NOON + hour * HOUR for hour in range(4)}


def test_classes(open_store: Open) -> None:
    planted = open_store()
    house = plant_house(planted)
    assert {item.record_class for item in house.values()} <= planted.store.classes
    others = tuple(kind for kind in RecordClass if kind not in planted.store.classes)
    assert planted.store.erase(Scope(classes=others), FUTURE).found == 0
    assert planted.store.erase(Scope(classes=tuple(planted.store.classes)), FUTURE).erased == 8


def test_what_was_captured_since_is_not_reached(open_store: Open) -> None:
    store = (planted := open_store()).store
    plant_house(planted)
    assert store.erase(ALL, NOON + 2 * HOUR).erased == 4
    assert {item.at for item in found(store).values()} == {NOON + 2 * HOUR, NOON + 3 * HOUR}
    assert scanned(store, ALL, NOON + 2 * HOUR) == 0
    assert scanned(store) == 4


def test_the_same_again_finds_nothing_and_loses_nothing(open_store: Open) -> None:
    store = (planted := open_store()).store
    plant_house(planted)
    scope = Scope(end=NOON + HOUR)
    assert store.erase(scope, FUTURE).found == 2
    assert store.erase(scope, FUTURE).found == 0
    again = open_store().store
    assert again.erase(scope, FUTURE).found == 0
    assert len(found(again)) == 6


def test_the_undated_counts_as_before(open_store: Open) -> None:
    planted = open_store()
    plant_house(planted)
    undated = planted.plant("front", "lamp", "kari", None, b"canary")
    store = planted.store
    assert found(store)[undated].at is None
    scope = Scope(start=NOON - 2 * HOUR, end=NOON - HOUR)
    assert found(store, scope, NOON - HOUR).keys() == {undated}
    assert store.erase(scope, NOON - HOUR).erased == 1
    assert undated not in found(open_store().store)
    assert len(found(store)) == 8


def test_nothing_shows_after_a_restart(open_store: Open) -> None:
    planted = open_store()
    plant_house(planted)
    planted.store.erase(ALL, FUTURE)
    again = open_store().store
    assert not found(again)
    assert not list(again.export(ALL))
    assert scanned(again) == 0
    assert all((count, oldest) == (0, None) for _, count, oldest in again.oldest())


def test_scan_trusts_no_index(open_store: Open) -> None:
    """Records that a store does not know of, because somebody else put them there, are counted."""
    store = open_store().store
    plant_house(open_store.beside())
    assert scanned(store) == 8


def test_the_age_of_the_oldest(open_store: Open) -> None:
    planted = open_store()
    plant_house(planted)
    rows = list(planted.store.oldest())
    assert {kind for kind, _, _ in rows} <= planted.store.classes
    assert sum(count for _, count, _ in rows) == 8
    assert min(oldest for _, _, oldest in rows if oldest) == NOON
    planted.store.erase(Scope(end=NOON + HOUR), FUTURE)
    assert min(oldest for _, _, oldest in planted.store.oldest() if oldest) == NOON + HOUR


def test_the_opened_is_what_was_kept(open_store: Open) -> None:
    planted = open_store()
    planted.plant("front", "lamp", "kari", NOON, b"the payload itself")
    ((_, opened),) = planted.store.export(ALL)
    assert b"the payload itself" in opened


def test_nothing_lies_open_on_the_disk(open_store: Open, tmp_path: Path) -> None:
    planted = open_store()
    words = ("camera-canary-77", "device-canary-78", "subject-canary-79")
    planted.plant(*words, NOON, b"payload-canary-80")
    names = b"\n".join(str(file.relative_to(tmp_path)).encode() for file in tmp_path.rglob("*"))
    disk = names + b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert len(disk) > 100
    for canary in (*words, "payload-canary-80", "canary", "2024-06-01"):
        assert canary.encode() not in disk


@pytest.mark.parametrize("scope", [ALL, SCOPES["an hour"], SCOPES["device"], KARI_SINCE])
def test_a_copy_of_the_files_from_before_stays_shut(open_store: Open, scope: Scope) -> None:
    """Unlinked files come back from a card. Put back where they were, nothing in them opens that was erased."""
    planted = open_store()
    house = plant_house(planted)
    copy = open_store.folder / "copy"
    shutil.copytree(open_store.ground.folder, copy)
    gone = found(planted.store, scope).keys()
    planted.store.erase(scope, FUTURE)
    shutil.copytree(copy, open_store.ground.folder, dirs_exist_ok=True)
    assert scanned(planted.store, scope) == 0
    assert scanned(open_store.beside().store, scope) == 0
    again = open_store().store
    assert found(again).keys() == house.keys() - gone
    assert scanned(again, scope) == 0


def test_a_change_that_fails_lost_nothing_and_can_be_made_again(open_store: Open) -> None:
    planted = open_store()
    store, house = planted.store, plant_house(planted)
    with suppress(InterruptedError), open_store.ground.ring.change():
        store.erase(SCOPES["an hour"], FUTURE)
        raise InterruptedError
    assert found(store) == found(open_store.beside().store) == house
    assert store.erase(SCOPES["an hour"], FUTURE).erased == 2
    assert len(found(store)) == len(found(open_store().store)) == 6


def test_several_orders_in_one_change(open_store: Open) -> None:
    planted = open_store()
    store = planted.store
    plant_house(planted)
    with open_store.ground.ring.change():
        store.erase(Scope(end=NOON + HOUR), FUTURE)
        with suppress(InterruptedError), open_store.ground.ring.change():
            store.erase(Scope(start=NOON + 2 * HOUR), FUTURE)
            raise InterruptedError
        store.erase(Scope(start=NOON + 3 * HOUR), FUTURE)
    for each in (store, open_store().store):
        assert sorted(item.at for item in found(each).values() if item.at) == [
            NOON + hour * HOUR for hour in (1, 1, 2, 2)
        ]
        assert scanned(each) == 4


def test_what_is_held_is_left_and_said_why(open_store: Open) -> None:
    planted = open_store()
    store, house = planted.store, plant_house(planted)
    held = {record: item for record, item in house.items() if "kari" in item.subjects}
    assert bool(held) == ("subject" in planted.knows)
    open_store.ground.held_people.add("kari")
    for _ in range(2):
        erasure = store.erase(ALL, FUTURE)
        assert (erasure.left, erasure.found - erasure.erased) == (len(held), len(held))
        assert erasure.exemptions == ((Exemption(reason="dispute", count=len(held), due=FUTURE),) if held else ())
        assert found(store) == held
        assert scanned(store) == len(held)
    open_store.ground.held_people.clear()
    assert store.erase(ALL, FUTURE).left == scanned(store) == 0


class KeepsTheBytes(OperationLog):
    """Says that it erased, and does nothing."""

    def erase(self, scope: Scope, before: datetime) -> Erasure:
        found = [item.id for item in self.find(scope, before)]
        return Erasure(len(found), len(found), 0)


class KeepsTheKeys(OperationLog):
    """Takes the files away, and not what opens them."""

    def erase(self, scope: Scope, before: datetime) -> Erasure:
        found = len(list(self.find(scope, before)))
        for file in self._files._directory.logs():
            file.unlink()
        return Erasure(found, found, 0)


class ScansItsIndex(OperationLog):
    """Says after an erasure what it believes, not what lies there."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._index = list(self.find(ALL, FUTURE))

    def scan(self, scope: Scope, before: datetime) -> Iterator[int]:
        yield sum(scope.covers(item) for item in self._index)


class SparesTheUndated(OperationLog):
    """Reads "nobody knows when" as "not then"."""

    def find(self, scope: Scope, before: datetime) -> Iterator[Item]:
        return iter([item for item in super().find(scope, before) if item.at or scope == ALL])


class TakesTheWholeCamera(OperationLog):
    """Erases a person by erasing all that is near."""

    def erase(self, scope: Scope, before: datetime) -> Erasure:
        return super().erase(
            Scope(start=scope.start, end=scope.end) if scope.subjects and scope.start else scope, before
        )


class ReachesWhatCameSince(OperationLog):
    """Forgets that an order ends at its own time."""

    def erase(self, scope: Scope, before: datetime) -> Erasure:
        return super().erase(scope, FUTURE)


class CountsWithoutReading(OperationLog):
    """Takes every record of a file for one in scope."""

    def count(self, scope: Scope, before: datetime) -> int:
        return super().count(ALL, FUTURE)


class SparesTheHeldInSilence(OperationLog):
    """Says that it erased what a hold keeps."""

    def erase(self, scope: Scope, before: datetime) -> Erasure:
        done = super().erase(scope, before)
        return Erasure(done.found, done.found, 0)


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (KeepsTheBytes, lambda house: test_one_scope_means_the_same_everywhere(house, ALL)),
        (KeepsTheKeys, lambda house: test_a_copy_of_the_files_from_before_stays_shut(house, ALL)),
        (ScansItsIndex, test_scan_trusts_no_index),
        (SparesTheUndated, test_the_undated_counts_as_before),
        (
            TakesTheWholeCamera,
            lambda house: test_one_scope_means_the_same_everywhere(house, SCOPES["subject and time"]),
        ),
        (ReachesWhatCameSince, test_what_was_captured_since_is_not_reached),
        (CountsWithoutReading, lambda house: test_one_scope_means_the_same_everywhere(house, SCOPES["an hour"])),
        (SparesTheHeldInSilence, test_what_is_held_is_left_and_said_why),
    ],
)
def test_a_broken_store_does_not_pass(
    tmp_path: Path, broken: type[OperationLog], check: Callable[[Open], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "OperationLog", broken)
    with pytest.raises(AssertionError):
        check(Open(tmp_path, OperationLogs))


instants = st.integers(0, 6).map(lambda half_hours: NOON + half_hours * HOUR / 2)
scopes = st.builds(
    Scope,
    everything=st.booleans(),
    cameras=st.sampled_from([(), ("front",), ("front", "cellar")]),
    subjects=st.sampled_from([(), ("kari",), ("kari", "ola")]),
    devices=st.sampled_from([(), ("lamp",)]),
    start=st.none() | instants,
    end=st.none() | instants,
)
orders = st.lists(st.tuples(scopes, instants), min_size=1, max_size=4)


@pytest.mark.parametrize("kind", STORES)
@settings(max_examples=15, deadline=None)
@given(orders=orders)
def test_any_orders_in_any_sequence(kind: str, orders: list[tuple[Scope, datetime]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        open_store = Open(Path(folder), STORES[kind])
        planted = open_store()
        left = plant_house(planted)
        for scope, before in orders:
            gone = {record for record, item in left.items() if scope.covers(item) and item.at and item.at < before}
            assert planted.store.count(scope, before) == len(gone)
            erasure = planted.store.erase(scope, before)
            assert (erasure.found, erasure.erased, erasure.left) == (len(gone), len(gone), 0)
            left = {record: item for record, item in left.items() if record not in gone}
            assert found(planted.store) == left
            assert scanned(planted.store, scope, before) == 0
        assert found(open_store().store) == left
