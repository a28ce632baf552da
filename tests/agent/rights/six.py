"""A household of six, and some who come and go, out of the real registers; a camera in the hall, and Rune's own."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.api.contract import PersonBody
from agent.errors import Refused
from agent.people.desk import PeopleDesk
from agent.people.grant_desk import GrantDesk
from agent.people.household import HouseholdBook
from agent.people.lent import GrantBody, GrantView, NewTokenView, TokenBody
from agent.people.register import PersonRegister
from agent.people.token_desk import TokenDesk
from agent.rights.actions import Action, Purpose
from agent.rights.agreements import Agreements
from agent.rights.book import GrantBook
from agent.rights.decision import Allowed, Denied, decide
from agent.rights.grants import Actor, Reach
from agent.rights.household import Camera
from agent.rights.local import LOCAL_OWNER
from agent.rights.target import HOME, Target
from privacy import entries
from privacy.hold import Role
from privacy.keyring import KeyRing
from privacy.records import Item
from privacy.store import Barrier, Disk
from privacy.timekeeping import TimeKeeper, Witness
from tests.suites.memory_slots import MemorySlots

MONDAY = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DOOR = Target(cameras=("door",))
LOCAL = LOCAL_OWNER


class Clock:
    def __init__(self) -> None:
        self.at = MONDAY

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return (self.at - MONDAY).total_seconds() + 1e6

    def pass_(self, time: timedelta) -> None:
        self.at += time


@dataclass(frozen=True)
class Keeping:
    reason: str = "dispute"
    until: datetime = MONDAY + 30 * DAY


class Six:
    """Olga owns the home and lives there with Rune, Tiril (14), Vera (who wears an alarm), Nils and Ada."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.barrier, self.disk, self.folder = Clock(), Barrier(), Disk(), folder
        self.held: set[str] = set()
        self.slots = MemorySlots()
        self.recorded: list[entries.Entry] = []
        self.ids: dict[str, str] = {}
        self.time = TimeKeeper(self.clock, bytes(16), lambda: True, lambda: None, lambda _note: None)
        self.time.witness(self.clock.now(), Witness.PERSON)
        self.open()

    def open(self) -> None:
        """As after a restart."""
        ring = KeyRing.open(self.folder / "keys", self.slots, os.urandom)
        moment = self.time.moment
        self.register = PersonRegister(self.folder / "people", ring, moment, self.barrier, holds=self._held)
        self.book = GrantBook(self.folder / "grants", ring, moment, self.barrier, holds=self._held)
        self.household = HouseholdBook(register=self.register, book=self.book, cameras=self._cameras, clock=self.clock)
        self.people = PeopleDesk(
            register=self.register,
            disk=self.disk,
            clock=self.clock,
            random_bytes=os.urandom,
            record=self.recorded.append,
            on_change=self.household.refresh,
        )
        parts: dict[str, Any] = {
            "book": self.book,
            "household": self.household,
            "disk": self.disk,
            "clock": self.clock,
            "random_bytes": os.urandom,
        }
        self.grants, self.tokens = GrantDesk(**parts), TokenDesk(**parts)
        self.agreements = Agreements(self.household.current, self.clock, os.urandom)
        self.household.refresh()

    async def add(self, name: str, role: Role, *, here: bool = False, minor: bool = False) -> str:
        body = PersonBody(role=role, name=name, lives_here=here, minor=minor)
        self.ids[name] = (await self.people.add(body, "local")).id
        return self.ids[name]

    async def move_in(self) -> "Six":
        """All six, a guest and an installer; a day passes."""
        await self.add("olga", Role.OWNER, here=True)
        for name in ("rune", "nils", "ada"):
            await self.add(name, Role.RESIDENT, here=True)
        await self.add("tiril", Role.RESIDENT, here=True, minor=True)
        await self.add("vera", Role.WEARER, here=True)
        await self.add("gro", Role.GUEST)
        await self.add("ivar", Role.INSTALLER)
        await self.disk.run(self.household.refresh)
        self.clock.pass_(DAY)
        return self

    def actor(self, name: str) -> Actor:
        return Actor(self.ids[name])

    def asked(self, name: str, action: Action, target: Target = HOME, token: str | None = None) -> Allowed | Denied:
        actor = Actor(self.ids[name], token)
        return decide(self.household.current(), actor, action, target, self.clock.now())

    def may(self, name: str, action: Action, target: Target = HOME) -> bool:
        return isinstance(self.asked(name, action, target), Allowed)

    def why_not(self, name: str, action: Action, target: Target = HOME, token: str | None = None) -> str:
        denied = self.asked(name, action, target, token)
        assert isinstance(denied, Denied), denied
        return denied.code

    async def give(self, who: str, to: str, /, *actions: Action, **fields: Any) -> GrantView:
        body: dict[str, Any] = {
            "person": self.ids.get(to, to),
            "actions": actions,
            "reach": Reach(home=True),
            "purpose": Purpose.VISIT,
            "end": self.clock.now() + 3 * DAY,
        }
        return await self.grants.give(GrantBody(**{**body, **fields}), self.actor(who) if who else LOCAL)

    async def make(self, who: str, /, *actions: Action, **fields: Any) -> NewTokenView:
        body: dict[str, Any] = {
            "name": "Graphs",
            "actions": actions,
            "reach": Reach(home=True),
            "end": self.clock.now() + 3 * DAY,
        }
        return await self.tokens.make(TokenBody(**{**body, **fields}), self.actor(who) if who else LOCAL)

    def _held(self, item: Item) -> Any:
        return Keeping() if item.subjects & self.held else None

    def _cameras(self) -> Iterable[Camera]:
        rune = self.ids.get("rune", "nobody")
        return Camera(id="door"), Camera(id="runes", people=frozenset({rune}))


async def refused(call: Any, code: str) -> Refused:
    """Expect a no, of that code."""
    with pytest.raises(Refused) as refusal:
        await call
    assert refusal.value.code == code, refusal.value
    return refusal.value
