"""One camera's loop, with real decoding and a real store."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from camera.capture import Camera, Darkroom, capture
from camera.decoder import Decoder
from camera.errors import CameraError, FetchFailed, NotAPicture
from camera.login import Login
from camera.picture import Mask
from camera.snapshots import Snapshot, SnapshotStore
from privacy.errors import StoreBroken
from privacy.records import Scope
from privacy.seal import Keys
from privacy.store import Barrier, Disk

NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)
FRONT = Camera("front", "Front door", "http://u:secret@camera/", Login("u", "secret"), interval_seconds=0.01)

Make = Callable[..., bytes]


class Noon:
    """A clock that stands."""

    def now(self) -> datetime:
        return NOON

    def monotonic(self) -> float:
        return 0.0


@pytest.fixture
async def darkroom(tmp_path: Path) -> AsyncIterator[Darkroom]:
    keys = Keys(bytes(32))
    store = SnapshotStore(tmp_path / "snapshots", keys.seal("snapshots"), keys.random_bytes, Barrier())
    async with Decoder() as decoder:
        with contextlib.closing(Disk()) as disk:
            yield Darkroom(decoder, store, disk, Noon())


def sends(*answers: bytes | CameraError) -> Callable[[], Awaitable[bytes]]:
    """A camera that sends these in turn, then hangs."""
    left = iter(answers)

    async def fetch() -> bytes:
        answer = next(left, None)
        if answer is None:
            await asyncio.sleep(60)
        if isinstance(answer, CameraError):
            raise answer
        assert answer
        return answer

    return fetch


async def run(camera: Camera, fetch: Callable[[], Awaitable[bytes]], darkroom: Darkroom, count: int) -> list[Snapshot]:
    """The first `count` snapshots."""
    taken: list[Snapshot] = []
    enough = asyncio.Event()

    def on_snapshot(snapshot: Snapshot) -> None:
        taken.append(snapshot)
        if len(taken) == count:
            enough.set()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(capture(camera, fetch, darkroom, on_snapshot))
        await enough.wait()
        task.cancel()
    return taken


async def test_fetched_decoded_sealed(darkroom: Darkroom, make_jpeg: Make) -> None:
    camera = dataclasses.replace(FRONT, masks=(Mask(0, 0, 0.5, 1),), subjects=frozenset({"kari"}))
    taken = await run(camera, sends(make_jpeg(), make_jpeg((320, 200))), darkroom, 2)
    assert [shot.camera for shot in taken] == ["front", "front"]
    assert taken[0].at == NOON
    store = darkroom.store
    assert {item.id for item in store.find(Scope(subjects=("kari",)), NOON.replace(year=2025))} == {s.id for s in taken}
    image = store.image(taken[0].id)
    assert image
    assert image != make_jpeg()


async def test_text_as_jpeg(darkroom: Darkroom, make_jpeg: Make) -> None:
    with pytest.raises(NotAPicture):
        await capture(FRONT, sends(make_jpeg(), b"<html>starting</html>"), darkroom, lambda _: None)
    assert darkroom.store.count() == 1, "what came before is kept, the text is not"


async def test_a_camera_that_fails_and_one_that_hangs_do_not_disturb_the_third(
    darkroom: Darkroom, make_jpeg: Make
) -> None:
    async with asyncio.TaskGroup() as group:
        hanging = group.create_task(capture(FRONT, sends(), darkroom, lambda _: None))
        with pytest.raises(FetchFailed):
            await capture(FRONT, sends(FetchFailed("camera is unreachable")), darkroom, lambda _: None)
        garden = dataclasses.replace(FRONT, id="garden")
        taken = await run(garden, sends(*[make_jpeg()] * 3), darkroom, 3)
        hanging.cancel()
    assert {shot.camera for shot in taken} == {"garden"}
    assert darkroom.store.count() == 3


async def test_a_full_disk_is_told(darkroom: Darkroom, make_jpeg: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StoreBroken("cannot write: No space left on device")

    monkeypatch.setattr("camera.snapshot_folder.write_new", full)
    with pytest.raises(StoreBroken):
        await capture(FRONT, sends(make_jpeg()), darkroom, lambda _: None)
    assert darkroom.store.count() == 0


async def test_what_an_erasure_overtakes_is_not_kept(darkroom: Darkroom, make_jpeg: Make) -> None:
    darkroom.store._barrier.raise_for("order", Scope(cameras=("front",)), NOON.replace(hour=13))
    told: list[Snapshot] = []
    with pytest.raises(FetchFailed):
        await capture(FRONT, sends(make_jpeg(), FetchFailed("gone")), darkroom, told.append)
    assert not told
    assert darkroom.store.count() == 0


def test_a_camera_does_not_show_its_login() -> None:
    assert "secret" not in repr(FRONT)
