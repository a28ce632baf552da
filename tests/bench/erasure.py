"""What it costs to have pictures die: half of few or many, one person's, everything."""

import asyncio
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median
from time import perf_counter

import msgspec

from agent.bench.figure import Figure, Measurement, Unmeasurable, figure
from camera.vault.metadata import ID_BYTES
from privacy.records import Scope
from tests.bench.bare_vault import BareKeys, Survivors, sealed_pages
from tests.bench.house import ended, needed
from tests.bench.measure import in_turn
from tests.bench.medium import no_syncs
from tests.bench.pictures import (
    IMAGE_BYTES,
    INTERVAL,
    ORIGIN,
    Kept,
    SteppedClock,
    fill,
    opened,
    remembered,
    small_picture,
    stored,
)

HALVES = {"erase_half_10k_ms": 10_000, "erase_half_100k_ms": 100_000, "erase_half_1m_ms": 1_000_000}
CAMERAS = 16
"""At a picture in 10 s, a million of them are a week."""
FILES = 100_000
"""How many files the reference is given; what it takes grows with them, so the million is reckoned from it."""
FULL = "PORTVAKT_BENCH_FULL"
"""In the environment: give the reference all of its million files, which take 30 GB and a while."""
SPARE_BYTES = 2 * 2**30
ROUNDS = 9
PERSON = "person-1"
WEEK = timedelta(days=7)
TAGGED_AT_ONCE = 500
FLOOR = "the same pages, table writes, slot write, read-back, destruction and syncs with nothing around them"


async def halves(
    place: Path, *, sizes: Mapping[str, int] = HALVES, files: int = FILES, rounds: int = ROUNDS
) -> Sequence[Figure]:
    """The older half of so many pictures, and the same as files."""
    made = [await _half(place, name, size, rounds) for name, size in sizes.items()]
    grown = made[-1].ours / made[0].ours
    steps = ", ".join(f"{each.ours:.3g}" for each in made)
    last = made[-1]
    size = list(sizes.values())[-1]
    given = size if os.environ.get(FULL) else min(files, size)
    seconds = await _find_delete(place / "files", given)
    reckoned = "" if given == size else f", reckoned from {given:,} files ({seconds:.2f} s; {FULL}=1 gives it all)"
    grows = f" Over {', '.join(f'{each:,}' for each in sizes.values())} pictures: {steps} ms, {grown:.2f} times."
    return [
        *(msgspec.structs.replace(each, note=each.note + grows) for each in made),
        figure(
            "erase_half_1m_vs_find_delete",
            last.ours,
            1000 * seconds * size / given,
            reference_name="`find -delete` of the older half of as many files of 30 KB, then a sync",
            unit="ms",
            n=rounds,
            note=f"Of {size:,} pictures{reckoned}. The files lie in a folder for each camera and hour, and what the "
            "kernel knows of them is in its memory. Both are durable when they end, but only ours destroys anything.",
        ),
    ]


async def _half(place: Path, name: str, size: int, rounds: int) -> Figure:
    erasable = _Erasable(place, place / "half", SteppedClock())
    try:
        with no_syncs(), erasable.opened() as kept:
            fill(kept, size, CAMERAS, small_picture())
        scope = Scope(end=ORIGIN + (erasable.clock.now() - ORIGIN) / 2)
        about = (
            f"The older half of {size:,} pictures, {CAMERAS} cameras, one in {INTERVAL.seconds} s each. It ends within "
            "an hour, so a page for each camera is part of it. Pictures are of 64 bytes: no image is read or written."
        )
        return await erasable.erased(name, scope, rounds, about)
    finally:
        shutil.rmtree(erasable.state, ignore_errors=True)


async def person_and_everything(
    place: Path, *, size: int = 200_000, cameras: int = 8, rounds: int = ROUNDS
) -> Sequence[Figure]:
    """One person on a tenth of the pictures of a week; and all of it."""
    erasable = _Erasable(place, place / "state", SteppedClock())
    survivors = _tagged(erasable, size, cameras)
    about = (
        f"{size:,} pictures, {cameras} cameras over a week, {len(survivors):,} segments; every tenth is tagged with "
        "one person, and the tags are written anew too."
    )
    kept = " All others survive, in a page for each segment; deriving and sealing their keys is in the floor as well."
    theirs = Scope(subjects=(PERSON,))
    return [
        await erasable.erased("erase_person_200k_ms", theirs, rounds, about + kept, lambda: sealed_pages(survivors)),
        await erasable.erased("erase_everything_ms", Scope(everything=True), rounds, about),
    ]


