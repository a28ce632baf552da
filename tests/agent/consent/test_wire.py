"""What goes over the wire, and what lies in the store, before somebody consents and after they withdraw."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest

from agent.cameras import Cameras
from agent.changes import Changes
from agent.consent.gates import Gate
from agent.supervisor import Supervisor
from camera.capture import Camera
from camera.decoder import Decoder
from camera.http_snapshot import open_session
from camera.picture import Picture
from privacy import entries
from privacy.consent import No
from privacy.consent_text import Kind
from privacy.records import RecordClass, Scope
from tests.agent.consent.consent_house import PICTURE, ConsentHouse, agreed
from tests.agent.consent.watched_camera import WatchedCamera, watched_camera

INTERVAL = 0.01
A_WHILE = 30 * INTERVAL
"""In which a camera that had not been stopped would have been asked many times."""


class MadeUpDecoder:
    """Takes for ever, where it is told to; says how many pictures it has, and how many were taken out of it."""

    def __init__(self) -> None:
        self.slow = False
        self.inside = self.cut = 0

    async def decode(self, _jpeg: bytes, _masks: object) -> Picture:
        if self.slow:
            self.inside += 1
            try:
                await asyncio.Event().wait()
            finally:
                self.cut += 1
        return PICTURE


class Scene:
    """Two cameras on the wire: `bedroom` is Kari's, `hall` the whole house's."""

    def __init__(self, house: ConsentHouse, bedroom: WatchedCamera, hall: WatchedCamera, cameras: Cameras) -> None:
        self.house, self.bedroom, self.hall, self.cameras = house, bedroom, hall, cameras
        self.decoder: Any = None

    async def kept(self, camera: str) -> int:
        scope = Scope(cameras=(camera,))
        return await self.house.disk.run(self.house.vault.count, scope, self.house.clock.now() + timedelta(days=1))

    def stored(self, camera: str) -> int:
        """How many pictures of it were ever kept."""
        return sum(isinstance(e, entries.PictureStored) and e.camera == camera for e in self.house.recorded)

    def view(self, camera: str) -> Any:
        return next(view for view in self.cameras.view() if view.id == camera)

    async def withdrawn(self) -> list[str]:
        """Kari withdraws; then what is wrong: on the wire, in the vault, in the bytes on the disk, in the receipts."""
        await self.house.desk.withdraw(Kind.CAMERA, "kari")
        heard, connections = self.bedroom.heard, self.bedroom.connections
        self.house.clock.move(seconds=1)
        await self.house.eraser.finish()
        await asyncio.sleep(A_WHILE)
        wrong = []
        if (self.bedroom.heard, self.bedroom.connections) != (heard, connections):
            wrong.append("the camera was asked again")
        if await self.kept("bedroom"):
            wrong.append("pictures are in the vault")
        await self.house.disk.run(self.house.vault.flush)
        scope = Scope(subjects=("kari",), classes=(RecordClass.SNAPSHOT,))
        if await self.house.disk.run(lambda: sum(self.house.vault.scan(scope, self.house.clock.now()))):
            wrong.append("pictures open from the bytes on the disk")
        receipts = self.house.receipts()
        if [(receipt.kind, receipt.complete) for receipt in receipts] != [("erased", True), ("verified", True)]:
            wrong.append("no receipt says that all is gone")
        return wrong


async def put_up(
    stack: AsyncExitStack, house: ConsentHouse, decoder: Any, subjects: frozenset[str] = frozenset({"kari"})
) -> Scene:
    bedroom = await stack.enter_async_context(watched_camera())
    hall = await stack.enter_async_context(watched_camera())
    cameras = Cameras(
        cameras=(
            Camera("bedroom", "Kari's room", bedroom.url, interval_seconds=INTERVAL, subjects=subjects),
            Camera("hall", "Hall", hall.url, interval_seconds=INTERVAL),
        ),
        vault=house.vault,
        time=house.time,
        disk=house.disk,
        decoder=decoder,
        session=await stack.enter_async_context(open_session()),
        clock=house.clock,
        changes=Changes(),
        record=house.recorded.append,
        gates=house.gates,
    )
    scene = Scene(house, bedroom, hall, cameras)
    scene.decoder = decoder
    return scene


@pytest.fixture
async def scene(house: ConsentHouse, supervisor: Supervisor) -> AsyncIterator[Scene]:
    """With a made up decoder. The cameras run."""
    async with AsyncExitStack() as stack:
        made = await put_up(stack, house, MadeUpDecoder())
        made.cameras.start(supervisor)
        yield made
        for name in ("bedroom", "hall"):
            await supervisor.stop(f"camera {name}")


Until = Callable[[Callable[[], object]], Awaitable[None]]


async def test_before_anybody_consents_not_one_connection_is_made(scene: Scene, until: Until) -> None:
    await until(lambda: scene.hall.requests > 10)
    assert (scene.bedroom.connections, await scene.kept("bedroom")) == (0, 0)
    view, hall = scene.view("bedroom"), scene.view("hall")
    assert (view.working, view.basis, hall.basis) == (False, "consent", "contract")
    assert "kari, whom nobody knows here" in view.reason
    await scene.house.desk.refresh()
    assert "waits until everybody whom it is assigned to has consented" in scene.view("bedroom").reason
    await scene.house.desk.give(agreed(Kind.PRESENCE), "kari")
    await scene.house.desk.give(agreed(), "ola")
    requests = scene.hall.requests
    await until(lambda: scene.hall.requests > requests + 10)
    assert scene.bedroom.connections == 0
    await scene.house.desk.give(agreed(), "kari")
    await until(lambda: scene.view("bedroom").working)
    assert scene.view("bedroom").reason == ""


async def test_after_a_withdrawal_nothing_goes_out_and_nothing_is_left(
    house: ConsentHouse, supervisor: Supervisor, until: Until
) -> None:
    """With the real decoder, from the wire to the receipt."""
    async with AsyncExitStack() as stack:
        scene = await put_up(stack, house, await stack.enter_async_context(Decoder()))
        scene.cameras.start(supervisor)
        await house.desk.give(agreed(), "kari")
        await until(lambda: scene.stored("bedroom") >= 3 and scene.stored("hall") >= 3)
        ends = house.clock.now()
        assert await scene.withdrawn() == []
        erased, _verified = house.receipts()
        [pictures] = [line for line in erased.stores if line.store == "snapshots"]
        assert pictures.found == pictures.erased >= 3
        assert pictures.by == {"assigned": pictures.found, "tagged": 0, "claimed": 0}
        view = scene.view("bedroom")
        assert (view.working, "consented to camera pictures" in view.reason) == (False, True)
        hall = scene.hall.requests
        await until(lambda: scene.hall.requests > hall + 3)
        assert await scene.kept("hall") >= 3, "what is nobody's alone rests on the contract: it goes on, and stays"
        stored = [e for e in house.recorded if isinstance(e, entries.PictureStored) and e.camera == "bedroom"]
        assert all(entry.at <= ends for entry in stored)
        for name in ("bedroom", "hall"):
            await supervisor.stop(f"camera {name}")


async def test_what_had_been_collected_is_gone_for_good_when_consent_is_given_again(scene: Scene, until: Until) -> None:
    house = scene.house
    await house.desk.give(agreed(), "kari")
    await until(lambda: scene.stored("bedroom"))
    assert await scene.withdrawn() == []
    house.clock.move(minutes=5)
    again, before = house.clock.now(), scene.stored("bedroom")
    await house.desk.give(agreed(), "kari")
    await until(lambda: scene.stored("bedroom") > before)
    items = await house.disk.run(lambda: list(house.vault.find(Scope(cameras=("bedroom",)), again + timedelta(days=1))))
    assert all(item.at and item.at >= again for item in items)


async def test_a_fetch_under_way_is_dropped(scene: Scene, until: Until) -> None:
    await scene.house.desk.give(agreed(), "kari")
    await until(lambda: scene.stored("bedroom"))
    scene.bedroom.hang = True
    requests = scene.bedroom.requests
    await until(lambda: scene.bedroom.requests > requests)
    assert await scene.withdrawn() == []
    assert scene.bedroom.open == 0, "the camera was not left to finish its picture"


async def test_a_picture_in_the_decoder_is_dropped(scene: Scene, until: Until) -> None:
    scene.decoder.slow = True
    await scene.house.desk.give(agreed(), "kari")
    await until(lambda: scene.decoder.inside == 2)  # one of each camera
    assert await scene.withdrawn() == []
    assert scene.decoder.cut == 1


async def test_a_picture_on_its_way_to_the_disk_is_erased(scene: Scene, until: Until) -> None:
    """What the `Disk` thread has begun it ends: the order comes after it, and takes it."""
    house, loop = scene.house, asyncio.get_running_loop()
    keep, reached, go_on = house.vault.append, asyncio.Event(), threading.Event()

    def slow(camera: str, *rest: Any) -> Any:
        if camera == "bedroom":
            loop.call_soon_threadsafe(reached.set)
            assert go_on.wait(20)
        return keep(camera, *rest)

    house.vault.append = slow  # type: ignore[method-assign]
    await house.desk.give(agreed(), "kari")
    await reached.wait()
    withdrawing = asyncio.create_task(scene.withdrawn())
    await until(lambda: isinstance(house.gates.gate(Kind.CAMERA, ["kari"]).verdict, No))
    go_on.set()
    assert await withdrawing == []
    assert [line.found for line in house.receipts()[0].stores if line.store == "snapshots"] == [1]


async def test_one_of_two_stops_it_for_both(house: ConsentHouse, supervisor: Supervisor, until: Until) -> None:
    async with AsyncExitStack() as stack:
        scene = await put_up(stack, house, MadeUpDecoder(), frozenset({"kari", "ola"}))
        scene.cameras.start(supervisor)
        await house.desk.give(agreed(), "ola")
        await house.desk.give(agreed(), "kari")
        await until(lambda: scene.stored("bedroom"))
        assert await scene.withdrawn() == []
        for name in ("bedroom", "hall"):
            await supervisor.stop(f"camera {name}")


async def test_a_camera_that_fails_says_what_it_waits_for_once_consent_is_gone(scene: Scene, until: Until) -> None:
    scene.bedroom.jpeg = b""
    await scene.house.desk.give(agreed(), "kari")
    await until(lambda: scene.bedroom.requests)
    scene.cameras.problem("bedroom", "the camera sent nothing")
    assert scene.view("bedroom").reason == "the camera sent nothing"
    await scene.house.desk.withdraw(Kind.CAMERA, "kari")
    scene.cameras.problem("bedroom", "the camera sent nothing")
    assert "waits until" in scene.view("bedroom").reason


class TestBroken:
    """What would be wrong is seen."""

    async def test_a_gate_that_lets_who_is_inside_go_on(
        self, scene: Scene, until: Until, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await scene.house.desk.give(agreed(), "kari")
        await until(lambda: scene.stored("bedroom"))
        monkeypatch.setattr(Gate, "_follow", lambda _gate: None)
        wrong = await scene.withdrawn()
        assert "the camera was asked again" in wrong
        assert "pictures are in the vault" in wrong

    async def test_a_desk_that_orders_nothing(
        self, scene: Scene, until: Until, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await scene.house.desk.give(agreed(), "kari")
        await until(lambda: scene.stored("bedroom"))
        monkeypatch.setattr(scene.house.store, "unordered", list)
        assert await scene.withdrawn() == [
            "pictures are in the vault",
            "pictures open from the bytes on the disk",
            "no receipt says that all is gone",
        ]
