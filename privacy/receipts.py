"""Receipts: the signed statement of what an order did, store by store. Sign, verify.

A receipt binds the order by its id, its issuer and the hash of its JWS; of what was erased it holds no identifier.
What it claims: this build carried out that order over these stores, at these tiers. Never: that no copy exists
elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from privacy.errors import ReceiptInvalid
from privacy.merkle import leaf_hash
from privacy.records import Tier
from privacy.signing import SignatureError, SigningKey, Trust, issuer, unverified_claims, verify
from privacy.store import Exemption

TYP = "portvakt-receipt+jwt"
LARGEST_RECEIPT = 64 * 1024

Kind = Literal["erased", "verified"]


class StoreLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One store's part. For `erased`: found = erased + left. For `verified`: `left` is what the scan could open."""

    store: str
    found: int
    erased: int
    left: int
    tier: Tier
    by: dict[str, int] = {}
    """Where the scope names subjects: how many records were found by each way to concern somebody."""
    exemptions: tuple[Exemption, ...] = ()
    """Why something is left, and until when."""


class OrderReference(msgspec.Struct, frozen=True, kw_only=True):
    """Which order: its id, its issuer, and the SHA-256 of its JWS."""

    id: str
    issuer: str
    sha256: str


class LogPosition(msgspec.Struct, frozen=True, kw_only=True):
    """The gateway's Merkle log (RFC 9162) as it stood before this receipt was added: size, and root in hex.

    Each receipt thereby vouches for all earlier ones: none can be changed, dropped or moved afterwards.
    """

    size: Annotated[int, msgspec.Meta(ge=0)]
    root: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """The claims of a receipt. `iss` is gateway and epoch, as the order's `aud`."""

    iss: str
    kind: Kind
    order: OrderReference
    at: datetime
    software: str
    stores: tuple[StoreLine, ...]
    log: LogPosition
    complete: bool
    """True only when nothing in scope is left readable in any store."""
    time_known: bool = True
    """Whether the gateway knew what time it was, or `at` is what an unwitnessed clock said."""


@dataclass(frozen=True, slots=True)
class ExpiredReceipt:
    """Stands in the log where a receipt stood that has reached its limit: nothing but its hash is left."""

    leaf: bytes
    """Its leaf hash in the Merkle log."""


LogEntry = str | ExpiredReceipt
"""One entry of the log: a receipt, compact JWS, or what is left of one."""


def leaf_of(entry: LogEntry) -> bytes:
    """The leaf hash of an entry of the log (RFC 9162, 2.1.1)."""
    return entry.leaf if isinstance(entry, ExpiredReceipt) else leaf_hash(entry.encode())


def sign_receipt(key: SigningKey, receipt: Receipt) -> str:
    """The compact JWS of a receipt."""
    return key.sign(TYP, msgspec.json.encode(receipt))


def stated(jws: str) -> Receipt | None:
    """What a receipt of our own journal says, which nobody else can have written; None where it cannot be read."""
    try:
        return msgspec.convert(unverified_claims(jws.encode()), Receipt)
    except (LookupError, ValueError):
        return None


def verify_receipt(jws: str, public_jwk: Mapping[str, Any]) -> Receipt:
    """Check a receipt with nothing but the gateway's public key.

    Raises:
        ReceiptInvalid: not a receipt, changed, or signed by somebody else.
    """
    try:
        gateway = issuer("gateway", public_jwk)
        trust = Trust({gateway.kid: gateway})
        _, members = verify(jws.strip().encode(), TYP, trust, LARGEST_RECEIPT)
        receipt = msgspec.convert(members, Receipt)
    except (SignatureError, ValueError) as error:
        raise ReceiptInvalid(
            f"this receipt does not verify: {error}", hint="is this the key of that gateway?"
        ) from error
    if receipt.complete != (sum(line.left for line in receipt.stores) == 0):
        raise ReceiptInvalid("this receipt contradicts itself: `complete` does not follow from its stores")
    return receipt
