"""Lines of the journal that cannot be read. What it does as a whole is in `test_erasure.py`."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from privacy.audit import verify_log
from privacy.errors import StoreBroken
from privacy.journal import PURPOSE, Journal
from privacy.keyring import KeyRing
from privacy.order_texts import KIND
from privacy.orders import PurgeOrder, verify_order
from privacy.receipts import Kind, OrderReference, Receipt, sign_receipt
from privacy.seal import Keys
from privacy.sealed_log import SealedLog
from privacy.signing import SigningKey, Trust

Verified = Callable[..., PurgeOrder]


@pytest.fixture
def verified(order_text: Callable[..., str], trust: Trust, clock: Any) -> Verified:
    return lambda: verify_order(order_text().encode(), audience="gw-1/1", trust=trust, clock=clock)


@pytest.fixture
def issue(gateway_key: SigningKey, clock: Any) -> Callable[[Journal, PurgeOrder, Kind], None]:
    def issue(journal: Journal, order: PurgeOrder, kind: Kind) -> None:
        receipt = Receipt(
            iss="gw-1/1",
            kind=kind,
            order=OrderReference(id=order.id, issuer=order.issuer, sha256=order.sha256),
            at=clock.now(),
            software="0",
            stores=(),
            log=journal.log_position(),
            complete=True,
        )
        journal.receipt(order.id, kind, sign_receipt(gateway_key, receipt), clock.now())
        verify_log([receipt.jws for receipt in journal.receipts()], gateway_key.public_jwk())

    return issue


@pytest.fixture
def reopened(tmp_path: Path, keys: Keys, open_ring: Callable[[], KeyRing]) -> Callable[[], Journal]:
    return lambda: Journal(tmp_path / "journal", keys, open_ring())


@pytest.fixture
def lines(tmp_path: Path, keys: Keys) -> Callable[[], SealedLog]:
    """The file itself."""
    return lambda: SealedLog(tmp_path / "journal", keys.seal(PURPOSE), PURPOSE.encode())


Spoil = Callable[[str], None]


@pytest.fixture
def spoil_first(lines: Callable[[], SealedLog], open_ring: Callable[[], KeyRing]) -> Spoil:
    """As if a later version had written another text into the first intent, under its key."""

    def spoil(text: str) -> None:
        def spoilt(sequence: int, old: bytes) -> bytes:
            if sequence:
                return old
            intent = msgspec.json.decode(old)
            ring = open_ring()
            entry = ring.entries(KIND)[bytes.fromhex(intent["key"])]
            sealed = ring.seal(entry).close(text.encode(), b"portvakt/v1/order")
            return msgspec.json.encode({**intent, "sealed": sealed})

        lines().rewrite(spoilt)

    return spoil


@pytest.mark.parametrize("jws", ["", "a.b.c", "e30.e30.e30", "a.!.c", "e30.W10.", "\\u00e6.\\u00e6.\\u00e6"])
def test_an_intent_that_cannot_be_read_costs_itself_alone(
    reopened: Callable[[], Journal],
    spoil_first: Spoil,
    verified: Verified,
    caplog: pytest.LogCaptureFixture,
    jws: str,
) -> None:
    first, second = verified(), verified()
    journal = reopened()
    journal.admit(first)
    journal.admit(second)
    spoil_first(jws)
    with caplog.at_level(logging.WARNING):
        again = reopened()
    (told,) = caplog.records
    assert told.levelno == logging.ERROR
    assert "line 0 cannot be read" in told.message
    assert [order.id for order in again.unfinished()] == [second.id]
    assert again.admit(first), "it comes again"
    assert {order.id for order in reopened().unfinished()} == {first.id, second.id}


def test_closing_passes_over_what_cannot_be_read(
    reopened: Callable[[], Journal],
    lines: Callable[[], SealedLog],
    spoil_first: Spoil,
    verified: Verified,
    issue: Callable[..., None],
) -> None:
    first, second = verified(), verified()
    journal = reopened()
    journal.admit(first)
    journal.admit(second)
    spoil_first("from.a.later version")
    again = reopened()
    issue(again, second, "erased")
    issue(again, second, "verified")
    again.close()
    assert again.unfinished() == []
    payloads = [payload for _, payload in lines().replay()]
    assert msgspec.json.decode(payloads[0])["type"] == "intent"


@pytest.mark.parametrize("kinds", [["erased"], ["erased", "verified"]])
def test_receipts_outlive_the_intent_that_cannot_be_read(
    reopened: Callable[[], Journal],
    spoil_first: Spoil,
    verified: Verified,
    issue: Callable[..., None],
    kinds: list[Kind],
) -> None:
    first, second = verified(), verified()
    journal = reopened()
    journal.admit(first)
    for kind in kinds:
        issue(journal, first, kind)
    spoil_first("")
    again = reopened()
    assert again.admit(first) == (kinds == ["erased"]), "without a verified receipt it is carried out after all"
    again.admit(second)
    issue(again, second, "erased")
    for order in again.unfinished():
        issue(again, order, "verified")
    again.close()
    last = reopened()
    assert last.unfinished() == []
    both = {(order.id, kind) for order in (first, second) for kind in ("erased", "verified")}
    assert {(receipt.order, receipt.kind) for receipt in last.receipts()} == both
    assert last.last_sequences()["cloud"] == 2


def test_a_line_of_a_kind_that_is_not_known_is_passed_over(reopened: Callable[[], Journal], verified: Verified) -> None:
    journal = reopened()
    journal._log.append([b"{not json", b'{"type": "of a later version"}', b'{"type": "receipt"}'])
    journal._log.append([b'{"type":"receipt","order":"x","kind":"erased","jws":"a.b.c","at":"2026-01-01T00:00:00Z"}'])
    journal._log.append([b'{"type":"acknowledged","order":"unknown","kind":"erased"}'])
    journal.admit(verified())
    again = reopened()
    assert len(again.unfinished()) == 1
    assert list(again.receipts()) == []


@pytest.mark.parametrize("key", ["", "00", "zz", "00" * 16])
def test_an_intent_whose_key_is_not_there_costs_itself_alone(
    reopened: Callable[[], Journal], lines: Callable[[], SealedLog], verified: Verified, key: str
) -> None:
    first, second = verified(), verified()
    journal = reopened()
    journal.admit(first)
    journal.admit(second)
    lines().rewrite(lambda n, old: old if n else msgspec.json.encode({**msgspec.json.decode(old), "key": key}))
    again = reopened()
    assert [order.id for order in again.unfinished()] == [second.id]
    assert again.admit(first)


def test_the_text_of_an_order_dies_with_its_key(
    reopened: Callable[[], Journal], open_ring: Callable[[], KeyRing], verified: Verified, issue: Callable[..., None]
) -> None:
    journal, order, other = reopened(), verified(), verified()
    journal.admit(order)
    journal.admit(other)
    stale = {entry.key for entry in open_ring().entries(KIND).values()}
    assert len(stale) == 2
    issue(journal, order, "erased")
    issue(journal, order, "verified")
    journal.close()
    (left,) = open_ring().entries(KIND).values()
    assert left.info == other.id.encode()
    assert left.key in stale


def test_a_key_whose_intent_was_never_written_dies_with_the_next_start(
    reopened: Callable[[], Journal], open_ring: Callable[[], KeyRing], verified: Verified
) -> None:
    order = verified()
    reopened().admit(order)
    ring = open_ring()
    ring.add(KIND, b"cut short")
    ring.sync()
    reopened()
    assert [entry.info for entry in open_ring().entries(KIND).values()] == [order.id.encode()]


def test_what_a_full_medium_keeps_alive_dies_later(
    reopened: Callable[[], Journal],
    open_ring: Callable[[], KeyRing],
    verified: Verified,
    issue: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    journal, order = reopened(), verified()
    journal.admit(order)
    issue(journal, order, "erased")
    issue(journal, order, "verified")
    with monkeypatch.context() as patch:
        patch.setattr(KeyRing, "change", raising)
        with pytest.raises(StoreBroken):
            journal.close()
        assert reopened().unfinished() == [], "it starts all the same"
    reopened()
    assert not open_ring().entries(KIND)


def raising(_ring: KeyRing) -> None:
    raise StoreBroken("no space left")


def test_what_died_is_known_to_later_attempts(
    reopened: Callable[[], Journal], verified: Verified, issue: Callable[..., None]
) -> None:
    journal, order, other = reopened(), verified(), verified()
    journal.admit(order)
    journal.admit(other)
    journal.dying(order.id, {"vault": {"tagged": 3, "claimed": 0}, "spool": {}}, {"vault": b"one", "spool": b""})
    journal.dying(order.id, {"vault": {"tagged": 1}}, {"vault": b"one"})
    before = journal._log.first_free
    journal.dying(order.id, {"vault": {"tagged": 3}}, {"vault": b"one"})
    assert journal._log.first_free == before, "nothing is new"
    journal.dying(order.id, {"vault": {"tagged": 2, "claimed": 4}}, {"vault": b"two"})
    for known in (journal, reopened()):
        assert known.ways(order.id, "vault") == {"tagged": 3, "claimed": 4}
        assert known.marks(order.id, "vault") == (b"one", b"two")
        assert known.ways(order.id, "spool") == known.ways(other.id, "vault") == {}
        assert known.marks(order.id, "spool") == known.marks(other.id, "vault") == ()
    issue(journal, order, "erased")
    issue(journal, order, "verified")
    journal.close()
    for known in (journal, reopened()):
        assert known.ways(order.id, "vault") == {}
        assert known.marks(order.id, "vault") == ()


def test_what_died_is_known_where_the_intent_cannot_be_read_and_comes_again(
    reopened: Callable[[], Journal], spoil_first: Spoil, verified: Verified
) -> None:
    journal, order = reopened(), verified()
    journal.admit(order)
    journal.dying(order.id, {"vault": {"tagged": 3}}, {"vault": b"one"})
    spoil_first("")
    again = reopened()
    assert again.admit(order)
    assert reopened().marks(order.id, "vault") == (b"one",)
    assert reopened().ways(order.id, "vault") == {"tagged": 3}
