"""A house with real parts, made by the composition root, served on its socket. Its loops do not run by themselves."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from agent.api.feed import Feed
from agent.api.permission import caller_of
from agent.api.server import Served, local_application, network_application, serve
from agent.api.sight import Sight
from agent.cli.outcome import carry_out
from agent.config.model import Api, Camera, Config, Discovery, Gateway, System
from agent.house import House
from agent.main import _Agent
from agent.storage import open_storage
from camera.picture import Picture
from tests.agent.open_door import open_door

PICTURE = Picture(b"\xff\xd8\xffimage", b"\xff\xd8\xffthumb", 640, 480)


class ServedHouse:
    """`made` is the agent; `house` what the API asks."""

    def __init__(self, made: _Agent, clock: Any, socket: Path) -> None:
        self.agent, self.clock, self.socket = made, clock, socket
        self.storage = made._storage
        self.house: House

    def keep(self, camera: str = "front", subjects: frozenset[str] = frozenset()) -> str:
        """A picture is taken now; its id. A second passes."""
        snapshot = self.storage.vault.append(camera, self.storage.time.now(), PICTURE, subjects)
        assert snapshot
        self.clock.move(seconds=1)
        return snapshot.id

    def applications(self) -> tuple[web.Application, web.Application]:
        """What is served over the network and on the socket, behind the house's own door."""
        door = self.agent._doorway.door(self.agent._watched.ids, self.house.inventory)

        def sight_of(request: web.Request) -> Sight:
            return Sight(self.house, door.permission, caller_of(request))

        served = Served(self.house, Feed(sight_of, self.clock), sight_of, door)
        return network_application(served), local_application(served)

    async def run(self, *arguments: str) -> int:
        """The command line, as somebody types it; in a thread, since this loop serves it."""
        return await asyncio.to_thread(carry_out, [*arguments, "--socket", str(self.socket)])


@asynccontextmanager
async def serving(
    folder: Path, clock: Any, *cameras: Camera, systems: tuple[System, ...] = ("smart_home",)
) -> AsyncIterator[ServedHouse]:
    """The house in `folder`, from a start to an end."""
    socket = folder / "api.sock"
    config = Config(
        version=1,
        gateway=Gateway(id="gw-1", state_dir=folder / "state", systems=systems),
        api=Api(port=0, socket=socket),
        discovery=Discovery(interfaces=()),
        camera=cameras,
    )
    storage = open_storage(config, clock)
    made = ServedHouse(_Agent(config, storage, clock), clock, socket)
    async with AsyncExitStack() as stack:
        stack.callback(os.close, storage.lock)
        stack.callback(made.agent._disk.close)
        stack.push_async_callback(made.agent._disk.run, storage.vault.close)
        made.house = made.agent._house(await made.agent._cameras(stack))
        await stack.enter_async_context(
            serve(made.house, door=open_door(made.house), clock=clock, port=0, socket_path=socket)
        )
        yield made
        await made.agent._supervisor._end_all()
