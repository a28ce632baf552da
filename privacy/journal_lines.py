"""The lines of the order journal, as `FORMAT.md` has them, and what can be read in one of them alone."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

import msgspec

from privacy.receipts import Kind, OrderReference
from privacy.signing import unverified_claims


class Intent(msgspec.Struct, frozen=True, tag="intent"):
    """An order is to be carried out."""

    key: str
    """The id of the ring's entry, in hex, under whose key the order is sealed."""
    sealed: bytes
    """The order's JWS."""


class Found(msgspec.Struct, frozen=True, tag="found"):
    """What each store held in scope before anything was erased: a crash must not make the receipt say less."""

    order: str
    counts: dict[str, int]
    reach: datetime


class Dying(msgspec.Struct, frozen=True, tag="dying"):
    """What an erasure is about to take, and only it can say: afterwards that is dead, or the order would be."""

    order: str
    by: dict[str, dict[str, int]]
    """By a store's name, then by which way a record concerned somebody: how many."""
    marks: dict[str, bytes]
    """By a store's name, what its scan has to try besides."""


class Issued(msgspec.Struct, frozen=True, tag="receipt"):
    """A receipt."""

    order: str
    kind: Kind
    jws: str
    at: datetime

    def knew_the_time(self) -> bool:
        """Whether the gateway knew what time it was, says the receipt."""
        try:
            return unverified_claims(self.jws.encode()).get("time_known") is not False
        except (LookupError, ValueError):  # no receipt: then it says nothing against its time
            return True

    def reference(self) -> OrderReference:
        """What the receipt says of its order.

        Raises:
            ValueError: it is none.
        """
        try:
            return msgspec.convert(unverified_claims(self.jws.encode())["order"], OrderReference)
        except LookupError as error:
            raise ValueError("not a receipt") from error


class Acknowledged(msgspec.Struct, frozen=True, tag="acknowledged"):
    """The backend has a receipt."""

    order: str
    kind: Kind


class Closed(msgspec.Struct, frozen=True, tag="closed"):
    """Stands where the intent stood, once the order's text is dead."""

    order: str
    issuer: str
    sequence: int
    sha256: str


class Leaf(msgspec.Struct, frozen=True, tag="leaf"):
    """Stands where a receipt stood that has expired."""

    hash: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class Passed(msgspec.Struct, frozen=True, tag="passed"):
    """Stands for closed orders of an issuer that have expired: how far its sequence had come."""

    issuer: str
    sequence: int


class Known(msgspec.Struct, frozen=True, tag="known"):
    """The time has become known: the receipts before it were issued no later."""

    at: datetime


Line = Intent | Found | Dying | Issued | Acknowledged | Closed | Leaf | Passed | Known


def line_of(payload: bytes) -> Line:
    """The line that a record of the journal holds.

    Raises:
        ValueError: it is none of this version.
    """
    line: Line = msgspec.json.decode(payload, type=Line)  # msgspec's errors are ValueErrors
    return line


def payload_of(line: Line) -> bytes:
    return msgspec.json.encode(line)


@dataclass(slots=True)
class Told:
    """All that the erasures of one order have told before they took anything."""

    by: dict[str, dict[str, int]] = field(default_factory=dict)
    """As `Dying` has it; of each number the highest."""
    marks: dict[str, list[bytes]] = field(default_factory=dict)

    def add(self, line: Dying) -> None:
        for store, ways in line.by.items():
            most = self.by.setdefault(store, {})
            most.update({way: max(count, most.get(way, 0)) for way, count in ways.items()})
        for store, marks in line.marks.items():
            self.marks.setdefault(store, []).append(marks)

    def new_in(self, line: Dying) -> Dying:
        """What of `line` is not told yet."""
        by = {
            store: ways
            for store, ways in line.by.items()
            if any(count > self.by.get(store, {}).get(way, -1) for way, count in ways.items())
        }
        marks = {store: one for store, one in line.marks.items() if one and one not in self.marks.get(store, ())}
        return Dying(line.order, by, marks)
