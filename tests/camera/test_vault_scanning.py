"""The raw scan: what is marked, keys that are not fresh, and files that no entry names.

`box` is `tests/camera/conftest.py`'s: a state directory with a vault in it, on a clock that the test moves.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from camera.vault.erasing import Erasing
from camera.vault.file import pack_head
from camera.vault.marks import Marks, packed_marks
from privacy.errors import StoreBroken
from privacy.key_change import StagedChange
from privacy.key_table import KeyEntry
from privacy.records import Scope
from privacy.store import Erasure

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FUTURE = NOON + timedelta(days=300)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
ALL = Scope(everything=True)
KARI = Scope(subjects=("kari",))


def scanned(box: Any, scope: Scope, *erasures: Erasure) -> int:
    return sum(box.vault.scan(scope, FUTURE, [one.marks for one in erasures if one.marks]))


def segment_of(record: str) -> bytes:
    return bytes.fromhex(record[:32])


def stray(box: Any, record: str, name: str = "0") -> Path:
    """A copy of the file that a picture lies in, under another name."""
    box.vault.flush()
    file: Path = box.file(record)
    copy = file.with_name(name * 32)
    copy.write_bytes(file.read_bytes())
    return copy


# -- marks: who was tagged, and what was claimed, dies in the same change as the pictures


@pytest.fixture
def said(box: Any) -> list[str]:
    """Two hours of the garden. Of Kari are two pictures of the first by tag, and the second by her claim."""
    garden: list[str] = box.keep_hours(2, "garden", "ola")
    box.vault.tag("kari", garden[:2])
    box.vault.claim("kari", "garden", NOON + HOUR, NOON + 2 * HOUR)
    return garden


def leaves_the_pictures(erasing: Erasing, _change: Any, whole: Any, parts: Any, dies: Any) -> None:
    """Takes what was said of them, and nothing else."""
    erasing._tags.erase(dict.fromkeys([*whole, *(one.segment.id for one in parts)]), dies)


@pytest.mark.parametrize("again", [False, True])
def test_pictures_that_outlive_what_was_said_of_them_are_found(
    box: Any, said: list[str], monkeypatch: pytest.MonkeyPatch, *, again: bool
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Erasing, "stage", leaves_the_pictures)
        erasure = box.vault.erase(KARI, FUTURE)
    assert erasure.by == {"assigned": 0, "tagged": 2, "claimed": 6}
    if again:
        box.restart()
        assert box.vault.erase(KARI, FUTURE).found == 0, "nobody knows any more"
    assert scanned(box, KARI) == 0, "without the marks nobody could tell"
    assert scanned(box, KARI, erasure) == scanned(box, KARI, erasure, erasure) == 8
    assert scanned(box, Scope(subjects=("kari",), end=NOON + 10 * MINUTE), erasure) == 1
    assert scanned(box, Scope(subjects=("kari",), cameras=("front",)), erasure) == 0
    assert box.ids() == set(said)


def test_what_another_claimed_is_not_marked(box: Any, said: list[str]) -> None:
    box.vault.claim("liv", "garden", NOON, NOON + HOUR)
    assert box.vault.erase(KARI, FUTURE).by == {"assigned": 0, "tagged": 2, "claimed": 6}
    assert box.ids() == set(said[2:6])


def test_what_died_by_its_marks_does_not_open(box: Any, said: list[str]) -> None:
    erasure = box.vault.erase(KARI, FUTURE)
    assert erasure.marks
    marks = Marks([erasure.marks])
    assert [marks.on(segment_of(one), bytes.fromhex(one[32:])) for one in said] == [True] * 2 + [False] * 4 + [True] * 6
    assert scanned(box, KARI, erasure) == 0
    assert box.ids() == set(said[2:6])


def test_a_marked_picture_with_damaged_metadata_counts(
    box: Any, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    box.vault.flush()
    with monkeypatch.context() as patch:
        patch.setattr(Erasing, "stage", leaves_the_pictures)
        erasure = box.vault.erase(KARI, FUTURE)
    box.spoil(said[0])
    assert scanned(box, KARI, erasure) == 8


def test_what_is_assigned_or_meant_by_camera_and_time_needs_no_marks(box: Any) -> None:
    box.keep_hours(1, "front", "kari")
    box.vault.flush()
    assert box.vault.erase(Scope(subjects=("kari",), end=NOON + MINUTE), FUTURE).marks == b""
    assert box.vault.erase(Scope(end=NOON + 15 * MINUTE), FUTURE).marks == b""
    assert box.vault.erase(KARI, FUTURE).marks == b""
    assert packed_marks({}) == b""


def test_what_the_record_itself_says_counts(box: Any) -> None:
    """Whoever changed the entry alone: the record names her."""
    record = box.keep("front", "kari")
    box.vault.flush()
    segment = box.vault._catalogue.living()[segment_of(record)]
    with box.ring.change() as change:
        change.inform(segment.id, msgspec.structs.replace(segment.info, subjects=()).to_bytes())
    assert box.scanned(subjects=("kari",)) == 1
    assert box.scanned(subjects=("ola",)) == 0


def test_what_a_hold_keeps_is_not_marked_before_it_ends(box: Any, said: list[str]) -> None:
    hold = box.hold(cameras=("garden",), start=NOON + 10 * MINUTE, end=NOON + 80 * MINUTE)
    first = box.vault.erase(KARI, FUTURE)
    assert (first.found, first.left) == (8, 3)
    marks = Marks([first.marks])
    held = {said[1], said[6], said[7]}
    dead = {one for one in said if marks.on(segment_of(one), bytes.fromhex(one[32:]))}
    assert dead == {said[0], *said[8:]}
    box.holds.release(hold.id, hold.by)
    second = box.vault.erase(KARI, FUTURE)
    marks = Marks([first.marks, second.marks])
    assert {one for one in said if marks.on(segment_of(one), bytes.fromhex(one[32:]))} == held | dead
    assert scanned(box, KARI, first, second) == 0


def test_a_lost_page_marks_all_of_its_hour(box: Any, said: list[str]) -> None:
    box.vault.erase(Scope(end=NOON + MINUTE), FUTURE)
    (page,) = (box.state / "vault" / "pages").iterdir()
    page.unlink()
    erasure = box.vault.erase(Scope(subjects=("kari",), end=NOON + 30 * MINUTE), FUTURE)
    assert Marks([erasure.marks]).on(segment_of(said[0]), bytes(16))


def test_marks_of_another_version_are_one_clear_line(box: Any) -> None:
    with pytest.raises(StoreBroken, match="another version"):
        sum(box.vault.scan(KARI, FUTURE, [b"\xc1"]))
    two = {bytes(16): [b"r" * 16], b"s" * 16: None}
    marks = Marks([packed_marks(two), packed_marks({bytes(16): None, b"s" * 16: [b"r" * 16]})])
    assert marks.on(bytes(16), b"q" * 16)
    assert marks.on(b"s" * 16, b"q" * 16)
    assert marks.within(bytes(16))
    assert not marks.within(b"t" * 16)
    assert not marks.on(b"t" * 16, b"q" * 16)


# -- keys that are not as fresh as they should be


@pytest.mark.parametrize("tagged", [False, True])
def test_a_page_under_the_key_of_its_segment_hides_nothing(
    box: Any, monkeypatch: pytest.MonkeyPatch, *, tagged: bool
) -> None:
    """All that died would follow from it."""
    ids = box.keep_hours(1)
    box.vault.flush()
    old = dict(box.ring.entries("snapshots"))

    def same(_change: Any, kind: str, info: bytes, entry_id: bytes) -> KeyEntry:
        return KeyEntry(entry_id, kind, old[entry_id].key, info)

    scope = Scope(end=NOON + 15 * MINUTE)
    if tagged:
        scope = KARI
        box.vault.tag("kari", ids[:2])
    with monkeypatch.context() as patch:
        patch.setattr(StagedChange, "add", same)
        erasure = box.vault.erase(scope, FUTURE)
    if tagged:
        box.spoil(ids[0])
    assert erasure.found == 2
    assert scanned(box, scope, erasure) == 2


def test_a_key_that_opens_what_died_is_found_whatever_is_asked_for(box: Any) -> None:
    """Two hours under one key: the first died, and any order would be told."""
    first, second = (box.keep_hours(1, camera)[0] for camera in ("front", "garden"))
    box.vault.flush()
    entry = box.ring.entries("snapshots")[segment_of(first)]
    box.vault.erase(Scope(cameras=("front",)), FUTURE)
    assert box.scanned(cameras=("front",)) == 0
    living = box.vault._catalogue.living()[segment_of(second)]
    living.entry = KeyEntry(living.id, "snapshots", entry.key, living.entry.info)
    assert box.scanned(cameras=("front",)) == 6
    assert box.scanned(subjects=("nobody",)) == 6
    assert box.scanned(devices=("lamp",)) == 0


# -- files that no entry names


def test_a_copy_of_what_lives_counts_once(box: Any) -> None:
    ids = box.keep_hours(1, "front", "kari")
    copy = stray(box, ids[0])
    assert box.scanned() == 6
    box.file(ids[0]).unlink()
    assert box.scanned() == box.scanned(subjects=("kari",)) == box.scanned(cameras=("front",)) == 6
    assert box.scanned(end=NOON + 15 * MINUTE) == 2
    assert box.scanned(cameras=("garden",)) == 0
    copy.unlink()
    assert box.scanned() == 0


def test_a_copy_opens_no_further_than_what_it_is_of(box: Any) -> None:
    ids = box.keep_hours(1)
    stray(box, ids[0])
    scope = Scope(end=NOON + 15 * MINUTE)
    erasure = box.vault.erase(scope, FUTURE)
    assert scanned(box, scope, erasure) == 0
    assert box.scanned() == 4
    box.vault.erase(ALL, FUTURE)
    assert box.scanned() == 0


@pytest.mark.parametrize("paged", [False, True])
@pytest.mark.parametrize("head", ["damaged", "of the dead"])
def test_a_copy_whose_head_does_not_say_so_is_found_by_its_first_record(box: Any, head: str, *, paged: bool) -> None:
    box.keep_hours(2, "garden")
    box.clock.pass_by(hours=1)
    ids = box.keep_hours(1)
    if paged:
        box.vault.erase(Scope(cameras=("front",), start=NOON + 3 * HOUR + 45 * MINUTE), FUTURE)
    copy = stray(box, ids[0])
    copy.with_name("1" * 32).write_bytes(copy.read_bytes())
    box.file(ids[0]).unlink()
    for file in (copy, copy.with_name("1" * 32)):
        data = file.read_bytes()
        other = bytes(28) if head == "damaged" else pack_head(b"PVSG", box.ring.cipher, b"d" * 16)
        file.write_bytes(other + data[28:])
    assert box.scanned(cameras=("front",)) == (5 if paged else 6)
    assert box.scanned(cameras=("garden",)) == 12
    box.vault.erase(Scope(cameras=("front",)), FUTURE)
    assert box.scanned(cameras=("front",)) == 0


def test_a_head_that_names_another_than_its_pictures_are_of(box: Any) -> None:
    one, other = box.keep_hours(1, "front"), box.keep_hours(1, "garden")
    box.vault.flush()
    copy = stray(box, one[0])
    copy.write_bytes(box.file(other[0]).read_bytes()[:28] + copy.read_bytes()[28:])
    box.file(one[0]).unlink()
    assert box.scanned(cameras=("front",)) == 6
    assert box.scanned(cameras=("garden",)) == 6


def test_a_file_that_holds_no_pictures(box: Any) -> None:
    box.keep()
    folder = box.state / "vault" / "segments"
    (folder / ("0" * 32)).write_bytes(b"")
    (folder / ("1" * 32)).write_bytes(pack_head(b"PVPG", box.ring.cipher, b"1" * 16))
    (folder / ("2" * 32)).write_bytes(pack_head(b"PVSG", box.ring.cipher, b"2" * 16))
    assert box.scanned() == 1


def test_what_a_footer_names_is_tried_where_its_header_is_damaged(box: Any) -> None:
    ids = box.keep_hours(2)
    box.restart()
    box.spoil(ids[1], 2)
    assert box.scanned() == 12
