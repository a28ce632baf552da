"""Orders and receipts go at their limit, and the Merkle log still verifies."""

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

import privacy.journal
from privacy.audit import position, verify_log
from privacy.checkpoint import Checkpoint, prove_inclusion, sign_checkpoint, verify_growth, verify_inclusion
from privacy.errors import ReceiptInvalid, StoreBroken
from privacy.journal import PURPOSE, IssuedReceipt, Journal
from privacy.journal_expiry import Expired, Place, closings
from privacy.journal_lines import Leaf
from privacy.keyring import KeyRing
from privacy.orders import PurgeOrder, verify_order
from privacy.receipts import (
    ExpiredReceipt,
    Kind,
    LogEntry,
    OrderReference,
    Receipt,
    leaf_of,
    sign_receipt,
    stated,
)
from privacy.seal import Keys
from privacy.sealed_log import SealedLog
from privacy.signing import SigningKey, Trust
from privacy.timekeeping import TimeKeeper

LIMIT = timedelta(days=3 * 365)
HOUR = timedelta(hours=1)


class Desk:
    """A journal, and a hand that issues receipts into it; `journal` anew is a restart."""

    def __init__(  # noqa: PLR0913, PLR0917 - the fixtures it is made of
        self,
        folder: Path,
        keys: Keys,
        open_ring: Callable[[], KeyRing],
        order_text: Callable[..., str],
        trust: Trust,
        clock: Any,
        keeper: TimeKeeper,
        key: SigningKey,
    ) -> None:
        self.path, self.keys, self.open_ring = folder / "journal", keys, open_ring
        self.order_text, self.trust, self.clock, self.time, self.key = order_text, trust, clock, keeper, key
        self.restart()

    def restart(self) -> Journal:
        self.journal = Journal(self.path, self.keys, self.open_ring())
        return self.journal

    def admit(self, **claims: object) -> PurgeOrder:
        text = self.order_text(**claims).encode()
        order = verify_order(text, audience="gw-1/1", trust=self.trust, clock=self.clock)
        assert self.journal.admit(order)
        return order

    def issue(self, order: PurgeOrder, kind: Kind, *, time_known: bool = True) -> str:
        receipt = Receipt(
            iss="gw-1/1",
            kind=kind,
            order=OrderReference(id=order.id, issuer=order.issuer, sha256=order.sha256),
            at=self.clock.now(),
            software="0",
            stores=(),
            log=self.journal.log_position(),
            complete=True,
            time_known=time_known,
        )
        jws = sign_receipt(self.key, receipt)
        self.journal.receipt(order.id, kind, jws, receipt.at)
        return jws

    def done(self, *, time_known: bool = True, **claims: object) -> PurgeOrder:
        """An order that is carried out at once, and acknowledged."""
        order = self.admit(**claims)
        kinds: tuple[Kind, Kind] = ("erased", "verified")
        for kind in kinds:
            self.issue(order, kind, time_known=time_known)
            self.journal.acknowledge(order.id, kind)
        self.journal.counted(order.id, {"snapshots": 1}, self.clock.now())
        self.journal.dying(order.id, {"snapshots": {"tagged": 1}}, {"snapshots": b"mark"})
        self.journal.close()
        return order

    def expire(self, limit: timedelta = LIMIT) -> int:
        return self.journal.expire(self.time, limit, HOUR)

    def log(self) -> list[LogEntry]:
        return [one.jws if isinstance(one, IssuedReceipt) else one for one in self.journal.history()]

    def lines(self) -> list[dict[str, Any]]:
        sealed = SealedLog(self.path, self.keys.seal(PURPOSE), PURPOSE.encode())
        return [msgspec.json.decode(payload) for _, payload in sealed.replay()]

    def checkpoint(self) -> str:
        at = Checkpoint(iss="gw-1/1", at=self.clock.now(), log=self.journal.log_position())
        return sign_checkpoint(self.key, at)


