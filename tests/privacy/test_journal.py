"""Lines of the journal that cannot be read. What it does as a whole is in `test_erasure.py`."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from privacy.audit import verify_log
from privacy.journal import PURPOSE, Journal
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
def reopened(tmp_path: Path, keys: Keys) -> Callable[[], Journal]:
    return lambda: Journal(tmp_path / "journal", keys)


@pytest.fixture
def lines(tmp_path: Path, keys: Keys) -> Callable[[], SealedLog]:
    """The file itself."""
    return lambda: SealedLog(tmp_path / "journal", keys.seal(PURPOSE), PURPOSE.encode())


def spoil_first(lines: SealedLog, jws: str) -> None:
    """As if a later version had written the first intent."""
    spoilt = msgspec.json.encode({"type": "intent", "jws": jws})
    lines.rewrite(lambda sequence, old: old if sequence else spoilt)


@pytest.mark.parametrize("jws", ["", "a.b.c", "e30.e30.e30", "a.!.c", "e30.W10.", "\\u00e6.\\u00e6.\\u00e6"])
def test_an_intent_that_cannot_be_read_costs_itself_alone(
    reopened: Callable[[], Journal],
    lines: Callable[[], SealedLog],
    verified: Verified,
    caplog: pytest.LogCaptureFixture,
    jws: str,
) -> None:
    first, second = verified(), verified()
    journal = reopened()
    journal.admit(first)
    journal.admit(second)
    spoil_first(lines(), jws)
    with caplog.at_level(logging.WARNING):
        again = reopened()
    (told,) = caplog.records
    assert told.levelno == logging.ERROR
    assert "line 0 cannot be read" in told.message
    assert [order.id for order in again.unfinished()] == [second.id]
    assert again.admit(first), "it comes again"
    assert {order.id for order in reopened().unfinished()} == {first.id, second.id}


def test_closing_passes_over_what_cannot_be_read(
    reopened: Callable[[], Journal], lines: Callable[[], SealedLog], verified: Verified, issue: Callable[..., None]
) -> None:
    first, second = verified(), verified()
    journal = reopened()
    journal.admit(first)
    journal.admit(second)
    spoil_first(lines(), "from.a.later version")
    again = reopened()
    issue(again, second, "erased")
    issue(again, second, "verified")
    again.close()
    assert again.unfinished() == []
    payloads = [payload for _, payload in lines().replay()]
    assert msgspec.json.decode(payloads[0])["jws"] == "from.a.later version"


@pytest.mark.parametrize("kinds", [["erased"], ["erased", "verified"]])
def test_receipts_outlive_the_intent_that_cannot_be_read(
    reopened: Callable[[], Journal],
    lines: Callable[[], SealedLog],
    verified: Verified,
    issue: Callable[..., None],
    kinds: list[Kind],
) -> None:
    first, second = verified(), verified()
    journal = reopened()
    journal.admit(first)
    for kind in kinds:
        issue(journal, first, kind)
    spoil_first(lines(), "")
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
