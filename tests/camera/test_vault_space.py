"""A quota, a reserve, and what goes for them.

`make_box` is `tests/camera/conftest.py`'s: it makes a state directory with a vault in it, on a clock that moves.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from camera.vault.retention import Reason
from camera.vault.space import Space
from privacy.errors import StoreBroken
from privacy.records import Scope

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FUTURE = NOON + timedelta(days=300)


def test_how_much_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Medium:
        f_bavail, f_frsize = 10, 4096

    monkeypatch.setattr("os.statvfs", lambda _path: Medium)
    assert Space(tmp_path, None, reserve=40_000).short(0, 960) == 0
    assert Space(tmp_path, None, reserve=40_000).short(0, 961) == 1
    assert Space(tmp_path, 1_000, reserve=0).short(900, 100) == 0
    assert Space(tmp_path, 1_000, reserve=0).short(900, 200) == 100
    assert Space(tmp_path, 10**9, reserve=50_000).short(0, 960) == 10_000


def test_a_medium_that_does_not_say(tmp_path: Path) -> None:
    with pytest.raises(StoreBroken):
        Space(tmp_path / "nowhere").short(0, 1)


def test_the_medium_is_asked_once_for_many_pictures_and_again_after_a_flush(
    make_box: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = make_box()
    asked = []
    free = 2**34

    class Medium:
        f_frsize = 1

        def __init__(self, path: Path) -> None:
            asked.append(path)
            self.f_bavail = free

    monkeypatch.setattr("os.statvfs", Medium)
    for _ in range(20):
        box.keep(image=bytes(30_000))
    assert len(asked) == 1
    for _ in range(20):
        box.keep(image=bytes(30_000))
    assert len(asked) == 2, "a megabyte at a time"
    free = 0
    box.vault.flush()
    with pytest.raises(StoreBroken, match="no space"):
        box.keep(image=bytes(30_000))


def test_what_is_taken_unasked_stays_within_the_quota(make_box: Any) -> None:
    box = make_box(quota=200_000)
    for _ in range(12):
        box.clock.pass_by(hours=1)
        for _ in range(3):
            box.keep(image=bytes(9_000))
            assert box.vault._catalogue.bytes <= 200_000
    assert len(box.ids()) < 36


def test_the_oldest_go_first_and_it_is_said_why(make_box: Any) -> None:
    box = make_box(quota=60_000)
    ids = []
    for number in range(12):
        ids.append(box.keep(f"camera-{number % 2}", image=bytes(9_000)))
        box.clock.pass_by(minutes=40)
        assert box.vault._catalogue.bytes <= 60_000
        assert len(list((box.state / "vault" / "segments").iterdir())) == len(box.ring.entries("snapshots"))
    kept = box.ids()
    assert kept == set(ids[-len(kept) :])
    assert 4 <= len(kept) < 12
    told = box.vault.expire()
    assert {one.reason for one in told} == {Reason.SPACE}
    assert sum(one.pictures for one in told) == 12 - len(kept)
    assert box.vault.expire() == []


def test_dead_files_go_before_pictures(make_box: Any) -> None:
    box = make_box(quota=60_000)
    for _ in range(4):
        box.keep(image=bytes(9_000))
        box.clock.pass_by(hours=1)
    box.vault.erase(Scope(end=NOON + timedelta(hours=2)), FUTURE)
    box.keep(image=bytes(30_000))
    assert len(box.ids()) == 3


def test_what_is_held_stays_and_nothing_more_comes(make_box: Any) -> None:
    box = make_box(quota=30_000)
    ids = [box.keep(image=bytes(9_000)) for _ in range(2)]
    hold = box.hold(cameras=("front",))
    box.clock.pass_by(hours=1)
    with pytest.raises(StoreBroken, match="no space"):
        box.keep("garden", image=bytes(15_000))
    assert box.ids() == set(ids)
    box.holds.release(hold.id, hold.by)
    assert box.vault.erase(Scope(cameras=("front",)), FUTURE).erased == 2, "it still erases"
    assert box.keep("garden", image=bytes(15_000))


def test_one_too_large_for_all_the_room_there_is(make_box: Any) -> None:
    box = make_box(quota=20_000)
    with pytest.raises(StoreBroken, match="no space"):
        box.keep(image=bytes(30_000))
    assert not box.ids()


def test_an_entry_that_nobody_can_read_goes_first(make_box: Any) -> None:
    box = make_box(quota=50_000)
    old = box.keep("front", image=bytes(9_000))
    box.clock.pass_by(hours=1)
    unread = box.keep("garden", image=bytes(9_000))
    box.vault.flush()
    with box.ring.change() as change:
        change.inform(bytes.fromhex(unread[:32]), b"\xc1")
    box.keep("hall", image=bytes(35_000))
    assert old in box.ids()
    assert unread not in box.ids()
