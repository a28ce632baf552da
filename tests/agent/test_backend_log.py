"""What a gateway says of its log of receipts, held against what the backend has."""

import itertools
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.backend import report
from agent.backend.gateway_log import Contradiction, GatewayLog
from agent.backend.ledger import Ledger
from agent.backend.state import MOST_ALARMS, Alarm, GatewayState, State
from agent.cloud.messages import MOST_LACKING, Hello, PublicKey
from privacy.errors import StoreBroken
from privacy.merkle import Tree
from privacy.receipts import Kind, LogPosition, OrderReference, Receipt, sign_receipt, verify_receipt
from privacy.signing import SigningKey
from privacy.uuid7 import uuid7

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = SigningKey.generate()


class StandingClock:
    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0


class Gateway:
    """Issues receipts as a gateway does, of orders that were given in the house."""

    def __init__(self) -> None:
        self.tree = Tree()
        self.receipts: list[str] = []
        self.acknowledged = 0

    def restored(self, size: int) -> "Gateway":
        """As it was when its log had `size` receipts."""
        old = Gateway()
        for jws in self.receipts[:size]:
            old.tree.add(jws.encode())
            old.receipts.append(jws)
        return old

    def issue(self, count: int = 1) -> list[str]:
        made = []
        for _ in range(count):
            order = OrderReference(id=uuid7(NOW, os.urandom), issuer="local", sha256="0" * 64)
            made.append(self.receipt(order, "verified"))
        return made

    def receipt(self, order: OrderReference, kind: Kind, software: str = "1") -> str:
        jws = sign_receipt(
            KEY,
            Receipt(
                iss="gw-1/1", kind=kind, order=order, at=NOW, software=software, stores=(), log=self.head, complete=True
            ),
        )
        self.tree.add(jws.encode())
        self.receipts.append(jws)
        return jws

    @property
    def head(self) -> LogPosition:
        return LogPosition(size=self.tree.size, root=self.tree.root().hex())

    def hello(self) -> Hello:
        return Hello(
            id=uuid7(NOW, os.urandom),
            gateway="gw-1",
            epoch=1,
            software="1",
            last_sequences={},
            receipts=self.tree.size,
            acknowledged=self.acknowledged,
            log=self.head,
            receipt_key=msgspec.convert(KEY.public_jwk(), PublicKey),
        )


class Backend:
    """A backend's folder; `restart` forgets what only the process knew."""

    def __init__(self, folder: Path) -> None:
        self.state = State(folder)
        self.state.create_issuer("cloud")
        self.keeper: GatewayState = self.state.enroll("gw-1")
        self.restart()

    def restart(self) -> None:
        self.ledger = Ledger(self.state, StandingClock())

    def hear(self, hello: Hello) -> str | None:
        """The code of the alarm that it raised."""
        raised = self.ledger.greet(self.keeper, hello).alarm
        return raised.alarm.code if raised else None

    def take(self, *receipts: str) -> list[str | None]:
        taken = [self.ledger.take(self.keeper, jws) for jws in receipts]
        return [each.alarm.alarm.code if each.alarm else None for each in taken]

    def fleet(self) -> report.FleetRow:
        [row] = report.fleet(self.state, NOW, NOW - NOW)
        return row


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
def backend(tmp_path: Path, gateway: Gateway) -> Backend:
    made = Backend(tmp_path / "backend")
    assert made.hear(gateway.hello()) is None
    return made


def positions(backend: Backend) -> Sequence[int | None]:
    return [row.position for row in report.receipts(backend.state)]


def test_receipts_of_a_log_in_any_order_with_repeats_and_restarts(gateway: Gateway, tmp_path: Path) -> None:
    receipts = gateway.issue(4)
    for number, order in enumerate(itertools.permutations(receipts)):
        backend = Backend(tmp_path / str(number))
        backend.hear(Gateway().hello())
        for jws in order:
            assert backend.take(jws, jws) == [None, None]
            if number % 2:
                backend.restart()
        assert backend.hear(gateway.hello()) is None
        assert positions(backend) == [0, 1, 2, 3]
        assert (backend.fleet().missing, backend.fleet().well) == (0, True)


