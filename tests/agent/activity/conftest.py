import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from agent.activity.desk import ActivityDesk
from agent.api.activity_routes import ActivityRoutes
from agent.api.permission import Caller, Permission, identified
from agent.api.problems import as_problems
from agent.cli.outcome import carry_out
from agent.rights.grants import Actor
from agent.rights.household import Household, Membership, Person
from privacy.activity import ActivityLog
from privacy.activity_line import Deed
from privacy.hold import Role
from privacy.keyring import KeyRing
from privacy.signing import SigningKey
from privacy.store import Barrier, Disk
from privacy.timekeeping import TimeKeeper, Witness
from tests.suites.memory_slots import MemorySlots

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
KARI, OLA, LISA = "kari", "ola", "lisa"
NAMES = {KARI: "Kari Nordmann", OLA: "Ola Nordmann"}


class HandClock:
    def __init__(self) -> None:
        self.time = NOON

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return (self.time - NOON).total_seconds() + 1000


class Desk:
    """The desk, what it stands on, and who asks it over the socket."""

    def __init__(self, folder: Path) -> None:
        self.clock = HandClock()
        time = TimeKeeper(self.clock, bytes(16), lambda: True, lambda: None, lambda _note: None)
        time.witness(NOON, Witness.PERSON)
        ring = KeyRing.open(folder / "keys", MemorySlots(), os.urandom)
        self.log = ActivityLog(
            folder / "activity", ring, time, 182 * DAY, barrier=Barrier(self.clock), random_bytes=os.urandom
        )
        self.disk = Disk()
        self.key = SigningKey.generate()
        self.desk = ActivityDesk(
            activity=self.log, disk=self.disk, clock=self.clock, key=self.key, issuer="gw-1/1", names=lambda: NAMES
        )
        self.caller = KARI
        self.ola_left: datetime | None = NOON - 200 * DAY
        self.folder = folder
        self.socket = folder / "api.sock"
        self.public = folder / "receipt-public.jwk"
        self.public.write_bytes(msgspec.json.encode(self.key.public_jwk()))

    def deed(self, actor: str | None = KARI, *concerns: str, **more: Any) -> Deed:
        fields = {
            "at": self.clock.now(),
            "actor": actor,
            "role": Role.RESIDENT if actor else None,
            "action": "view_pictures",
            "concerns": frozenset(concerns),
        }
        return Deed(**{**fields, **more})

    async def look(self, actor: str | None = KARI, *concerns: str, **more: Any) -> None:
        await self.desk.note(self.deed(actor, *concerns, **more))

    def household(self) -> Household:
        """Kari's, and Ola's until he leaves."""
        since = NOON - 300 * DAY
        kari = Membership(role=Role.OWNER, since=since, lives_here=True)
        ola = Membership(role=Role.RESIDENT, since=since, until=self.ola_left, lives_here=True)
        return Household(people={KARI: Person(id=KARI, memberships=(kari,)), OLA: Person(id=OLA, memberships=(ola,))})

    async def run(self, *arguments: str) -> int:
        """The command line, in a thread, since this loop serves it."""
        return await asyncio.to_thread(carry_out, [*arguments, "--socket", str(self.socket)])

    @asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        async def identify(_request: web.Request) -> Caller | None:
            return Caller(Actor(self.caller))

        app = web.Application(middlewares=[as_problems, identified(identify)])
        app.add_routes(ActivityRoutes(self.desk, Permission(lambda _caller: self.household(), self.clock)).table())
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.UnixSite(runner, str(self.socket)).start()
            yield
        finally:
            await runner.cleanup()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.disk.close()
