"""Proofs of the activity log, as somebody checks them who has the public key and nothing else."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from privacy.activity import ActivityLog
from privacy.activity_line import Deed, leaf_of
from privacy.activity_proof import TYP, ActivityGrowth, ActivityProof, verify_growth, verify_line
from privacy.checkpoint import Checkpoint, sign_checkpoint, verify_checkpoint
from privacy.errors import ReceiptInvalid
from privacy.hold import Role
from privacy.keyring import KeyRing
from privacy.receipts import LogPosition
from privacy.signing import SigningKey
from privacy.store import Barrier
from privacy.timekeeping import TimeKeeper

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def log(tmp_path: Path, ring: KeyRing, keeper: TimeKeeper) -> ActivityLog:
    limit = timedelta(days=182)
    log = ActivityLog(tmp_path / "activity", ring, keeper, limit, barrier=Barrier(), random_bytes=os.urandom)
    for number in range(9):
        log.append([Deed(at=NOON, actor="kari", role=Role.OWNER, action=f"deed-{number}")])
    return log


def position(log: ActivityLog) -> LogPosition:
    return LogPosition(size=log.tree.size, root=log.tree.root().hex())


def checkpoint(log: ActivityLog, key: SigningKey, typ: str = TYP) -> str:
    return sign_checkpoint(key, Checkpoint(iss="gw-1/1", at=NOON, log=position(log)), typ)


@pytest.fixture
def prove(log: ActivityLog, gateway_key: SigningKey) -> Callable[[int], ActivityProof]:
    def proof(number: int) -> ActivityProof:
        found = log.line(number)
        assert found
        path = tuple(node.hex() for node in log.tree.inclusion(number))
        signed = checkpoint(log, gateway_key)
        return ActivityProof(checkpoint=signed, number=number, salt=found[1].salt, text=found[1].text, path=path)

    return proof


def test_a_line_is_in_the_log(prove: Callable[[int], ActivityProof], gateway_key: SigningKey) -> None:
    proof = msgspec.json.decode(msgspec.json.encode(prove(4)), type=ActivityProof)
    line, vouching = verify_line(proof, gateway_key.public_jwk())
    assert (line.action, line.person, vouching.log.size) == ("deed-4", "kari", 9)


@pytest.mark.parametrize(
    "change",
    [
        {"number": 5},
        {"number": 9},
        {"salt": bytes(32)},
        {"path": ()},
        {"text": b"\x80"},
    ],
    ids=str,
)
def test_anything_else_is_not(
    prove: Callable[[int], ActivityProof], gateway_key: SigningKey, change: dict[str, object]
) -> None:
    proof = msgspec.structs.replace(prove(4), **change)
    with pytest.raises(ReceiptInvalid, match="does not show"):
        verify_line(proof, gateway_key.public_jwk())


def test_another_gateway_or_another_log_vouches_for_nothing(
    log: ActivityLog, prove: Callable[[int], ActivityProof], gateway_key: SigningKey
) -> None:
    proof = prove(4)
    with pytest.raises(ReceiptInvalid):
        verify_line(proof, SigningKey.generate().public_jwk())
    of_receipts = checkpoint(log, gateway_key, "portvakt-checkpoint+jwt")
    assert verify_checkpoint(of_receipts, gateway_key.public_jwk()).log == position(log)
    with pytest.raises(ReceiptInvalid):
        verify_line(msgspec.structs.replace(proof, checkpoint=of_receipts), gateway_key.public_jwk())
    with pytest.raises(ReceiptInvalid):
        verify_checkpoint(proof.checkpoint, gateway_key.public_jwk())


def test_a_text_of_a_later_version_is_named(log: ActivityLog, gateway_key: SigningKey) -> None:
    salt, text = bytes(32), msgspec.msgpack.encode(["later"])
    number = log.tree.append([leaf_of(salt, text)])
    path = tuple(node.hex() for node in log.tree.inclusion(number))
    proof = ActivityProof(checkpoint=checkpoint(log, gateway_key), number=number, salt=salt, text=text, path=path)
    with pytest.raises(ReceiptInvalid, match="cannot be read"):
        verify_line(proof, gateway_key.public_jwk())


class TestGrowth:
    def grown(self, log: ActivityLog, key: SigningKey, size: int) -> ActivityGrowth:
        path = tuple(node.hex() for node in log.tree.consistency(size))
        return ActivityGrowth(checkpoint=checkpoint(log, key), size=size, path=path)

    def test_it_grew(self, log: ActivityLog, gateway_key: SigningKey) -> None:
        old = position(log)
        log.append([Deed(at=NOON, actor=None, role=None, action="claim")] * 5)
        proof = self.grown(log, gateway_key, old.size)
        assert verify_growth(proof, old, gateway_key.public_jwk()).log.size == 14

    def test_it_did_not(self, log: ActivityLog, gateway_key: SigningKey) -> None:
        old = position(log)
        other = msgspec.structs.replace(old, root=bytes(32).hex())
        smaller = msgspec.structs.replace(old, size=8)
        log.append([Deed(at=NOON, actor=None, role=None, action="claim")])
        for was in (other, smaller):
            with pytest.raises(ReceiptInvalid, match="did not grow"):
                verify_growth(self.grown(log, gateway_key, 9), was, gateway_key.public_jwk())
