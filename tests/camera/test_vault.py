"""What the vault keeps and shows; what every store must do is in `tests/suites/test_store.py`.

`box` is `tests/camera/conftest.py`'s: a state directory with a vault in it, on a clock that the test moves.
"""

import logging
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from camera.picture import Picture
from camera.vault import vault as door
from camera.vault.metadata import PictureMetadata, SegmentInfo
from camera.vault.writing import captured
from privacy.errors import SealBroken, StoreBroken
from privacy.records import Scope
from privacy.store import LONGEST_ON_ITS_WAY
from privacy.timekeeping import Witness

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FUTURE = NOON + timedelta(days=300)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
ALL = Scope(everything=True)
PICTURE = Picture(b"image", b"thumbnail", 64, 48)


def segments(box: Any) -> int:
    return len(list((box.state / "vault" / "segments").iterdir()))


def test_kept_and_shown(box: Any) -> None:
    record = box.keep("front", "kari", image=b"as it was")
    for vault in box.before_and_after_restart():
        assert vault.image(record) == b"as it was"
        assert vault.thumbnail(record) == b"thumbnail"
        (item,) = vault.find(ALL, FUTURE)
        assert (item.id, item.camera, item.at, item.subjects) == (record, "front", NOON, frozenset({"kari"}))
        assert vault.count(ALL, FUTURE) == 1


def test_newest_first(box: Any) -> None:
    for _ in range(5):
        box.keep("front")
        box.keep("garden")
        box.clock.pass_by(minutes=25)
    for vault in box.before_and_after_restart():
        shots = vault.newest("front", 3)
        assert [shot.at for shot in shots] == [NOON + step * MINUTE for step in (100, 75, 50)]
        both = vault.newest(None, 99)
        assert len(both) == 10
        assert all(newer.at >= older.at for newer, older in pairwise(both))
        assert vault.newest("cellar", 9) == vault.newest("front", 0) == []
        span = vault.spans()["garden"]
        assert (span.count, span.oldest, span.newest) == (5, NOON, NOON + 100 * MINUTE)


