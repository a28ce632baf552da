"""The order journal: what was ordered, how far it has come, and the receipts. A crash at any point resumes from here.

Each line is durable before anybody is told of it. The text of an order may name people, so it is sealed under a key of
its own in the key ring. After the verified receipt that key dies; the order's id, hash and receipts stay, so that the
same order again gets the same receipts. At their limit they go too; of each receipt the leaf hash stays in its place,
so that the Merkle log still verifies.
"""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec

from privacy.errors import OrderRefused, SealBroken, StoreBroken
from privacy.keyring import KeyRing
from privacy.merkle import Tree
from privacy.orders import PurgeOrder, journaled_order
from privacy.receipts import ExpiredReceipt, Kind, LogPosition, OrderReference, leaf_of
from privacy.seal import Keys
from privacy.sealed_log import SealedLog
from privacy.signing import unverified_claims
from privacy.timekeeping import TimeKeeper

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


class _Dying(msgspec.Struct, frozen=True, tag="dying"):
    """What an erasure is about to take, and only it can say: afterwards that is dead, or the order would be."""

    order: str
    by: dict[str, dict[str, int]]
    """By a store's name, then by which way a record concerned somebody: how many."""
    marks: dict[str, bytes]
    """By a store's name, what its scan has to try besides."""


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


class _Leaf(msgspec.Struct, frozen=True, tag="leaf"):
    """Stands where a receipt stood that has expired."""

    hash: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class _Passed(msgspec.Struct, frozen=True, tag="passed"):
    """Stands for closed orders of an issuer that have expired: how far its sequence had come."""

    issuer: str
    sequence: int


_Line = _Intent | _Found | _Dying | _Receipt | _Acknowledged | _Closed | _Leaf | _Passed


@dataclass(frozen=True, slots=True)
class IssuedReceipt:
    """A receipt as it stands in the journal."""

    order: str
    issuer: str
    kind: Kind
    jws: str
    at: datetime
    acknowledged: bool
    position: int
    """In the log, counted from 0."""


@dataclass(frozen=True, slots=True)
class Contents:
    """How much stands in the journal."""

    orders: int
    receipts: int
    oldest: datetime | None
    """When the first of the verified receipts was issued: by these they go."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A receipt in the log."""

    line: _Receipt
    time_known: bool
    """Whether the gateway knew what time it was, says the receipt."""


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


@dataclass(slots=True)
class _Told:
    """All that the erasures of one order have told before they took anything."""

    by: dict[str, dict[str, int]] = field(default_factory=dict)
    marks: dict[str, list[bytes]] = field(default_factory=dict)

    def add(self, line: _Dying) -> None:
        for store, ways in line.by.items():
            most = self.by.setdefault(store, {})
            most.update({way: max(count, most.get(way, 0)) for way, count in ways.items()})
        for store, marks in line.marks.items():
            self.marks.setdefault(store, []).append(marks)

    def new_in(self, line: _Dying) -> _Dying:
        """What of `line` is not told yet."""
        by = {
            store: ways
            for store, ways in line.by.items()
            if any(count > self.by.get(store, {}).get(way, -1) for way, count in ways.items())
        }
        marks = {store: one for store, one in line.marks.items() if one and one not in self.marks.get(store, ())}
        return _Dying(line.order, by, marks)


