"""A gateway with the real journal, eraser, desk and link; its store and its spool are lists."""

import asyncio
import os
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from agent.cloud.link import CloudLink
from agent.cloud.messages import Hello, PublicKey
from agent.cloud.mqtt import Settings
from agent.cloud.orders import Admitted, OrderDesk, Refused
from agent.errors import LinkDown
from agent.supervisor import Service, Supervisor
from privacy.clock import SystemClock
from privacy.erasure import Eraser
from privacy.errors import StoreBroken
from privacy.journal import IssuedReceipt, Journal
from privacy.keyring import KeyRing
from privacy.keystore.slot_file import SlotFile
from privacy.orders import PurgeOrder
from privacy.receipts import Kind, Receipt
from privacy.records import Item, RecordClass, Scope, Tier
from privacy.redaction.line import RedactedLine, redacted
from privacy.seal import Keys
from privacy.signing import SigningKey, Trust
from privacy.store import Barrier, Disk, Erasure
from privacy.uuid7 import uuid7

GATEWAY = "gw-1"


class Shelf:
    """A store in memory."""

    name = "shelf"
    classes = frozenset({RecordClass.SNAPSHOT})
    tier = Tier.UNLINKED

    def __init__(self) -> None:
        self.items = [
            Item(str(n), RecordClass.SNAPSHOT, datetime(2026, 1, 1, tzinfo=UTC), camera="front") for n in range(3)
        ]

    def find(self, scope: Scope, before: datetime) -> Iterator[Item]:
        return (item for item in list(self.items) if scope.covers(item))

    def erase(self, scope: Scope, before: datetime) -> Erasure:
        found = list(self.find(scope, before))
        self.items = [item for item in self.items if item not in found]
        return Erasure(len(found), len(found), 0)

    def count(self, scope: Scope, before: datetime) -> int:
        return sum(1 for _ in self.find(scope, before))

    def scan(self, scope: Scope, before: datetime, marks: Sequence[bytes] = ()) -> Iterator[int]:
        yield self.count(scope, before)

    def export(self, scope: Scope) -> Iterator[tuple[Item, bytes]]:
        return iter(())

    def oldest(self) -> list[tuple[RecordClass, int, datetime | None]]:
        return []


@dataclass(frozen=True)
class Lines:
    id: str
    lines: tuple[RedactedLine, ...]


class House:
    """A gateway: the real journal, eraser, desk and link; the spool is a list."""

    def __init__(self, folder: Path, issuers: dict[str, Any], settings: Settings, resend: float = 0.3) -> None:
        folder.mkdir(exist_ok=True)
        clock, self.disk, keys = SystemClock(), Disk(), Keys(bytes(32))
        self.gateway = settings.client_id
        self.key = SigningKey.open_or_create(folder / "receipt.key", keys.seal("receipt-key"))
        ring = KeyRing.open(folder / "keys", SlotFile(folder / "slots", create=True), os.urandom)
        self.journal = Journal(folder / "journal", keys, ring)
        self.shelf = Shelf()
        self.spool: list[Lines] = []
        self.up: list[bool] = []
        self.refused: list[str] = []
        self.broken = False
        self.link = CloudLink(settings, self, clock=clock, observe=self.up.append, resend_seconds=resend)
        self.eraser = Eraser(
            stores=[self.shelf],
            journal=self.journal,
            key=self.key,
            issuer=f"{self.gateway}/1",
            software="test",
            barrier=Barrier(),
            disk=self.disk,
            clock=clock,
            observe=self._receipt_issued,
            change=ring.change,
        )
        self.desk = OrderDesk(
            audience=f"{self.gateway}/1",
            trust=Trust.from_jwks(issuers),
            clock=clock,
            admit=self.eraser.admit,
            refused=lambda code, _sha256: self.refused.append(code),
        )

    def write(self, *lines: str) -> None:
        self.spool.append(Lines(f"batch-{len(self.spool)}-{os.urandom(4).hex()}", tuple(map(redacted, lines))))
        self.link.log_written()

    async def _receipt_issued(self, _order: PurgeOrder, _kind: Kind, _receipt: Receipt) -> None:
        self.link.receipt_issued()

    async def hello(self) -> Hello:
        return await self.disk.run(self._hello)

    def _hello(self) -> Hello:
        key = msgspec.convert(self.key.public_jwk(), PublicKey)
        receipts = list(self.journal.receipts())
        return Hello(
            id=uuid7(SystemClock().now(), os.urandom),
            gateway=self.gateway,
            epoch=1,
            software="test",
            last_sequences=self.journal.last_sequences(),
            receipts=len(receipts),
            acknowledged=sum(receipt.acknowledged for receipt in receipts),
            log=self.journal.log_position(),
            receipt_key=key,
        )

    async def order(self, payload: bytes, *, retained: bool) -> Admitted | Refused:
        if self.broken:
            raise StoreBroken("the disk is full")
        return await self.desk.take(payload, retained=retained)

    async def receipts_due(self) -> list[IssuedReceipt]:
        return [receipt for receipt in self.journal.receipts() if not receipt.acknowledged]

    async def receipts_of(self, order: str) -> list[IssuedReceipt]:
        return [receipt for receipt in self.journal.receipts() if receipt.order == order]

    async def receipts_at(self, positions: Collection[int]) -> list[IssuedReceipt]:
        return [receipt for place, receipt in enumerate(self.journal.receipts()) if place in positions]

    async def receipt_acknowledged(self, order: str, kind: Kind) -> None:
        await self.disk.run(self.journal.acknowledge, order, kind)

    async def next_batch(self) -> Lines | None:
        return self.spool[0] if self.spool else None

    async def batch_acknowledged(self, batch: str) -> None:
        self.spool = [lines for lines in self.spool if lines.id != batch]

    @property
    def services(self) -> list[Service]:
        return [Service("cloud", self.link.run, (LinkDown,)), Service("eraser", self.eraser.run, (StoreBroken,))]


@asynccontextmanager
async def running(*services: Service) -> AsyncIterator[None]:
    """Under the supervisor, as in the agent."""
    supervisor, stop = Supervisor(), asyncio.Event()
    for service in services:
        supervisor.start(service)
    kept = asyncio.create_task(supervisor.run_until(stop))
    try:
        yield
    finally:
        stop.set()
        await kept
