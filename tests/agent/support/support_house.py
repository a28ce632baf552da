"""Olga owns the home, Rune and Tiril (14) live there too; Siri and Stein are from support, Gro is a guest."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agent.api.contract import PersonBody
from agent.people.desk import PeopleDesk
from agent.people.grant_desk import GrantDesk
from agent.people.household import HouseholdBook
from agent.people.register import PersonRegister
from agent.rights.actions import Action
from agent.rights.book import GrantBook
from agent.rights.decision import Allowed, Denied, decide
from agent.rights.grants import Actor
from agent.rights.target import HOME, Target
from agent.support.cases import SupportCases
from agent.support.contract import SupportBody, SupportView
from agent.support.desk import SupportDesk
from agent.timewatch import BelievedClock
from privacy import entries
from privacy.hold import Role
from privacy.keyring import KeyRing
from privacy.records import Item, Scope
from privacy.store import Barrier, Disk
from privacy.timekeeping import TimeKeeper, Witness
from tests.suites.memory_slots import MemorySlots

MONDAY = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LIMIT = 1095 * DAY


class Machine:
    """A box with two clocks: one that can be set, and one that counts since it was switched on."""

    def __init__(self) -> None:
        self.wall, self.on = MONDAY, timedelta(hours=5)

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.on.total_seconds()

    def pass_(self, time: timedelta) -> None:
        self.wall += time
        self.on += time


class Keeping:
    reason = "dispute"
    until = MONDAY + 30 * DAY


class SupportHouse:
    """`start` again is a restart of the process; `boot`, of the box."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self.folder, self.disk = folder, disk
        self.machine, self.slots = Machine(), MemorySlots()
        self.held: set[str] = set()
        self.noted: bytes | None = None
        self.recorded: list[entries.Entry] = []
        self.ids: dict[str, str] = {}
        self.boots = 0
        self.boot()
        self.time.witness(MONDAY, Witness.PERSON)
        self.start()

    def boot(self, off: timedelta = timedelta(), *, wall: datetime | None = None) -> None:
        """The box is switched on, after being `off` for a while; its own clock says `wall`, or the time."""
        self.boots += 1
        if self.boots > 1:
            self.machine.wall = wall or self.machine.wall + off
            self.machine.on = timedelta(seconds=30)

        def save(note: bytes) -> None:
            self.noted = note

        self.time = TimeKeeper(self.machine, bytes([self.boots] * 16), lambda: False, lambda: self.noted, save)
        self.time.tick()

    def start(self) -> None:
        self.clock, self.barrier = BelievedClock(self.time, self.machine), Barrier()
        ring = KeyRing.open(self.folder / "keys", self.slots, os.urandom)
        moment = self.time.moment
        self.register = PersonRegister(self.folder / "people", ring, moment, self.barrier)
        self.book = GrantBook(self.folder / "grants", ring, moment, self.barrier)
        self.cases = SupportCases(
            self.folder / "support-cases", ring, self.time, LIMIT, self.barrier, holds=self._holds
        )
        self.household = HouseholdBook(
            register=self.register,
            book=self.book,
            cameras=lambda: (),
            clock=self.clock,
            support=lambda: self.cases.sessions(self.clock.now()),
        )
        parts: dict[str, Any] = {"disk": self.disk, "clock": self.clock, "random_bytes": os.urandom}
        self.people = PeopleDesk(
            register=self.register, record=self.recorded.append, on_change=self.household.refresh, **parts
        )
        self.grants = GrantDesk(book=self.book, household=self.household, **parts)
        self.desk = SupportDesk(
            cases=self.cases,
            household=self.household,
            grants=self.grants,
            age=self.time.age,
            record=self.recorded.append,
            **parts,
        )
        self.household.refresh()

    async def move_in(self) -> "SupportHouse":
        for name, role, here in (
            ("olga", Role.OWNER, True),
            ("rune", Role.RESIDENT, True),
            ("tiril", Role.RESIDENT, True),
            ("siri", Role.SUPPORT, False),
            ("stein", Role.SUPPORT, False),
            ("gro", Role.GUEST, False),
        ):
            body = PersonBody(role=role, name=name, lives_here=here, minor=name == "tiril")
            self.ids[name] = (await self.people.add(body, "somebody")).id
        self.pass_(DAY)
        await self.desk.settle()
        return self

    def pass_(self, time: timedelta) -> None:
        self.machine.pass_(time)
        self.time.tick()

    def actor(self, name: str) -> Actor:
        return Actor(self.ids[name])

    async def open(self, who: str = "olga", whom: str = "siri", **fields: Any) -> SupportView:
        body: dict[str, Any] = {"person": self.ids.get(whom, whom), "hours": 2}
        return await self.desk.open(SupportBody(**{**body, **fields}), self.actor(who))

    def asked(self, name: str, action: Action, target: Target = HOME) -> Allowed | Denied:
        return decide(self.household.current(), self.actor(name), action, target, self.clock.now())

    def may(self, name: str = "siri", action: Action = Action.READ_DIAGNOSTICS) -> bool:
        return isinstance(self.asked(name, action), Allowed)

    async def only(self, who: str = "olga") -> SupportView:
        [view] = await self.desk.all(self.actor(who), sees=True)
        return view

    async def erase(self, name: str) -> None:
        """An order to erase somebody comes, and is carried out."""
        self.pass_(timedelta(minutes=1))
        scope = Scope(subjects=(self.ids[name],))
        self.barrier.raise_for("order", scope, self.clock.now())
        await self.disk.run(self.household.refresh)
        await self.desk.settle()
        for store in (self.register, self.book, self.cases):
            await self.disk.run(store.erase, scope, self.clock.now())
        await self.disk.run(self.household.refresh)
        await self.desk.settle()

    def _holds(self, item: Item) -> Any:
        return Keeping() if item.subjects & self.held else None
