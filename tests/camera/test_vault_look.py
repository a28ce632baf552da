"""A look at the vault that changes nothing, and how it stands against its limits."""

import errno
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from camera.picture import Picture
from camera.vault.look import IndexState, _size, look_at_vault
from camera.vault.retention import Limits
from privacy.errors import StoreBroken
from privacy.hold import Actor, Reason, Role
from privacy.key_look import look_at_keys
from privacy.records import Scope
from tests.camera.conftest import NOON, Box

PICTURE = Picture(b"\xff\xd8\xffimage", b"\xff\xd8\xffthumb", 640, 480)
OWNER = Actor("cli", Role.OWNER)
HOUR = timedelta(hours=1)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path, Limits(cameras={"front": HOUR}))


def fill(box: Box, *cameras: str) -> None:
    for camera in cameras:
        assert box.vault.append(camera, box.time.now(), PICTURE)
        box.clock.pass_by(seconds=1)
    box.vault.flush()


def look(box: Box, **how: Any) -> Any:
    how = {"at_rest": False, **how}
    return look_at_vault(box.state / "vault", lambda: look_at_keys(box.state / "keys", box.slots), **how)


def test_it_counts_what_is_there(box: Box) -> None:
    empty = look(box)
    assert (empty.opened, empty.segments, empty.pictures, empty.dead) == (True, 0, 0, 0)
    fill(box, "front", "front", "back")
    seen = look(box, thorough=True)
    assert (seen.segments, seen.pictures, seen.lost, seen.damaged, seen.dead) == (2, 3, 0, 0, 0)
    assert seen.index is IndexState.WHOLE
    assert seen.bytes == sum(path.stat().st_size for path in (box.state / "vault/segments").iterdir())


def test_a_partly_erased_segment_has_the_pictures_that_are_left(box: Box) -> None:
    fill(box, "front", "front", "front")
    with box.ring.change():
        box.vault.erase(Scope(end=NOON + timedelta(seconds=1)), NOON + HOUR)
    seen = look(box, thorough=True)
    assert (seen.segments, seen.pictures, seen.lost, seen.damaged) == (1, 2, 0, 0)


def test_without_keys_nothing_is_called_dead(box: Box) -> None:
    fill(box, "front")
    seen = look_at_vault(box.state / "vault", lambda: None, at_rest=True)
    assert (seen.opened, seen.dead, seen.bytes > 0) == (False, 0, True)


def test_a_key_without_a_file_is_no_damage(box: Box) -> None:
    box.ring.add("snapshots", b"")
    box.ring.sync()
    (box.state / "vault/pages").rmdir()
    assert (look(box).segments, look(box).lost) == (0, 0)


def test_what_cannot_be_listed_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "segments").write_text("x")
    with pytest.raises(StoreBroken, match="cannot list the vault"):
        look_at_vault(tmp_path, lambda: None, at_rest=True)


def test_a_file_that_the_medium_refuses_costs_itself_alone(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(box, "front", "back")
    refused, *_ = (box.state / "vault/segments").iterdir()
    real = os.open

    def refuse(path: Any, *how: Any) -> int:
        if Path(path) == refused:
            raise OSError(errno.EIO, "Input/output error")
        return real(path, *how)

    monkeypatch.setattr(os, "open", refuse)
    seen = look(box, thorough=True)
    assert (seen.segments, seen.unread, seen.lost, seen.damaged, seen.pictures) == (2, 1, 0, 0, 1)


def test_a_file_that_goes_meanwhile_has_no_bytes(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with os.scandir(tmp_path) as entries:
        [entry] = entries
    (tmp_path / "file").unlink()
    assert _size(entry) == 0


def test_a_look_seals_nothing(box: Box) -> None:
    entry = box.ring.add("snapshots", b"")
    keys = look_at_keys(box.state / "keys", box.slots)
    assert keys
    assert keys.entries[entry.id] == entry
    assert keys.settled
    with pytest.raises(AssertionError, match="a look seals nothing"):
        keys.seal(entry).close(b"", b"")


class TestStanding:
    def test_by_the_cameras_own_limit(self, box: Box) -> None:
        fill(box, "back", "front")
        stands = box.vault.standing()
        assert (stands.count, stands.oldest, stands.held, stands.held_until) == (2, NOON, 0, None)
        assert stands.due == NOON + timedelta(seconds=1) + HOUR

    def test_what_is_held_is_counted_and_not_old(self, box: Box) -> None:
        fill(box, "back", "front", "front")
        hold = box.holds.place(Reason.DISPUTE, Scope(cameras=("back",)), OWNER)
        part = box.holds.place(Reason.DISPUTE, Scope(end=NOON + timedelta(seconds=2)), OWNER)
        stands = box.vault.standing()
        assert (stands.count, stands.held, stands.held_until) == (3, 2, max(hold.until, part.until))
        assert stands.oldest == NOON + timedelta(seconds=1), "of the front's segment a part is not held"

    def test_time_that_nobody_knows(self, box: Box) -> None:
        fill(box, "front")
        box.boot = 1
        box.restart(known=False)
        fill(box, "back")
        box.ring.add("snapshots", b"\xc1")
        stands = box.vault.standing()
        assert (stands.count, stands.oldest) == (2, NOON)
        assert stands.due is not None
