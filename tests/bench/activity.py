"""The activity log: what a deed costs to note, and what the proof costs that it is there."""

import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

from agent.bench.figure import Figure, Measurement, figure
from privacy.activity import ActivityLog
from privacy.activity_hashes import HashTree
from privacy.activity_line import Deed
from privacy.clock import SystemClock
from privacy.hold import Role
from privacy.keyring import KeyRing
from privacy.keystore.slot_file import SlotFile
from privacy.merkle import inclusion_proof
from privacy.store import Barrier
from privacy.timekeeping import TimeKeeper, Witness
from tests.bench.measure import Run, in_turn, percentile

ROUNDS = 60
SIZES = (1, 8, 32, 128)
"""Deeds that wait together: one, and what a page of pictures brings."""
MILLION = 1_000_000
PROOFS = 200
LOOKS = 20
"""Rounds of what is told besides."""


async def append(place: Path) -> Sequence[Figure]:
    """A deed of one person who looks at what concerns another: two lines, in two files, and two leaves."""
    log = _opened(place / "log")
    plain = place / "plain"
    plain.touch()
    runs: dict[str, Run] = {}
    for size in SIZES:
        runs[f"ours {size}"] = _timed(partial(log.append, [_deed(number) for number in range(size)]))
        runs[f"plain {size}"] = _timed(partial(_synced, plain, [secrets.token_bytes(200)] * size))
    runs["plain one by one"] = _timed(partial(_one_by_one, plain, [secrets.token_bytes(200)] * 8))
    costs = {name: 1000 * median(spent) for name, spent in (await in_turn(ROUNDS, runs)).items()}
    ours = {size: costs[f"ours {size}"] / size for size in SIZES}
    floor = {size: costs[f"plain {size}"] / size for size in SIZES}
    alone = costs["plain one by one"] / 8
    told = ", ".join(f"{size}: {ours[size]:.3f} (floor {floor[size]:.3f})" for size in SIZES)
    return [
        figure(
            "activity_append_ms",
            ours[32],
            alone,
            reference_name="200 bytes appended to a plain file with fdatasync, each by itself",
            unit="ms",
            n=ROUNDS * 32,
            note=f"A deed of 32 that are noted together, two lines each. By how many are noted together: {told}; the "
            "floor is as many plain records with one fdatasync for all.",
        )
    ]


async def proof(place: Path) -> Sequence[Figure]:
    """The proof that a line is in a log of a million, from a tree that was opened and not read."""
    leaves = [secrets.token_bytes(32) for _ in range(MILLION)]
    folder = place / "million"
    folder.mkdir()
    HashTree(folder).append(leaves)
    tree = HashTree(folder)
    numbers = [secrets.randbelow(MILLION) for _ in range(PROOFS)]
    log = _opened(place / "log")
    log.append([_deed(number) for number in range(1000)])
    first = log.tree.size - 2000
    runs = {
        "ours": _timed(lambda: tree.inclusion(numbers[0])),
        "root": _timed(tree.root),
        "open": _timed(lambda: HashTree(folder)),
        "line": _timed(lambda: log.line(first + 2 * secrets.randbelow(1000))),
    }
    spent = await in_turn(LOOKS, runs)
    each = [_seconds(partial(tree.inclusion, number)) for number in numbers]
    naive = [_seconds(partial(inclusion_proof, leaves, numbers[0])) for _ in range(2)]
    return [
        figure(
            "activity_proof_ms",
            1000 * median(each),
            1000 * median(naive),
            reference_name="the same proof with all leaves hashed anew, in memory",
            unit="ms",
            n=PROOFS,
            note=f"p99 {1000 * percentile(each, 99):.2f} ms. A million lines. Besides: the root "
            f"{1000 * median(spent['root']):.2f} ms, to find and open the line in its person's file "
            f"{1000 * median(spent['line']):.2f} ms, to open the tree {1000 * median(spent['open']):.2f} ms.",
        )
    ]


def _opened(folder: Path) -> ActivityLog:
    (folder / "keys").mkdir(parents=True)
    ring = KeyRing.open(folder / "keys", SlotFile(folder / "keys" / "slots", create=True), os.urandom)
    clock = SystemClock()
    time = TimeKeeper(clock, clock.boot_id(), lambda: True, lambda: None, lambda _note: None)
    time.witness(clock.now(), Witness.PERSON)
    limit = timedelta(days=182)
    return ActivityLog(folder / "activity", ring, time, limit, barrier=Barrier(clock), random_bytes=os.urandom)


def _deed(number: int) -> Deed:
    return Deed(
        at=SystemClock().now(),
        actor="p1f0c5a9b23d4e6f7",
        role=Role.RESIDENT,
        action="view_pictures",
        concerns=frozenset({"p0a0b0c0d0e0f0a0b"}),
        camera="front",
        record=f"{number:032x}",
    )


def _timed(call: Callable[[], object]) -> Run:
    async def once() -> float:
        return _seconds(call)

    return once


def _seconds(call: Callable[[], object]) -> float:
    began = perf_counter()
    call()
    return perf_counter() - began


def _synced(path: Path, records: Sequence[bytes]) -> None:
    with _appending(path) as handle:
        os.write(handle, b"".join(records))
        os.fdatasync(handle)


def _one_by_one(path: Path, records: Sequence[bytes]) -> None:
    for record in records:
        _synced(path, [record])


@contextmanager
def _appending(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        yield handle
    finally:
        os.close(handle)


MEASUREMENTS = (
    Measurement(("activity_append_ms",), append),
    Measurement(("activity_proof_ms",), proof),
)
