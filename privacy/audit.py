"""Checks the log of receipts as a whole, with nothing but the receipts and the gateway's public key."""

from collections.abc import Mapping, Sequence
from typing import Any

from privacy.errors import ReceiptInvalid
from privacy.merkle import Tree
from privacy.receipts import LogPosition, Receipt, verify_receipt


def verify_log(receipts: Sequence[str], public_jwk: Mapping[str, Any]) -> list[Receipt]:
    """Every receipt, verified, in the order of the log.

    Args:
        receipts: compact JWS, oldest first: the whole log.
        public_jwk: the gateway's receipt-signing key.

    Raises:
        ReceiptInvalid: one was changed, dropped, moved or added by somebody else; the message says at which place.
            What was dropped from the very end is not seen here: the backend, which was given the later roots, sees it.
    """
    tree = Tree()
    verified = []
    for number, jws in enumerate(receipts):
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


def position(receipts: Sequence[str]) -> LogPosition:
    """Size and root of the log of `receipts`, compact JWS each, oldest first."""
    tree = Tree(jws.encode() for jws in receipts)
    return LogPosition(size=tree.size, root=tree.root().hex())
