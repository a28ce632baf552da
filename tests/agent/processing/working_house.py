"""A gateway as the composition root makes it, with its real door; the header `Who` stands for a session."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import ClientSession, web

from agent.api.contract import PersonBody
from agent.api.permission import Caller
from agent.api.server import serve
from agent.cli.outcome import carry_out
from agent.config.model import Api, Cloud, Config, Controller, Discovery, Gateway
from agent.main import _Agent
from agent.rights.actions import Need
from agent.rights.grants import Actor
from agent.storage import open_storage
from privacy.hold import Role

PEOPLE = {
    "olga": (Role.OWNER, True),
    "rune": (Role.RESIDENT, True),
    "siri": (Role.SUPPORT, False),
    "gro": (Role.GUEST, False),
}


class WorkingHouse:
    """`agent` is the whole of it; its loops do not run by themselves."""

    def __init__(self, agent: _Agent, clock: Any, socket: Path, session: ClientSession) -> None:
        self.agent, self.clock, self.socket = agent, clock, socket
        self.storage, self.doorway = agent._storage, agent._doorway
        self.ids: dict[str, str] = {}
        self.url = ""
        self._session = session

    async def run(self, *arguments: str) -> int:
        """The command line, as somebody types it; in a thread, since this loop serves it."""
        return await asyncio.to_thread(carry_out, [*arguments, "--socket", str(self.socket)])

    async def ask(self, who: str, method: str, path: str, body: Any = None, purpose: str = "") -> tuple[int, Any]:
        """What somebody who has signed in gets: the status, and the JSON."""
        headers = {"Who": self.ids[who], "Origin": self.url, **({"Portvakt-Purpose": purpose} if purpose else {})}
        async with self._session.request(method, self.url + path, json=body, headers=headers) as response:
            data = await response.read()
            return response.status, msgspec.json.decode(data) if data and "json" in response.content_type else None

    async def deeds(self, who: str) -> list[tuple[str, bool]]:
        """What the activity log has of what somebody did: the action, and whether it was allowed; the newest first."""
        lines = await self.doorway._activity.own(self.ids[who], None, 100)
        return [(line.action, line.allowed) for line in lines if line.own]


@asynccontextmanager
async def working(
    folder: Path, clock: Any, *, controller: Controller | None = None, cloud: Cloud | None = None
) -> AsyncIterator[WorkingHouse]:
    """From a start to an end; Olga owns the home, Rune lives there, Siri is from support, Gro is a guest."""
    socket = folder / "api.sock"
    config = Config(
        version=1,
        gateway=Gateway(id="gw-1", state_dir=folder / "state", systems=("smart_home", "sensornordic")),
        controller=controller,
        api=Api(port=0, socket=socket),
        discovery=Discovery(interfaces=()),
        cloud=cloud,
    )
    storage = open_storage(config, clock)
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(ClientSession())
        house = WorkingHouse(_Agent(config, storage, clock), clock, socket, session)
        agent = house.agent
        stack.callback(os.close, storage.lock)
        stack.callback(agent._disk.close)
        stack.callback(agent._doorway.close)
        stack.push_async_callback(agent._disk.run, storage.vault.close)
        cameras = await agent._cameras(stack)
        made = agent._house(cameras)
        await agent._doorway.open()
        for name, (role, here) in PEOPLE.items():
            person = await agent._doorway.people.add(PersonBody(role=role, name=name, lives_here=here), "somebody")
            house.ids[name] = person.id
        clock.move(days=1)

        async def identify(request: web.Request) -> Caller | None:
            who = request.headers.get("Who")
            return Caller(Actor(who), frozenset({Need.PRESENCE}), session="s") if who else None

        door = replace(agent._doorway.door(cameras.ids, made.inventory), identify=identify, claimed=lambda: True)
        house.url = await stack.enter_async_context(serve(made, door=door, clock=clock, port=0, socket_path=socket))
        yield house
        await agent._supervisor._end_all()
