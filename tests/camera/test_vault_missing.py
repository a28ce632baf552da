"""Segments whose own file is missing, or another's: it may come back, and what died must not open then.

`box` is `tests/camera/conftest.py`'s: a state directory with a vault in it, on a clock that the test moves.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from camera.vault.file import pack_head
from camera.vault.segment_writer import SegmentWriter
from camera.vault.survey import Survey
from privacy.errors import StoreBroken
from privacy.key_table import KeyEntry
from privacy.records import Scope

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FUTURE = NOON + timedelta(days=300)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
ALL = Scope(everything=True)


def lives(box: Any, record: str) -> bool:
    return bytes.fromhex(record[:32]) in box.ring.entries("snapshots")


@contextmanager
def away(box: Any, record: str) -> Iterator[None]:
    """The vault runs without the file of a picture; then it is put back, and the vault starts anew."""
    box.vault.close()
    file = box.file(record)
    data = file.read_bytes()
    file.unlink()
    box.start()
    yield
    box.vault.close()
    file.write_bytes(data)
    box.start()


def swap(box: Any, one: str, other: str) -> None:
    """Their files change names; the vault starts anew."""
    box.vault.close()
    beside = box.file(one).with_name("swapped")
    box.file(one).rename(beside)
    box.file(other).rename(box.file(one))
    beside.rename(box.file(other))
    box.start()


MEANS = [
    {"everything": True},
    {"cameras": ("front",)},
    {"subjects": ("ola",)},
    {"subjects": ("kari",)},
    {"end": FUTURE},
]


@pytest.mark.parametrize("means", MEANS)
def test_an_order_takes_the_key_of_a_missing_file(box: Any, means: Any) -> None:
    ids = box.keep_hours(1, "front", "ola")
    other = box.keep("garden")
    box.vault.tag("kari", ids[:1])
    with away(box, ids[0]):
        erasure = box.vault.erase(Scope(**means), FUTURE)
        assert (erasure.left, erasure.found) == (0, len(box.ids()) == 0)
        assert bool(erasure.marks) == ("subjects" in means)
        assert not lives(box, ids[0])
    assert not any(map(box.vault.image, ids))
    assert lives(box, other) == ("cameras" in means or "subjects" in means)


@pytest.mark.parametrize(
    "means", [{"cameras": ("garden",)}, {"subjects": ("per",)}, {"end": NOON}, {"devices": ("a",)}]
)
def test_an_order_that_cannot_mean_it_leaves_it(box: Any, means: Any) -> None:
    ids = box.keep_hours(1, "front", "ola")
    with away(box, ids[0]):
        box.vault.erase(Scope(**means), FUTURE)
    assert all(map(box.vault.image, ids))


def test_a_partly_erased_hour_whose_file_is_missing(box: Any) -> None:
    ids = box.keep_hours(1)
    box.vault.erase(Scope(end=NOON + MINUTE), FUTURE)
    with away(box, ids[0]):
        assert box.vault.erase(Scope(cameras=("front",)), FUTURE).left == 0
        assert not lives(box, ids[0])
    assert not any(map(box.vault.image, ids))


def test_what_a_hold_may_keep_of_a_missing_file_stays_and_is_told(box: Any) -> None:
    ids = box.keep_hours(1, "front")
    box.keep("garden")
    hold = box.hold(cameras=("front",), start=NOON + 20 * MINUTE, end=NOON + 30 * MINUTE)
    with away(box, ids[0]):
        assert box.vault.count(ALL, FUTURE) == 2
        erasure = box.vault.erase(ALL, FUTURE)
        assert (erasure.found, erasure.erased, erasure.left) == (2, 1, 1)
        assert [(one.reason, one.count, one.due) for one in erasure.exemptions] == [("dispute", 1, hold.until)]
        box.clock.pass_by(days=8)
        box.vault.expire()
    assert box.scanned() == 6, "it came back"
    assert box.vault.erase(ALL, FUTURE).left == 1
    box.holds.release(hold.id, hold.by)
    box.vault.erase(ALL, FUTURE)
    assert box.scanned() == 0


def test_a_hold_keeps_no_entry_whose_file_never_came_to_be(box: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise StoreBroken("No space left on device")

    for step in ("create", "append"):
        with monkeypatch.context() as patch:
            patch.setattr(SegmentWriter, step, refuse)
            with pytest.raises(StoreBroken):
                box.keep("front")
        box.hold(cameras=("front",))
        assert len(box.ring.entries("snapshots")) == 1
        assert box.vault.count(ALL, FUTURE) == 0
        erasure = box.vault.erase(ALL, FUTURE)
        assert (erasure.found, erasure.left) == (0, 0)
        assert not box.ring.entries("snapshots")
    box.keep("front")
    assert box.scanned() == 1, "nothing is written under a key that died"


def test_an_entry_without_pictures_goes_at_its_limit(box: Any) -> None:
    """No earlier: the folder of the segments may be on a medium that is not mounted yet."""
    gone = box.keep("front")
    with away(box, gone):
        assert box.vault.expire() == []
        assert lives(box, gone)
    assert box.vault.image(gone)
    with away(box, gone):
        box.clock.pass_by(days=8)
        assert box.vault.expire() == []
        assert not lives(box, gone)


def test_one_that_is_about_to_be_written_into_is_used(box: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise StoreBroken("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(SegmentWriter, "append", refuse)
        with pytest.raises(StoreBroken):
            box.keep("front")
    (entry,) = box.ring.entries("snapshots")
    box.vault.expire()
    assert bytes.fromhex(box.keep("front")[:32]) == entry


def test_one_that_a_hold_may_keep_does_not_go_at_its_limit(box: Any) -> None:
    front, garden = box.keep("front"), box.keep("garden", image=b"larger" * 40)
    hall = box.keep("hall")
    hold = box.hold(cameras=("hall",))
    swap(box, front, garden)
    with away(box, hall):
        box.clock.pass_by(days=8)
        box.vault.expire()
        assert [lives(box, one) for one in (hall, front, garden)] == [True, False, False]
        box.holds.release(hold.id, hold.by)
        box.vault.expire()
        assert not box.ring.entries("snapshots")


def test_for_want_of_space_goes_nothing_that_a_hold_may_keep(make_box: Any) -> None:
    box = make_box(quota=30_000)
    front = box.keep("front", image=bytes(9_000))
    hold = box.hold(cameras=("front",))
    with away(box, front):
        box.clock.pass_by(hours=1)
        for _ in range(4):
            box.keep("garden", image=bytes(9_000))
            box.clock.pass_by(hours=1)
        assert lives(box, front)
        box.holds.release(hold.id, hold.by)
        box.keep("garden", image=bytes(9_000))
        assert not lives(box, front)


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("held", [False, True])
def test_two_files_that_changed_names(box: Any, *, lost: bool, held: bool) -> None:
    front, garden = box.keep_hours(1, "front", "ola"), box.keep_hours(1, "garden", "per", each=5)
    if lost:
        box.restart()
        box.vault._catalogue.index.drop([bytes.fromhex(one[:32]) for one in (front[0], garden[0])])
    swap(box, front[0], garden[0])
    if held:
        box.hold(cameras=("front",))
    scope = Scope(cameras=("front",))
    assert sum(box.vault.scan(scope, FUTURE)) == 6, "its key opens it under any name"
    assert box.vault.erase(scope, FUTURE).left == held
    assert sum(box.vault.scan(scope, FUTURE)) == (6 if held else 0)
    assert box.scanned(cameras=("garden",)) == 5
    swap(box, front[0], garden[0])
    assert [*map(bool, map(box.vault.image, front))] == [False] * 6, "held is not shown"
    assert all(map(box.vault.image, garden))
    assert box.scanned() == (11 if held else 5)


def test_a_living_name_over_the_file_of_another_whose_head_is_damaged(box: Any) -> None:
    front, garden = box.keep_hours(1, "front"), box.keep_hours(1, "garden")
    box.restart()
    box.file(garden[0]).write_bytes(bytes(28) + box.file(front[0]).read_bytes()[28:])
    box.file(front[0]).unlink()
    assert box.scanned(cameras=("front",)) == 6


def test_an_erasure_that_passes_over_entries_without_files_is_caught(box: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deliberately wrong: what `test_an_order_takes_the_key_of_a_missing_file` is there to see."""
    monkeypatch.setattr(Survey, "vacant", lambda *_: iter(()))
    ids = box.keep_hours(1)
    with away(box, ids[0]):
        assert box.vault.erase(ALL, FUTURE).left == 0
        assert lives(box, ids[0])
    assert all(map(box.vault.image, ids))
    assert box.scanned() == 6


