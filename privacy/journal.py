"""The order journal: what was ordered, how far it has come, and the receipts. A crash at any point resumes from here.

Each line is durable before anybody is told of it. The text of an order may name people, so it is sealed under a key of
its own in the key ring. After the verified receipt that key dies; the order's id, hash and receipts stay, so that the
same order again gets the same receipts. At their limit they go too; of each receipt the leaf hash stays in its place,
so that the Merkle log still verifies.
"""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from privacy.errors import StoreBroken
from privacy.journal_expiry import Expired, Place, closings, highest
from privacy.journal_lines import (
    Acknowledged,
    Closed,
    Dying,
    Found,
    Intent,
    Issued,
    Known,
    Leaf,
    Line,
    Passed,
    Told,
    line_of,
    payload_of,
)
from privacy.keyring import KeyRing
from privacy.merkle import Tree
from privacy.order_texts import OrderTexts
from privacy.orders import PurgeOrder
from privacy.receipts import ExpiredReceipt, Kind, LogPosition, leaf_of
from privacy.seal import Keys
from privacy.sealed_log import SealedLog
from privacy.timekeeping import TimeKeeper

log = logging.getLogger(__name__)

PURPOSE = "order-journal"


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
    receipts: dict[Kind, Issued] = field(default_factory=dict)
    acknowledged: set[Kind] = field(default_factory=set)


