"""What of the order journal has reached its limit, and what stays of it.

An order goes as a whole. Of each of its receipts the leaf hash stays in its place, so that the Merkle log still
verifies; of its issuer how far the sequence had come, so that no order comes a second time.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from privacy.journal_lines import Acknowledged, Closed, Dying, Found, Issued, Leaf, Line, Passed
from privacy.receipts import ExpiredReceipt, leaf_of


@dataclass(frozen=True, slots=True)
class Place:
    """A receipt in the log."""

    line: Issued
    time_known: bool
    """Whether the gateway knew what time it was, says the receipt."""


def closings(
    log: Sequence[Place | ExpiredReceipt], closed: Collection[str], known: Mapping[int, datetime]
) -> dict[str, datetime | None]:
    """When each of the orders `closed` had its verified receipt; None where nobody can say yet.

    Where the time was not known then, the receipt says what an unwitnessed clock said: it counts as issued when the
    time was known next, by the next receipt or by what is `known`: after how many receipts, and when. It was no later.
    """
    found: dict[str, datetime | None] = {}
    later: datetime | None = None
    for position in reversed(range(len(log))):
        later = known.get(position + 1, later)
        place = log[position]
        if isinstance(place, ExpiredReceipt):
            continue
        line = place.line
        if place.time_known:
            later = line.at
        if line.kind == "verified" and line.order in closed:
            found[line.order] = later
    return found


def highest(sequences: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Of each issuer, the highest of its sequences."""
    found: dict[str, int] = {}
    for issuer, sequence in sequences:
        found[issuer] = max(sequence, found.get(issuer, 0))
    return found


@dataclass(frozen=True, slots=True)
class Expired:
    """Orders that have expired."""

    orders: Collection[str]
    passed: Mapping[str, int]
    """Of each issuer whose highest sequence no order has that stays: that sequence."""

    def rest(self, line: Line) -> Line | None:
        """What stays in the place of a line."""
        match line:
            case Issued(order, _, jws) if order in self.orders:
                return Leaf(leaf_of(jws).hex())
            case Closed(order, issuer, sequence) if order in self.orders:
                return Passed(issuer, sequence) if self.passed.get(issuer) == sequence else None
            case Passed(issuer, sequence) if self.passed.get(issuer) != sequence:
                return None
            case Found(order) | Dying(order) | Acknowledged(order) if order in self.orders:
                return None
        return line

    def place(self, place: Place | ExpiredReceipt) -> Place | ExpiredReceipt:
        """What stays of a place in the log."""
        if isinstance(place, Place) and place.line.order in self.orders:
            return ExpiredReceipt(leaf_of(place.line.jws))
        return place
