"""The order journal: what was ordered, how far it has come, and the receipts. A crash at any point resumes from here.

Each line is durable before anybody is told of it. The text of an order may name people, so it is sealed under a key of
its own in the key ring. After the verified receipt that key dies; the order's id, hash and receipts stay, so that the
same order again gets the same receipts.
"""

import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from privacy.errors import OrderRefused, SealBroken, StoreBroken
from privacy.keyring import KeyRing
from privacy.merkle import Tree
from privacy.orders import PurgeOrder, journaled_order
from privacy.receipts import Kind, LogPosition, OrderReference
from privacy.seal import Keys
from privacy.sealed_log import SealedLog
from privacy.signing import unverified_claims

log = logging.getLogger(__name__)

PURPOSE = "order-journal"
KIND = "orders"
"""Of the keys that the texts are sealed under."""
_BOUND_TO = b"portvakt/v1/order"


class _Intent(msgspec.Struct, frozen=True, tag="intent"):
    key: str
    """The id of the ring's entry, in hex, under whose key the order is sealed."""
    sealed: bytes
    """The order's JWS."""


class _Found(msgspec.Struct, frozen=True, tag="found"):
    """What each store held in scope before anything was erased: a crash must not make the receipt say less."""

    order: str
    counts: dict[str, int]
    reach: datetime


class _Receipt(msgspec.Struct, frozen=True, tag="receipt"):
    order: str
    kind: Kind
    jws: str
    at: datetime


class _Acknowledged(msgspec.Struct, frozen=True, tag="acknowledged"):
    order: str
    kind: Kind


class _Closed(msgspec.Struct, frozen=True, tag="closed"):
    """Stands where the intent stood, once the order's text is dead."""

    order: str
    issuer: str
    sequence: int
    sha256: str


_Line = _Intent | _Found | _Receipt | _Acknowledged | _Closed


@dataclass(frozen=True, slots=True)
class IssuedReceipt:
    """A receipt as it stands in the journal."""

    order: str
    issuer: str
    kind: Kind
    jws: str
    at: datetime
    acknowledged: bool


@dataclass(slots=True)
class _Entry:
    issuer: str
    sequence: int
    sha256: str
    order: PurgeOrder | None
    key: str = ""
    """Of the order's text."""
    counts: dict[str, int] | None = None
    reach: datetime | None = None
    receipts: dict[Kind, _Receipt] = field(default_factory=dict)
    acknowledged: set[Kind] = field(default_factory=set)


