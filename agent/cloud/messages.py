"""What crosses the broker besides orders and receipts, which are JWS: JSON objects of these types.

Readers ignore members that they do not know, so that a later version can add some. Nothing here makes a gateway do
anything but stop repeating itself, or repeat a receipt.
"""

from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from privacy.receipts import Kind, LogPosition
from privacy.records import Identifier, UuidV7

T = TypeVar("T")

MOST_LACKING = 64
"""Receipts that are asked for at once; the next hello asks for more."""

Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Count = Annotated[int, Meta(ge=0, lt=2**53)]


class PublicKey(msgspec.Struct, frozen=True, kw_only=True):
    """An Ed25519 public key as a JWK (RFC 8037)."""

    kty: Literal["OKP"] = "OKP"
    crv: Literal["Ed25519"] = "Ed25519"
    x: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{43}$")]
    kid: Annotated[str, Meta(min_length=1, max_length=128)]
    alg: Literal["Ed25519"] = "Ed25519"
    use: Literal["sig"] = "sig"


class Hello(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway says who it is and how far it has come; the cloud sends again what it has no receipt for."""

    id: UuidV7
    """Of this one saying. A broker may deliver an old hello again; that must not pass for a log that became smaller."""
    gateway: Identifier
    epoch: Annotated[int, Meta(ge=1)]
    software: Annotated[str, Meta(max_length=80)]
    last_sequences: dict[str, Count]
    """The highest order sequence that it has journaled, by issuer."""
    receipts: Count
    """How many receipts stand in its journal."""
    acknowledged: Count
    """How many of them the cloud has acknowledged."""
    log: LogPosition
    """The head of its log of receipts. Not signed: the receipts are, each with the head before it."""
    first: Count = 0
    """The first place in the log, counted from 0, whose receipt it still has: those before have expired, and asking
    for them is in vain."""
    receipt_key: PublicKey
    """What its receipts are signed with."""


class HelloAck(msgspec.Struct, frozen=True, kw_only=True):
    """The cloud has heard this hello, and sent again what it has no receipt for."""

    sha256: Sha256
    """Of the hello's payload."""
    lacking: Annotated[tuple[Count, ...], Meta(max_length=MOST_LACKING)] = ()
    """Places in the log, counted from 0, whose receipts are not there: send them again, acknowledged or not."""


class ReceiptAck(msgspec.Struct, frozen=True, kw_only=True):
    """The cloud has verified and stored this receipt."""

    order: UuidV7
    kind: Kind


class LogBatch(msgspec.Struct, frozen=True, kw_only=True):
    """Redacted lines of the operation log. The same id always means the same lines."""

    id: Identifier
    lines: tuple[str, ...]


class LogAck(msgspec.Struct, frozen=True, kw_only=True):
    """The cloud has stored this batch."""

    id: Identifier


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Something sent as an order was not one that this gateway obeys, and has had no effect."""

    sha256: Sha256
    """Of the payload as it came."""
    code: Annotated[str, Meta(pattern="^[a-z_]{1,32}$")]


def decode(payload: bytes, kind: type[T]) -> T:
    """Read a message.

    Raises:
        ValueError: it is not a `kind`; the text says what is wrong.
    """
    try:
        return msgspec.json.decode(payload, type=kind)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from error
