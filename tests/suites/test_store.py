"""What every `privacy.store.Store` must do. A new store adds itself to `STORES`: a line, and a class that plants."""

import secrets
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.register import Adoption, DeviceRegister
from camera.picture import Picture
from camera.snapshots import SnapshotStore
from privacy.entries import About, Entry
from privacy.operation_log import OperationLog
from privacy.records import Item, RecordClass, Scope
from privacy.redaction.line import redacted
from privacy.seal import Keys
from privacy.sealed_folder import Concerns
from privacy.spool import Spool
from privacy.store import Barrier, Erasure, Store

NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
FUTURE = NOON + timedelta(days=3650)
ALL = Scope(everything=True)


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


class Snapshots:
    """`camera.snapshots`."""

    knows = frozenset({"camera", "subject"})

    def __init__(self, root: Path, keys: Keys) -> None:
        self._root = root
        self.store = SnapshotStore(root, keys.seal("snapshots"), keys.random_bytes, Barrier())

    def plant(self, camera: str, device: str, subject: str, at: datetime | None, canary: bytes) -> str:
        snapshot = self.store.append(camera, at or NOON, Picture(canary * 9, canary, 64, 48), frozenset({subject}))
        assert snapshot
        if at is None:
            file = self._root / snapshot.id[:2] / snapshot.id
            data = bytearray(file.read_bytes())
            data[40] ^= 1  # within the sealed metadata
            file.write_bytes(data)
            self.store = SnapshotStore(self._root, self.store._seal, secrets.token_bytes, Barrier())
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

    def __init__(self, root: Path, keys: Keys) -> None:
        self.store = OperationLog(root, keys, timedelta(hours=72))

    def plant(self, camera: str, device: str, subject: str, at: datetime | None, canary: bytes) -> str:
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

    def __init__(self, root: Path, keys: Keys) -> None:
        self.store = Spool(root, keys, timedelta(hours=72))

    def plant(self, camera: str, device: str, subject: str, at: datetime | None, canary: bytes) -> str:
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

    def __init__(self, root: Path, keys: Keys) -> None:
        root.mkdir(exist_ok=True)
        self.store = DeviceRegister(root / "devices", keys, Barrier())

    def plant(self, camera: str, device: str, subject: str, at: datetime | None, canary: bytes) -> str:
        adoption = Adoption(device, "homekit", at or NOON, {"devices": [{"name": canary.decode()}]})
        record = msgspec.json.encode(adoption) if at else b'{"of": "a later version"}'
        return str(self.store._log.append([record]))


STORES: dict[str, Callable[[Path, Keys], Planted]] = {
    "device_register": DeviceRegisters,
    "operation_log": OperationLogs,
    "spool": Spools,
    "snapshots": Snapshots,
}


@pytest.fixture(params=STORES)
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Planted]:
    """Opens the same store anew with each call, as after a restart."""
    keys = Keys(bytes(range(32)))
    make = STORES[request.param]
    return lambda: make(tmp_path / "store", keys)


Open = Callable[[], Planted]


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
    assert {item.id for item, _ in store.export(scope)} == wanted
    assert store.scan(scope, FUTURE) == len(wanted)
    erasure = store.erase(scope, FUTURE)
    assert (erasure.found, erasure.erased, erasure.left) == (len(wanted), len(wanted), 0)
    assert store.scan(scope, FUTURE) == 0
    assert found(store).keys() == house.keys() - wanted, "nothing out of scope is lost"
    assert found(open_store().store).keys() == house.keys() - wanted
    assert store.scan(ALL, FUTURE) == len(house) - len(wanted)


def test_records_carry_what_the_store_says_it_knows(open_store: Open) -> None:
    # Else the scopes above would match nothing and prove nothing.
    planted = open_store()
    house = plant_house(planted).values()
    expected = {"camera": {"front", "garden"}, "device": {"lamp", "heat-pump"}}
    for field, values in expected.items():
        seen = {getattr(item, field) for item in house} - {None}
        assert seen == (values if field in planted.knows else set())
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
    assert store.scan(ALL, NOON + 2 * HOUR) == 0
    assert store.scan(ALL, FUTURE) == 4


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
    assert again.scan(ALL, FUTURE) == 0
    assert all((count, oldest) == (0, None) for _, count, oldest in again.oldest())


def test_scan_trusts_no_index(open_store: Open) -> None:
    """Records that a store does not know of, because another process or a restore put them there, are counted."""
    store = open_store().store
    plant_house(open_store())
    assert store.scan(ALL, FUTURE) == 8


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


class KeepsTheBytes(SnapshotStore):
    """Says that it erased, and unlinks nothing."""

    def erase(self, scope: Scope, before: datetime) -> Erasure:
        found = [item.id for item in self.find(scope, before)]
        return Erasure(len(found), len(found), 0)


class ScansItsIndex(SnapshotStore):
    """Says after an erasure what it believes, not what lies there."""

    def scan(self, scope: Scope, before: datetime) -> int:
        return sum(scope.covers(item) for item in self._index.values())


class SparesTheUndated(SnapshotStore):
    """Reads "nobody knows when" as "not then"."""

    def find(self, scope: Scope, before: datetime) -> Iterator[Item]:
        return iter([item for item in super().find(scope, before) if item.at or scope == ALL])


class TakesTheWholeCamera(SnapshotStore):
    """Erases a person by erasing all that is near."""

    def erase(self, scope: Scope, before: datetime) -> Erasure:
        return super().erase(
            Scope(start=scope.start, end=scope.end) if scope.subjects and scope.start else scope, before
        )


class ReachesWhatCameSince(SnapshotStore):
    """Forgets that an order ends at its own time."""

    def find(self, scope: Scope, before: datetime) -> Iterator[Item]:
        return super().find(scope, FUTURE)


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (KeepsTheBytes, lambda house: test_one_scope_means_the_same_everywhere(house, ALL)),
        (ScansItsIndex, test_scan_trusts_no_index),
        (SparesTheUndated, test_the_undated_counts_as_before),
        (
            TakesTheWholeCamera,
            lambda house: test_one_scope_means_the_same_everywhere(house, SCOPES["subject and time"]),
        ),
        (ReachesWhatCameSince, test_what_was_captured_since_is_not_reached),
    ],
)
def test_a_broken_store_does_not_pass(
    tmp_path: Path, broken: type[SnapshotStore], check: Callable[[Open], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "SnapshotStore", broken)
    keys = Keys(bytes(range(32)))
    with pytest.raises(AssertionError):
        check(lambda: Snapshots(tmp_path / "store", keys))


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
@settings(max_examples=25, deadline=None)
@given(orders=orders)
def test_any_orders_in_any_sequence(kind: str, orders: list[tuple[Scope, datetime]]) -> None:
    keys = Keys(bytes(range(32)))
    with tempfile.TemporaryDirectory() as folder:
        planted = STORES[kind](Path(folder), keys)
        left = plant_house(planted)
        for scope, before in orders:
            gone = {record for record, item in left.items() if scope.covers(item) and item.at and item.at < before}
            erasure = planted.store.erase(scope, before)
            assert (erasure.found, erasure.erased, erasure.left) == (len(gone), len(gone), 0)
            left = {record: item for record, item in left.items() if record not in gone}
            assert found(planted.store) == left
            assert planted.store.scan(scope, before) == 0
        assert found(STORES[kind](Path(folder), keys).store) == left