class Journal:
    """Every method that writes blocks: call it on the `Disk` thread. The others may be called on any."""

    def __init__(self, path: Path, keys: Keys, ring: KeyRing) -> None:
        self._log = SealedLog(path, keys.seal(PURPOSE), PURPOSE.encode())
        self._ring = ring
        self._entries: dict[str, _Entry] = {}
        self._told: dict[str, _Told] = {}
        """By order. Also where its intent cannot be read: it may come again."""
        self._places: list[_Place | ExpiredReceipt] = []
        self._passed: dict[str, int] = {}
        """The highest sequence of an issuer, where the order that had it has expired."""
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

    def dying(self, order: str, by: Mapping[str, Mapping[str, int]], marks: Mapping[str, bytes]) -> None:
        """Write what is about to die, by the stores' names, before it does; nothing where nothing is new."""
        line = _Dying(order, {store: dict(ways) for store, ways in by.items()}, dict(marks))
        new = self._told.get(order, _Told()).new_in(line)
        if new.by or new.marks:
            self._write(new)

    def ways(self, order: str, store: str) -> Mapping[str, int]:
        """How many records of a store were found by which way: the most that any attempt has told `dying`."""
        return self._told.get(order, _Told()).by.get(store, {})

    def marks(self, order: str, store: str) -> Sequence[bytes]:
        """The marks of a store that were told `dying`, of all attempts."""
        return tuple(self._told.get(order, _Told()).marks.get(store, ()))

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
                if isinstance(line, _Found | _Dying) and line.order in finished:
                    return None
                if isinstance(line, _Intent) and (order := self._order(line)).id in finished:
                    return msgspec.json.encode(_Closed(order.id, order.issuer, order.sequence, order.sha256))
            except ValueError:
                pass  # passed over when it was read, and kept for whoever understands it
            return payload

        self._log.rewrite(keep)
        for id_ in finished:
            self._entries[id_].order = None
            self._told.pop(id_, None)

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
        """Every receipt that is here, in the order in which they were written."""
        return (one for one in self.history() if isinstance(one, IssuedReceipt))

    def history(self) -> Iterator[IssuedReceipt | ExpiredReceipt]:
        """The whole Merkle log: also what has expired."""
        for position, place in enumerate(self._places):
            if isinstance(place, ExpiredReceipt):
                yield place
                continue
            line = place.line
            entry = self._entries.get(line.order)
            if entry is None:  # it expired while somebody was reading
                yield ExpiredReceipt(leaf_of(line.jws))
                continue
            known = line.kind in entry.acknowledged
            yield IssuedReceipt(line.order, entry.issuer, line.kind, line.jws, line.at, known, position)

    def contents(self) -> Contents:
        """How much there is, and how old."""
        oldest = min(self._closings().values(), default=None)
        return Contents(len(self._entries), sum(isinstance(place, _Place) for place in self._places), oldest)

    def expire(self, time: TimeKeeper, limit: timedelta, ahead: timedelta) -> int:
        """Have go what reaches `limit` within `ahead`, the time until the next run; returns how many receipts went.

        An order goes as a whole, `limit` after its verified receipt; one that is not closed never. Nothing goes while
        the time is not known.
        """
        if not time.known:
            return 0
        due = time.now() - limit + ahead
        gone = {order for order, at in self._closings().items() if at <= due}
        return self._forget(gone) if gone else 0

    def log_position(self) -> LogPosition:
        """The Merkle log over all receipts so far."""
        return LogPosition(size=self._tree.size, root=self._tree.root().hex())

    def last_sequences(self) -> dict[str, int]:
        """The highest sequence journaled of each issuer."""
        last = dict(self._passed)
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
            case _Dying(id_):
                self._told.setdefault(id_, _Told()).add(line)
            case _Receipt(id_, kind):
                if id_ not in self._entries:
                    # Its intent could not be read; without this receipt those after it would not verify.
                    self._entries[id_] = _known_by(line)
                self._entries[id_].receipts[kind] = line
                self._places.append(_Place(line, _knew_the_time(line)))
                self._tree.add_hash(leaf_of(line.jws))
            case _Leaf(hash_):
                self._places.append(ExpiredReceipt(bytes.fromhex(hash_)))
                self._tree.add_hash(bytes.fromhex(hash_))
            case _Passed(issuer, sequence):
                self._passed[issuer] = max(sequence, self._passed.get(issuer, 0))
            case _:
                self._entries[line.order].acknowledged.add(line.kind)

    def _closings(self) -> dict[str, datetime]:
        """When each order that is closed had its verified receipt.

        Where the time was not known then, the receipt says what an unwitnessed clock said: it counts as issued when the
        next one was whose time was known. It was no later, and who kept it too short a time could not show it.
        """
        closings: dict[str, datetime] = {}
        later: datetime | None = None
        for place in reversed(self._places):
            if isinstance(place, ExpiredReceipt):
                continue
            line = place.line
            at = line.at if place.time_known else later or line.at
            later = line.at if place.time_known else later
            if line.kind == "verified" and self._entries[line.order].order is None:
                closings[line.order] = at
        return closings

    def _forget(self, gone: Collection[str]) -> int:
        """Write the journal anew without these orders; returns how many receipts went. Idempotent."""
        last = self.last_sequences()
        lasting: dict[str, int] = {}
        for id_, entry in self._entries.items():
            if id_ not in gone:
                lasting[entry.issuer] = max(entry.sequence, lasting.get(entry.issuer, 0))
        passed = {issuer: highest for issuer, highest in last.items() if highest > lasting.get(issuer, 0)}

        def keep(_sequence: int, payload: bytes) -> bytes | None:
            try:
                line = msgspec.json.decode(payload, type=_Line)
            except ValueError:
                return payload  # passed over when it was read, and kept for whoever understands it
            match line:
                case _Receipt(order, _, jws) if order in gone:
                    return msgspec.json.encode(_Leaf(leaf_of(jws).hex()))
                case _Closed(order, issuer, sequence) if order in gone:
                    stays = passed.get(issuer) == sequence
                    return msgspec.json.encode(_Passed(issuer, sequence)) if stays else None
                case _Passed(issuer, sequence) if passed.get(issuer) != sequence:
                    return None
                case _Found(order) | _Dying(order) | _Acknowledged(order) if order in gone:
                    return None
            return payload

        self._log.rewrite(keep)
        # Others may be reading meanwhile: what they began with stays as it is.
        self._passed = passed
        before = self.contents().receipts
        self._places = [
            ExpiredReceipt(leaf_of(place.line.jws)) if isinstance(place, _Place) and place.line.order in gone else place
            for place in self._places
        ]
        for id_ in gone:
            del self._entries[id_]
            self._told.pop(id_, None)
        return before - self.contents().receipts

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


def _knew_the_time(receipt: _Receipt) -> bool:
    try:
        return unverified_claims(receipt.jws.encode()).get("time_known") is not False
    except (LookupError, ValueError):  # no receipt: then it says nothing against its time
        return True


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