class Journal:
    """Every method that writes blocks: call it on the `Disk` thread. The others may be called on any."""

    def __init__(self, path: Path, keys: Keys, ring: KeyRing) -> None:
        self._log = SealedLog(path, keys.seal(PURPOSE), PURPOSE.encode())
        self._ring = ring
        self._entries: dict[str, _Entry] = {}
        self._receipts: list[tuple[str, Kind]] = []
        self._tree = Tree()
        self._read()
        try:
            self.close()
        except StoreBroken as error:
            # A full medium must not keep the gateway from starting: `unfinished` names them until they are closed.
            log.warning("journal: the text of finished orders could not be removed yet: %s", error)

    def admit(self, order: PurgeOrder) -> bool:
        """Write the intent. False when this id stands here already: the id alone decides."""
        known = self._entries.get(order.id)
        if known and (known.order or "verified" in known.receipts):
            return False
        entry = self._ring.add(KIND, order.id.encode())
        self._ring.sync()
        sealed = self._ring.seal(entry).close(order.jws.encode(), _BOUND_TO)
        self._write(_Intent(entry.id.hex(), sealed))
        return True

    def counted(self, order: str, counts: dict[str, int], reach: datetime) -> None:
        """Write what was found in scope, and the time the order reaches to, before erasing."""
        self._write(_Found(order, counts, reach))

    def counts(self, order: str) -> tuple[dict[str, int], datetime] | None:
        """What `counted` wrote."""
        entry = self._entries[order]
        return (entry.counts, entry.reach) if entry.counts is not None and entry.reach is not None else None

    def receipt(self, order: str, kind: Kind, jws: str, at: datetime) -> None:
        """Write a receipt."""
        self._write(_Receipt(order, kind, jws, at))

    def close(self) -> None:
        """Let the text of the orders die that have their verified receipt. Idempotent."""
        finished = {id_ for id_, e in self._entries.items() if e.order is not None and "verified" in e.receipts}
        if finished:
            self._close(finished)
        # Also of what a crash left: a key whose intent was never written, or is closed by now.
        living = {entry.key for entry in self._entries.values() if entry.order is not None}
        if dead := [entry for entry in self._ring.entries(KIND) if entry.hex() not in living]:
            with self._ring.change() as change:
                for entry in dead:
                    change.forget(entry)

    def _close(self, finished: Collection[str]) -> None:
        def keep(_sequence: int, payload: bytes) -> bytes | None:
            try:
                line = msgspec.json.decode(payload, type=_Line)
                if isinstance(line, _Found) and line.order in finished:
                    return None
                if isinstance(line, _Intent) and (order := self._order(line)).id in finished:
                    return msgspec.json.encode(_Closed(order.id, order.issuer, order.sequence, order.sha256))
            except ValueError:
                pass  # passed over when it was read, and kept for whoever understands it
            return payload

        self._log.rewrite(keep)
        for id_ in finished:
            self._entries[id_].order = None

    def acknowledge(self, order: str, kind: Kind) -> bool:
        """Note that the backend has this receipt; False when it is unknown or was noted before."""
        entry = self._entries.get(order)
        if entry is None or kind not in entry.receipts or kind in entry.acknowledged:
            return False
        self._write(_Acknowledged(order, kind))
        return True

    def unfinished(self) -> list[PurgeOrder]:
        """The orders that are not closed, oldest first: without both receipts, or with their text still alive."""
        return [order for entry in tuple(self._entries.values()) if (order := entry.order) is not None]

    def kinds(self, order: str) -> frozenset[Kind]:
        """The receipts this order has."""
        return frozenset(self._entries[order].receipts)

    def receipts(self) -> Iterator[IssuedReceipt]:
        """Every receipt, in the order in which they were written."""
        for id_, kind in self._receipts:
            entry = self._entries[id_]
            line = entry.receipts[kind]
            yield IssuedReceipt(id_, entry.issuer, kind, line.jws, line.at, kind in entry.acknowledged)

    def log_position(self) -> LogPosition:
        """The Merkle log over all receipts so far."""
        return LogPosition(size=self._tree.size, root=self._tree.root().hex())

    def last_sequences(self) -> dict[str, int]:
        """The highest sequence journaled of each issuer."""
        last: dict[str, int] = {}
        for entry in tuple(self._entries.values()):
            last[entry.issuer] = max(entry.sequence, last.get(entry.issuer, 0))
        return last

    def known(self, order: str) -> bool:
        """Whether this id stands here."""
        return order in self._entries

    def _read(self) -> None:
        passed_over = []
        for sequence, payload in self._log.replay():
            try:
                self._apply(msgspec.json.decode(payload, type=_Line))
            except (ValueError, KeyError):  # msgspec's errors are ValueErrors
                passed_over.append(str(sequence))
        if passed_over:
            log.error(
                "journal: what stands in line %s cannot be read and is passed over; an order among it is not carried"
                " out before it comes again",
                ", ".join(passed_over),
            )

    def _write(self, line: _Line) -> None:
        self._log.append([msgspec.json.encode(line)])
        self._apply(line)

    def _apply(self, line: _Line) -> None:
        match line:
            case _Intent(key):
                order = self._order(line)
                self._enter(order.id, _Entry(order.issuer, order.sequence, order.sha256, order, key))
            case _Closed(id_, issuer, sequence, sha256):
                self._enter(id_, _Entry(issuer, sequence, sha256, None))
            case _Found(id_, counts, reach):
                self._entries[id_].counts = counts
                self._entries[id_].reach = reach.astimezone(UTC)
            case _Receipt(id_, kind):
                if id_ not in self._entries:
                    # Its intent could not be read; without this receipt those after it would not verify.
                    self._entries[id_] = _known_by(line)
                self._entries[id_].receipts[kind] = line
                self._receipts.append((id_, kind))
                self._tree.add(line.jws.encode())
            case _Acknowledged(id_, kind):
                self._entries[id_].acknowledged.add(kind)

    def _order(self, intent: _Intent) -> PurgeOrder:
        """The order of an intent.

        Raises:
            ValueError: it cannot be read: a later version wrote it, or its key is dead.
        """
        try:
            entry = self._ring.entries(KIND)[bytes.fromhex(intent.key)]
            return journaled_order(self._ring.seal(entry).open(intent.sealed, _BOUND_TO).decode())
        except (OrderRefused, LookupError, SealBroken) as error:
            raise ValueError("not an order of this version") from error

    def _enter(self, order: str, entry: _Entry) -> None:
        if known := self._entries.get(order):
            # Its first intent could not be read, but its receipt could.
            entry.receipts, entry.acknowledged = known.receipts, known.acknowledged
        self._entries[order] = entry


def _known_by(receipt: _Receipt) -> _Entry:
    """What a receipt says of its order; the sequence is not in it.

    Raises:
        ValueError: it is none.
    """
    try:
        reference = msgspec.convert(unverified_claims(receipt.jws.encode())["order"], OrderReference)
    except LookupError as error:
        raise ValueError("not a receipt") from error
    return _Entry(reference.issuer, 0, reference.sha256, None)
