"""A house with a book of holds: real files, a real key ring with its root in memory, and a clock moved by hand."""

import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

from privacy.hold import Actor, Hold, Reason, Role
from privacy.holds import Holds
from privacy.keyring import KeyRing
from privacy.records import Item, RecordClass, Scope
from privacy.store import Barrier
from privacy.timekeeping import Age, Moment
from tests.suites.memory_slots import MemorySlots

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MONTH = 30 * DAY
LATER = NOON + 999 * DAY
ACTIVITY = 180 * DAY
OWNER = Actor("p-owner", Role.OWNER)
RESIDENT = Actor("p-resident", Role.RESIDENT)
FRONT = Scope(cameras=("front",))
ALL = Scope(everything=True)
BOTH = (OWNER, RESIDENT)


class _Time:
    """What a house knows of the time: all of it, in one long boot."""

    def __init__(self, house: "House") -> None:
        self._house = house

    def now(self) -> datetime:
        return self._house.time

    def moment(self) -> Moment:
        now = self._house.time
        return Moment(bytes(16), now.timestamp(), now.timestamp(), now, True, now)

    def age(self, moment: Moment) -> Age:
        exact = max(self._house.time - moment.wall, timedelta())
        return Age(exact, exact)


class House:
    """A book of holds, and a clock that is moved by hand."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.time = NOON
        self.barrier = Barrier()
        self._slots = MemorySlots()
        root.mkdir()
        self.start()

    def start(self) -> Holds:
        """Anew, with what is on the disk."""
        self.ring = KeyRing.open(self.root / "keys", self._slots, secrets.token_bytes)
        folder = self.root / "holds"
        self.holds = Holds(folder, self.ring, self.barrier, _Time(self), secrets.token_bytes)
        return self.holds

    def place(self, scope: Scope = FRONT, by: Actor = OWNER, until: datetime | None = None) -> Hold:
        return self.holds.place(Reason.POLICE_REPORT, scope, by, until)

    @property
    def files(self) -> list[Path]:
        return sorted((self.root / "holds").iterdir())


def picture(camera: str = "front", at: datetime | None = NOON, *subjects: str) -> Item:
    return Item("1", RecordClass.SNAPSHOT, at, camera, subjects=frozenset(subjects))