@pytest.fixture
def desk(  # noqa: PLR0913, PLR0917 - as above
    tmp_path: Path,
    keys: Keys,
    open_ring: Callable[[], KeyRing],
    order_text: Callable[..., str],
    trust: Trust,
    clock: Any,
    keeper: TimeKeeper,
    gateway_key: SigningKey,
) -> Desk:
    return Desk(tmp_path, keys, open_ring, order_text, trust, clock, keeper, gateway_key)


def before_and_after_a_restart(desk: Desk) -> Iterator[Journal]:
    yield desk.journal
    yield desk.restart()


def test_an_order_goes_at_its_limit_and_nothing_of_it_stays_but_two_hashes(desk: Desk) -> None:
    order = desk.done()
    leaves = [leaf_of(entry) for entry in desk.log()]
    desk.clock.move(days=3 * 365, hours=-1, seconds=-1)
    assert desk.expire() == 0
    assert desk.journal.known(order.id)
    desk.clock.move(seconds=1)
    assert desk.expire() == 2, "what falls due before the next run"
    assert desk.expire() == 0
    assert desk.lines() == [
        {"type": "passed", "issuer": "cloud", "sequence": 1},
        *({"type": "leaf", "hash": leaf.hex()} for leaf in leaves),
    ]
    for journal in before_and_after_a_restart(desk):
        assert not journal.known(order.id)
        assert list(journal.receipts()) == []
        assert list(journal.history()) == [ExpiredReceipt(leaf) for leaf in leaves]
        assert (journal.contents().orders, journal.contents().receipts, journal.contents().oldest) == (0, 0, None)
        assert not journal.acknowledge(order.id, "erased")


def test_a_shorter_limit_counts(desk: Desk) -> None:
    desk.done()
    desk.clock.move(days=30)
    assert desk.expire(timedelta(days=31)) == 0
    assert desk.expire(timedelta(days=30)) == 2


def test_the_log_its_checkpoints_and_its_proofs_still_verify(desk: Desk) -> None:
    public = desk.key.public_jwk()
    desk.done()
    first = desk.log()[1]
    assert isinstance(first, str)
    early, size = desk.checkpoint(), desk.journal.log_position()
    proof = prove_inclusion(desk.log(), first, early, 2)
    desk.clock.move(days=2 * 365)
    desk.done()
    position_then = desk.journal.log_position()
    desk.clock.move(days=365)
    assert desk.expire() == 2
    for journal in before_and_after_a_restart(desk):
        log = desk.log()
        assert [receipt.log.size for receipt in verify_log(log, public)] == [2, 3]
        assert [type(entry) for entry in log] == [ExpiredReceipt, ExpiredReceipt, str, str]
        assert journal.log_position() == position(log) == position_then
        assert [receipt.position for receipt in journal.receipts()] == [2, 3]
        verify_growth(log, size, journal.log_position())
        now = desk.checkpoint()
        for entry in (log[2], log[3], first):
            assert isinstance(entry, str)
            assert verify_inclusion(entry, prove_inclusion(log, entry, now, 4), public).log.size == 4
        assert verify_inclusion(first, proof, public).log.size == 2
    desk.done()
    verify_log(desk.log(), public)
    for forged in ([*desk.log()[1:]], [ExpiredReceipt(bytes(32)), *desk.log()[1:]]):
        with pytest.raises(ReceiptInvalid, match="does not follow"):
            verify_log(forged, public)


def test_an_order_that_is_not_closed_never_goes(desk: Desk) -> None:
    """It waits for a hold, say; or its text is still there."""
    desk.done()
    waiting, unclosed = desk.admit(), desk.admit()
    desk.issue(waiting, "erased")
    desk.issue(unclosed, "erased")
    desk.issue(unclosed, "verified")
    desk.clock.move(days=9 * 365)
    assert desk.expire() == 2
    for journal in before_and_after_a_restart(desk):
        assert journal.known(waiting.id)
        assert journal.contents().receipts == 3
    assert desk.journal.contents().oldest is not None, "the restart has closed it"
    assert desk.expire() == 2
    assert [order.id for order in desk.journal.unfinished()] == [waiting.id]
    assert [receipt.kind for receipt in desk.journal.receipts()] == ["erased"]
    desk.issue(waiting, "verified")
    desk.journal.close()
    verify_log(desk.log(), desk.key.public_jwk())


