"""How pictures become durable: what is synced, in which order, and what becomes of them where the medium refuses."""

import errno
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from camera.vault.segment import SegmentReader
from privacy.errors import StoreBroken
from privacy.records import Scope

FUTURE = datetime(2030, 1, 1, tzinfo=UTC)
Refuse = Callable[[str, str], None]


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what was synced."""
    names: list[str] = []
    for name in ("fsync", "fdatasync"):
        real = getattr(os, name)

        def call(handle: int, real: Callable[[int], None] = real) -> None:
            names.append(Path(f"/proc/self/fd/{handle}").readlink().name)
            real(handle)

        monkeypatch.setattr(os, name, call)
    return names


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Refuse:
    """Has the next call of that name on a file of that name fail."""

    def refuse(name: str, file: str) -> None:
        real = getattr(os, name)

        def call(handle: int, *rest: object) -> object:
            if Path(f"/proc/self/fd/{handle}").readlink().name != file:
                return real(handle, *rest)
            monkeypatch.setattr(os, name, real)
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        monkeypatch.setattr(os, name, call)

    return refuse


def test_keys_then_pictures_then_all_new_names_at_once(box: Any, synced: list[str]) -> None:
    segments = [box.keep(camera)[:32] for camera in ("front", "garden", "porch")]
    box.vault.flush()
    assert synced == ["table.a", "table.b", *segments, "segments"]
    synced.clear()
    box.keep("garden")
    box.vault.flush()
    box.vault.flush()
    assert synced == [segments[1]]


def test_what_an_erasure_thins_is_durable_before_its_page(box: Any, synced: list[str]) -> None:
    dies, lives = box.keep(), box.keep()
    box.vault.tag("kari", [dies])
    synced.clear()
    box.vault.erase(Scope(subjects=("kari",)), FUTURE)
    assert synced[:2] == [lives[:32], "segments"]
    assert "pages" in synced[2:]
    assert box.ids() == {lives}


def test_a_finished_segment_gets_its_footer_before_its_last_sync(box: Any, synced: list[str]) -> None:
    first = box.keep()
    box.clock.pass_by(hours=1)
    box.keep()
    box.vault.flush()
    assert synced.count(first[:32]) == 1
    with SegmentReader(box.file(first)) as reader:
        assert [placed.id.hex() for placed in reader.footer() or ()] == [first[32:]]
    assert box.vault._catalogue.bytes == sum(file.stat().st_size for file in box.file(first).parent.iterdir())


def test_a_footer_asks_for_no_sync_of_its_own(box: Any, synced: list[str]) -> None:
    first = box.keep()
    box.vault.flush()
    box.clock.pass_by(hours=1)
    box.keep()
    synced.clear()
    box.vault.flush()
    assert first[:32] not in synced
    with SegmentReader(box.file(first)) as reader:
        assert reader.footer()


def test_a_footer_that_is_refused_costs_nothing(box: Any, refuse: Refuse) -> None:
    ids = box.keep_hours(1)
    refuse("write", ids[0][:32])
    box.vault.close()
    with SegmentReader(box.file(ids[0])) as reader:
        assert reader.footer() is None
    box.start()
    assert box.ids() == set(ids)
    assert not box.progress


@pytest.mark.parametrize(("call", "what"), [("fdatasync", "a segment"), ("fsync", "the names of segments")])
def test_what_cannot_be_synced_takes_no_more_and_the_others_do(
    box: Any, refuse: Refuse, synced: list[str], call: str, what: str
) -> None:
    old = box.keep("old")
    box.vault.flush()
    one, other = box.keep("front"), box.keep("garden")
    refuse(call, one[:32] if call == "fdatasync" else "segments")
    with pytest.raises(StoreBroken, match="cannot sync"):
        box.vault.flush()
    assert other[:32] in synced, what
    later = {camera: box.keep(camera) for camera in ("old", "front", "garden")}
    box.vault.flush()
    assert later["old"][:32] == old[:32]
    assert later["front"][:32] != one[:32]
    # Where it is the names that failed, nobody knows of any that is new.
    assert (later["garden"][:32] != other[:32]) == (call == "fsync")
    assert box.ids() == {old, one, other, *later.values()}
    box.restart()
    assert box.ids() == {old, one, other, *later.values()}
    assert all(box.vault.image(shot) for shot in box.ids())


def test_one_that_was_erased_meanwhile_is_not_synced(box: Any, synced: list[str]) -> None:
    record = box.keep()
    box.vault.erase(Scope(everything=True), FUTURE)
    synced.clear()
    box.vault.flush()
    assert record[:32] not in synced
    assert not box.vault._catalogue.writers