@dataclass(frozen=True, slots=True)
class _Erasable:
    """A vault that is put back after each erasure."""

    place: Path
    state: Path
    clock: SteppedClock

    def opened(self) -> AbstractContextManager[Kept]:
        return opened(self.state, self.clock)

    async def erased(
        self, name: str, scope: Scope, rounds: int, about: str, pages: Callable[[], bytes] | None = None
    ) -> Figure:
        """Erase `scope`, in turn with the floor, which writes `pages`, or random bytes where they are few."""
        keys, table, page, found = BareKeys(self.place / f"bare-{name}"), b"", b"", 0
        folder = self.state / "vault" / "pages"

        async def ours() -> float:
            nonlocal table, page, found
            with remembered(self.state, self.place / "beside"):
                before = set(folder.iterdir())
                with self.opened() as kept:
                    took, found = _erase(kept, scope)
                table = os.urandom((self.state / "keys" / "table.a").stat().st_size)
                page = os.urandom(sum(path.stat().st_size for path in set(folder.iterdir()) - before))
            return took

        async def floor() -> float:
            began = perf_counter()
            keys.change(table, pages() if pages else page)
            return perf_counter() - began

        await ours()  # says how long the floor's files are, and has both find all that they need in memory
        costs = await in_turn(rounds, {"ours": ours, "floor": floor})
        mine, bare = 1000 * median(costs["ours"]), 1000 * median(costs["floor"])
        return figure(
            name,
            mine,
            bare,
            reference_name=FLOOR,
            unit="ms",
            n=rounds,
            note=f"{mine - bare:.2f} ms above the floor (median of {rounds}). {about} {found:,} died; "
            f"tables of {len(table) / 1024:.0f} KB, pages of {len(page) / 1024:.0f} KB.",
        )


def _erase(kept: Kept, scope: Scope) -> tuple[float, int]:
    """As the `Eraser` does, which counts before it erases; returns seconds, and how many were found.

    The tags are in memory by then, as they are from the first picture on that the agent stores.
    """
    now = kept.time.now()
    for asked in (Scope(subjects=(PERSON,)), scope):
        kept.vault.count(asked, now)
    began = perf_counter()
    with kept.ring.change():
        done = kept.vault.erase(scope, now)
    took = perf_counter() - began
    if not done.found or done.left:
        raise Unmeasurable(f"of {done.found} pictures in scope {done.left} were left")
    return took, done.found


def _tagged(erasable: _Erasable, size: int, cameras: int) -> Survivors:
    """Fill a vault with a week, and tag a person on every tenth picture of each camera; returns the others."""
    others: dict[bytes, list[bytes]] = {}
    theirs: list[str] = []
    with no_syncs(), erasable.opened() as kept:
        for number, shot in enumerate(stored(kept, size, cameras, small_picture(), WEEK * cameras / size)):
            if number // cameras % 10 == 0:
                theirs.append(shot)
            else:
                identity = bytes.fromhex(shot)
                others.setdefault(identity[:ID_BYTES], []).append(identity[ID_BYTES:])
        kept.vault.flush()
        for first in range(0, len(theirs), TAGGED_AT_ONCE):
            kept.vault.tag(PERSON, theirs[first : first + TAGGED_AT_ONCE])
        kept.clock.passed += INTERVAL
    return {segment_id: (os.urandom(32), b"".join(ids)) for segment_id, ids in others.items()}


async def _find_delete(folder: Path, files: int) -> float:
    """Seconds to delete the older half of `files` files, durably.

    Raises:
        Unmeasurable: they have no room here.
    """
    find, sync = needed("find"), needed("sync")
    room = files * (IMAGE_BYTES + 4096) + SPARE_BYTES
    if shutil.disk_usage(folder.parent).free < room:
        raise Unmeasurable(f"{files} files have no room here", hint=f"free {room / 2**30:.0f} GB, or set TMPDIR")
    try:
        _plant(folder, files)
        await _ran(sync, "-f", folder)
        until = ORIGIN + INTERVAL * (files // CAMERAS) / 2
        began = perf_counter()
        await _ran(find, folder, "-type", "f", "!", "-newermt", f"@{until.timestamp() - 1:.0f}", "-delete")
        await _ran(sync, "-f", folder)
        took = perf_counter() - began
        left = _count(folder)
        if not 0.4 * files <= left <= 0.6 * files:
            raise Unmeasurable(f"find left {left} of {files} files")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return took


def _plant(folder: Path, files: int) -> None:
    """As many files as pictures, of the size of an image, with the times at which they were taken."""
    content = os.urandom(IMAGE_BYTES)
    for number in range(files):
        at = ORIGIN + INTERVAL * (number // CAMERAS)
        hour = folder / f"camera-{number % CAMERAS}" / f"{at:%Y-%m-%dT%H}"
        if not at.minute and at.second < INTERVAL.seconds:
            hour.mkdir(parents=True)
        path = hour / f"{at:%M%S}.jpg"
        path.write_bytes(content)
        os.utime(path, (at.timestamp(), at.timestamp()))


def _count(folder: Path) -> int:
    return sum(1 for _ in folder.rglob("*.jpg"))


async def _ran(*command: str | Path) -> None:
    process = await asyncio.create_subprocess_exec(*map(str, command), stdin=asyncio.subprocess.DEVNULL)
    try:
        if await process.wait():
            raise Unmeasurable(f"{Path(command[0]).name} failed")
    finally:
        await ended(process)


MEASUREMENTS = (
    Measurement((*HALVES, "erase_half_1m_vs_find_delete"), halves),
    Measurement(("erase_person_200k_ms", "erase_everything_ms"), person_and_everything),
)
