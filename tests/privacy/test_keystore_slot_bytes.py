"""A slot's bytes are those of `privacy/FORMAT.md`, put together here by another hand."""

import hashlib

import pytest

from privacy.keystore.contract import Held
from privacy.keystore.slot_bytes import COMPACT, SlotFormat

GENERATION = bytes.fromhex("0000000000000102")
SECRET = bytes(range(32))
SLOT = b"PVSLOT1\x0a" + GENERATION + hashlib.sha256(b"portvakt/v1/slot" + GENERATION + SECRET).digest() + SECRET


def test_a_compact_slot() -> None:
    assert COMPACT.encode(Held(0x102, SECRET)) == SLOT
    assert len(SLOT) == COMPACT.length == 80
    assert COMPACT.decode(SLOT) == Held(0x102, SECRET)


def test_a_slot_with_a_page_for_its_head() -> None:
    roomy = SlotFormat(secret_bytes=32, secret_at=4096)
    assert roomy.encode(Held(0x102, SECRET)) == SLOT[:48] + bytes(4048) + SECRET
    assert roomy.decode(SLOT[:48] + bytes(4048) + SECRET) == Held(0x102, SECRET)


@pytest.mark.parametrize("generation", [0, 1, 2**64 - 1])
def test_every_generation(generation: int) -> None:
    held = Held(generation, SECRET)
    assert COMPACT.decode(COMPACT.encode(held)) == held


@pytest.mark.parametrize("data", [b"", SLOT[:-1], SLOT + b"\0", bytes(80), b"\xff" * 80, b"X" + SLOT[1:]])
def test_what_is_no_slot_is_empty(data: bytes) -> None:
    assert COMPACT.decode(data) is None
