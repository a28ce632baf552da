from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
import pytest

from privacy.checkpoint import (
    Checkpoint,
    Inclusion,
    prove_inclusion,
    sign_checkpoint,
    verify_checkpoint,
    verify_growth,
    verify_inclusion,
)
from privacy.errors import ReceiptInvalid
from privacy.merkle import Tree
from privacy.receipts import LogPosition, OrderReference, Receipt, sign_receipt
from privacy.signing import SigningKey

AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def log(gateway_key: SigningKey) -> list[str]:
    """Seven receipts."""
    tree, made = Tree(), []
    for number in range(7):
        receipt = Receipt(
            iss="gw-1/1",
            kind="erased",
            order=OrderReference(id=f"o-{number}", issuer="backend", sha256="0" * 64),
            at=AT,
            software="0",
            stores=(),
            log=position(made),
            complete=True,
        )
        made.append(sign_receipt(gateway_key, receipt))
        tree.add(made[-1].encode())
    return made


def position(log: list[str]) -> LogPosition:
    tree = Tree(jws.encode() for jws in log)
    return LogPosition(size=tree.size, root=tree.root().hex())


@pytest.fixture
def checkpoint(gateway_key: SigningKey) -> Callable[[list[str]], str]:
    return lambda log: sign_checkpoint(gateway_key, Checkpoint(iss="gw-1/1", at=AT, log=position(log)))


def test_a_checkpoint_verifies_with_the_public_key_alone(
    log: list[str], checkpoint: Callable[[list[str]], str], gateway_key: SigningKey
) -> None:
    jws = checkpoint(log)
    assert verify_checkpoint(jws + "\n", gateway_key.public_jwk()).log == position(log)
    wrong = (SigningKey.generate().public_jwk(), {"kty": "oct"})
    for text, key in [(jws, wrong[0]), (jws, wrong[1]), (log[0], gateway_key.public_jwk()), ("", wrong[0])]:
        with pytest.raises(ReceiptInvalid, match="checkpoint does not verify"):
            verify_checkpoint(text, key)


def test_every_receipt_can_be_shown_to_be_in_the_log_and_nothing_else(
    log: list[str], checkpoint: Callable[[list[str]], str], gateway_key: SigningKey
) -> None:
    public, jws = gateway_key.public_jwk(), checkpoint(log[:5])
    for receipt in log[:5]:
        proof = prove_inclusion(log, receipt, jws, 5)
        assert verify_inclusion(receipt + "\n", proof, public).log.size == 5
        for other in log:
            if other != receipt:
                with pytest.raises(ReceiptInvalid, match="does not show"):
                    verify_inclusion(other, proof, public)
        with pytest.raises(ReceiptInvalid, match="checkpoint"):
            verify_inclusion(receipt, proof, SigningKey.generate().public_jwk())
        with pytest.raises(ReceiptInvalid, match="does not show"):
            verify_inclusion(receipt, msgspec.structs.replace(proof, index=proof.index + 1), public)
    for receipts, receipt, size in [(log, log[5], 5), (log[:4], log[0], 5)]:
        with pytest.raises(ReceiptInvalid, match="newer"):
            prove_inclusion(receipts, receipt, jws, size)


def test_a_proof_is_plain_json(log: list[str], checkpoint: Callable[[list[str]], str]) -> None:
    proof = prove_inclusion(log, log[2], checkpoint(log), 7)
    assert msgspec.json.decode(msgspec.json.encode(proof), type=Inclusion) == proof


def test_a_log_that_grew_is_told_from_one_that_was_changed(log: list[str]) -> None:
    for size in range(8):
        verify_growth(log, position(log[:size]), position(log))
    changed = [log[1], log[0], *log[2:]]
    with pytest.raises(ReceiptInvalid, match="did not grow"):
        verify_growth(changed, position(log[:5]), position(changed))
    with pytest.raises(ReceiptInvalid, match="did not grow"):
        verify_growth(log[:3], position(log[:5]), position(log[:3]))
    with pytest.raises(ReceiptInvalid, match="did not grow"):
        verify_growth(log[:3], position(log[:2]), position(log))
