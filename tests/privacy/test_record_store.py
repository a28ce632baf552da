"""A store of one class, beyond what every store must do (`tests/suites/test_store.py`)."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from privacy.keyring import KeyRing
from privacy.record_store import RecordStore
from privacy.records import Item, RecordClass, Scope
from privacy.sealed_file import Concerns
from privacy.store import Barrier
from privacy.timekeeping import TimeKeeper

ALL = Scope(everything=True)
MONTH = timedelta(days=30)

Open = Callable[..., RecordStore]


class Hold:
    """Keeps what concerns Kari."""

    reason = "dispute"

    def __init__(self, clock: Any) -> None:
        self.until = clock.now() + MONTH

    def held(self, item: Item) -> "Hold | None":
        return self if "kari" in item.subjects else None


@pytest.fixture
def barrier(clock: Any) -> Barrier:
    return Barrier(clock)


@pytest.fixture
def reopened(
    tmp_path: Path, open_ring: Callable[[], KeyRing], keeper: TimeKeeper, barrier: Barrier, clock: Any
) -> Open:
    def reopen(limit: timedelta | None = MONTH, record_class: RecordClass = RecordClass.SENSOR_HISTORY) -> RecordStore:
        return RecordStore(
            f"{record_class}_store",
            record_class,
            directory=tmp_path / "records",
            ring=open_ring(),
            time=keeper,
            limit=limit,
            barrier=barrier,
            holds=Hold(clock).held,
        )

    return reopen


def payloads(store: RecordStore) -> list[bytes]:
    return [payload for _, payload in store.records()]


def test_what_was_stored_is_there_after_a_restart(reopened: Open, clock: Any) -> None:
    store = reopened()
    assert store.append(Concerns(clock.now(), "front", "lamp", ("ola",)), b"one")
    assert store.append_all([(Concerns(clock.now()), b"two"), (Concerns(clock.now()), b"three")]) == 2
    assert store.append_all([]) == 0
    again = reopened()
    ((item, payload), *_) = again.records()
    assert (item.camera, item.device, item.subjects, payload) == ("front", "lamp", {"ola"}, b"one")
    assert payloads(again) == [b"one", b"two", b"three"]
    assert store.name == "sensor_history_store"
    assert list(again.oldest()) == [(RecordClass.SENSOR_HISTORY, 3, clock.now())]


def test_an_order_that_came_meanwhile_reaches_a_record(reopened: Open, barrier: Barrier, clock: Any) -> None:
    store = reopened()
    store.append(Concerns(clock.now(), "front"), b"stored before")
    then = clock.now()
    clock.move(seconds=1)
    barrier.raise_for("order", Scope(cameras=("front",)), clock.now())
    assert not store.append(Concerns(then, "front"), b"on its way")
    assert store.append_all([(Concerns(then, "front"), b"on its way"), (Concerns(then, "garden"), b"another")]) == 1
    assert payloads(store) == [b"another"], "what an order reaches is not shown"
    assert store.count(ALL, clock.now()) == 2, "and not yet erased"


def test_records_go_at_the_limit_of_their_class(tmp_path: Path, reopened: Open, clock: Any) -> None:
    store = reopened()
    for _ in range(2 * 35):
        store.append(Concerns(clock.now()), b"a value")
        clock.move(hours=12)
        store.expire(timedelta(hours=12))
        ((_, _, oldest),) = store.oldest()
        assert clock.now() - oldest < MONTH
    ((_, count, _),) = store.oldest()
    assert 2 * 29 <= count <= 2 * 30
    assert len(list((tmp_path / "records").iterdir())) <= 72
    clock.move(days=30)
    assert store.expire(timedelta(0)) == count
    assert list((tmp_path / "records").iterdir()) == []


def test_without_a_limit_they_stay_in_one_file(tmp_path: Path, reopened: Open, clock: Any) -> None:
    store = reopened(None, RecordClass.CAMERA_LOGIN)
    for _ in range(3):
        store.append(Concerns(clock.now(), "front"), b"a login")
        clock.move(days=1000)
    assert store.expire(timedelta(days=10_000)) == 0
    assert len(payloads(store)) == 3
    assert len(list((tmp_path / "records").iterdir())) == 1


def test_what_is_held_lives_on_and_is_not_shown(reopened: Open, clock: Any) -> None:
    store = reopened()
    store.append_all([(Concerns(clock.now(), subjects=(person,)), person.encode()) for person in ("kari", "ola")])
    assert payloads(store) == [b"ola"]
    clock.move(days=60)
    assert store.expire(timedelta(0)) == 1
    assert store.expire(timedelta(0)) == 0
    again = reopened()
    assert [item.subjects for item in again.find(ALL, clock.now())] == [{"kari"}]
    assert list(again.export(ALL)) == [], "nor does it leave"


def test_a_record_of_a_later_version_is_given_as_it_lies_there(reopened: Open, clock: Any, keeper: TimeKeeper) -> None:
    store = reopened()
    store._files.append("0000000001", [(Concerns(clock.now()), b"of a later version")])
    assert payloads(store) == [b"of a later version"]
    assert list(store.moments()) == [keeper.moment()]
    store.redate(keeper.redated)
    assert [item.at for item in store.find(ALL, clock.now())] == [None]