# -- files that are not what an entry names, and damaged besides


def damage_headers(data: bytes) -> bytes:
    return data.replace(b"PVSR", b"pVSR")


@pytest.mark.parametrize("head", ["whole", "damaged"])
def test_a_copy_whose_headers_are_all_damaged_is_found_by_its_footer(box: Any, head: str) -> None:
    box.keep_hours(1, "garden")
    ids = box.keep_hours(1, "front")
    box.restart()
    file: Path = box.file(ids[0])
    data = damage_headers(file.read_bytes())
    file.unlink()
    file.with_name("0" * 32).write_bytes(data if head == "whole" else bytes(28) + data[28:])
    assert box.scanned(cameras=("front",)) == 6


def test_what_died_under_a_key_that_lives_is_found_by_its_footer(box: Any) -> None:
    """Two hours under one key: the first died, and the headers of its records are damaged."""
    first, second = (box.keep_hours(1, camera)[0] for camera in ("front", "garden"))
    box.restart()
    entry = box.ring.entries("snapshots")[bytes.fromhex(first[:32])]
    box.vault.erase(Scope(cameras=("front",)), FUTURE)
    box.file(first).write_bytes(damage_headers(box.file(first).read_bytes()))
    living = box.vault._catalogue.living()[bytes.fromhex(second[:32])]
    living.entry = KeyEntry(living.id, "snapshots", entry.key, living.entry.info)
    assert box.scanned(cameras=("front",)) == 6


@pytest.mark.parametrize(("damaged", "found"), [(2, 6), (3, 0)])
def test_damage_to_the_first_records_does_not_hide_the_others(box: Any, damaged: int, found: int) -> None:
    ids = box.keep_hours(1, "front")
    box.restart()
    for record in ids[:damaged]:
        box.spoil(record)
    file: Path = box.file(ids[0])
    data = file.read_bytes()
    file.unlink()
    file.with_name("0" * 32).write_bytes(pack_head(b"PVSG", box.ring.cipher, b"d" * 16) + data[28:])
    assert box.scanned(cameras=("front",)) == found
