"""A vault of simulated days: opened as the agent does it, filled by its own `append`, put back to be erased again."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agent.bench.figure import Unmeasurable
from camera.picture import Picture
from camera.vault.catalogue import Progress, untold
from camera.vault.retention import Limits
from camera.vault.tags import Tags
from camera.vault.vault import Vault
from privacy.holds import Holds
from privacy.keyring import KeyRing
from privacy.keystore.slot_file import SlotFile
from privacy.store import Barrier
from privacy.timekeeping import TimeKeeper, Witness

ORIGIN = datetime(2026, 3, 1, tzinfo=UTC)
BOOT = bytes(range(16))
IMAGE_BYTES, THUMBNAIL_BYTES = 30 * 1024, 3 * 1024
INTERVAL = timedelta(seconds=10)
"""Between two pictures of a camera."""
LOST_AND_FOUND = ("keys", "tags")
"""What an erasure changes in place or anew, besides the pages that it adds."""


class SteppedClock:
    """Stands still until it is moved on: a day passes as fast as its pictures are stored."""

    def __init__(self, at: datetime = ORIGIN) -> None:
        self.passed = at - ORIGIN

    def now(self) -> datetime:
        return ORIGIN + self.passed

    def monotonic(self) -> float:
        return self.passed.total_seconds()


@dataclass(frozen=True, slots=True)
class Kept:
    """An open vault, and what it stands on."""

    ring: KeyRing
    time: TimeKeeper
    vault: Vault
    clock: SteppedClock


@contextmanager
def opened(state: Path, clock: SteppedClock, progress: Progress = untold) -> Iterator[Kept]:
    """The vault in `state`, wired as `agent.storage` does; a root in a slot file, time known."""
    (state / "keys").mkdir(parents=True, exist_ok=True)
    ring = KeyRing.open(state / "keys", SlotFile(state / "keys" / "slots", create=True), os.urandom)

    def save(note: bytes) -> None:
        ring.note("time", note)
        ring.sync()

    time = TimeKeeper(clock, BOOT, lambda: True, lambda: ring.noted("time"), save)
    if not time.known:
        time.witness(clock.now(), Witness.PERSON)
    time.tick()
    barrier = Barrier(clock)
    vault = Vault(
        state / "vault",
        ring=ring,
        time=time,
        holds=Holds(state / "holds", ring, barrier, time, os.urandom),
        barrier=barrier,
        tags=Tags(state / "tags", ring, time.moment),
        limits=Limits(),
        random_bytes=os.urandom,
        progress=progress,
    )
    try:
        yield Kept(ring, time, vault, clock)
    finally:
        vault.close()


def picture(image_bytes: int = IMAGE_BYTES, thumbnail_bytes: int = THUMBNAIL_BYTES) -> Picture:
    """Random bytes: the vault does not look into them, and no file system can shrink them."""
    return Picture(image=os.urandom(image_bytes), thumbnail=os.urandom(thumbnail_bytes), width=1280, height=720)


def small_picture() -> Picture:
    """For where the size does not matter: a million of these fit on any disk."""
    return picture(64, 16)


def camera(number: int) -> str:
    return f"camera-{number}"


def stored(kept: Kept, pictures: int, cameras: int, shot: Picture, interval: timedelta = INTERVAL) -> Iterator[str]:
    """Store `pictures`, each camera one in `interval`, and yield their ids."""
    names = [camera(number) for number in range(cameras)]
    for first in range(0, pictures, cameras):
        now = kept.time.now()
        for name in names[: pictures - first]:
            snapshot = kept.vault.append(name, now, shot)
            if snapshot is None:
                raise Unmeasurable("a picture was refused that no order reaches")
            yield snapshot.id
        kept.clock.passed += interval


def fill(kept: Kept, pictures: int, cameras: int, shot: Picture) -> None:
    """Store `pictures`, each camera one in `INTERVAL`, and make them durable."""
    for _ in stored(kept, pictures, cameras, shot):
        pass
    kept.vault.flush()


@contextmanager
def remembered(state: Path, beside: Path) -> Iterator[None]:
    """What was erased in this block is there again after it, so that it can be erased once more.

    Put back are the key tables with the slot, and the tags: the one thing that an attacker must not be able to do.
    """
    shutil.rmtree(beside, ignore_errors=True)
    for name in LOST_AND_FOUND:
        if (state / name).is_dir():
            shutil.copytree(state / name, beside / name)
    pages = set((state / "vault" / "pages").iterdir())
    try:
        yield
    finally:
        for name in LOST_AND_FOUND:
            if (beside / name).is_dir():
                shutil.rmtree(state / name)
                shutil.copytree(beside / name, state / name)
        for new in set((state / "vault" / "pages").iterdir()) - pages:
            new.unlink()