def test_a_gap_is_no_alarm_and_is_asked_for(backend: Backend, gateway: Gateway) -> None:
    receipts = gateway.issue(5)
    assert backend.take(receipts[1], receipts[4]) == [None, None]
    greeting = backend.ledger.greet(backend.keeper, gateway.hello())
    assert (greeting.lacking, greeting.missing, greeting.lost, greeting.alarm) == ((0, 2, 3), 3, 0, None)
    assert (backend.fleet().missing, backend.fleet().alarms, backend.fleet().well) == (3, 0, True)
    backend.take(receipts[0], receipts[2], receipts[3])
    assert backend.ledger.greet(backend.keeper, gateway.hello()).lacking == ()


def test_no_more_is_asked_for_than_fits(backend: Backend, gateway: Gateway) -> None:
    gateway.issue(MOST_LACKING + 10)
    assert backend.ledger.greet(backend.keeper, gateway.hello()).lacking == tuple(range(MOST_LACKING))


def test_what_has_expired_there_is_not_asked_for(backend: Backend, gateway: Gateway) -> None:
    """Or a backend that has lost its folder would ask for those for ever, and never come to the others."""
    receipts = gateway.issue(MOST_LACKING + 10)
    hello = msgspec.structs.replace(gateway.hello(), first=MOST_LACKING + 5)
    greeting = backend.ledger.greet(backend.keeper, hello)
    assert greeting.lacking == tuple(range(MOST_LACKING + 5, MOST_LACKING + 10))
    assert greeting.missing == MOST_LACKING + 10
    assert backend.take(*receipts[-5:]) == [None] * 5
    again = msgspec.structs.replace(gateway.hello(), first=MOST_LACKING + 5)
    assert backend.ledger.greet(backend.keeper, again).lacking == ()


def test_what_was_acknowledged_and_is_lost_here_is_said_and_asked_for(backend: Backend, gateway: Gateway) -> None:
    receipts = gateway.issue(4)
    backend.take(*receipts[:3])
    gateway.acknowledged = 3
    for path in list(backend.keeper._path.glob("receipts/*"))[:2]:
        path.unlink()
    backend.restart()
    greeting = backend.ledger.greet(backend.keeper, gateway.hello())
    assert (greeting.lost, greeting.missing, greeting.alarm) == (2, 3, None)
    assert backend.take(*receipts) == [None] * 4, "and they are taken again"
    assert backend.ledger.greet(backend.keeper, gateway.hello()).lost == 0


@pytest.mark.parametrize("restart", [False, True])
def test_a_gateway_that_was_restored_from_an_old_copy(backend: Backend, gateway: Gateway, *, restart: bool) -> None:
    old = gateway.issue(2)
    fork = gateway.restored(2)
    assert backend.take(*old, *gateway.issue(2)) == [None] * 4
    if restart:
        backend.restart()
    held = backend.keeper.receipts()
    assert backend.hear(fork.hello()) == "smaller"
    assert backend.take(*fork.issue(2)) == ["fork", "fork"]
    assert backend.hear(fork.hello()) == "root", "as long as the other, and not the same"
    assert backend.take(*fork.issue(1)) == ["root"]
    assert backend.fleet().alarms == 5
    assert backend.keeper.receipts() == held, "none of them is in the log"
    kept = [alarm.receipts[0] for alarm in backend.keeper.alarms() if alarm.receipts]
    assert sorted(kept) == sorted(fork.receipts[2:]), "all of them are kept"
    assert not backend.fleet().well
    assert [row.valid for row in report.receipts(backend.state)].count(False) == backend.fleet().alarms


def test_a_fork_that_no_receipt_has_reached_us_of(backend: Backend, gateway: Gateway) -> None:
    fork = gateway.restored(0)
    gateway.issue(2)
    fork.issue(2)
    assert backend.hear(gateway.hello()) is None
    backend.restart()
    assert backend.hear(fork.hello()) == "root"
    assert backend.take(*fork.receipts) == [None, "root"], "the first one is unknown; with the second they contradict"
    assert backend.hear(gateway.hello()) is None


