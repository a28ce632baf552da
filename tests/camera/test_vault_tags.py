"""Tags and claims: who is meant besides those to whom a camera is assigned.

`box` is `tests/camera/conftest.py`'s: a state directory with a vault in it, on a clock that the test moves.
"""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from camera.vault.metadata import PictureMetadata
from camera.vault.reach import statement_dies
from camera.vault.survey import Found
from camera.vault.tags import Claim, Tag, Tags
from privacy.records import RecordClass, Scope
from privacy.sealed_file import Concerns

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FUTURE = NOON + timedelta(days=300)
HOUR = timedelta(hours=1)
TAG = Tag(NOON, "kari", (bytes(32),))
CLAIM = Claim(NOON, "kari", "front", NOON - HOUR, NOON + HOUR)
LATER = NOON + 2 * HOUR


@pytest.mark.parametrize(
    ("scope", "before", "tag", "claim"),
    [
        (Scope(everything=True), LATER, True, True),
        (Scope(everything=True), NOON, False, False),
        (Scope(), LATER, False, False),
        (Scope(devices=("lamp",)), LATER, False, False),
        (Scope(classes=(RecordClass.OP_LOG,)), LATER, False, False),
        (Scope(classes=(RecordClass.SNAPSHOT,)), LATER, False, True),
        (Scope(subjects=("kari",)), LATER, True, True),
        (Scope(subjects=("kari",)), NOON + HOUR / 2, True, True),
        (Scope(subjects=("ola",)), LATER, False, False),
        (Scope(subjects=("kari",), cameras=("garden",)), LATER, False, False),
        (Scope(cameras=("front",)), LATER, False, True),
        (Scope(cameras=("front",)), NOON + HOUR / 2, False, False),
        (Scope(subjects=("kari",), start=NOON), LATER, False, False),
        (Scope(subjects=("kari",), start=NOON - HOUR, end=NOON + HOUR), LATER, False, True),
        (Scope(subjects=("kari",), end=NOON), LATER, False, False),
    ],
)
def test_what_an_order_takes_of_what_was_said(scope: Scope, before: datetime, *, tag: bool, claim: bool) -> None:
    assert statement_dies(TAG, scope, before) == tag
    assert statement_dies(CLAIM, scope, before) == claim


def test_a_tag_dies_with_the_last_of_its_pictures(box: Any) -> None:
    ids = box.keep_hours(2, each=3)
    assert box.vault.tag("kari", [*ids, "0" * 64]) == 6
    for hours, left in ((1, 3), (2, 0)):
        box.vault.erase(Scope(end=NOON + hours * HOUR), FUTURE)
        assert sum(len(record.pictures) for record in box.tags.scan()) == left
    assert not box.ring.entries("tags")
    assert box.vault.tag("kari", [box.keep()]) == 1


def test_they_are_there_after_a_restart(box: Any) -> None:
    record = box.keep()
    box.vault.tag("kari", [record])
    box.vault.claim("ola", "front", NOON - HOUR, NOON + HOUR)
    for vault in box.before_and_after_restart():
        (item,) = vault.find(Scope(everything=True), FUTURE)
        assert item.subjects == {"kari", "ola"}


def test_an_order_in_a_change_that_fails_takes_nothing(box: Any) -> None:
    record = box.keep()
    box.vault.tag("kari", [record])
    with suppress(InterruptedError), box.ring.change():
        box.vault.erase(Scope(subjects=("kari",)), FUTURE)
        raise InterruptedError
    assert box.ids(subjects=("kari",)) == {record}


def test_several_orders_in_one_change(box: Any) -> None:
    ids = box.keep_hours(1)
    box.vault.tag("kari", ids)
    with box.ring.change():
        box.vault.erase(Scope(end=NOON + HOUR / 6), FUTURE)
        box.vault.erase(Scope(start=NOON + HOUR / 2), FUTURE)
    assert box.ids(subjects=("kari",)) == set(ids[1:3])
    assert box.scanned() == 2 + 1
    (tag,) = box.tags.scan()
    assert [picture.hex() for picture in tag.pictures] == ids[1:3]


def test_what_another_version_said_means_nothing_and_goes(box: Any) -> None:
    record = box.keep()
    box.vault.tag("kari", [record])
    box.tags._folder.append("", [(Concerns(NOON, "front", None, ("ola",)), b"\xc1")])
    again = Tags(box.state / "tags", box.ring, box.time.moment)
    assert [said.person for said in again.scan()] == ["kari"]
    box.vault.erase(Scope(subjects=("kari",)), FUTURE)
    assert not box.ring.entries("tags")


def test_metadata_of_another_version_count_as_damaged(box: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(PictureMetadata, "to_bytes", lambda _self: b"\xc1")
        record = box.keep()
    assert [item.at for item in box.vault.find(Scope(everything=True), FUTURE)] == [None]
    assert box.vault.newest(None, 9) == []
    assert box.vault.image(record)
    assert box.scanned() == 1
    assert box.vault.erase(Scope(everything=True), FUTURE).erased == 1
    assert box.scanned() == 0


def test_a_part_of_a_segment_whose_page_is_gone(box: Any) -> None:
    """Only where the row alone does not tell: an order that would otherwise leave a survivor."""
    box.keep_hours(1)
    box.vault.erase(Scope(end=NOON + HOUR / 6), FUTURE)
    (segment,) = box.vault._survey.segments()
    (page,) = (box.state / "vault" / "pages").iterdir()
    page.unlink()
    with box.ring.change() as change:
        box.vault._erasing.stage(change, (), [Found(segment, 1)])
    assert not box.ring.entries("snapshots")


def test_a_claim_without_an_end_does_not_keep_anything_from_expiring(box: Any) -> None:
    box.keep("front")
    box.vault.claim("kari", "front", NOON, datetime.max.replace(tzinfo=UTC))
    box.clock.pass_by(days=8)
    assert sum(one.pictures for one in box.vault.expire()) == 1


def test_a_damaged_header_does_not_condemn_the_intact_pictures_beside_it(box: Any) -> None:
    """The index goes with it, while the vault is open: then a segment holds fewer records than were counted."""
    shots = [box.keep("front") for _ in range(3)]
    box.vault.flush()
    box.clock.pass_by(hours=2)
    box.keep("front")  # the hour is over: its segment goes into the index
    box.vault.flush()
    file = box.file(shots[2])
    data = bytearray(file.read_bytes())
    data[data.index(b"PVSR" + bytes.fromhex(shots[2][32:]))] ^= 1
    file.write_bytes(data)
    (box.state / "vault/index").write_bytes(b"x" * 5000)
    box.vault.tag("kari", [shots[0]])
    box.vault.erase(Scope(subjects=("kari",)), box.clock.wall)
    assert [box.vault.image(shot) is not None for shot in shots[:2]] == [False, True]
