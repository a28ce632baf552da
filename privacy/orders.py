"""Purge orders: sign, verify, and the only type that erasure accepts.

The claims are those of a JWT (RFC 7519) plus `seq`, `form`, `ground` and `scope`. `aud` is gateway and enrolment epoch,
`<gateway>/<epoch>`, so that an order for the box's former life cannot reach its present one.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

import msgspec

from privacy.clock import Clock
from privacy.errors import OrderRefused
from privacy.records import Scope, UuidV7
from privacy.seal import sha256_hex
from privacy.signing import SignatureError, SigningKey, Trust, unverified_claims, verify

TYP = "portvakt-purge+jwt"
LONGEST_LIFE = timedelta(days=180)
"""A gateway may be in a box until spring; late deletion beats none."""

NumericDate = Annotated[int, msgspec.Meta(ge=0, lt=253_402_300_800)]


class Form(StrEnum):
    """How far a purge reaches."""

    POINT = "point"
    """What was captured before the order was issued; a replay can never hurt newer data."""
    STANDING = "standing"
    """All up to its execution: an order of autumn that arrives in spring takes the winter with it."""


class Ground(StrEnum):
    """Why."""

    PERSONS_RIGHT = "persons_right"
    CONSENT_WITHDRAWN = "consent_withdrawn"
    END_OF_CONTRACT = "end_of_contract"
    END_OF_LIMIT = "end_of_limit"
    OWNERS_CHOICE = "owners_choice"


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What a purge order says. Unknown members are ignored here, but never inside `scope`."""

    iss: str
    aud: str
    jti: UuidV7
    seq: Annotated[int, msgspec.Meta(ge=1, lt=2**53)]
    iat: NumericDate
    exp: NumericDate
    form: Form
    ground: Ground
    scope: Scope


class _Verified:
    """Held by every order that came out of this module; nobody else can make one."""


_VERIFIED = _Verified()


@dataclass(frozen=True, slots=True)
class PurgeOrder:
    """A verified instruction. Exists only as the result of `verify_order` or `journaled_order`."""

    id: str
    issuer: str
    sequence: int
    issued: datetime
    form: Form
    ground: Ground
    scope: Scope
    sha256: str
    """Of the JWS; the receipt binds the order by it."""
    jws: str = field(repr=False)
    verified: _Verified = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.verified is not _VERIFIED:
            raise TypeError("only `verify_order` makes a PurgeOrder")

    def reaches_to(self, now: datetime) -> datetime:
        """What was captured before this time is in its reach.

        Never the future: an issuer whose clock is ahead must not reach pictures that are yet to be taken.
        """
        return min(self.issued, now) if self.form is Form.POINT else now


def sign_order(key: SigningKey, claims: Claims) -> str:
    """The compact JWS of an order."""
    return key.sign(TYP, msgspec.json.encode(claims))


def verify_order(
    compact: bytes, *, audience: str, trust: Trust, clock: Clock, known: Callable[[str], bool] = lambda _id: False
) -> PurgeOrder:
    """Turn bytes from anywhere into an order, or refuse them.

    `known` says whether an id stands in the journal. Such an order may come after its end: it has been obeyed, and
    whoever sends it again asks for its receipts.

    Raises:
        OrderRefused: `code` is one of size, form, algorithm, header, type, key, signature, claims, audience, expired,
            lifetime, issuer, scope.
    """
    try:
        signer, members = verify(compact, TYP, trust)
    except SignatureError as error:
        raise OrderRefused(error.code, str(error)) from error
    claims = _claims(members)
    if claims.iss != signer.name:
        raise OrderRefused("issuer", "it names another issuer than the one whose key signed it")
    if claims.aud != audience:
        raise OrderRefused("audience", "it is for another gateway, or for an earlier enrolment of this one")
    if not 0 < claims.exp - claims.iat <= LONGEST_LIFE.total_seconds():
        raise OrderRefused("lifetime", f"an order lives more than 0 and at most {LONGEST_LIFE.days} days")
    if claims.exp <= clock.now().timestamp() and not known(claims.jti):
        raise OrderRefused("expired", "it came after its end", hint="the backend must issue it anew")
    if not claims.scope.named:
        raise OrderRefused("scope", "its scope names nothing", hint='to erase all there is, say "everything": true')
    if claims.scope.backwards:
        raise OrderRefused("scope", "its scope ends before it begins", hint="the backend must issue it anew")
    return _order(claims, compact.decode())


def journaled_order(compact: str) -> PurgeOrder:
    """An order from our own sealed journal, where it was written after it was verified."""
    return _order(_claims(unverified_claims(compact.encode())), compact)


def _claims(members: dict[str, Any]) -> Claims:
    try:
        return msgspec.convert(members, Claims)
    except msgspec.ValidationError as error:
        raise OrderRefused("claims", str(error)) from error


def _order(claims: Claims, compact: str) -> PurgeOrder:
    return PurgeOrder(
        id=claims.jti,
        issuer=claims.iss,
        sequence=claims.seq,
        issued=datetime.fromtimestamp(claims.iat, UTC),
        form=claims.form,
        ground=claims.ground,
        scope=claims.scope,
        sha256=sha256_hex(compact.encode()),
        jws=compact,
        verified=_VERIFIED,
    )
