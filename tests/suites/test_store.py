"""What every `privacy.store.Store` must do. A new store adds itself to `STORES`: a line, and a class that plants."""

import shutil
import tempfile
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy.records import RecordClass, Scope
from privacy.store import Exemption
from tests.suites.stores import (
    ALL,
    FUTURE,
    HOUR,
    KARI_SINCE,
    NOON,
    SCOPES,
    STORES,
    Open,
    found,
    plant_house,
    scanned,
)


@pytest.fixture(params=STORES)
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    return Open(tmp_path, STORES[request.param])


@pytest.fixture(params=[kind for kind in STORES if kind != "snapshots"])
def open_logs(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """The stores of sealed logs, whose keys do not say whom they concern. A segment's say its camera."""
    return Open(tmp_path, STORES[request.param])


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
    marks = [erasure.marks] if erasure.marks else []
    assert scanned(store, scope) == sum(store.scan(scope, FUTURE, marks)) == 0
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


@pytest.mark.parametrize("since", [False, True], ids=["nothing since", "others since"])
@pytest.mark.parametrize("scope", [ALL, SCOPES["unknown subject"], Scope(cameras=("cellar",))])
def test_a_file_that_was_away_during_an_erasure_is_dead_when_it_comes_back(
    open_logs: Open,
    scope: Scope,
    since: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """It could not say whom it concerns. What was kept while it was away is none of its business."""
    planted = open_logs()
    plant_house(planted)
    away = {file: file.read_bytes() for file in open_logs.ground.folder.glob("*.log")}
    assert away
    for file in away:
        file.unlink()
    planted = open_logs()
    assert not found(planted.store)
    if since:
        planted.plant("front", "lamp", "kari", NOON + 3 * HOUR, b"canary")
    left = {record: item for record, item in found(planted.store).items() if not scope.covers(item)}
    planted.store.erase(scope, FUTURE)
    assert found(planted.store) == left
    for file, data in away.items():
        file.write_bytes(data)
    again = open_logs().store
    assert found(again).keys() == left.keys()
    assert scanned(again) == len(left)


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
