"""What is known of cameras, over a real vault on disk; only the cameras themselves and the decoder are made up."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import agent.cameras
from agent.cameras import SHOWN_SNAPSHOTS, Cameras
from agent.changes import Changes
from agent.supervisor import Supervisor
from camera.capture import Camera
from camera.errors import FetchFailed, NotAPicture
from camera.picture import Picture
from camera.vault.retention import Limits, Reason
from camera.vault.space import Space
from camera.vault.tags import Tags
from camera.vault.vault import Vault
from privacy import entries, hold
from privacy.errors import StoreBroken
from privacy.hold import Actor, Role
from privacy.holds import Holds
from privacy.records import Scope
from privacy.store import Barrier, Disk

FRONT = Camera("front", "Front door", "http://192.0.2.5/snapshot.jpg", interval_seconds=0.01)
BACK = Camera("back", "Garden", "http://192.0.2.6/snapshot.jpg", interval_seconds=0.01)
PICTURE = Picture(b"\xff\xd8\xffimage", b"\xff\xd8\xffthumb", 640, 480)
HOUR = timedelta(hours=1)


class FakeDecoder:
    async def decode(self, jpeg: bytes, _masks: object) -> Picture:
        if jpeg == b"text":
            raise NotAPicture("the camera sent something that is no JPEG")
        return PICTURE


class Bench:
    """Cameras over a real vault; `sends` says what each camera delivers next, or raises."""

    def __init__(self, folder: Path, ground: Any, disk: Disk, clock: Any) -> None:
        self.folder, self.disk, self.clock = folder, disk, clock
        self.ring, self.time = ground.ring, ground.time
        self.barrier = Barrier(clock)
        self.holds = Holds(folder / "holds", self.ring, self.barrier, self.time, os.urandom)
        self.recorded: list[entries.Entry] = []
        self.marked: list[str] = []
        self.sends: dict[str, bytes | Exception | None] = {}
        changes = Changes()
        changes.mark = lambda *sections: self.marked.extend(sections)  # type: ignore[method-assign]
        self.changes = changes
        self.cameras = self.make(FRONT)

    def make(self, *cameras: Camera, quota: int | None = None) -> Cameras:
        self.vault = Vault(
            self.folder / "vault",
            ring=self.ring,
            time=self.time,
            holds=self.holds,
            barrier=self.barrier,
            tags=Tags(self.folder / "tags", self.ring, self.time.moment),
            limits=Limits(cameras={"front": HOUR, "back": 2 * HOUR}),
            random_bytes=os.urandom,
            space=Space(self.folder, quota, reserve=0),
        )
        return Cameras(
            cameras=cameras,
            vault=self.vault,
            time=self.time,
            disk=self.disk,
            decoder=FakeDecoder(),  # type: ignore[arg-type]
            session=None,  # type: ignore[arg-type]
            clock=self.clock,
            changes=self.changes,
            record=self.recorded.append,
        )

    def keep(self, camera: str) -> str:
        """A picture is taken now; its id."""
        snapshot = self.vault.append(camera, self.time.now(), PICTURE)
        assert snapshot
        return snapshot.id

    async def fetch(self, camera: str) -> bytes:
        match self.sends.get(camera):
            case None:
                await asyncio.Event().wait()
                raise AssertionError
            case Exception() as problem:
                raise problem
            case bytes() as jpeg:
                self.sends[camera] = None  # one picture, then it hangs
                return jpeg
        raise AssertionError


@pytest.fixture
async def bench(
    tmp_path: Path, ground: Any, disk: Disk, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Bench]:
    made = Bench(tmp_path, ground, disk, clock)

    class FakeSource:
        def __init__(self, _session: object, url: str, _login: object) -> None:
            self.camera = "front" if url == FRONT.url else "back"

        async def fetch(self) -> bytes:
            return await made.fetch(self.camera)

    monkeypatch.setattr(agent.cameras, "HttpSnapshot", FakeSource)
    yield made
    await disk.run(made.vault.close)


def started(cameras: Cameras, supervisor: Supervisor) -> Cameras:
    supervisor._watcher = lambda service, problem: (
        cameras.problem(service.removeprefix("camera "), problem) if problem else None
    )
    cameras.start(supervisor)
    return cameras


async def test_a_picture_is_taken_shown_and_says_when_it_goes(bench: Bench, supervisor: Supervisor, until: Any) -> None:
    cameras = started(bench.cameras, supervisor)
    [before] = cameras.view()
    assert (before.working, before.reason, before.pictures, before.newest) == (False, "", 0, None)
    bench.sends["front"] = b"jpeg"
    await until(cameras.snapshots)
    now = bench.clock.now()
    [view], [shot] = cameras.view(), cameras.snapshots()
    assert (view.name, view.working, view.pictures, view.keep_seconds) == ("Front door", True, 1, 3600)
    assert (view.newest, view.next_to_go) == (now, now + HOUR)
    assert (shot.camera, shot.at, shot.goes) == ("front", now, now + HOUR)
    assert await cameras.picture(shot.id, thumbnail=False) == PICTURE.image
    assert await cameras.picture(shot.id, thumbnail=True) == PICTURE.thumbnail
    assert await cameras.picture("0" * 32, thumbnail=True) is None
    [stored] = bench.recorded
    assert isinstance(stored, entries.PictureStored)
    assert (stored.camera, stored.bytes) == ("front", 4)
    assert {"cameras", "snapshots"} <= set(bench.marked)


async def test_a_camera_that_fails_is_said_once_and_recovers(bench: Bench, supervisor: Supervisor, until: Any) -> None:
    bench.sends["front"] = FetchFailed("unreachable")
    cameras = started(bench.cameras, supervisor)
    await until(lambda: cameras.view()[0].reason)
    bench.sends["front"] = b"text"
    await until(lambda: "no JPEG" in cameras.view()[0].reason)
    assert [type(entry) for entry in bench.recorded] == [entries.PictureFailed], "it is away, whatever it says"
    assert not cameras.view()[0].working
    bench.sends["front"] = b"jpeg"
    await until(lambda: cameras.view()[0].working)
    assert cameras.view()[0].reason == ""
    bench.sends["front"] = FetchFailed("gone again")
    cameras.problem("front", "gone again")
    assert [type(e) for e in bench.recorded] == [entries.PictureFailed, entries.PictureStored, entries.PictureFailed]


async def test_one_camera_that_hangs_holds_up_no_other(bench: Bench, supervisor: Supervisor, until: Any) -> None:
    bench.sends = {"front": None, "back": b"jpeg"}
    cameras = started(bench.make(FRONT, BACK), supervisor)
    await until(lambda: cameras.view()[1].working)
    assert not cameras.view()[0].working


def test_a_problem_of_a_camera_that_is_not_configured_is_nobodys(bench: Bench) -> None:
    bench.cameras.problem("stranger", "unreachable")
    assert bench.recorded == []
    assert bench.marked == []


async def test_pictures_of_a_camera_that_is_configured_no_more(
    bench: Bench, supervisor: Supervisor, until: Any
) -> None:
    old, began = bench.keep("gone"), bench.clock.now()
    bench.clock.move(hours=1)
    bench.keep("gone")
    cameras = started(bench.cameras, supervisor)
    await until(cameras.snapshots)
    front, gone = cameras.view()
    assert front.id == "front"
    assert (gone.id, gone.name, gone.working, gone.pictures) == ("gone", "gone", False, 2)
    assert "configured no more" in gone.reason
    assert gone.next_to_go == began + timedelta(days=7), "the site's limit"
    assert await cameras.picture(old, thumbnail=True)


async def test_the_newest_24_newest_first(bench: Bench, supervisor: Supervisor, until: Any) -> None:
    for _ in range(SHOWN_SNAPSHOTS + 6):
        bench.clock.move(seconds=1)
        bench.keep("front")
    now = bench.clock.now()
    cameras = started(bench.cameras, supervisor)
    await until(cameras.snapshots)
    assert SHOWN_SNAPSHOTS == 24, "as the contract says"
    assert [shot.at for shot in cameras.snapshots()] == [now - timedelta(seconds=n) for n in range(24)]
    assert cameras.view()[0].pictures == 30


async def test_what_is_due_goes_and_the_view_follows(bench: Bench, supervisor: Supervisor, until: Any) -> None:
    for minutes in (2, 58, 0):
        bench.keep("front")
        bench.clock.move(minutes=minutes)
    cameras = started(bench.cameras, supervisor)
    await until(lambda: len(cameras.snapshots()) == 1 and bench.recorded)
    now = bench.clock.now()
    assert bench.recorded == [entries.PicturesExpired(at=now, camera="front", count=2, reason=Reason.LIMIT)]
    assert cameras.view()[0].pictures == 1


async def test_what_goes_for_want_of_space_is_said_as_that(bench: Bench, supervisor: Supervisor, until: Any) -> None:
    cameras = bench.make(FRONT, quota=1_800)
    for _ in range(8):
        bench.keep("front")
        bench.clock.move(minutes=3)
    started(cameras, supervisor)
    await until(lambda: bench.recorded)
    assert {(e.camera, e.reason) for e in bench.recorded if isinstance(e, entries.PicturesExpired)} == {
        ("front", Reason.SPACE)
    }
    gone = sum(entry.count for entry in bench.recorded if isinstance(entry, entries.PicturesExpired))
    await until(lambda: cameras.view()[0].pictures == 8 - gone)


async def test_what_is_held_is_hidden_and_counted(bench: Bench, supervisor: Supervisor, until: Any) -> None:
    held, shown = bench.keep("front"), bench.keep("back")
    bench.holds.place(hold.Reason.DISPUTE, Scope(cameras=("front",)), Actor("kari", Role.OWNER))
    cameras = started(bench.make(FRONT, BACK), supervisor)
    await until(cameras.snapshots)
    assert [shot.id for shot in cameras.snapshots()] == [shown]
    assert (cameras.hidden, await cameras.picture(held, thumbnail=False)) == (1, None)


async def test_an_erasure_shows_at_once(bench: Bench, supervisor: Supervisor, until: Any, disk: Disk) -> None:
    bench.keep("front")
    bench.clock.move(seconds=1)
    cameras = started(bench.cameras, supervisor)
    await until(cameras.snapshots)
    bench.marked.clear()
    await disk.run(bench.vault.erase, Scope(cameras=("front",)), bench.clock.now())
    cameras.store_changed()
    await until(lambda: not cameras.snapshots())
    assert cameras.view()[0].pictures == 0
    assert {"cameras", "snapshots"} <= set(bench.marked)


async def test_what_an_order_reaches_is_not_shown_while_it_cannot_be_erased(
    bench: Bench, supervisor: Supervisor, until: Any
) -> None:
    hidden, shown = bench.keep("front"), bench.keep("back")
    bench.clock.move(minutes=2)
    bench.barrier.raise_for("order", Scope(cameras=("front",)), bench.clock.now())
    cameras = started(bench.make(FRONT, BACK), supervisor)
    await until(cameras.snapshots)
    assert [shot.id for shot in cameras.snapshots()] == [shown]
    assert await cameras.picture(hidden, thumbnail=False) is None


async def test_a_medium_that_fails_once(
    bench: Bench, supervisor: Supervisor, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The view, the expiry and the camera each try again; the picture that could not be kept is not called kept."""
    bench.keep("front")
    bench.clock.move(hours=2)
    failed: list[str] = []

    def fails_once(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def tried(*args: Any) -> Any:
            if name not in failed:
                failed.append(name)
                raise StoreBroken("the card is full")
            return call(*args)

        return tried

    for name in ("append", "expire", "newest", "flush"):
        monkeypatch.setattr(bench.vault, name, fails_once(name, getattr(bench.vault, name)))
    bench.sends["front"] = b"jpeg"
    cameras = started(bench.cameras, supervisor)
    await until(lambda: "append" in failed)
    bench.sends["front"] = b"jpeg"
    await until(lambda: len(bench.recorded) == 3 and len(cameras.snapshots()) == 1)
    assert sorted(failed) == ["append", "expire", "flush", "newest"]
    kinds = {type(entry) for entry in bench.recorded}
    assert kinds == {entries.PictureFailed, entries.PictureStored, entries.PicturesExpired}
    assert cameras.view()[0].working