def test_newest_reads_no_more_than_it_must(box: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    box.keep_hours(5)
    opened = []
    real = box.vault._catalogue.reader
    monkeypatch.setattr(box.vault._catalogue, "reader", lambda segment: opened.append(segment) or real(segment))
    assert len(box.vault.newest("front", 4)) == 4
    assert len(opened) == 1


@pytest.mark.parametrize("record", ["", "0" * 64, "../../etc/passwd", "0" * 63 + "/", "zz" * 32])
def test_no_such_snapshot(box: Any, record: str) -> None:
    kept = box.keep()
    assert box.vault.image(record) is None
    assert box.vault.thumbnail(kept[:32] + record[:32]) is None


def test_names_say_nothing(box: Any) -> None:
    box.keep("front", "kari")
    box.vault.flush()
    (file,) = (box.state / "vault" / "segments").iterdir()
    assert len(file.name) == 32
    assert file.stat().st_mode & 0o777 == 0o600


# -- one segment for each camera and hour


def test_a_segment_for_each_camera_and_hour(box: Any) -> None:
    for _ in range(3):
        box.keep("front")
        box.keep("garden")
        box.clock.pass_by(minutes=25)
    assert segments(box) == 2
    box.keep("front")
    assert segments(box) == 3


def test_a_short_limit_has_short_segments(make_box: Any) -> None:
    box = make_box(limits=door.Limits(cameras={"front": timedelta(seconds=120), "garden": timedelta(seconds=3)}))
    for _ in range(10):
        box.keep("front")
        box.clock.pass_by(seconds=1)
    assert segments(box) == 2, "a 24th of the limit: five seconds"
    box.keep("garden")
    box.clock.pass_by(milliseconds=999)
    box.keep("garden")
    assert segments(box) == 3, "a second, at least"


@pytest.mark.parametrize("event", ["subjects", "backwards", "erasure", "restart", "hour", "nothing"])
def test_when_a_new_segment_begins(box: Any, event: str) -> None:
    first = box.keep("front", "kari")
    box.clock.pass_by(minutes=1)
    second = box.keep("front", "kari")
    assert box.file(first) == box.file(second)
    if event == "erasure":
        box.vault.erase(Scope(start=NOON + MINUTE), FUTURE)
    elif event == "restart":
        box.restart()
    elif event == "hour":
        box.clock.pass_by(minutes=59)
    if event == "backwards":
        shot = box.vault.append("front", NOON + 59 * timedelta(seconds=1), PICTURE, frozenset({"kari"}))
        third = shot.id
    else:
        third = box.keep("front", *(("kari", "ola") if event == "subjects" else ("kari",)))
    assert (box.file(third) == box.file(first)) == (event == "nothing")
    if event != "erasure":
        assert box.ids() == {first, second, third}
    assert box.scanned() == len(box.ids())


def test_a_new_segment_when_the_time_becomes_known(box: Any) -> None:
    box.reboot(known=False)
    first = box.keep()
    assert box.time.witness(box.clock.wall, Witness.PERSON)
    assert box.file(first) != box.file(box.keep())


# -- what a power cut can take


def test_flushed_by_size(box: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "UNSYNCED_BYTES", 10_000)
    sizes = []
    for _ in range(9):
        box.keep(image=bytes(3_000))
        sizes.append(box.vault._writing.unsynced)
        assert sizes[-1] <= box.vault._writing.appended < 10_000
    assert max(sizes) < 10_000
    assert sizes.count(0) == 2


def test_keys_are_durable_before_pictures(box: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    box.keep()
    real = box.ring.sync
    monkeypatch.setattr(box.ring, "sync", lambda: (steps.append("keys"), real()))
    monkeypatch.setattr("os.fdatasync", lambda _handle: steps.append("pictures"))
    box.vault.flush()
    assert steps[0] == "keys"
    assert "pictures" in steps


def test_a_segment_that_cannot_be_synced_takes_no_more(box: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first, other = box.keep("front"), box.keep("garden")
    with monkeypatch.context() as patch:
        front = box.vault._catalogue.writers[bytes.fromhex(first[:32])]

        def refuse() -> None:
            raise StoreBroken("cannot sync")

        patch.setattr(front, "sync", refuse)
        with pytest.raises(StoreBroken):
            box.vault.flush()
    assert box.vault._writing.unsynced == 0, "the others are synced all the same"
    second = box.keep("front")
    assert box.file(first) != box.file(second)
    assert box.ids() == {first, second, other}
    assert all(box.vault.image(record) for record in box.ids())
    box.restart()
    assert box.ids() == {first, second, other}


def test_a_segment_that_cannot_be_made_costs_one_key(box: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    box.keep("garden")

    def refuse(*_: object) -> None:
        raise StoreBroken("cannot make")

    with monkeypatch.context() as patch:
        patch.setattr("camera.vault.writing.SegmentWriter.create", refuse)
        for _ in range(4):
            with pytest.raises(StoreBroken):
                box.keep("front")
    assert len(box.ring.entries("snapshots")) == 2
    box.keep("front")
    assert len(box.ring.entries("snapshots")) == 2
    assert len(box.ids()) == 2


def test_a_key_that_the_ring_lost_is_used_no_more(box: Any) -> None:
    first = box.keep()
    with box.ring.change() as change:
        change.forget(bytes.fromhex(first[:32]))
    second = box.keep()
    assert box.ids() == {second}
    box.vault.flush()
    assert box.vault.reclaim() == 1
    assert segments(box) == 1


# -- what must not be shown


def test_what_an_order_reaches_is_not_shown_and_not_kept(box: Any) -> None:
    old = box.keep("front")
    box.clock.pass_by(minutes=1)
    new, other = box.keep("front"), box.keep("garden")
    box.barrier.raise_for("order", Scope(cameras=("front",)), NOON + MINUTE)
    assert box.vault.image(old) is box.vault.thumbnail(old) is None
    assert box.vault.image(new)
    assert {shot.id for shot in box.vault.newest(None, 9)} == {new, other}
    assert box.vault.spans()["front"].count == 1
    assert {item.id for item, _ in box.vault.export(ALL)} == {new, other}
    assert box.vault.append("front", NOON + MINUTE - timedelta(seconds=1), PICTURE) is None
    assert box.ids() == {old, new, other}


def test_an_order_stops_an_export_that_is_under_way(box: Any) -> None:
    box.keep_hours(2, each=3)
    steps = box.vault.export(ALL)
    next(steps)
    box.barrier.raise_for("order", Scope(end=NOON + HOUR), FUTURE)
    box.vault.erase(Scope(start=NOON + HOUR, end=NOON + HOUR + 20 * MINUTE), FUTURE)
    assert [item.at for item, _ in steps] == [NOON + HOUR + step * MINUTE for step in (20, 40)]


def test_what_died_between_two_steps_is_neither_found_nor_handed_out(box: Any) -> None:
    box.keep_hours(1)
    finding, handing = box.vault.find(ALL, FUTURE), box.vault.export(ALL)
    next(finding)
    next(handing)
    box.vault.erase(Scope(start=NOON + 20 * MINUTE, end=NOON + 40 * MINUTE), FUTURE)
    assert next(finding).at == next(handing)[0].at == NOON + 10 * MINUTE
    assert next(finding).at == next(handing)[0].at == NOON + 40 * MINUTE
    box.vault.erase(ALL, FUTURE)
    assert not list(finding)
    assert not list(handing)


def test_what_a_person_claimed_is_barred_with_them(box: Any) -> None:
    box.vault.claim("kari", "front", NOON - HOUR, NOON + HOUR)
    box.barrier.raise_for("order", Scope(subjects=("kari",)), NOON + HOUR)
    assert box.vault.append("front", NOON, PICTURE) is None
    assert box.vault.append("garden", NOON, PICTURE)


def test_what_is_held_is_kept_and_not_shown(box: Any) -> None:
    held, free = box.keep("front"), box.keep("garden")
    hold = box.hold(cameras=("front",))
    assert box.vault.image(held) is None
    assert [shot.id for shot in box.vault.newest(None, 9)] == [free]
    assert box.vault.spans().keys() == {"garden"}
    assert [item.id for item, _ in box.vault.export(ALL)] == [free]
    assert box.vault.tag("kari", [held, free]) == 1
    assert box.vault.tag("kari", [held]) == 0
    box.holds.release(hold.id, hold.by)
    assert box.vault.image(held)


def test_what_earlier_boots_stored_is_sealed_until_the_time_is_known(box: Any) -> None:
    old = box.keep()
    box.reboot(known=False, wall=datetime(1970, 1, 1, tzinfo=UTC))
    new = box.keep()
    assert box.vault.image(old) is None
    assert [shot.id for shot in box.vault.newest(None, 9)] == [new]
    assert [item.id for item, _ in box.vault.export(ALL)] == [new]
    assert box.ids() == {old, new}
    box.learn_the_time(NOON + HOUR)
    assert box.vault.image(old)


def test_a_damaged_picture_is_left_out(box: Any) -> None:
    good, bad = box.keep(), box.keep()
    box.vault.flush()
    box.spoil(bad, 60)
    assert [shot.id for shot in box.vault.newest(None, 9)] == [good]
    assert box.vault.image(bad), "its image is sound"
    assert len(box.ids()) == 2
    data = box.file(bad).read_bytes()
    box.file(bad).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert box.vault.image(bad) is None
    assert [item.id for item, _ in box.vault.export(ALL)] == [good]


def test_a_camera_whose_pictures_are_all_damaged_is_still_there(box: Any) -> None:
    box.spoil(box.keep())
    span = box.vault.spans()["front"]
    assert (span.count, span.newest) == (1, NOON)


# -- when a picture was captured


def test_a_picture_is_as_old_as_when_its_fetch_began(box: Any) -> None:
    now = box.time.moment()
    moment = captured(now, NOON, NOON - 20 * timedelta(seconds=1))
    assert (moment.wall, moment.no_earlier) == (NOON - timedelta(seconds=20),) * 2
    assert (now.powered - moment.powered, now.since_boot - moment.since_boot) == (20, 20)


@pytest.mark.parametrize("wrong", [NOON + MINUTE, NOON - HOUR, datetime(1970, 1, 1, tzinfo=UTC)])
def test_where_the_clock_was_set_meanwhile_it_is_as_old_as_can_be(box: Any, wrong: datetime) -> None:
    assert captured(box.time.moment(), NOON, wrong).wall == NOON - timedelta(seconds=LONGEST_ON_ITS_WAY)


def test_nothing_is_older_than_its_boot(box: Any) -> None:
    box.reboot()
    moment = captured(box.time.moment(), NOON, NOON - MINUTE)
    assert moment.since_boot == 0


def test_what_no_clock_could_date_is_dated_when_the_time_is_known(box: Any) -> None:
    box.reboot(known=False, wall=datetime(1970, 1, 1, tzinfo=UTC))
    record = box.keep()
    box.clock.pass_by(minutes=5)
    (item,) = box.vault.find(ALL, FUTURE)
    assert item.at is None
    assert box.vault.oldest()[0][1:] == (1, None)
    assert box.vault.newest("front", 1)[0].at < NOON
    assert box.vault.count(Scope(start=NOON + 200 * HOUR), NOON - HOUR) == 1, "inside every range, before every order"
    box.learn_the_time(NOON + HOUR)
    assert box.vault.oldest()[0][2] == NOON + HOUR - 5 * MINUTE
    box.vault.redate()
    box.vault.redate()
    for boots in range(2):
        vault = box.reboot() if boots else box.vault
        (item,) = vault.find(ALL, FUTURE)
        assert item.at == vault.newest("front", 1)[0].at == NOON + HOUR - 5 * MINUTE
        assert vault.spans()["front"].oldest == item.at
        assert vault.count(Scope(end=NOON + 54 * MINUTE), FUTURE) == 0
        assert vault.count(Scope(end=NOON + 56 * MINUTE), FUTURE) == 1
        assert box.scanned(end=NOON + 54 * MINUTE) == 0
        assert box.scanned(end=NOON + 56 * MINUTE) == 1
    assert record in box.ids()


# -- bytes


def test_what_another_version_wrote_is_not_guessed_at() -> None:
    assert SegmentInfo.from_bytes(b"\xc1") is None
    for plain in (b"\xc1", b"\x94\xcf\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01\x90"):
        with pytest.raises(SealBroken):
            PictureMetadata.from_bytes(plain)


def test_nothing_is_said_in_the_log(box: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    box.keep_hours(2, "front", "kari")
    box.vault.erase(Scope(end=NOON + 30 * MINUTE), FUTURE)
    box.restart()
    assert not caplog.records


def test_what_comes_after_a_correction_of_a_known_time_is_dated_by_that(box: Any) -> None:
    """Somebody says what time it is, though it was known: what is stored then is not dated anew with the rest."""
    box.clock.pass_by(minutes=5)
    box.keep()
    box.learn_the_time(box.clock.wall + timedelta(minutes=20))
    box.vault.redate()
    box.clock.pass_by(minutes=1)
    captured_at = box.time.now()
    late = box.keep()
    assert {item.at for item in box.vault.find(ALL, FUTURE) if item.id == late} == {captured_at}
    box.clock.pass_by(minutes=1)
    assert box.vault.erase(ALL, box.time.now()).erased == 2
    assert box.ids() == set()


def test_that_holds_also_where_the_correction_could_not_be_written(box: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    box.clock.pass_by(minutes=5)
    box.keep()
    box.learn_the_time(box.clock.wall + timedelta(minutes=20))
    with monkeypatch.context() as patch:
        patch.setattr(box.ring._files, "overwrite", refused)
        with pytest.raises(StoreBroken):
            box.vault.redate()
    box.clock.pass_by(minutes=1)
    captured_at = box.time.now()
    late = box.keep()
    box.vault.redate()
    assert {item.at for item in box.vault.find(ALL, FUTURE) if item.id == late} == {captured_at}


def refused(*_: object) -> None:
    raise StoreBroken("the medium is read-only")
