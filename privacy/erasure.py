"""Carries out orders: every registered store erases, then a receipt; a scan of the bytes, then a second receipt.

What is under a hold lives on: the first receipt says how much and until when, and is not `complete`. The order stays
open; it is carried out again when the hold has ended, and gets its second receipt then.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta

from privacy.clock import Clock
from privacy.errors import StoreBroken
from privacy.journal import Journal
from privacy.orders import PurgeOrder
from privacy.receipts import Kind, OrderReference, Receipt, StoreLine, sign_receipt
from privacy.records import Scope
from privacy.signing import SigningKey
from privacy.store import Barrier, Disk, Erasure, Store

log = logging.getLogger(__name__)

LONGEST_WAIT = timedelta(hours=1)
"""An order that waits for a hold is tried again this often at least: a hold may be released early."""

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
        change: opens one change of keys (`KeyRing.change`); all stores erase inside it, so that it commits once.
        besides: called inside that change, for what is no record and yet leads to some.
        time_known: whether wall time is known, as receipts say.
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
        change: Callable[[], AbstractContextManager[object]] = nullcontext,
        besides: Callable[[Scope], None] = lambda _scope: None,
        time_known: Callable[[], bool] = lambda: True,
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
        self._change = change
        self._besides = besides
        self._time_known = time_known
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
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LONGEST_WAIT.total_seconds()):
                    await self._wake.wait()  # `wait_for` of 3.11 loses an end that comes with the wake

    def wake(self) -> None:
        """Something that an order waited for has happened, such as the end of a hold."""
        self._wake.set()

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
        """Both receipts for one order; then its text dies. Where a hold keeps something, the first alone, so far."""
        counts, reach = await self._count(order)
        await self._disk.run(self._barrier.raise_for, order.id, order.scope, reach)
        await self._prepare(order.scope, reach)
        if "verified" not in self._journal.kinds(order.id):
            lines = await self._erase(order, counts, reach)
            if any(line.left for line in lines):
                return
            await self._verify(order, counts, reach)
        await self._disk.run(self._journal.close)
        await self._disk.run(self._barrier.settle, order.id)

    async def _erase(self, order: PurgeOrder, counts: Mapping[str, int], reach: datetime) -> Sequence[StoreLine]:
        # Also when the first receipt stands already: idempotent, and it mends what a scan found.
        done = await self._disk.run(self._erase_all, order, reach)
        lines = [
            _line(store, max(counts.get(store.name, 0), one.found), one, self._journal.ways(order.id, store.name))
            for store, one in done
        ]
        if unexplained := [line.store for line in lines if line.left != sum(e.count for e in line.exemptions)]:
            raise StoreBroken(f"after an erasure something is left for no reason in {', '.join(unexplained)}")
        if "erased" not in self._journal.kinds(order.id):
            await self._issue(order, "erased", lines)
        return lines

    def _erase_all(self, order: PurgeOrder, reach: datetime) -> list[tuple[Store, Erasure]]:
        """Every store, in one change of keys. On the `Disk` thread, in one go: nothing is appended in between."""
        with self._change():
            self._besides(order.scope)
            done = [(store, store.erase(order.scope, reach)) for store in self._stores]
            # The last moment: at the end of this block it dies, and what says whom it concerned dies with it.
            self._journal.dying(
                order.id,
                {store.name: one.by for store, one in done},
                {store.name: one.marks for store, one in done},
            )
            return done

    async def _verify(self, order: PurgeOrder, counts: Mapping[str, int], reach: datetime) -> None:
        scanned = []
        for store in self._stores:
            left = await self._scan(store, order, reach)
            found = max(counts.get(store.name, 0), left)
            scanned.append(_line(store, found, Erasure(found, found - left, left)))
        if open_still := [line.store for line in scanned if line.left]:
            # Never a verified receipt over something that still opens: the supervisor has us try again.
            raise StoreBroken(f"after an erasure the scan could still open records of {', '.join(open_still)}")
        await self._issue(order, "verified", scanned)

    async def _scan(self, store: Store, order: PurgeOrder, reach: datetime) -> int:
        steps = store.scan(order.scope, reach, self._journal.marks(order.id, store.name))
        left = 0
        while (opened := await self._disk.run(next, steps, None)) is not None:
            left += opened
        return left

    async def _count(self, order: PurgeOrder) -> tuple[dict[str, int], datetime]:
        if (known := self._journal.counts(order.id)) is not None:
            return known
        reach = order.reaches_to(self._clock.now())
        counts = {}
        for store in self._stores:
            counts[store.name] = await self._disk.run(store.count, order.scope, reach)
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
            time_known=self._time_known(),
        )
        await self._disk.run(self._journal.receipt, order.id, kind, sign_receipt(self._key, receipt), receipt.at)
        await self._observe(order, kind, receipt)


def _line(store: Store, found: int, done: Erasure, by: Mapping[str, int] | None = None) -> StoreLine:
    return StoreLine(
        store=store.name,
        found=found,
        erased=found - done.left,
        left=done.left,
        tier=store.tier,
        by=dict(by or {}),
        exemptions=done.exemptions,
    )