class Journal:
    """Every method that writes blocks: call it on the `Disk` thread. The others may be called on any."""

    def __init__(self, path: Path, keys: Keys, ring: KeyRing) -> None:
        self._log = SealedLog(path, keys.seal(PURPOSE), PURPOSE.encode())
        self._texts = OrderTexts(ring)
        self._entries: dict[str, _Entry] = {}
        self._told: dict[str, Told] = {}
        """By order. Also where its intent cannot be read: it may come again."""
        self._places: list[Place | ExpiredReceipt] = []
        self._passed: dict[str, int] = {}
        """The highest sequence of an issuer, where the order that had it has expired."""
        self._known: dict[int, datetime] = {}
        """After how many receipts the time became known, and when that was."""
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
        self._write(self._texts.seal(order))
        return True

    def counted(self, order: str, counts: dict[str, int], reach: datetime) -> None:
        """Write what was found in scope, and the time the order reaches to, before erasing."""
        self._write(Found(order, counts, reach))

    def counts(self, order: str) -> tuple[dict[str, int], datetime] | None:
        """What `counted` wrote."""
        entry = self._entries[order]
        return (entry.counts, entry.reach) if entry.counts is not None and entry.reach is not None else None

    def dying(self, order: str, by: Mapping[str, Mapping[str, int]], marks: Mapping[str, bytes]) -> None:
        """Write what is about to die, by the stores' names, before it does; nothing where nothing is new."""
        line = Dying(order, {store: dict(ways) for store, ways in by.items()}, dict(marks))
        new = self._told.get(order, Told()).new_in(line)
        if new.by or new.marks:
            self._write(new)

    def ways(self, order: str, store: str) -> Mapping[str, int]:
        """How many records of a store were found by which way: the most that any attempt has told `dying`."""
        return self._told.get(order, Told()).by.get(store, {})

    def marks(self, order: str, store: str) -> Sequence[bytes]:
        """The marks of a store that were told `dying`, of all attempts."""
        return tuple(self._told.get(order, Told()).marks.get(store, ()))

    def receipt(self, order: str, kind: Kind, jws: str, at: datetime) -> None:
        """Write a receipt."""
        self._write(Issued(order, kind, jws, at))

    def close(self) -> None:
        """Let the text of the orders die that have their verified receipt. Idempotent."""
        finished = {id_ for id_, e in self._entries.items() if e.order is not None and "verified" in e.receipts}
        if finished:
            self._close(finished)
        # Also of what a crash left: a key whose intent was never written, or is closed by now.
        self._texts.keep({entry.key for entry in self._entries.values() if entry.order is not None})

    def _close(self, finished: Collection[str]) -> None:
        def rest(line: Line) -> Line | None:
            match line:
                case Found(order) | Dying(order) if order in finished:
                    return None
                case Intent() if (text := self._texts.open(line)).id in finished:
                    return Closed(text.id, text.issuer, text.sequence, text.sha256)
            return line

        self._rewrite(rest)
        for id_ in finished:
            self._entries[id_].order = None
            self._told.pop(id_, None)

    def acknowledge(self, order: str, kind: Kind) -> bool:
        """Note that the backend has this receipt; False when it is unknown or was noted before."""
        entry = self._entries.get(order)
        if entry is None or kind not in entry.receipts or kind in entry.acknowledged:
            return False
        self._write(Acknowledged(order, kind))
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
        oldest = min(filter(None, self._closings().values()), default=None)
        return Contents(len(self._entries), sum(isinstance(place, Place) for place in self._places), oldest)

    def expire(self, time: TimeKeeper, limit: timedelta, ahead: timedelta) -> int:
        """Have go what reaches `limit` within `ahead`, the time until the next run; returns how many receipts went.

        An order goes as a whole, `limit` after its verified receipt; one that is not closed never. Nothing goes while
        the time is not known; what was issued before counts from now on.
        """
        if not time.known:
            return 0
        now = time.now()
        if None in self._closings().values():
            self._write(Known(now))
        due = now - limit + ahead
        gone = {order for order, at in self._closings().items() if at and at <= due}
        return self._forget(gone) if gone else 0

    def log_position(self) -> LogPosition:
        """The Merkle log over all receipts so far."""
        return LogPosition(size=self._tree.size, root=self._tree.root().hex())

    def last_sequences(self) -> dict[str, int]:
        """The highest sequence journaled of each issuer."""
        entries = tuple(self._entries.values())
        return highest([*self._passed.items(), *((entry.issuer, entry.sequence) for entry in entries)])

    def known(self, order: str) -> bool:
        """Whether this id stands here."""
        return order in self._entries

    def _read(self) -> None:
        passed_over = []
        for sequence, payload in self._log.replay():
            try:
                self._apply(line_of(payload))
            except (ValueError, KeyError):
                passed_over.append(str(sequence))
        if passed_over:
            log.error(
                "journal: what stands in line %s cannot be read and is passed over; an order among it is not carried"
                " out before it comes again",
                ", ".join(passed_over),
            )

    def _write(self, line: Line) -> None:
        self._log.append([payload_of(line)])
        self._apply(line)

    def _rewrite(self, rest: Callable[[Line], Line | None]) -> None:
        """Write the journal anew with what `rest` leaves of each line."""

        def keep(_sequence: int, payload: bytes) -> bytes | None:
            try:
                line = line_of(payload)
                left = rest(line)
            except ValueError:
                return payload  # passed over when it was read, and kept for whoever understands it
            if left is line:
                return payload
            return None if left is None else payload_of(left)

        self._log.rewrite(keep)

    def _apply(self, line: Line) -> None:
        match line:
            case Intent(key):
                order = self._texts.open(line)
                self._enter(order.id, _Entry(order.issuer, order.sequence, order.sha256, order, key))
            case Closed(id_, issuer, sequence, sha256):
                self._enter(id_, _Entry(issuer, sequence, sha256, None))
            case Found(id_, counts, reach):
                self._entries[id_].counts = counts
                self._entries[id_].reach = reach.astimezone(UTC)
            case Dying(id_):
                self._told.setdefault(id_, Told()).add(line)
            case Issued(id_, kind):
                if id_ not in self._entries:
                    # Its intent could not be read; without this receipt those after it would not verify.
                    known_by = line.reference()
                    self._entries[id_] = _Entry(known_by.issuer, 0, known_by.sha256, None)
                self._entries[id_].receipts[kind] = line
                self._places.append(Place(line, line.knew_the_time()))
                self._tree.add_hash(leaf_of(line.jws))
            case Leaf(hash_):
                self._places.append(ExpiredReceipt(bytes.fromhex(hash_)))
                self._tree.add_hash(bytes.fromhex(hash_))
            case Known(at):
                self._known[self._tree.size] = at.astimezone(UTC)
            case Passed(issuer, sequence):
                self._passed[issuer] = max(sequence, self._passed.get(issuer, 0))
            case _:
                self._entries[line.order].acknowledged.add(line.kind)

    def _closings(self) -> dict[str, datetime | None]:
        """When each order that is closed had its verified receipt."""
        closed = {id_ for id_, entry in tuple(self._entries.items()) if entry.order is None}
        return closings(self._places, closed, self._known)

    def _forget(self, gone: Collection[str]) -> int:
        """Write the journal anew without these orders; returns how many receipts went. Idempotent."""
        lasting = highest((entry.issuer, entry.sequence) for id_, entry in self._entries.items() if id_ not in gone)
        last = self.last_sequences()
        passed = {issuer: sequence for issuer, sequence in last.items() if sequence > lasting.get(issuer, 0)}
        expired = Expired(gone, passed)
        self._rewrite(expired.rest)
        # Others may be reading meanwhile: what they began with stays as it is.
        self._passed = passed
        before = self.contents().receipts
        self._places = [expired.place(place) for place in self._places]
        for id_ in gone:
            del self._entries[id_]
            self._told.pop(id_, None)
        return before - self.contents().receipts

    def _enter(self, order: str, entry: _Entry) -> None:
        if known := self._entries.get(order):
            # Its first intent could not be read, but its receipt could.
            entry.receipts, entry.acknowledged = known.receipts, known.acknowledged
        self._entries[order] = entry