def test_an_order_goes_by_its_verified_receipt(desk: Desk) -> None:
    order = desk.admit()
    desk.issue(order, "erased")
    desk.clock.move(days=60)
    desk.issue(order, "verified")
    desk.journal.close()
    assert desk.journal.contents().oldest == desk.clock.now()
    desk.clock.move(days=3 * 365 - 60)
    assert desk.expire() == 0
    desk.clock.move(days=60)
    assert desk.expire() == 2


def test_while_the_time_is_not_known_nothing_goes(desk: Desk) -> None:
    desk.done()
    desk.clock.move(days=30 * 365)
    unknown = TimeKeeper(desk.clock, os.urandom(16), lambda: False, lambda: None, lambda _note: None)
    assert not unknown.known
    assert desk.journal.expire(unknown, LIMIT, HOUR) == 0
    jumped = TimeKeeper(desk.clock, os.urandom(16), lambda: True, desk_note(desk), lambda _note: None)
    jumped.tick()
    assert not jumped.known, "network time that jumps is not believed"
    assert desk.journal.expire(jumped, LIMIT, HOUR) == 0
    assert len(list(desk.journal.receipts())) == 2


def desk_note(desk: Desk) -> Callable[[], bytes]:
    """What was noted of the time while it was known."""
    noted: list[bytes] = []
    real = desk.clock.time
    desk.clock.time = real - timedelta(days=30 * 365)
    keeper = TimeKeeper(desk.clock, bytes(16), lambda: True, lambda: None, noted.append)
    keeper.tick()
    desk.clock.time = real
    return lambda: noted[-1]


@pytest.mark.parametrize("wrong", [-700, 400])
def test_a_receipt_of_an_unknown_time_counts_from_the_next_that_is_known(desk: Desk, wrong: int) -> None:
    right = desk.clock.time
    desk.clock.move(days=wrong)
    desk.done(time_known=False)
    desk.clock.time = right
    desk.done()
    assert desk.journal.contents().oldest == right
    desk.clock.move(days=3 * 365 - 1)
    assert desk.expire() == 0
    desk.clock.move(days=1)
    assert desk.expire() == 4
    assert "known" not in [line["type"] for line in desk.lines()]


@pytest.mark.parametrize("wrong", [-56 * 365, 0, 56 * 365])
def test_where_none_follows_it_counts_from_when_the_time_became_known(desk: Desk, wrong: int) -> None:
    """What a clock in doubt said is no date: by it, a receipt that nobody has yet could be gone at once."""
    right = desk.clock.time
    desk.clock.move(days=wrong)
    desk.done(time_known=False)
    desk.clock.time = right
    assert desk.expire() == 0
    desk.clock.move(days=3 * 365 - 1)
    desk.done()  # what comes later says nothing about what was dated by then
    for journal in before_and_after_a_restart(desk):
        assert journal.contents().oldest == right
        assert journal.expire(desk.time, LIMIT, HOUR) == 0
    assert [line["type"] for line in desk.lines()].count("known") == 1
    desk.clock.move(days=1)
    assert desk.expire() == 2


def test_sequences_never_come_again(desk: Desk) -> None:
    desk.done()
    desk.done()
    desk.clock.move(days=400)
    desk.done(seq=1, jti="0197a000-0000-7000-8000-00000000abcd")
    desk.clock.move(days=3 * 365 - 400)
    assert desk.expire() == 4
    for journal in before_and_after_a_restart(desk):
        assert journal.last_sequences() == {"cloud": 2}
    desk.clock.move(days=400)
    assert desk.expire() == 2
    assert [line for line in desk.lines() if line["type"] != "leaf"] == [
        {"type": "passed", "issuer": "cloud", "sequence": 2}
    ]
    desk.done(seq=7)
    desk.done(seq=8)
    desk.clock.move(days=1)
    open_one = desk.admit(seq=9)
    desk.clock.move(days=3 * 365)
    assert desk.expire() == 4
    assert [line["type"] for line in desk.lines() if line["type"] != "leaf"] == ["intent"]
    for journal in before_and_after_a_restart(desk):
        assert journal.last_sequences() == {"cloud": 9}
        assert journal.known(open_one.id)


