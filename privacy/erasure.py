"""Carries out orders: every registered store erases, then a receipt; a scan of the bytes, then a second receipt."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

from privacy.clock import Clock
from privacy.errors import StoreBroken
from privacy.journal import Journal
from privacy.orders import PurgeOrder
from privacy.receipts import Kind, OrderReference, Receipt, StoreLine, sign_receipt
from privacy.records import Scope
from privacy.signing import SigningKey
from privacy.store import Barrier, Disk, Erasure, Store

log = logging.getLogger(__name__)

Prepare = Callable[[Scope, datetime], Awaitable[None]]
Observer = Callable[[PurgeOrder, Kind, Receipt], Awaitable[None]]


async def _nothing(_scope: Scope, _reach: datetime) -> None:
    """Nothing has to be done before."""


class Eraser:
    """Works through the journal. One at a time, in the order of admission; resumes where a crash left it.

    Args:
        stores: everything that keeps personal data; what is not here gets none.
        issuer: gateway and epoch, as receipts name it.
        prepare: given scope and reach before anything is erased, for what has to be done while it can still be read.
        observe: told of each receipt once it is durable.
    """

    def __init__(  # noqa: PLR0913 - the composition root hands over each part by name
        self,
        *,
        stores: Sequence[Store],
        journal: Journal,
        key: SigningKey,
        issuer: str,
        software: str,
        barrier: Barrier,
        disk: Disk,
        clock: Clock,
        observe: Observer,
        prepare: Prepare = _nothing,
    ) -> None:
        self._stores = tuple(stores)
        self._journal = journal
        self._key = key
        self._issuer = issuer
        self._software = software
        self._barrier = barrier
        self._disk = disk
        self._clock = clock
        self._prepare = prepare
        self._observe = observe
        self._wake = asyncio.Event()
        for order in journal.unfinished():
            barrier.raise_for(order.id, order.scope, order.reaches_to(clock.now()))

    async def admit(self, order: PurgeOrder) -> bool:
        """Journal `order`; when this returns it is on disk, and may be acknowledged to whoever brought it.

        False when it stood there before, which deserves the same acknowledgement.
        """
        new = await self._disk.run(self._admit, order)
        self._wake.set()
        return new

    def _admit(self, order: PurgeOrder) -> bool:
        new = self._journal.admit(order)
        if new:
            self._barrier.raise_for(order.id, order.scope, order.reaches_to(self._clock.now()))
        return new

    async def run(self) -> None:
        """Carry out what the journal holds, for ever.

        Raises:
            StoreBroken: a store could not do its part; call again, nothing is done twice.
        """
        while True:
            self._wake.clear()
            await self.finish()
            await self._wake.wait()

    async def finish(self) -> None:
        """Carry out every order in the journal. One that cannot be finished does not hold up the others.

        Raises:
            StoreBroken: the first that could not; call again.
        """
        broken: StoreBroken | None = None
        for order in self._journal.unfinished():
            try:
                await self.carry_out(order)
            except StoreBroken as error:
                broken = broken or error
        if broken:
            raise broken

    async def carry_out(self, order: PurgeOrder) -> None:
        """Both receipts for one order; then its text dies."""
        counts, reach = await self._count(order)
        await self._disk.run(self._barrier.raise_for, order.id, order.scope, reach)
        await self._prepare(order.scope, reach)
        if "verified" not in self._journal.kinds(order.id):
            await self._erase(order, counts, reach)
            await self._verify(order, counts, reach)
        await self._disk.run(self._journal.close)
        await self._disk.run(self._barrier.settle, order.id)

    async def _erase(self, order: PurgeOrder, counts: Mapping[str, int], reach: datetime) -> None:
        erased = []
        for store in self._stores:
            # Also when the first receipt stands already: idempotent, and it mends what a scan found.
            done: Erasure = await self._disk.run(store.erase, order.scope, reach)
            found = max(counts.get(store.name, 0), done.found)
            erased.append(_line(store, found, done.left))
        if "erased" not in self._journal.kinds(order.id):
            await self._issue(order, "erased", erased)

    async def _verify(self, order: PurgeOrder, counts: Mapping[str, int], reach: datetime) -> None:
        scanned = []
        for store in self._stores:
            left = await self._disk.run(store.scan, order.scope, reach)
            scanned.append(_line(store, max(counts.get(store.name, 0), left), left))
        if open_still := [line.store for line in scanned if line.left]:
            # Never a verified receipt over something that still opens: the supervisor has us try again.
            raise StoreBroken(f"after an erasure the scan could still open records of {', '.join(open_still)}")
        await self._issue(order, "verified", scanned)

    async def _count(self, order: PurgeOrder) -> tuple[dict[str, int], datetime]:
        if (known := self._journal.counts(order.id)) is not None:
            return known
        reach = order.reaches_to(self._clock.now())
        counts = {}
        for store in self._stores:
            counts[store.name] = await self._disk.run(_count_found, store, order.scope, reach)
        await self._disk.run(self._journal.counted, order.id, counts, reach)
        return counts, reach

    async def _issue(self, order: PurgeOrder, kind: Kind, lines: Sequence[StoreLine]) -> None:
        receipt = Receipt(
            iss=self._issuer,
            kind=kind,
            order=OrderReference(id=order.id, issuer=order.issuer, sha256=order.sha256),
            at=self._clock.now(),
            software=self._software,
            stores=tuple(lines),
            log=self._journal.log_position(),
            complete=not any(line.left for line in lines),
        )
        await self._disk.run(self._journal.receipt, order.id, kind, sign_receipt(self._key, receipt), receipt.at)
        await self._observe(order, kind, receipt)


def _line(store: Store, found: int, left: int) -> StoreLine:
    return StoreLine(store=store.name, found=found, erased=found - left, left=left, tier=store.tier)


def _count_found(store: Store, scope: Scope, before: datetime) -> int:
    return sum(1 for _ in store.find(scope, before))
