"""Checks the log of receipts as a whole, with nothing but the receipts and the gateway's public key."""

from collections.abc import Mapping, Sequence
from typing import Any

from privacy.errors import ReceiptInvalid
from privacy.merkle import Tree
from privacy.receipts import ExpiredReceipt, LogEntry, LogPosition, Receipt, leaf_of, verify_receipt


def verify_log(receipts: Sequence[LogEntry], public_jwk: Mapping[str, Any]) -> list[Receipt]:
    """Every receipt that is still here, verified, in the order of the log.

    Of one that has expired the place counts, for which those after it vouch.

    Args:
        receipts: compact JWS, or what is left of those that have expired; oldest first: the whole log.
        public_jwk: the gateway's receipt-signing key.

    Raises:
        ReceiptInvalid: one was changed, dropped, moved or added by somebody else; the message says at which place.
            What was dropped from the very end is not seen here: the backend, which was given the later roots, sees it.
    """
    tree = Tree()
    verified = []
    for number, jws in enumerate(receipts):
        if isinstance(jws, ExpiredReceipt):
            tree.add_hash(jws.leaf)
            continue
        try:
            receipt = verify_receipt(jws, public_jwk)
        except ReceiptInvalid as error:
            raise ReceiptInvalid(f"entry {number}: {error}") from error
        if receipt.log.size != tree.size or receipt.log.root != tree.root().hex():
            raise ReceiptInvalid(
                f"entry {number} does not follow from those before it: one of them was changed, dropped or moved",
                hint="compare with the receipts that the backend holds",
            )
        tree.add(jws.encode())
        verified.append(receipt)
    return verified


def position(receipts: Sequence[LogEntry]) -> LogPosition:
    """Size and root of the log of `receipts`, oldest first."""
    tree = Tree()
    for entry in receipts:
        tree.add_hash(leaf_of(entry))
    return LogPosition(size=tree.size, root=tree.root().hex())
