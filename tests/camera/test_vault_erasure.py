"""How pictures die: whole segments with their keys, parts of them by pages.

`box` is `tests/camera/conftest.py`'s: a state directory with a vault in it, on a clock that the test moves.
"""

import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from camera.vault.page import write_pages
from camera.vault.segment import SegmentReader
from privacy.errors import SealBroken, StoreBroken
from privacy.records import Scope
from privacy.store import Exemption

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FUTURE = NOON + timedelta(days=300)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
ALL = Scope(everything=True)


def pages(box: Any) -> list[str]:
    return sorted(file.name for file in (box.state / "vault" / "pages").iterdir())


def erase(box: Any, before: datetime = FUTURE, **scope: object) -> Any:
    return box.vault.erase(Scope(**scope) if scope else ALL, before)


def test_whole_hours_go_without_a_look_at_their_pictures(box: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    box.keep_hours(4)
    monkeypatch.setattr(SegmentReader, "__init__", None)
    monkeypatch.setattr(box.vault._catalogue.index, "get", None)
    monkeypatch.setattr(box.vault._catalogue.index, "record_ids", None)
    monkeypatch.setattr(box.vault._catalogue.index, "record", None)
    assert box.vault.count(Scope(end=NOON + 2 * HOUR), FUTURE) == 12
    assert erase(box, end=NOON + 2 * HOUR).erased == 12
    assert not pages(box)
    assert erase(box).erased == 12


def test_a_part_of_an_hour_leaves_the_others_readable(box: Any) -> None:
    ids = []
    for _ in range(6):
        ids.append(box.keep(image=b"sound"))
        box.clock.pass_by(minutes=10)
    erasure = erase(box, start=NOON + 10 * MINUTE, end=NOON + 30 * MINUTE)
    assert (erasure.found, erasure.erased, erasure.left, erasure.by) == (2, 2, 0, {})
    survivors = {ids[0], *ids[3:]}
    for vault in box.before_and_after_restart():
        assert box.ids() == survivors
        assert box.scanned() == 4
        assert all(vault.image(record) == b"sound" for record in survivors)
        assert vault.image(ids[1]) is None
        assert len(pages(box)) == 1


def test_the_time_of_a_picture_that_died_is_not_kept_and_no_file_is_opened_for_it(
    box: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.clock.pass_by(minutes=13, seconds=7.5)
    first = box.clock.now()
    box.vault.tag("kari", [box.keep()])
    box.clock.pass_by(minutes=10)
    last = box.keep()
    box.clock.pass_by(hours=1)
    box.keep()  # in the next hour: the first two are in the index from here on
    box.vault.flush()
    assert box.vault.spans()["front"].oldest == first
    monkeypatch.setattr(box.vault._catalogue, "reader", None)
    assert erase(box, subjects=("kari",)).erased == 1
    monkeypatch.undo()
    for vault in box.before_and_after_restart():
        assert vault.spans()["front"].oldest == NOON, "that is what the hour of its segment says"
        assert vault.image(last)
    box.clock.pass_by(days=7, hours=-1, minutes=-24)
    assert [gone.pictures for gone in box.vault.expire()] == [1], "no earlier than by the length of its segment"


def test_where_the_times_were_looked_at_the_rest_is_as_old_as_its_first(box: Any) -> None:
    box.keep()
    box.clock.pass_by(minutes=13)
    rest = box.clock.now()
    box.keep()
    assert erase(box, end=rest).erased == 1
    assert box.vault.spans()["front"].oldest == rest
    box.clock.pass_by(days=7, hours=-1, seconds=-1)
    assert box.vault.expire() == []
    box.clock.pass_by(seconds=1)
    assert [gone.pictures for gone in box.vault.expire()] == [1]


def test_where_the_first_of_the_rest_is_damaged_it_is_as_old_as_it_may_be(box: Any) -> None:
    box.clock.pass_by(minutes=5)
    box.vault.tag("kari", [box.keep()])
    box.clock.pass_by(minutes=10)
    damaged = box.keep()
    box.clock.pass_by(minutes=10)
    box.keep()
    box.vault.flush()
    box.spoil(damaged)
    assert erase(box, subjects=("kari",), start=NOON + 5 * MINUTE, end=NOON + 6 * MINUTE).erased == 1
    assert box.vault.spans()["front"].oldest == NOON


def test_where_fewer_are_there_than_were_counted_nobody_survives(box: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = box.keep_hours(1, each=2)
    first = [bytes.fromhex(ids[0])[16:]]
    monkeypatch.setattr(box.vault._catalogue, "ids", lambda _segment: first)
    assert erase(box, end=NOON + MINUTE).erased == 1
    monkeypatch.undo()
    assert box.ids() == set()
    assert box.scanned() == 0


def test_a_file_that_is_missing_is_asked_for_once(box: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = box.keep_hours(1)
    box.vault.flush()
    box.file(ids[0]).rename(box.state / "away")
    asked: list[object] = []
    reader = type(box.vault._catalogue).reader
    monkeypatch.setattr(
        type(box.vault._catalogue), "reader", lambda self, segment: asked.append(segment) or reader(self, segment)
    )
    assert box.vault.newest("front", 10) == []
    assert len(asked) == 1


def test_one_of_many_is_another_page_and_the_old_one_dies(box: Any) -> None:
    ids = box.keep_hours(1)
    for step, gone in enumerate(ids[:-1]):
        before = pages(box)
        assert erase(box, start=NOON + step * 10 * MINUTE, end=NOON + step * 10 * MINUTE + MINUTE).erased == 1
        box.vault.reclaim()
        assert box.ids() == set(ids[step + 1 :])
        assert box.scanned() == len(ids) - step - 1
        assert box.vault.image(gone) is None
        assert len(pages(box)) == 1
        assert pages(box) != before
    assert erase(box).erased == 1
    assert box.vault.reclaim() == 2
    assert not pages(box)


def test_all_pages_of_one_change_are_one_file_and_one_sync(box: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for camera in ("front", "garden", "hall"):
        for _ in range(2):
            box.keep(camera)
            box.clock.pass_by(seconds=1)
    box.vault.flush()
    box.restart()
    synced = []
    real = os.fsync
    monkeypatch.setattr("os.fsync", lambda handle: (synced.append(handle), real(handle)))
    with box.ring.change():
        erase(box, start=NOON + timedelta(seconds=1), end=NOON + timedelta(seconds=5))
        assert len(synced) == 2, "the file and its folder"
        assert len(pages(box)) == 1
    assert len(box.ids()) == 2


def test_what_an_order_does_not_reach_stays(box: Any) -> None:
    box.keep_hours(2)
    assert erase(box, before=NOON + 90 * MINUTE).erased == 9
    assert {item.at for item in box.vault.find(ALL, FUTURE)} == {NOON + step * MINUTE for step in (90, 100, 110)}


def test_to_the_microsecond(box: Any) -> None:
    ids = []
    for _ in range(4):
        ids.append(box.keep())
        box.clock.pass_by(microseconds=1)
    one = timedelta(microseconds=1)
    assert erase(box, start=NOON + one, end=NOON + 3 * one).erased == 2
    assert box.ids() == {ids[0], ids[3]}


def test_a_range_that_is_none(box: Any) -> None:
    box.keep_hours(1)
    assert erase(box, start=NOON + 40 * MINUTE, end=NOON + 20 * MINUTE).found == 0
    assert erase(box, start=NOON + 41 * MINUTE, end=NOON + 49 * MINUTE).found == 0
    assert len(box.ids()) == 6


def test_an_open_segment_is_closed_and_what_comes_next_is_another(box: Any) -> None:
    first = box.keep()
    box.clock.pass_by(minutes=1)
    second = box.keep()
    erase(box, end=NOON + MINUTE)
    box.clock.pass_by(minutes=1)
    third = box.keep()
    assert box.file(second) != box.file(third)
    box.vault.flush()
    for _ in box.before_and_after_restart():
        assert box.ids() == {second, third}
    assert first not in box.ids()


def test_pages_name_nothing_that_a_power_cut_takes(box: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    box.keep_hours(1)
    steps: list[str] = []
    real = box.vault._writing.sync
    monkeypatch.setattr(box.vault._writing, "sync", lambda one: (steps.append("pictures"), real(one)))
    monkeypatch.setattr(
        "camera.vault.erasing.write_pages", lambda *args: (steps.append("pages"), write_pages(*args))[1]
    )
    erase(box, end=NOON + MINUTE)
    assert steps == ["pictures", "pages"]


def test_a_change_that_fails_loses_nothing(box: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = set(box.keep_hours(2))

    def refuse(*_: object) -> None:
        raise StoreBroken("full")

    with monkeypatch.context() as patch:
        patch.setattr("camera.vault.erasing.write_pages", refuse)
        with pytest.raises(StoreBroken):
            erase(box, end=NOON + 90 * MINUTE)
    assert box.ids() == ids
    assert erase(box, end=NOON + 90 * MINUTE).erased == 9
    assert box.scanned() == 3


# -- who is meant


def test_by_whom_it_is_said(box: Any) -> None:
    front = box.keep_hours(1, "front", "kari")
    box.clock.pass_by(hours=-1)
    garden = box.keep_hours(1, "garden", "ola")
    box.vault.tag("kari", garden[:2])
    box.vault.claim("kari", "garden", NOON + 10 * MINUTE, NOON + 40 * MINUTE)
    (item,) = (item for item in box.vault.find(ALL, FUTURE) if item.id == garden[1])
    assert item.subjects == {"kari", "ola"}
    scope = Scope(subjects=("kari",))
    assert box.ids(subjects=("kari",)) == {*front, *garden[:4]}
    assert box.scanned(subjects=("kari",)) == 10 + 2, "and what was said of her"
    erasure = box.vault.erase(scope, FUTURE)
    assert (erasure.found, erasure.by) == (10, {"assigned": 6, "tagged": 2, "claimed": 3})
    for vault in box.before_and_after_restart():
        assert box.ids() == set(garden[4:])
        assert box.scanned(subjects=("kari",)) == 0
        assert vault.erase(scope, FUTURE).found == 0
        assert not list(box.tags.scan())


def test_a_person_within_a_time_and_camera(box: Any) -> None:
    garden = box.keep_hours(2, "garden")
    box.vault.tag("kari", garden)
    erasure = erase(box, subjects=("kari",), cameras=("garden",), start=NOON + 30 * MINUTE, end=NOON + 80 * MINUTE)
    assert (erasure.found, erasure.by) == (5, {"assigned": 0, "tagged": 5, "claimed": 0})
    assert box.ids(subjects=("kari",)) == set(garden[:3] + garden[8:])


# -- damage


def test_a_damaged_picture_goes_with_those_around_it(box: Any) -> None:
    ids = box.keep_hours(1)
    box.vault.flush()
    for spoilt in (ids[1], ids[4]):
        box.spoil(spoilt)
    assert erase(box, end=NOON + 25 * MINUTE).erased == 3
    assert box.ids() == set(ids[3:])
    assert box.scanned(end=NOON + 30 * MINUTE) == 0, "its neighbours date the other damaged one"
    assert box.scanned(start=NOON + 51 * MINUTE) == 0
    assert box.scanned(start=NOON + 45 * MINUTE) == 2


def test_what_the_neighbours_leave_open_an_order_takes(box: Any) -> None:
    ids = box.keep_hours(1)
    box.vault.flush()
    box.spoil(ids[2])
    box.spoil(ids[3])
    scope = {"start": NOON + 24 * MINUTE, "end": NOON + 26 * MINUTE}
    assert box.scanned(**scope) == box.vault.count(Scope(**scope), FUTURE) == 2
    assert [item.at for item in box.vault.find(Scope(**scope), FUTURE)] == [None, None]
    assert erase(box, **scope).erased == 2
    assert box.scanned(**scope) == 0
    assert box.ids() == {*ids[:2], *ids[4:]}


def test_a_damaged_last_picture(box: Any) -> None:
    ids = box.keep_hours(1)
    box.vault.flush()
    box.spoil(ids[-1])
    scope = {"start": NOON + 55 * MINUTE}
    assert box.scanned(**scope) == box.vault.count(Scope(**scope), FUTURE) == 1
    assert erase(box, **scope).erased == 1
    assert box.scanned() == 5


def test_a_hold_keeps_nothing_in_doubt(box: Any) -> None:
    ids = box.keep_hours(1)
    box.vault.flush()
    box.spoil(ids[2])
    box.hold(start=NOON + 20 * MINUTE, end=NOON + 40 * MINUTE)
    assert erase(box).left == 1
    assert box.ids() == {ids[3]}


def test_a_page_that_is_damaged_costs_its_hour_alone(box: Any, caplog: pytest.LogCaptureFixture) -> None:
    ids = box.keep_hours(2)
    erase(box, end=NOON + MINUTE)
    (page,) = (box.state / "vault" / "pages").iterdir()
    page.write_bytes(page.read_bytes()[:-1] + b"x")
    for vault in box.before_and_after_restart():
        assert vault.image(ids[1]) is None
        assert box.ids() == set(ids[6:])
        assert box.scanned() == 6
    assert "the page of segment" in caplog.text
    # What it held dies, or it would be back with the page.
    assert erase(box, subjects=("kari",)).found == 5
    assert len(box.ring.entries("snapshots")) == 1
    assert len(box.ids()) == 6


def test_a_damaged_page_within_a_range_dies_as_a_whole(box: Any) -> None:
    box.keep_hours(2)
    erase(box, end=NOON + MINUTE)
    (page,) = (box.state / "vault" / "pages").iterdir()
    page.unlink()
    erase(box, start=NOON + 20 * MINUTE, end=NOON + 30 * MINUTE)
    assert len(box.ring.entries("snapshots")) == 1
    assert box.scanned() == 6


def test_an_entry_that_cannot_be_read_is_of_anyone(box: Any) -> None:
    record = box.keep("front", "kari")
    segment = bytes.fromhex(record[:32])
    box.vault.flush()
    with box.ring.change() as change:
        change.inform(segment, b"\xc1")
    assert box.vault.image(record) is None
    assert box.vault.newest(None, 9) == []
    assert box.vault.spans() == {}
    (item,) = box.vault.find(Scope(subjects=("nobody",), start=FUTURE), NOON - HOUR)
    assert (item.camera, item.at) == (None, None)
    assert box.scanned(subjects=("nobody",)) == 1
    assert box.scanned(devices=("lamp",)) == 0
    box.hold(subjects=("kari",))
    assert erase(box, subjects=("nobody",)).erased == 1
    assert box.scanned() == 0


# -- holds


def test_what_is_held_is_left_until_the_hold_ends(box: Any) -> None:
    ids = box.keep_hours(2, "front", "kari")
    box.vault.tag("ola", ids[:3])
    box.vault.claim("ola", "front", NOON + 50 * MINUTE, NOON + 2 * HOUR)
    hold = box.hold(start=NOON + 20 * MINUTE, end=NOON + 70 * MINUTE)
    for found in (10, 3):
        erasure = erase(box, subjects=("ola",))
        assert (erasure.found, erasure.left) == (found, 3)
        assert erasure.exemptions == (Exemption(reason="dispute", count=3, due=hold.until),)
    assert box.ids(subjects=("ola",)) == {ids[2], ids[5], ids[6]}
    assert box.ids() == set(ids[2:7])
    box.holds.release(hold.id, hold.by)
    assert erase(box, subjects=("ola",)).erased == 3
    assert box.ids() == set(ids[3:5])
    assert box.scanned(subjects=("ola",)) == 0


def test_two_holds_each_say_what_they_keep_and_nothing_counts_twice(box: Any) -> None:
    box.keep_hours(1)
    box.hold(end=NOON + 30 * MINUTE)
    box.clock.pass_by(hours=1)
    box.hold(end=NOON + 40 * MINUTE)
    erasure = erase(box)
    assert erasure.left == sum(one.count for one in erasure.exemptions) == 4
    assert erasure.erased == 2


# -- what is left on the disk


def test_no_file_opens_that_no_entry_names(box: Any) -> None:
    box.keep_hours(1)
    box.vault.flush()
    (segment,) = (box.state / "vault" / "segments").iterdir()
    copy = segment.read_bytes()
    erase(box)
    assert segment.exists()
    assert box.scanned() == 0
    assert box.vault.reclaim() == 1
    segment.write_bytes(copy)
    assert box.scanned() == 0
    (segment.parent / ("0" * 32)).write_bytes(b"not ours")
    (segment.parent / ("1" * 32)).write_bytes(copy)
    assert box.scanned() == 0


def test_a_surviving_key_that_opens_a_stray_file_is_found(box: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever forgot to forget: the entry is gone from the rows, its key is in another."""
    box.keep_hours(2)
    box.vault.flush()
    first, second = box.vault._survey.segments()
    stray = second.entry.__class__(first.id, "snapshots", first.entry.key, first.entry.info)
    monkeypatch.setattr(second, "entry", second.entry.__class__(second.id, "snapshots", stray.key, second.entry.info))
    del box.vault._catalogue._rows[first.id]
    monkeypatch.setattr(box.vault._catalogue, "living", lambda: box.vault._catalogue._rows)
    assert box.scanned() == 6


def test_dead_files_go_a_few_at_a_time(box: Any) -> None:
    box.keep_hours(5)
    erase(box, end=NOON + 250 * MINUTE)
    assert [box.vault.reclaim(2) for _ in range(4)] == [2, 2, 0, 0]
    erase(box)
    assert [box.vault.reclaim(1) for _ in range(4)] == [1, 1, 0, 0]
    assert not list((box.state / "vault" / "segments").iterdir())
    assert not pages(box)


def test_scan_sees_every_record_of_a_file(box: Any) -> None:
    ids = box.keep_hours(1)
    box.vault.flush()
    data = box.file(ids[0]).read_bytes()
    end = data.index(b"PVSR" + bytes.fromhex(ids[3][32:]))
    box.file(ids[0]).write_bytes(data[:end])
    assert box.scanned() == 3


def test_sealed_under_another_key_is_no_picture(box: Any) -> None:
    record = box.keep()
    box.vault.flush()
    reader = SegmentReader(box.file(record), box.ring.cipher)
    with reader, pytest.raises(SealBroken):
        reader.part(bytes(32), next(reader.records()), 1)  # type: ignore[arg-type]
