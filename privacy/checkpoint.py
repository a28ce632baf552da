"""Signed checkpoints of the log of receipts, and proofs against them: that a receipt is in the log, that the log grew.

A checkpoint says how large the log was at some time, and its root. Whoever keeps one can later be shown that a receipt
stands in that log (RFC 9162, 2.1.3), or that today's log grew out of it and nothing was changed (2.1.4).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec

from privacy.errors import ReceiptInvalid
from privacy.merkle import consistency_proof, consistent, includes, inclusion_proof
from privacy.receipts import LogEntry, LogPosition, leaf_of
from privacy.signing import SignatureError, SigningKey, Trust, issuer, unverified_claims, unverified_type, verify

TYP = "portvakt-checkpoint+jwt"
Hash = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The claims of a checkpoint. `iss` is gateway and epoch, as in receipts."""

    iss: str
    at: datetime
    log: LogPosition


class Inclusion(msgspec.Struct, frozen=True, kw_only=True):
    """That a receipt stands at `index` (from 0) of the log that `checkpoint` (compact JWS) describes."""

    checkpoint: str
    index: Annotated[int, msgspec.Meta(ge=0)]
    path: tuple[Hash, ...]


def sign_checkpoint(key: SigningKey, checkpoint: Checkpoint, typ: str = TYP) -> str:
    """The compact JWS of a checkpoint; `typ` says of which log, so that one is never taken for another's."""
    return key.sign(typ, msgspec.json.encode(checkpoint))


def verify_checkpoint(jws: str, public_jwk: Mapping[str, Any], typ: str = TYP) -> Checkpoint:
    """Check a checkpoint of the log that `typ` names with nothing but the gateway's public key.

    Raises:
        ReceiptInvalid: not a checkpoint, changed, or signed by somebody else.
    """
    try:
        gateway = issuer("gateway", public_jwk)
        _, members = verify(jws.strip().encode(), typ, Trust({gateway.kid: gateway}))
        return msgspec.convert(members, Checkpoint)
    except (SignatureError, ValueError) as error:
        raise ReceiptInvalid(
            f"this checkpoint does not verify: {error}", hint="is this the key of that gateway?"
        ) from error


def unverified_checkpoint(jws: str) -> Checkpoint:
    """What a checkpoint says, for whoever has just got it from the gateway itself; the signature is not looked at.

    Raises:
        ReceiptInvalid: it is none.
    """
    try:
        if unverified_type(jws.encode()) != TYP:
            raise ReceiptInvalid("this is no checkpoint")
        return msgspec.convert(unverified_claims(jws.encode()), Checkpoint)
    except (SignatureError, ValueError) as error:
        raise ReceiptInvalid("this is no checkpoint") from error


def prove_inclusion(receipts: Sequence[LogEntry], receipt: str, checkpoint: str, size: int) -> Inclusion:
    """The proof that `receipt` is in the log that `checkpoint` describes.

    Args:
        receipts: the log, oldest first, at least up to the checkpoint.
        receipt: the one to prove, compact JWS; it may have expired there since.
        checkpoint: a signed checkpoint.
        size: of the log that it describes.

    Raises:
        ReceiptInvalid: it does not stand there.
    """
    log = [leaf_of(entry) for entry in receipts[:size]]
    leaf = leaf_of(receipt)
    if len(log) < size or leaf not in log:
        raise ReceiptInvalid("this receipt is not in the log that the checkpoint describes", hint="take a newer one")
    index = log.index(leaf)
    path = inclusion_proof(log, index)
    return Inclusion(checkpoint=checkpoint, index=index, path=tuple(node.hex() for node in path))


def verify_inclusion(receipt: str, proof: Inclusion, public_jwk: Mapping[str, Any]) -> Checkpoint:
    """Check that `receipt` is in the gateway's log; returns the checkpoint that vouches for it.

    Raises:
        ReceiptInvalid: the checkpoint is not the gateway's, or the proof does not lead from the receipt to it.
    """
    checkpoint = verify_checkpoint(proof.checkpoint, public_jwk)
    path = [bytes.fromhex(node) for node in proof.path]
    log = checkpoint.log
    if not includes(leaf_of(receipt.strip()), proof.index, log.size, path, bytes.fromhex(log.root)):
        raise ReceiptInvalid("the proof does not show that this receipt is in the log")
    return checkpoint


def verify_growth(receipts: Sequence[LogEntry], old: LogPosition, new: LogPosition) -> None:
    """Check that the log of `receipts` grew out of the `old` position into the `new` one.

    Raises:
        ReceiptInvalid: it did not: something before the old position was changed, dropped or moved.
    """
    leaves = [leaf_of(entry) for entry in receipts[: new.size]]
    if old.size <= len(leaves) == new.size:
        proof = consistency_proof(leaves, old.size)
        if consistent(old.size, new.size, bytes.fromhex(old.root), bytes.fromhex(new.root), proof):
            return
    raise ReceiptInvalid(
        f"the log of {new.size} entries did not grow out of the one of {old.size} that the checkpoint describes",
        hint="an entry was changed, dropped or moved since; compare with the receipts that the backend holds",
    )
