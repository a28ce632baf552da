"""The snapshot store's own business; what every store must do is in `tests/suites/test_store.py`."""

import itertools
import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from camera import snapshot_folder
from camera.picture import Picture
from camera.snapshot_file import HEAD
from camera.snapshots import SnapshotStore
from privacy.errors import StoreBroken
from privacy.records import RecordClass, Scope
from privacy.seal import Keys
from privacy.store import Barrier

NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=1)
ALL = Scope(everything=True)
PICTURE = Picture(b"image" * 100, b"thumbnail" * 10, 640, 480)

Reopen = Callable[[], SnapshotStore]


@pytest.fixture
def barrier() -> Barrier:
    return Barrier()


@pytest.fixture
def reopen(tmp_path: Path, barrier: Barrier) -> Reopen:
    keys = Keys(bytes(range(32)))
    return lambda: SnapshotStore(tmp_path / "snapshots", keys.seal("snapshots"), keys.random_bytes, barrier)


@pytest.fixture
def store(reopen: Reopen) -> SnapshotStore:
    return reopen()


def keep(store: SnapshotStore, camera: str = "front", at: datetime = NOON, subject: str = "ola-nordmann") -> str:
    snapshot = store.append(camera, at, PICTURE, frozenset({subject}))
    assert snapshot
    return snapshot.id


def path(store: SnapshotStore, record: str) -> Path:
    return store._folder.path(record)


def spoil(store: SnapshotStore, record: str, offset: int = HEAD.size + 20) -> None:
    file = path(store, record)
    data = bytearray(file.read_bytes())
    data[offset] ^= 1
    file.write_bytes(data)


def test_kept_and_shown(store: SnapshotStore, reopen: Reopen) -> None:
    record = keep(store, subject="kari")
    for each in (store, reopen()):
        assert each.image(record) == PICTURE.image
        assert each.thumbnail(record) == PICTURE.thumbnail
        (item,) = each.find(ALL, LATER)
        assert (item.camera, item.at, item.subjects) == ("front", NOON, frozenset({"kari"}))
        assert each.count() == 1


def test_newest_first(store: SnapshotStore, reopen: Reopen) -> None:
    for minute in (3, 1, 2):
        keep(store, at=NOON + timedelta(minutes=minute))
    keep(store, "garden", NOON)
    for each in (store, reopen()):
        assert [shot.at.minute for shot in each.newest("front", 2)] == [3, 2]
        assert [shot.camera for shot in each.newest(None, 9)] == ["front", "front", "front", "garden"]
        assert not each.newest("cellar", 9)
        spans = each.spans()
        assert (spans["front"].count, spans["front"].oldest.minute, spans["front"].newest.minute) == (3, 1, 3)
        assert spans["garden"].count == 1


@pytest.mark.parametrize("record", ["", "0" * 32, "../../etc/passwd", "0" * 31 + "/"])
def test_no_such_snapshot(store: SnapshotStore, record: str) -> None:
    assert store.image(record) is None
    assert store.thumbnail(record) is None


def test_names_say_nothing(store: SnapshotStore, tmp_path: Path) -> None:
    keep(store, "front", subject="kari")
    (file,) = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(file.name) == 32
    assert file.parent.name == file.name[:2]
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_parts_cannot_be_swapped(store: SnapshotStore, reopen: Reopen) -> None:
    first, second = keep(store), keep(store)
    path(store, first).write_bytes(path(store, second).read_bytes())
    assert store.image(first) is None
    assert reopen().image(second) == PICTURE.image
    data = path(store, second).read_bytes()
    _, metadata, thumbnail, image = HEAD.unpack(data[: HEAD.size])
    start = HEAD.size + metadata
    swapped = data[start + thumbnail :] + data[start : start + thumbnail]
    path(store, second).write_bytes(HEAD.pack(data[:5], metadata, image, thumbnail) + data[HEAD.size : start] + swapped)
    assert store.image(second) is None
    assert store.thumbnail(second) is None


# -- what is not ours


def test_strangers_are_left_alone_and_named_once(
    store: SnapshotStore, reopen: Reopen, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    record = keep(store)
    root = tmp_path / "snapshots"
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / ("ab" + "0" * 30)).write_bytes(b"theirs")
    strangers = [root / "notes.txt", root / record[:2] / "holiday.jpg", root / record[:2] / ("f" * 33)]
    for stranger in strangers:
        stranger.write_bytes(b"theirs")
    mismatched = root / record[:2] / (f"{int(record[:2], 16) ^ 1:02x}" + "0" * 30)
    mismatched.write_bytes(b"theirs")
    link = root / record[:2] / (record[:2] + "1" * 30)
    link.symlink_to(outside / ("ab" + "0" * 30))
    free = next(name for name in ("ab", "cd") if name != record[:2])
    (root / free).symlink_to(outside)
    again = reopen()
    assert again.erase(ALL, LATER).found == 1
    assert again.scan(ALL, LATER) == 0
    assert all(stranger.read_bytes() == b"theirs" for stranger in (*strangers, mismatched, link))
    assert (outside / ("ab" + "0" * 30)).exists()
    assert len([r for r in caplog.records if "not ours" in r.getMessage()]) == 1


def test_what_a_crash_left_unfinished_goes(store: SnapshotStore, reopen: Reopen) -> None:
    record = keep(store)
    unfinished = path(store, record).with_name(record[:2] + "2" * 30 + ".new")
    unfinished.write_bytes(b"half")
    stranger = unfinished.with_name("mine.new")
    stranger.write_bytes(b"theirs")
    assert reopen().count() == 1
    assert not unfinished.exists()
    assert stranger.exists()


