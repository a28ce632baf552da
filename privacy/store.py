"""The contract of everything that keeps personal data, and the one thread that all of it runs on."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import ParamSpec, Protocol, TypeVar

import msgspec

from privacy.clock import Clock, SystemClock
from privacy.records import Item, RecordClass, Scope, Tier

LONGEST_ON_ITS_WAY = 120.0
"""Seconds. Nothing takes longer from capture to the store: fetching and decoding have deadlines of 15 s together."""

P = ParamSpec("P")
R = TypeVar("R")


class Exemption(msgspec.Struct, frozen=True, kw_only=True):
    """Records in scope that live on for a reason, and until when."""

    reason: str
    """`hold`, and its like."""
    count: int
    due: datetime


@dataclass(frozen=True, slots=True)
class Erasure:
    """What one store did: `found` records in scope, `erased` of them, `left` readable: as many as `exemptions` say."""

    found: int
    erased: int
    left: int
    by: Mapping[str, int] = field(default_factory=dict)
    """Where the scope names subjects and the store knows several ways to concern somebody: found by each of them."""
    exemptions: tuple[Exemption, ...] = ()
    marks: bytes = field(default=b"", repr=False)
    """What `scan` could not tell from the bytes alone, because what says whom a record concerns dies with it: ids of
    records, in a form of the store's own. In the journal before the keys die."""


class Store(Protocol):
    """A keeper of personal data. A store that is not registered with the `Eraser` does not get data.

    Every method blocks, and is called on the `Disk` thread only; so no two calls of any store overlap.
    Every Store passes `tests/suites/test_store.py`.
    """

    name: str
    """Stable, for receipts and metrics."""
    classes: frozenset[RecordClass]
    """The record classes that live here."""
    tier: Tier
    """What `erase` achieves."""

    def find(self, scope: Scope, before: datetime) -> Iterator[Item]:
        """Every record in `scope` that was captured before `before`, undated ones included."""

    def count(self, scope: Scope, before: datetime) -> int:
        """How many records `find` finds, at a cost that does not grow with them where that can be helped."""

    def erase(self, scope: Scope, before: datetime) -> Erasure:
        """Erase what `find` finds. Idempotent; after a crash half-way, calling it again finishes the work.

        Called inside `KeyRing.change()`: keys die when that block ends, and only then is anything erased.

        Raises:
            StoreBroken: a write failed; what was erased stays erased, call again.
        """

    def scan(self, scope: Scope, before: datetime, marks: Sequence[bytes] = ()) -> Iterator[int]:
        """How many records in `scope` can still be opened, from the bytes on disk with every surviving key.

        No index is trusted. A number for each file or so, so that others get their turn in between. `marks` are those
        of every `erase` that the same order has done; what they name counts as well.
        """

    def export(self, scope: Scope) -> Iterator[tuple[Item, bytes]]:
        """Each record in `scope`, opened."""

    def oldest(self) -> Iterable[tuple[RecordClass, int, datetime | None]]:
        """For each class kept here: how many records, and when the oldest was captured."""


class Barrier:
    """Keeps what an order reaches from being shown or stored, from the moment the order stands in the journal.

    A picture may be on its way through the decoder while its camera is erased, and an erasure may wait for a medium
    that is full or broken. Stores ask here before they append and before they show, on the `Disk` thread.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._raised: dict[str, tuple[Scope, datetime]] = {}
        self._settled: dict[str, float] = {}

    def raise_for(self, order: str, scope: Scope, reach: datetime) -> None:
        """From now on nothing in `scope` that was captured before `reach` is admitted."""
        self._raised[order] = (scope, reach)

    def settle(self, order: str) -> None:
        """`order` is done: its barrier can go once nothing that it reaches can be on its way any more."""
        self._settled[order] = self._clock.monotonic()

    def raised(self) -> tuple[tuple[Scope, datetime], ...]:
        """What orders reach: the scope of each, and before what time."""
        return tuple(self._raised.values())

    def admits(self, item: Item) -> bool:
        """Whether `item` may be stored, and may be shown."""
        # By the clock that cannot be set: with wall time set back, a barrier of yesterday would reach what comes now.
        now = self._clock.monotonic()
        # Copies, made in one step of the interpreter: the event loop asks while the `Disk` thread raises and settles.
        for order in [order for order, at in tuple(self._settled.items()) if now - at > LONGEST_ON_ITS_WAY]:
            self._settled.pop(order, None)
            self._raised.pop(order, None)
        raised = tuple(self._raised.values())
        return not any(scope.covers(item) and (item.at is None or item.at < reach) for scope, reach in raised)


class Disk:
    """One thread that does all blocking file work, in order.

    It keeps the event loop free of fsyncs, and stands for the lock under which stores change: what runs here
    never overlaps. A cancelled caller does not interrupt a write that has begun.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="disk")

    async def run(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `call` on the disk thread and return what it returns."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: call(*args, **kwargs))

    def close(self) -> None:
        """Finish what has begun."""
        self._thread.shutdown(wait=True)
