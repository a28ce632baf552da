"""One camera's loop, with real decoding and a real vault."""

import asyncio
import contextlib
import dataclasses
import errno
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from camera.capture import Camera, Darkroom, capture
from camera.decoder import Decoder
from camera.errors import CameraError, FetchFailed, NotAPicture
from camera.login import Login
from camera.picture import Mask
from camera.vault.vault import Vault
from camera.vault.viewing import Snapshot
from privacy.errors import StoreBroken
from privacy.records import Scope
from privacy.store import Disk

FRONT = Camera("front", "Front door", "http://u:secret@camera/", Login("u", "secret"), interval_seconds=0.01)

Make = Callable[..., bytes]


@pytest.fixture
async def darkroom(box: Any) -> AsyncIterator[Darkroom]:
    async with Decoder() as decoder:
        with contextlib.closing(Disk()) as disk:
            yield Darkroom(decoder, box.vault, disk, box.time)
    box.vault.close()


def kept(vault: Vault) -> int:
    """How many pictures there are."""
    return sum(span.count for span in vault.spans().values())


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


async def test_fetched_decoded_sealed(darkroom: Darkroom, make_jpeg: Make, box: Any) -> None:
    camera = dataclasses.replace(FRONT, masks=(Mask(0, 0, 0.5, 1),), subjects=frozenset({"kari"}))
    taken = await run(camera, sends(make_jpeg(), make_jpeg((320, 200))), darkroom, 2)
    assert [shot.camera for shot in taken] == ["front", "front"]
    assert taken[0].at == box.clock.wall
    assert box.ids(subjects=("kari",)) == {shot.id for shot in taken}
    image = darkroom.vault.image(taken[0].id)
    assert image
    assert image != make_jpeg()


async def test_text_as_jpeg(darkroom: Darkroom, make_jpeg: Make) -> None:
    with pytest.raises(NotAPicture):
        await capture(FRONT, sends(make_jpeg(), b"<html>starting</html>"), darkroom, lambda _: None)
    assert kept(darkroom.vault) == 1, "what came before is kept, the text is not"


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
    assert kept(darkroom.vault) == 3


async def test_a_full_disk_is_told(darkroom: Darkroom, make_jpeg: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "writev", full)
    with pytest.raises(StoreBroken, match="No space left on device"):
        await capture(FRONT, sends(make_jpeg()), darkroom, lambda _: None)
    assert kept(darkroom.vault) == 0


async def test_what_an_erasure_overtakes_is_not_kept(darkroom: Darkroom, make_jpeg: Make, box: Any) -> None:
    box.barrier.raise_for("order", Scope(cameras=("front",)), box.clock.wall + timedelta(hours=1))
    told: list[Snapshot] = []
    with pytest.raises(FetchFailed):
        await capture(FRONT, sends(make_jpeg(), FetchFailed("gone")), darkroom, told.append)
    assert not told
    assert kept(darkroom.vault) == 0


def test_a_camera_does_not_show_its_login() -> None:
    assert "secret" not in repr(FRONT)
