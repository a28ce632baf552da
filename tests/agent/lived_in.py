"""A house as the composition root makes it, behind its real door, in this process. Its loops turn when told to."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

import agent.api.rate
from agent.api.permission import PURPOSE
from agent.api.server import serve
from agent.config.model import Api, Camera, Config, Discovery, Gateway
from agent.main import _Agent
from agent.signin.passwords import Cost, Passwords
from agent.storage import Storage, open_storage
from agent.supervisor import Service
from camera.picture import Picture
from drivers.model import Capability, Device, Kind
from tests.agent.conftest import FakeLine, FixedClock

PICTURE: Final = Picture(b"\xff\xd8\xffimage", b"\xff\xd8\xffthumb", 640, 480)
PASSWORD: Final = "korrekt hest batteri stift"
A_MOMENT: Final = 0.0005
"""Seconds in which who waits for what has happened already is told so."""
_SWITCH: Final = Capability("OnOff.OnOff", Kind.BOOL, writable=True)
_SILENT: Final = ("camera ", "cloud", "operation log", "snapshot view", "snapshots to disk")
"""Loops that wait for what the tests do not have; what they write is written by `turn`."""

_turning: ContextVar[bool] = ContextVar("turning", default=False)


class _TurnedError(Exception):
    """A loop has done all that there was to do, and wants to wait."""


class Box(FixedClock):
    """A machine whose wall clock can be wrong: `true` is what time it is."""

    def __init__(self) -> None:
        super().__init__()
        self.true = self.time

    def battery_clock(self) -> datetime | None:
        return self.true if self.battery else None

    def move(self, **step: float) -> None:
        super().move(**step)
        self.true += timedelta(**step)

    def reboot(self, **off: float) -> None:
        """Without a battery the wall clock stands still meanwhile."""
        super().reboot(**off)
        self.true += timedelta(**off)
        if not self.battery:
            self.time -= timedelta(**off)

    def hear_the_network(self) -> None:
        self.time, self.network = self.true, True


@dataclass(frozen=True)
class Answer:
    """What came."""

    status: int
    body: bytes
    cookies: dict[str, str]

    @property
    def said(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """Of a refusal; empty: it is none."""
        return "" if self.status < 400 else str(self.said["code"])


@dataclass
class LivedIn:
    """A house while it runs. `people` are ids by the names that a test gives them, `cookies` how they are signed in."""

    made: _Agent
    clock: Box
    services: dict[str, Service]
    line: FakeLine
    people: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    _address: str = ""
    _page: Any = None
    _socket: Any = None

    @property
    def storage(self) -> Storage:
        return self.made._storage

    async def ask(self, who: str, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Ask as somebody who has signed in; `box` is the hand at the box, over the socket, `nobody` has no cookie."""
        sent = {"Content-Type": "application/json", **headers}
        session, address = (self._socket, "http://localhost") if who == "box" else (self._page, self._address)
        if who in self.tokens:
            sent["Authorization"] = f"Bearer {self.tokens[who]}"
        elif who in self.cookies:
            sent["Cookie"] = self.cookies[who]
        if who != "box":
            sent["Origin"] = address
        data = None if body is None else json.dumps(body)
        async with session.request(method, address + path, data=data, headers=sent) as response:
            cookies = {name: morsel.value for name, morsel in response.cookies.items()}
            return Answer(response.status, await response.read(), cookies)

    async def get(self, who: str, path: str, **headers: str) -> Any:
        """What somebody is shown."""
        answer = await self.ask(who, "GET", path, **headers)
        assert answer.status == 200, (who, path, answer.body)
        return answer.said

    async def do(self, who: str, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Something that somebody may."""
        answer = await self.ask(who, method, path, body, **headers)
        assert answer.status < 300, (who, method, path, answer.body)
        return json.loads(answer.body or b"null")

    async def add(self, name: str, role: str, *, lives_here: bool = False, **more: Any) -> str:
        """Somebody comes, who gives a password the first time that they are let in."""
        body = {"role": role, "name": f"{name} Hansen", "lives_here": lives_here, **more}
        self.people[name] = (await self.do("box", "POST", "/api/people", body))["id"]
        await self.invite(name)
        return self.people[name]

    async def invite(self, name: str) -> None:
        await self.do("box", "POST", "/api/button", {})
        code = (await self.do("box", "POST", f"/api/people/{self.people[name]}/link", {}))["code"]
        self._signed_in(name, await self.ask("nobody", "POST", "/api/sign-in/code", {"code": code}))
        await self.do(name, "PUT", "/api/ways/password", {"login": f"{name}-1", "new": PASSWORD})

    async def sign_in(self, name: str, *, stay: bool = False) -> None:
        body = {"login": f"{name}-1", "password": PASSWORD, "stay": stay}
        self._signed_in(name, await self.ask("nobody", "POST", "/api/sign-in/password", body))

    def _signed_in(self, name: str, answer: Answer) -> None:
        assert answer.status == 200, (name, answer.body)
        self.cookies[name] = "; ".join(f"{key}={value}" for key, value in answer.cookies.items())

    async def present(self, name: str) -> None:
        await self.do(name, "POST", "/api/presence", {"password": PASSWORD})

    def keep(self, camera: str, subjects: frozenset[str] = frozenset()) -> str:
        """A picture is taken now; its id."""
        snapshot = self.storage.vault.append(camera, self.storage.time.now(), PICTURE, subjects)
        assert snapshot
        self.storage.vault.flush()
        return snapshot.id

    async def command(self, who: str, *, value: bool) -> Answer:
        body = {"capability": _SWITCH.name, "value": value}
        return await self.ask(who, "POST", "/api/devices/lamp/commands", body)

    async def activity(self, who: str) -> list[dict[str, Any]]:
        """What somebody reads of what they did, and was done to them; the newest first."""
        found: list[dict[str, Any]] = await self.get(who, "/api/activity")
        return found

    async def turn(self, *names: str) -> None:
        """Have every loop (or those of these names) do what is to be done now, as often as it does without waiting."""
        await self.made._recorder.flush()
        for name in names or self.services:
            await _turned(self.services[name])
        await self.made._recorder.flush()

    async def erased(self) -> None:
        """Have what is ordered be carried out, and what came of it be written down."""
        await self.turn("erasure")
        await self.turn("sign-in", "sessions", "consent", "support")


async def _turned(service: Service) -> None:
    async def run() -> None:
        _turning.set(True)
        try:
            await service.run()
        except _TurnedError:
            return

    await asyncio.create_task(run(), name=service.name)


def simulate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords that cost nothing, a rate that nobody exceeds in a year of seconds, and waits that end a turn."""
    sleep, timeout = asyncio.sleep, asyncio.timeout

    async def slept(seconds: float, *result: Any) -> Any:
        if _turning.get() and seconds > 0:
            raise _TurnedError
        return await sleep(seconds, *result)

    @asynccontextmanager
    async def awake(seconds: float | None) -> AsyncIterator[None]:
        if not _turning.get():
            async with timeout(seconds):
                yield
            return
        try:
            async with timeout(A_MOMENT):
                yield
        except TimeoutError:
            raise _TurnedError from None

    monkeypatch.setattr(asyncio, "sleep", slept)
    monkeypatch.setattr(asyncio, "timeout", awake)
    monkeypatch.setattr(Passwords.__init__, "__defaults__", (Cost(passes=1, memory=8),))
    monkeypatch.setattr(agent.api.rate, "UNKNOWN_MOST", 100_000)
    monkeypatch.setattr(agent.api.rate, "KNOWN_MOST", 100_000)


@asynccontextmanager
async def lived_in(
    folder: Path,
    clock: Box,
    *cameras: Camera,
    opened: Callable[[Storage], Storage] = lambda storage: storage,
) -> AsyncIterator[LivedIn]:
    """The house in `folder`, from a start to an end. `opened` may change what is kept, before anything uses it."""
    config = Config(
        version=1,
        gateway=Gateway(id="gw-1", state_dir=folder / "state", systems=("smart_home", "sensornordic")),
        api=Api(port=0, socket=folder / "api.sock"),
        discovery=Discovery(interfaces=()),
        camera=cameras,
    )
    storage = opened(open_storage(config, clock))
    async with AsyncExitStack() as stack:
        stack.callback(os.close, storage.lock)
        made = _Agent(config, storage, clock)
        stack.callback(made._disk.close)
        stack.callback(made._doorway.close)
        stack.push_async_callback(made._disk.run, storage.vault.close)
        house = made._house(watched := await made._cameras(stack))
        await made._finish_orders()
        await made._doorway.open()
        services: dict[str, Service] = {}
        start = made._supervisor.start
        made._supervisor.start = lambda service: services.update({service.name: service})  # type: ignore[method-assign]
        await made._start(watched)
        made._supervisor.start = start  # type: ignore[method-assign]
        line = FakeLine("line", Device("lamp", "Hall lamp", "homekit", (_SWITCH,)))
        made._devices.add_line(line)
        stack.push_async_callback(made._supervisor._end_all)
        stack.push_async_callback(made._recorder.flush)
        door = made._doorway.door(watched.ids, house.inventory)
        address = await stack.enter_async_context(
            serve(house, clock=made._clock, door=door, port=0, socket_path=folder / "api.sock")
        )
        turned = {name: service for name, service in services.items() if not name.startswith(_SILENT)}
        # The time is looked at most often; and few seconds after who has left was forgotten, so are their ways in.
        first, last = ("time",), ("sign-in",)
        order = (*first, *(name for name in turned if name not in {*first, *last}), *last)
        yield LivedIn(
            made,
            clock,
            {name: turned[name] for name in order},
            line,
            _address=address,
            _page=await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())),
            _socket=await stack.enter_async_context(
                aiohttp.ClientSession(
                    connector=aiohttp.UnixConnector(str(folder / "api.sock")), cookie_jar=aiohttp.DummyCookieJar()
                )
            ),
        )


__all__ = ["PASSWORD", "PURPOSE", "UTC", "Answer", "Box", "LivedIn", "lived_in", "simulate"]
