"""A year of one household: the people, the box and the stores. `test_a_year.py` says what happens on which day."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from agent.config.model import Camera
from agent.storage import Storage
from privacy.policy import Event
from privacy.record_store import RecordStore
from privacy.records import RecordClass
from privacy.sealed_file import Concerns
from tests.agent.lived_in import PURPOSE, Answer, Box, LivedIn, lived_in
from tests.scenarios.promises import Now

CAMERAS: Final = (Camera(id="front", name="Front door", url="http://127.0.0.1:9/"),)
HOME: Final = {
    "kari": {"role": "owner", "lives_here": True, "email": "kari@example.org"},
    "ola": {"role": "resident", "lives_here": True, "phone": "+4722225555"},
    "nora": {"role": "resident", "lives_here": True, "minor": True},
    "lars": {"role": "owner", "lives_here": False},
    "gudrun": {"role": "wearer", "lives_here": True},
    "emil": {"role": "resident", "lives_here": True},
    "ivar": {"role": "installer"},
    "grete": {"role": "guest"},
    "siri": {"role": "support"},
}
LIVES_HERE: Final = ("kari", "ola", "nora", "gudrun", "emil")
MOVES_OUT: Final = 120
"""The day on which Emil does."""
PLANTED: Final = {
    RecordClass.CAMERA_LOGIN: Event.LAST_USED,
    RecordClass.SENSOR_HISTORY: Event.CAPTURED,
    RecordClass.PRESENCE: Event.CAPTURED,
    RecordClass.WEARER_POSITION: Event.CAPTURED,
    RecordClass.ALARM: Event.CAPTURED,
    RecordClass.VISIT: Event.CAPTURED,
    RecordClass.BACKUP: Event.CAPTURED,
}
"""Classes that nothing writes yet, and what their limits count from."""
HOUR: Final = timedelta(hours=1)


class Planted:
    """Stores of the classes without a writer; they are of the house, and an erasure reaches them."""

    def __init__(self) -> None:
        self.stores: list[RecordStore] = []

    def join(self, storage: Storage, state: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
        """Have them be stores of `storage`."""
        self.stores = [
            RecordStore(
                f"{class_}_store",
                class_,
                directory=state / f"{class_.replace('_', '-')}-store",
                ring=storage.ring,
                time=storage.time,
                limit=storage.policies[class_].limit_after(after),
                barrier=storage.barrier,
                holds=storage.holds.held,
            )
            for class_, after in PLANTED.items()
        ]
        own = Storage._sealed.fget  # type: ignore[attr-defined]
        monkeypatch.setattr(Storage, "_sealed", property(lambda each: (*_own(own, each), *self.stores)))
        return storage

    def write(self, at: Any, person: str, number: int) -> None:
        for store in self.stores:
            store.append(Concerns(at, subjects=(person,)), f"{store.name} {number}".encode())

    def expire(self, storage: Storage) -> None:
        """What the loop of their writer will do."""
        with storage.ring.change():
            for store in self.stores:
                store.expire(HOUR)


def _own(own: Callable[[Storage], tuple[Any, ...]], storage: Storage) -> Iterator[Any]:
    return (store for store in own(storage) if not isinstance(store, RecordStore))


class Year:
    """The household, from day to day. The house is begun anew where the box was off."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._monkeypatch = monkeypatch
        self.state = folder / "state"
        self.box = Box()
        self.planted = Planted()
        self.house: LivedIn
        self.people: dict[str, str] = {}
        self._cookies: dict[str, str] = {}
        self.powered = 0.0
        self.doubt = 0.0
        self.day = 0
        self.twins: list[tuple[str, str, tuple[str, ...]]] = []

    @asynccontextmanager
    async def boot(self) -> AsyncIterator[None]:
        def opened(storage: Storage) -> Storage:
            return self.planted.join(storage, self.state, self._monkeypatch)

        async with lived_in(self._folder, self.box, *CAMERAS, opened=opened) as self.house:
            self.house.people, self.house.cookies = self.people, self._cookies
            yield

    def pass_time(self, **step: float) -> None:
        self.box.move(**step)
        self.powered += timedelta(**step).total_seconds()
        known = self.house.storage.time.known
        self.doubt = 0.0 if known else self.doubt + timedelta(**step).total_seconds()

    def now(self) -> Now:
        known = self.house.storage.time.known
        return Now(self.box.true, self.powered, self.box.boot, known, 0.0 if known else self.doubt)

    async def settle(self) -> None:
        """Everybody comes, and gets a password."""
        for name, what in HOME.items():
            await self.house.add(name, **what)

    async def here(self, *names: str, stay: bool = False) -> None:
        for name in names:
            await self.house.sign_in(name, stay=stay)

    async def lend(self, by: str, to: str, days: int, *actions: str, **more: Any) -> str:
        """The id of a grant."""
        body = {
            "person": self.people[to],
            "actions": actions,
            "reach": {"home": True},
            "purpose": "visit",
            "end": (self.house.made._clock.now() + timedelta(days=days)).isoformat(),
            **more,
        }
        return str((await self.house.do(by, "POST", "/api/grants", body))["id"])

    async def look(self, who: str, picture: str) -> Answer:
        return await self.house.ask(who, "GET", f"/api/snapshots/{picture}/thumbnail", **{PURPOSE: "daily_life"})

    async def twin(  # noqa: PLR0913, PLR0917 - a row of a table
        self, who: str, code: str, told: tuple[str, ...], method: str, path: str, body: Any = None
    ) -> None:
        """Somebody tries what they may not; it fails by `code`, and stands where they and whom it concerns read it."""
        headers = {PURPOSE: "daily_life"} if path.startswith("/api/snapshots") else {}
        before = self.house.storage.activity.tree.size
        answer = await self.house.ask(who, method, path, body, **headers)
        assert (answer.status, answer.code) == (403, code), (who, method, path, answer.body)
        for name in (who, *told):
            # As the person reads it who has signed in, or as it is kept for whom nobody has asked today.
            shown = self.house.storage.activity.lines(self.people[name], None, 4)
            lines = [each.line for each in shown if each.number >= before]
            said = [(line.did, line.allowed, line.code) for line in lines]
            assert said == [(name == who, False, code)], (name, path, lines)
        self.twins.append((who, code, told))
