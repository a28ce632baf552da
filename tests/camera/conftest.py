"""Pictures, a session, and a box with a vault, for the tests of this folder."""

import io
import random
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from PIL import Image

from camera.http_snapshot import open_session
from camera.picture import Picture
from camera.vault.retention import Limits
from camera.vault.space import Space
from camera.vault.tags import Tags
from camera.vault.vault import Vault
from privacy.hold import Actor, Hold, Reason, Role
from privacy.holds import Holds
from privacy.keyring import KeyRing
from privacy.records import Scope
from privacy.store import Barrier
from privacy.timekeeping import TimeKeeper, Witness
from tests.suites.memory_slots import MemorySlots

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FUTURE = NOON + timedelta(days=300)
ALL = Scope(everything=True)


@pytest.fixture
def make_jpeg() -> Callable[..., bytes]:
    """Size and colour in, a JPEG out; further arguments are Pillow's."""

    def make(size: tuple[int, int] = (640, 480), colour: str = "white", **save: object) -> bytes:
        out = io.BytesIO()
        Image.new("RGB", size, colour).save(out, "JPEG", **save)
        return out.getvalue()

    return make


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session() as opened:
        yield opened


@dataclass
class SetClock:
    """A clock that stands until it is moved. `wall` and `ticks` can be set apart, as a wall clock can be set."""

    wall: datetime = NOON
    ticks: float = 10_000.0

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.ticks

    def pass_by(self, **step: float) -> None:
        """Time passes, for both."""
        self.wall += timedelta(**step)
        self.ticks += timedelta(**step).total_seconds()


@dataclass
class Box:
    """A state directory with a vault in it, and everything that the vault stands on."""

    state: Path
    limits: Limits = field(default_factory=Limits)
    quota: int | None = None
    clock: SetClock = field(default_factory=SetClock)
    slots: MemorySlots = field(default_factory=MemorySlots)
    boot: int = 0
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    progress: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start()

    def start(self, *, known: bool = True) -> Vault:
        """Open all of it, as a start does; `known`: a person says what time it is."""
        self.ring = KeyRing.open(self.state / "keys", self.slots, self.chance.randbytes)

        def save(note: bytes) -> None:
            self.ring.note("time", note)
            self.ring.sync()

        boot = self.boot.to_bytes(16, "big")
        self.time = TimeKeeper(self.clock, boot, lambda: False, lambda: self.ring.noted("time"), save)
        if known:
            assert self.time.witness(self.clock.wall, Witness.PERSON)
        self.time.tick()
        self.barrier = Barrier(self.clock)
        self.holds = Holds(self.state / "holds", self.ring, self.barrier, self.time, self.chance.randbytes)
        self.tags = Tags(self.state / "tags", self.ring, self.time.moment)
        self.vault = Vault(
            self.state / "vault",
            ring=self.ring,
            time=self.time,
            holds=self.holds,
            barrier=self.barrier,
            tags=self.tags,
            limits=self.limits,
            random_bytes=self.chance.randbytes,
            space=Space(self.state, self.quota, reserve=0),
            progress=lambda done, total: self.progress.append((done, total)),
        )
        return self.vault

    def restart(self, *, known: bool = True) -> Vault:
        """The program ends as it should, and starts again."""
        self.vault.close()
        return self.start(known=known)

    def before_and_after_restart(self) -> Iterator[Vault]:
        """The vault as it is, then as it is opened again."""
        yield self.vault
        yield self.restart()

    def reboot(self, *, known: bool = True, wall: datetime | None = None) -> Vault:
        """The box is switched off and on; without a battery clock, `wall` is what it believes then."""
        self.vault.close()
        self.boot += 1
        self.clock.ticks = 5.0
        self.clock.wall = wall or self.clock.wall
        return self.start(known=known)

    def learn_the_time(self, at: datetime) -> None:
        """Somebody sets the clock, and confirms what it says."""
        self.clock.wall = at
        assert self.time.witness(at, Witness.PERSON)

    def keep(self, camera: str = "front", *subjects: str, image: bytes = b"image" * 40) -> str:
        """A picture is taken now; its id."""
        snapshot = self.vault.append(camera, self.time.now(), Picture(image, b"thumbnail", 64, 48), frozenset(subjects))
        assert snapshot
        return snapshot.id

    def keep_hours(self, hours: int, camera: str = "front", *subjects: str, each: int = 6) -> list[str]:
        """`each` pictures in each of so many hours; time passes by."""
        ids = []
        for _ in range(hours * each):
            ids.append(self.keep(camera, *subjects))
            self.clock.pass_by(seconds=3600 / each)
        return ids

    def hold(self, **scope: object) -> Hold:
        """A person in the house has that kept."""
        return self.holds.place(Reason.DISPUTE, Scope(**scope), Actor("kari", Role.OWNER))  # type: ignore[arg-type]

    def ids(self, **scope: object) -> set[str]:
        """What the vault finds."""
        wanted = Scope(**scope) if scope else ALL  # type: ignore[arg-type]
        return {item.id for item in self.vault.find(wanted, FUTURE)}

    def scanned(self, **scope: object) -> int:
        """What opens, from the files themselves."""
        wanted = Scope(**scope) if scope else ALL  # type: ignore[arg-type]
        return sum(self.vault.scan(wanted, FUTURE))

    def file(self, snapshot: str) -> Path:
        """The segment that a picture lies in."""
        return self.state / "vault" / "segments" / snapshot[:32]

    def spoil(self, snapshot: str, offset: int = 40) -> None:
        """Flip a bit of a record, `offset` bytes behind its header's start: 40 is in the metadata."""
        file = self.file(snapshot)
        data = bytearray(file.read_bytes())
        data[data.index(b"PVSR" + bytes.fromhex(snapshot[32:])) + offset] ^= 1
        file.write_bytes(data)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


@pytest.fixture
def make_box(tmp_path: Path) -> Callable[..., Box]:
    """Makes a box with limits or a quota of its own."""
    return lambda **parts: Box(**{"state": tmp_path, **parts})
