"""Files that the medium refuses to read stop what they may concern, and nothing else.

`box` is `tests/camera/conftest.py`'s: a state directory with a vault in it, on a clock that the test moves.
"""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from camera.vault.catalogue import Segment
from camera.vault.file import FileUnreadable
from camera.vault.marks import packed_marks
from privacy.records import Scope

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FUTURE = NOON + timedelta(days=300)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
ALL = Scope(everything=True)


def segment_of(record: str) -> bytes:
    return bytes.fromhex(record[:32])


@contextmanager
def refusing(*files: Path) -> Iterator[None]:
    """The medium cannot read these."""
    real = os.open

    def refuse(path: Any, *how: Any, **more: Any) -> int:
        if Path(path) in files:
            raise OSError(errno.EIO, "Input/output error")
        return real(path, *how, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", refuse)
        yield


# -- the scan


def test_a_file_that_cannot_be_read_stops_what_it_may_concern(box: Any, caplog: pytest.LogCaptureFixture) -> None:
    front = box.keep_hours(2, "front", "ola")
    garden = box.keep_hours(1, "garden", "per")
    box.vault.tag("kari", front[:1])
    box.vault.claim("liv", "front", NOON, NOON + HOUR)
    box.vault.flush()
    with refusing(box.file(front[0])):
        assert box.scanned(cameras=("garden",)) == 6
        assert box.scanned(subjects=("per",)) == 6
        assert box.scanned(start=NOON + HOUR, end=NOON + 2 * HOUR) == 6
        assert box.scanned(devices=("lamp",)) == 0
        assert len([line for line in caplog.messages if "was not scanned" in line]) == 4
        for scope in (
            {"cameras": ("front",)},
            {"subjects": ("ola",)},
            {"subjects": ("kari",)},
            {"subjects": ("liv",)},
            {"end": NOON + MINUTE},
            {"everything": True},
        ):
            with pytest.raises(FileUnreadable, match="Input/output error"):
                box.scanned(**scope)
        marks = packed_marks({segment_of(front[0]): None})
        with pytest.raises(FileUnreadable):
            sum(box.vault.scan(Scope(subjects=("nobody",)), FUTURE, [marks]))
    assert box.scanned() == 18 + 2, "with the tag and the claim"
    assert box.ids(cameras=("garden",)) == set(garden)


def test_an_undated_hour_may_be_of_any_time(box: Any) -> None:
    box.reboot(known=False)
    record = box.keep()
    box.vault.flush()
    with refusing(box.file(record)), pytest.raises(FileUnreadable):
        box.scanned(end=NOON - 10 * HOUR)


def test_an_entry_and_a_file_that_cannot_be_read_concern_anyone(box: Any) -> None:
    record = box.keep()
    box.vault.flush()
    with box.ring.change() as change:
        change.inform(segment_of(record), b"\xc1")
    with refusing(box.file(record)):
        assert box.scanned(devices=("lamp",)) == 0
        with pytest.raises(FileUnreadable):
            box.scanned(subjects=("nobody",))


def test_a_stray_file_that_cannot_be_read(box: Any) -> None:
    record = box.keep("garden")
    box.vault.flush()
    copy = box.file(record).with_name("0" * 32)
    copy.write_bytes(box.file(record).read_bytes())
    with refusing(copy):
        assert box.scanned(cameras=("front",)) == 0
        with pytest.raises(FileUnreadable):
            box.scanned(cameras=("garden",))
        box.vault.erase(ALL, FUTURE)
        assert box.scanned() == 0


def test_a_page_that_cannot_be_read(box: Any) -> None:
    box.keep_hours(1, "garden")
    box.vault.erase(Scope(cameras=("garden",), end=NOON + MINUTE), FUTURE)
    front = box.keep_hours(1, "front")
    box.vault.flush()
    copy = box.file(front[0]).with_name("0" * 32)
    copy.write_bytes(bytes(28) + box.file(front[0]).read_bytes()[28:])
    (page,) = (box.state / "vault" / "pages").iterdir()
    with refusing(page):
        assert box.scanned(cameras=("front",)) == 6
        with refusing(page, box.file(front[0])), pytest.raises(FileUnreadable):
            box.scanned(cameras=("front",))
        with pytest.raises(FileUnreadable):
            box.scanned(cameras=("garden",))
        first = next(iter(box.vault._survey.segments()))
        for file in (box.state / "vault" / "segments").iterdir():
            if file.name == first.id.hex():
                file.unlink()  # only the stray file asks for its page now
        with pytest.raises(FileUnreadable):
            box.scanned(cameras=("garden",))


# -- a start that cannot read a file


@pytest.fixture
def refused(box: Any) -> Iterator[tuple[Any, list[str], list[str]]]:
    """The index is lost, and of two hours of the front the first cannot be read; the garden is well."""
    front = box.keep_hours(2, "front", "ola")
    garden = box.keep_hours(1, "garden", "per")
    box.vault.close()
    (box.state / "vault" / "index").unlink()
    with refusing(box.file(front[0])):
        box.start()
        yield box, front, garden


def test_a_start_gives_up_one_file_alone(
    refused: tuple[Any, list[str], list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    box, front, garden = refused
    (told,) = [one.message for one in caplog.get_records("setup") if front[0][:32] in one.message]
    assert "is passed over" in told
    assert box.progress == [(1, 3), (2, 3), (3, 3)]
    assert box.vault.count(ALL, FUTURE) == 1 + 6 + 6
    assert [row[1] for row in box.vault.oldest()] == [13]
    assert {shot.id for shot in box.vault.newest(None, 99)} == {*front[6:], *garden}
    assert box.vault.spans()["front"].count == 7
    assert box.vault.image(garden[0])
    assert box.vault.erase(Scope(cameras=("garden",), end=NOON + 2 * HOUR + 30 * MINUTE), FUTURE).erased == 3
    assert box.vault.erase(Scope(subjects=("per",)), FUTURE).erased == 3
    assert not [line for line in caplog.messages if front[0][:32] in line], "one line is enough"


def test_an_order_that_has_to_look_inside_waits(refused: tuple[Any, list[str], list[str]]) -> None:
    box, *_ = refused
    for scope in (Scope(end=NOON + 15 * MINUTE), Scope(subjects=("ola",))):
        with pytest.raises(FileUnreadable, match="Input/output error"):
            box.vault.erase(scope, FUTURE)
    assert len(box.ring.entries("snapshots")) == 3
    assert box.vault.erase(Scope(subjects=("per",)), FUTURE).erased == 6


def test_an_order_that_takes_all_of_it_takes_its_key(refused: tuple[Any, list[str], list[str]]) -> None:
    box, _, garden = refused
    erasure = box.vault.erase(Scope(cameras=("front",)), FUTURE)
    assert (erasure.found, erasure.erased) == (7, 7)
    assert box.ids() == set(garden)
    assert len(box.ring.entries("snapshots")) == 1
    assert box.scanned(cameras=("front",)) == 0


def test_it_expires_as_the_others_do(refused: tuple[Any, list[str], list[str]]) -> None:
    box, *_ = refused
    box.clock.pass_by(days=8)
    box.time.tick()
    assert sum(one.pictures for one in box.vault.expire()) == 13
    assert not box.ring.entries("snapshots")


def test_a_hold_keeps_what_it_may_keep_of_it(refused: tuple[Any, list[str], list[str]]) -> None:
    box, _, garden = refused
    hold = box.hold(cameras=("front", "garden"), start=NOON + 20 * MINUTE, end=NOON + 30 * MINUTE)
    other = box.hold(subjects=("per",))
    erasure = box.vault.erase(Scope(cameras=("front",)), FUTURE)
    assert (erasure.found, erasure.left) == (7, 1)
    box.clock.pass_by(days=8)
    box.time.tick()
    box.vault.expire()
    assert len(box.ring.entries("snapshots")) == 2, "and the others go on"
    assert box.ids(cameras=("garden",)) == set(garden)
    for one in (hold, other):
        box.holds.release(one.id, one.by)
    box.vault.expire()
    assert not box.ring.entries("snapshots")


def test_it_is_counted_as_soon_as_it_can_be_read(box: Any) -> None:
    front = box.keep_hours(1)
    box.vault.close()
    (box.state / "vault" / "index").unlink()
    with refusing(box.file(front[0])):
        box.start()
        assert box.vault.count(ALL, FUTURE) == 1
    assert box.vault.count(ALL, FUTURE) == 6
    assert box.vault.erase(Scope(start=NOON + 25 * MINUTE), FUTURE).erased == 3
    assert box.vault.count(ALL, FUTURE) == 3
    assert box.ids() == set(front[:3])
    assert box.scanned() == 3


@pytest.fixture
def well_again(box: Any) -> tuple[Any, list[str]]:
    """An hour that could not be read at the start, and can be now."""
    front = box.keep_hours(1, "front", "ola")
    box.vault.close()
    (box.state / "vault" / "index").unlink()
    with refusing(box.file(front[0])):
        box.start()
    return box, front


def test_one_that_is_well_again_is_counted_before_a_hold_is_weighed(well_again: tuple[Any, list[str]]) -> None:
    box, front = well_again
    box.hold(cameras=("front",), start=NOON + 20 * MINUTE, end=NOON + 30 * MINUTE)
    erasure = box.vault.erase(Scope(cameras=("front",)), FUTURE)
    assert (erasure.found, erasure.left, box.scanned()) == (6, 1, 1)
    assert box.ids() == {front[2]}


@pytest.mark.parametrize("wide_first", [False, True])
def test_one_that_is_well_again_is_counted_before_two_holds_are(
    well_again: tuple[Any, list[str]], *, wide_first: bool
) -> None:
    box, _ = well_again
    wide, narrow = {"cameras": ("front",)}, {"start": NOON + 20 * MINUTE, "end": NOON + 30 * MINUTE}
    for scope in (wide, narrow) if wide_first else (narrow, wide):
        box.hold(**scope)
    box.clock.pass_by(days=8)
    assert box.vault.expire() == []
    assert box.scanned() == 6


def test_one_that_is_well_again_expires_but_for_what_is_held(well_again: tuple[Any, list[str]]) -> None:
    box, _ = well_again
    box.hold(cameras=("front",), start=NOON + 20 * MINUTE, end=NOON + 30 * MINUTE)
    box.clock.pass_by(days=8)
    assert [one.pictures for one in box.vault.expire()] == [5]
    assert box.scanned() == 1


def test_one_that_is_well_again_goes_for_space_as_what_it_is(make_box: Any) -> None:
    box = make_box(quota=11_000)
    front = box.keep_hours(1)
    box.vault.close()
    (box.state / "vault" / "index").unlink()
    with refusing(box.file(front[0])):
        box.start()
    box.keep("garden", image=bytes(9_000))
    assert [one.pictures for one in box.vault.expire()] == [6]


def test_while_somebody_looks_no_count_changes(well_again: tuple[Any, list[str]]) -> None:
    """It becomes readable in the middle of an erasure: then it waits for the next."""
    box, front = well_again
    survey = box.vault._survey
    (segment,) = survey.segments()
    with pytest.raises(FileUnreadable, match="Input/output error"):
        survey.opened(segment)
    assert segment.count == 1
    assert box.vault.image(front[0])
    assert segment.count == 6


def test_it_is_looked_at_again_by_whoever_asks(well_again: tuple[Any, list[str]]) -> None:
    box, front = well_again
    asking: dict[str, Callable[[], int]] = {
        "find": lambda: len(box.ids()),
        "count": lambda: box.vault.count(ALL, FUTURE),
        "newest": lambda: len(box.vault.newest(None, 9)),
        "spans": lambda: box.vault.spans()["front"].count,
        "oldest": lambda: box.vault.oldest()[0][1],
        "standing": lambda: box.vault.standing().count,
        "export": lambda: len(list(box.vault.export(ALL))),
        "tag": lambda: box.vault.tag("kari", front),
    }
    for name, ask in asking.items():
        box.vault.close()
        (box.state / "vault" / "index").unlink()
        with refusing(box.file(front[0])):
            box.start()
        assert ask() == 6, name


def test_a_partly_erased_hour_that_cannot_be_read_has_as_many_as_its_page(box: Any) -> None:
    front = box.keep_hours(1)
    box.vault.erase(Scope(end=NOON + MINUTE), FUTURE)
    box.vault.close()
    (box.state / "vault" / "index").unlink()
    with refusing(box.file(front[0])):
        box.start()
        assert box.vault.count(ALL, FUTURE) == 5
    assert box.vault.erase(Scope(end=NOON + 15 * MINUTE), FUTURE).erased == 1
    assert box.ids() == set(front[2:])


def test_what_nothing_can_be_meant_of_is_not_waited_for(box: Any) -> None:
    front = box.keep_hours(1, "front", "ola")
    box.vault.flush()
    segment: Segment = box.vault._survey.segments()[0]
    segment.count = 0
    with refusing(box.file(front[0])):
        with pytest.raises(FileUnreadable):
            box.scanned()
        assert box.scanned(subjects=("kari",)) == 0


def test_one_that_dies_while_somebody_looks(box: Any) -> None:
    front = box.keep_hours(1)
    box.vault.close()
    (box.state / "vault" / "index").unlink()
    with refusing(box.file(front[0])):
        box.start()
    segment = box.vault._catalogue.living()[segment_of(front[0])]
    box.vault.erase(ALL, FUTURE)
    assert not box.vault._catalogue.living()
    box.vault.reclaim()
    with box.vault._survey.opened(segment) as pictures:
        assert list(pictures.ids) == []