def test_a_receipt_that_was_dropped(backend: Backend, gateway: Gateway) -> None:
    first = gateway.issue()
    without = gateway.restored(0)
    assert backend.take(*first, *gateway.issue()) == [None, None]
    second = without.issue(2)[1]
    assert backend.take(second) == ["fork"], "in the place of the second, and says that another one was the first"


def test_a_root_that_does_not_follow_is_seen_when_the_gap_is_filled(backend: Backend, gateway: Gateway) -> None:
    fork = gateway.restored(0)
    first, (_, later) = gateway.issue()[0], fork.issue(2)
    assert backend.take(later, first) == [None, "root"]
    assert backend.keeper.receipts() == [later]
    assert backend.keeper.alarms()[0].receipts == (first,)


def test_another_text_for_the_same_order_and_kind(backend: Backend, gateway: Gateway) -> None:
    order = OrderReference(id=uuid7(NOW, os.urandom), issuer="local", sha256="0" * 64)
    first, second = gateway.receipt(order, "erased"), gateway.receipt(order, "erased", software="2")
    assert backend.take(first, second, second, first) == [None, "fork", "fork", None]
    [alarm] = backend.keeper.alarms()
    assert alarm.receipts == (second, first), "both are kept, once"


def test_a_receipt_that_was_changed_here(backend: Backend, gateway: Gateway) -> None:
    [jws] = gateway.issue()
    backend.take(jws)
    [path] = backend.keeper._path.glob("receipts/*")
    path.write_text(jws[:-6] + "AAAAAA")
    assert backend.take(jws) == ["damaged"]
    assert (backend.fleet().invalid, backend.fleet().alarms) == (1, 1)


def test_a_hello_that_the_broker_delivers_again_is_no_alarm(backend: Backend, gateway: Gateway) -> None:
    early, said = gateway.hello(), []
    assert backend.hear(early) is None
    for jws in gateway.issue(3):
        assert backend.take(jws) == [None]
        said.append(gateway.hello())
        assert backend.hear(said[-1]) is None
    backend.restart()
    assert [backend.hear(hello) for hello in (early, *said)] == [None] * 4
    again = msgspec.structs.replace(early, id=uuid7(NOW, os.urandom))
    assert [backend.hear(again), backend.hear(again)] == ["smaller", "smaller"], "said now, it is one: each time"
    assert len(backend.keeper.alarms()) == 1


def test_a_receipt_that_could_not_be_written_is_not_in_the_log(
    backend: Backend, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    receipts = gateway.issue(2)

    def full(*_: object) -> bool:
        raise StoreBroken("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(GatewayState, "add_receipt", full)
        with pytest.raises(StoreBroken):
            backend.take(receipts[0])
    assert backend.ledger.greet(backend.keeper, gateway.hello()).lacking == (0, 1)


def test_forged_hellos_do_not_fill_the_disk(backend: Backend) -> None:
    for number in range(MOST_ALARMS + 5):
        head = LogPosition(size=number, root="0" * 64)
        assert backend.keeper.add_alarm(Alarm(at=NOW, code="root", detail="", head=head))
    assert len(backend.keeper.alarms()) == MOST_ALARMS


LOG = Gateway()
LOG.issue(9)
VERIFIED = [verify_receipt(jws, KEY.public_jwk()) for jws in LOG.receipts]
HEADS = [LOG.restored(size).head for size in range(10)]


@given(st.permutations(range(9)), st.lists(st.integers(0, 9)), st.integers(0, 8), st.data())
def test_whatever_comes_first_one_changed_receipt_is_seen(
    order: list[int], heads: list[int], changed: int, data: st.DataObject
) -> None:
    """The true log never contradicts itself; with one receipt changed, somebody does as soon as a later one is here."""
    log, forged = GatewayLog(), GatewayLog()
    for size in heads:
        log.claim(HEADS[size])
    for position in order:
        log.add(VERIFIED[position], LOG.receipts[position])
    assert (log.held, log.missing) == (9, max([9, *heads]) - 9)
    assert log.heads() == (HEADS[9],)

    head = data.draw(st.integers(changed + 1, 9))

    def all_of_it() -> None:
        forged.claim(HEADS[head])
        for position in order:
            text = "another text" if position == changed else LOG.receipts[position]
            forged.add(VERIFIED[position], text)

    with pytest.raises(Contradiction):
        all_of_it()
