"""The gateway's side of the cloud link: answers `agent.cloud.link` from the journal and the spool."""

import os
from collections.abc import Callable, Collection, Sequence
from datetime import datetime

import msgspec

from agent.api import contract
from agent.changes import Changes
from agent.cloud.link import SpooledBatch
from agent.cloud.messages import Hello, PublicKey
from agent.cloud.orders import Admitted, OrderDesk, Refused
from agent.recorder import Recorder
from privacy import entries
from privacy.clock import Clock
from privacy.journal import IssuedReceipt, Journal
from privacy.receipts import Kind
from privacy.seal import RandomBytes
from privacy.signing import SigningKey
from privacy.store import Disk
from privacy.uuid7 import uuid7


class Uplink:
    """Implements `CloudHandler`, and knows for the page whether the link stands."""

    def __init__(  # noqa: PLR0913 - the composition root hands over each part by name
        self,
        *,
        gateway: str,
        epoch: int,
        software: str,
        key: SigningKey,
        desk: OrderDesk,
        configured: bool,
        journal: Journal,
        recorder: Recorder,
        disk: Disk,
        clock: Clock,
        changes: Changes,
        record: Callable[[entries.Entry], None],
        random_bytes: RandomBytes = os.urandom,
    ) -> None:
        self._gateway = gateway
        self._epoch = epoch
        self._software = software
        self._key = key
        self._desk = desk
        self._configured = configured
        self._journal = journal
        self._recorder = recorder
        self._disk = disk
        self._clock = clock
        self._changes = changes
        self._record = record
        self._random_bytes = random_bytes
        self._connected = False
        self._since: datetime | None = None
        self._reason = ""

    def view(self) -> contract.LinkView:
        """Whether the link stands."""
        return contract.LinkView(
            configured=self._configured, connected=self._connected, since=self._since, reason=self._reason
        )

    def standing(self, up: bool) -> None:  # noqa: FBT001 - the link's callback
        """The link came up, or went down."""
        if up != self._connected:
            self._connected, self._since, self._reason = up, self._clock.now(), ""
            if up:
                self._record(entries.LinkUp(at=self._clock.now()))
            self._changes.mark("link")

    def problem(self, problem: str) -> None:
        """The supervisor says why the link is down."""
        if problem != self._reason:
            self._reason = problem
            self._record(entries.LinkDown(at=self._clock.now(), reason=problem))
            self._changes.mark("link")

    async def hello(self) -> Hello:
        # On the disk thread, where receipts are written: the head of the log is never read half-way.
        return await self._disk.run(self._hello)

    def _hello(self) -> Hello:
        receipts = list(self._journal.receipts())
        return Hello(
            id=uuid7(self._clock.now(), self._random_bytes),
            gateway=self._gateway,
            epoch=self._epoch,
            software=self._software,
            last_sequences=self._journal.last_sequences(),
            receipts=len(receipts),
            acknowledged=sum(receipt.acknowledged for receipt in receipts),
            log=self._journal.log_position(),
            first=receipts[0].position if receipts else self._journal.log_position().size,
            receipt_key=msgspec.convert(self._key.public_jwk(), PublicKey),
        )

    async def order(self, payload: bytes, *, retained: bool) -> Admitted | Refused:
        return await self._desk.take(payload, retained=retained)

    async def receipts_due(self) -> Sequence[IssuedReceipt]:
        return [r for r in self._journal.receipts() if not r.acknowledged]

    async def receipts_of(self, order: str) -> Sequence[IssuedReceipt]:
        return [r for r in self._journal.receipts() if r.order == order]

    async def receipts_at(self, positions: Collection[int]) -> Sequence[IssuedReceipt]:
        # The journal gives them in the order of the log.
        return [r for r in self._journal.receipts() if r.position in positions]

    async def receipt_acknowledged(self, order: str, kind: Kind) -> None:
        if await self._disk.run(self._journal.acknowledge, order, kind):
            self._changes.mark("receipts")

    async def next_batch(self) -> SpooledBatch | None:
        return await self._recorder.next_batch()

    async def batch_acknowledged(self, batch: str) -> None:
        await self._recorder.acknowledged(batch)
