"""Proofs of the activity log, for whoever has the gateway's public key: that a line is in it, and that it only grew.

The checkpoint is that of `privacy.checkpoint`, of another log: its `typ` says so.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec

from privacy.activity_line import Line, leaf_of, text_of
from privacy.checkpoint import Checkpoint, Hash, verify_checkpoint
from privacy.errors import ReceiptInvalid
from privacy.merkle import consistent, includes
from privacy.receipts import LogPosition

TYP: Final = "portvakt-activity-checkpoint+jwt"


class ActivityProof(msgspec.Struct, frozen=True, kw_only=True):
    """That a line stands at `number` (from 0) of the log that `checkpoint` (compact JWS) describes."""

    checkpoint: str
    number: Annotated[int, msgspec.Meta(ge=0)]
    salt: bytes
    text: bytes
    """What the line says, as it was written: MessagePack, see `privacy/FORMAT.md`."""
    path: tuple[Hash, ...]


class ActivityGrowth(msgspec.Struct, frozen=True, kw_only=True):
    """That the log of `checkpoint` (compact JWS) grew out of one with `size` lines, and nothing in that was changed."""

    checkpoint: str
    size: Annotated[int, msgspec.Meta(ge=0)]
    path: tuple[Hash, ...]


def verify_line(proof: ActivityProof, public_jwk: Mapping[str, Any]) -> tuple[Line, Checkpoint]:
    """What the line says, and the checkpoint that vouches for it.

    Raises:
        ReceiptInvalid: the checkpoint is not the gateway's, or the proof does not lead from the line to it.
    """
    checkpoint = verify_checkpoint(proof.checkpoint, public_jwk, TYP)
    path = [bytes.fromhex(node) for node in proof.path]
    leaf, log = leaf_of(proof.salt, proof.text), checkpoint.log
    if not includes(leaf, proof.number, log.size, path, bytes.fromhex(log.root)):
        raise ReceiptInvalid(f"the proof does not show that line {proof.number} is in the log")
    line = text_of(proof.text)
    if line is None:
        raise ReceiptInvalid(f"line {proof.number} is in the log, and cannot be read", hint="use a later version")
    return line, checkpoint


def verify_growth(proof: ActivityGrowth, old: LogPosition, public_jwk: Mapping[str, Any]) -> Checkpoint:
    """The checkpoint of the log that grew out of the `old` position.

    Raises:
        ReceiptInvalid: the checkpoint is not the gateway's, or the log did not grow out of that one.
    """
    checkpoint = verify_checkpoint(proof.checkpoint, public_jwk, TYP)
    path = [bytes.fromhex(node) for node in proof.path]
    roots = bytes.fromhex(old.root), bytes.fromhex(checkpoint.log.root)
    if proof.size != old.size or not consistent(old.size, checkpoint.log.size, *roots, path):
        raise ReceiptInvalid(
            f"the log of {checkpoint.log.size} lines did not grow out of the one of {old.size} that you kept",
            hint="a line was changed, dropped or moved since, or the log was begun anew",
        )
    return checkpoint