# -- damage


@pytest.mark.parametrize("offset", [0, 6, HEAD.size + 20], ids=["magic", "length", "metadata"])
def test_damage_makes_undated(
    store: SnapshotStore, reopen: Reopen, caplog: pytest.LogCaptureFixture, offset: int
) -> None:
    caplog.set_level(logging.WARNING)
    good, bad = keep(store), keep(store)
    spoil(store, bad, offset)
    again = reopen()
    assert "1 of 2 snapshots are damaged" in caplog.text
    assert {item.id: item.at for item in again.find(ALL, LATER)} == {good: NOON, bad: None}
    assert [shot.id for shot in again.newest(None, 9)] == [good]
    assert again.image(bad) is None or offset > HEAD.size


@pytest.mark.parametrize(
    ("scope", "taken"),
    [
        (Scope(cameras=("garden",)), True),
        (Scope(subjects=("ola",)), True),
        (Scope(end=NOON - timedelta(days=9)), True),
        (Scope(classes=(RecordClass.SNAPSHOT,), cameras=("garden",)), True),
        (Scope(classes=(RecordClass.OP_LOG,)), False),
        (Scope(devices=("lamp",)), False),
        (Scope(), False),
    ],
)
def test_a_damaged_record_goes_with_whatever_could_mean_it(
    store: SnapshotStore,
    reopen: Reopen,
    scope: Scope,
    taken: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    good, bad = keep(store), keep(store)
    spoil(store, bad)
    again = reopen()
    assert again.scan(scope, LATER) == taken, "its picture still opens, so it counts"
    assert again.erase(scope, LATER).erased == taken
    assert again.scan(scope, LATER) == 0
    assert {item.id for item in again.find(ALL, LATER)} == ({good} if taken else {good, bad})


def test_a_medium_that_cannot_be_read_costs_nothing(
    store: SnapshotStore, reopen: Reopen, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(store)

    def refuse(*_: object) -> int:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refuse)
        with pytest.raises(StoreBroken, match="Input/output error"):
            reopen()
    assert reopen().count() == 1


# -- writing


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_full_disk_leaves_nothing_half_written(
    store: SnapshotStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    keep(store)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os if failing == "fsync" else Path, failing, full)
        with pytest.raises(StoreBroken, match="No space left"):
            store.append("front", NOON, PICTURE)
    assert store.count() == 1
    assert len([file for file in tmp_path.rglob("*") if file.is_file()]) == 1
    keep(store)
    assert store.count() == 2


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    keys = Keys(bytes(32))
    with pytest.raises(StoreBroken, match="cannot make"):
        SnapshotStore(tmp_path / "file" / "snapshots", keys.seal("snapshots"), keys.random_bytes, Barrier())


# -- erasure and what comes at the same time


def test_what_an_order_reaches_is_not_shown_from_then_on(store: SnapshotStore, barrier: Barrier) -> None:
    mine, other = keep(store), keep(store, "garden")
    barrier.raise_for("order", Scope(cameras=("front",)), LATER)
    assert store.image(mine) is store.thumbnail(mine) is None
    assert [shot.id for shot in store.newest(None, 9)] == [other]
    assert set(store.spans()) == {"garden"}
    assert store.scan(ALL, LATER) == 2, "hidden is not erased"


def test_a_picture_under_way_does_not_survive_an_erasure(store: SnapshotStore, barrier: Barrier) -> None:
    barrier.raise_for("order", Scope(cameras=("front",)), NOON)
    assert store.append("front", NOON - timedelta(seconds=3), PICTURE) is None
    assert store.append("garden", NOON - timedelta(seconds=3), PICTURE)
    assert store.append("front", NOON, PICTURE)
    assert store.append("front", NOON + timedelta(days=1), PICTURE)


def test_an_erasure_cut_short_is_finished_by_the_next(store: SnapshotStore, monkeypatch: pytest.MonkeyPatch) -> None:
    records = [keep(store) for _ in range(5)]
    removals = itertools.count()

    def failing(file: Path) -> None:
        if next(removals) == 2:
            raise StoreBroken("cannot remove: Input/output error")
        file.unlink()

    with monkeypatch.context() as patched:
        patched.setattr(snapshot_folder, "remove", failing)
        with pytest.raises(StoreBroken):
            store.erase(ALL, LATER)
    assert store.count() <= len(records)
    assert store.scan(ALL, LATER) == 3
    assert store.erase(ALL, LATER).found == 3
    assert store.scan(ALL, LATER) == 0


def test_what_was_unlinked_and_not_yet_synced_is_synced_by_the_next(
    store: SnapshotStore, reopen: Reopen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process killed after the unlink finds nothing when it redoes the order, and must sync all the same."""
    record = keep(store)
    path(store, record).unlink()
    synced: list[Path] = []
    monkeypatch.setattr(snapshot_folder, "sync_directory", synced.append)
    assert reopen().erase(ALL, LATER).found == 0
    assert path(store, record).parent in synced


def test_files_that_came_from_elsewhere_are_found(store: SnapshotStore, reopen: Reopen) -> None:
    other = reopen()
    record = keep(other)
    assert store.count() == 0
    assert [item.id for item in store.find(ALL, LATER)] == [record]
    assert store.erase(ALL, LATER).found == 1
    assert other.scan(ALL, LATER) == 0
    assert not list(other.find(ALL, LATER))