def test_lines_that_cannot_be_read_are_kept(desk: Desk) -> None:
    desk.done()
    desk.journal._log.append([b'{"type": "of a later version"}', b'{"type": "leaf", "hash": "short"}'])
    desk.clock.move(days=3 * 365)
    assert desk.expire() == 2
    assert [line["type"] for line in desk.lines()][-2:] == ["of a later version", "leaf"]
    assert desk.restart().log_position().size == 2


def test_a_receipt_that_is_none_is_dated_by_its_line(desk: Desk) -> None:
    order = desk.admit()
    for kind, jws in (("erased", "nothing"), ("verified", "not.a.receipt")):
        desk.journal.receipt(order.id, kind, jws, desk.clock.now())  # type: ignore[arg-type]
        assert stated(jws) is None
    desk.journal.close()
    desk.clock.move(days=3 * 365)
    assert desk.expire() == 2
    assert [leaf_of(entry) for entry in desk.log()] == [leaf_of("nothing"), leaf_of("not.a.receipt")]


def test_a_receipt_of_nothing_is_passed_over(desk: Desk) -> None:
    """Its order is not known, and it says none."""
    line = {"type": "receipt", "order": "x", "kind": "verified", "jws": "e30.e30.e30", "at": desk.clock.now()}
    desk.journal._log.append([msgspec.json.encode(line)])
    desk.restart()
    desk.clock.move(days=9 * 365)
    assert desk.expire() == 0
    assert [line["type"] for line in desk.lines()] == ["receipt"]


@pytest.mark.parametrize("step", ["os.write", "os.fsync", "privacy.files.Path.replace", "privacy.files.sync_directory"])
def test_a_medium_that_refuses_costs_nothing_and_the_next_run_goes_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    desk.done()
    position_then = desk.journal.log_position()
    desk.clock.move(days=3 * 365)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(step, refuse)
        with pytest.raises(StoreBroken):
            desk.expire()
    assert desk.journal.log_position() == position_then
    assert desk.expire() == 2
    assert desk.restart().log_position() == position_then
    assert len(desk.lines()) == 3


def test_who_reads_while_it_expires_sees_the_whole_log(desk: Desk) -> None:
    desk.done()
    desk.done()
    leaves = [leaf_of(entry) for entry in desk.log()]
    reading = desk.journal.history()
    first = next(reading)
    assert isinstance(first, IssuedReceipt)
    desk.clock.move(days=3 * 365)
    assert desk.expire() == 4
    assert list(reading) == [ExpiredReceipt(leaf) for leaf in leaves[1:]]


def keeps_no_leaves(patch: pytest.MonkeyPatch) -> None:
    """Of a receipt nothing stays."""
    rest = Expired.rest
    patch.setattr(Expired, "rest", lambda of, line: None if isinstance(left := rest(of, line), Leaf) else left)


def takes_what_is_open(patch: pytest.MonkeyPatch) -> None:
    """Whatever has its verified receipt goes, its text alive or not."""

    def of_all(
        log: Sequence[Place | ExpiredReceipt], _closed: Collection[str], known: Mapping[int, datetime]
    ) -> dict[str, datetime | None]:
        return closings(log, {place.line.order for place in log if isinstance(place, Place)}, known)

    patch.setattr(privacy.journal, "closings", of_all)


def believes_any_clock(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(TimeKeeper, "known", property(lambda _time: True))


@pytest.mark.parametrize(
    ("wrong", "test", "error"),
    [
        (keeps_no_leaves, test_the_log_its_checkpoints_and_its_proofs_still_verify, ReceiptInvalid),
        (takes_what_is_open, test_an_order_that_is_not_closed_never_goes, AssertionError),
        (believes_any_clock, test_while_the_time_is_not_known_nothing_goes, AssertionError),
    ],
)
def test_a_journal_that_is_wrong_is_caught(
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
    wrong: Callable[[pytest.MonkeyPatch], None],
    test: Callable[[Desk], None],
    error: type[Exception],
) -> None:
    wrong(monkeypatch)
    with pytest.raises(error):
        test(desk)
