"""Carries out orders: every registered store erases, then a receipt; a scan of the bytes, then a second receipt."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
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

Observer = Callable[[PurgeOrder, Kind, Receipt], Awaitable[None]]


class Eraser:
    """Works through the journal. One at a time, in the order of admission; resumes where a crash left it.

    Args:
        stores: everything that keeps personal data; what is not here gets none.
        issuer: gateway and epoch, as receipts name it.
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
    ) -> None:
        self._stores = tuple(stores)
        self._journal = journal
        self._key = key
        self._issuer = issuer
        self._software = software
        self._barrier = barrier
        self._disk = disk
        self._clock = clock
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
            for order in self._journal.unfinished():
                await self.carry_out(order)
            await self._wake.wait()

    async def carry_out(self, order: PurgeOrder) -> None:
        """Both receipts for one order."""
        counts, reach = await self._count(order)
        await self._disk.run(self._barrier.raise_for, order.id, order.scope, reach)
        erased = []
        for store in self._stores:
            # Also when the first receipt stands already: idempotent, and it mends what a scan found.
            done: Erasure = await self._disk.run(store.erase, order.scope, reach)
            found = max(counts.get(store.name, 0), done.found)
            erased.append(_line(store, found, done.left))
        if "erased" not in self._journal.kinds(order.id):
            await self._issue(order, "erased", erased)
        scanned = []
        for store in self._stores:
            left = await self._disk.run(store.scan, order.scope, reach)
            scanned.append(_line(store, max(counts.get(store.name, 0), left), left))
        if open_still := [line.store for line in scanned if line.left]:
            # Never a verified receipt over something that still opens: the supervisor has us try again.
            raise StoreBroken(f"after an erasure the scan could still open records of {', '.join(open_still)}")
        await self._issue(order, "verified", scanned)
        await self._disk.run(self._barrier.settle, order.id, self._clock.now())

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
