import json
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

from agent.backend import report
from agent.backend.cli import app
from agent.backend.gateway_log import Contradiction
from agent.backend.issue import issue
from agent.backend.ledger import Ledger, verified
from agent.backend.state import GatewayState, OrderRecord, State
from agent.cloud.messages import Hello, LogBatch, PublicKey
from agent.errors import Refused
from privacy.errors import ReceiptInvalid, StoreBroken
from privacy.merkle import EMPTY_ROOT
from privacy.orders import Form, Ground, verify_order
from privacy.receipts import Kind, LogPosition, OrderReference, Receipt, StoreLine, sign_receipt
from privacy.records import Scope, Tier
from privacy.signing import SigningKey, Trust
from privacy.uuid7 import uuid7

NOW = datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC)
GATEWAY_KEY = SigningKey.generate()


class StandingClock:
    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0


@pytest.fixture
def state(tmp_path: Path) -> State:
    made = State(tmp_path / "backend")
    made.create_issuer("cloud")
    return made


def ordered(state: State, gateway: str = "gw-1", **changed: Any) -> OrderRecord:
    fields: dict[str, Any] = {
        "epoch": 1,
        "scope": Scope(cameras=("front",)),
        "form": Form.POINT,
        "ground": Ground.OWNERS_CHOICE,
        "clock": StandingClock(),
        "random_bytes": os.urandom,
    }
    return issue(state, gateway=gateway, **{**fields, **changed})


def hello(key: SigningKey = GATEWAY_KEY, epoch: int = 1) -> Hello:
    return Hello(
        id=uuid7(NOW, os.urandom),
        gateway="gw-1",
        epoch=epoch,
        software="1",
        last_sequences={"cloud": 3},
        receipts=0,
        acknowledged=0,
        log=LogPosition(size=0, root=EMPTY_ROOT.hex()),
        receipt_key=msgspec.convert(key.public_jwk(), PublicKey),
    )


def greeted(state: State, *hellos: Hello) -> GatewayState:
    """A gateway that was declared, and has said hello."""
    keeper = state.enroll("gw-1")
    for each in hellos or (hello(),):
        Ledger(state, StandingClock()).greet(keeper, each)
    return keeper


def receipt(order: OrderRecord, /, kind: Kind = "verified", key: SigningKey = GATEWAY_KEY, **changed: Any) -> str:
    line = StoreLine(store="vault", found=2, erased=2, left=0, tier=Tier.UNLINKED)
    fields: dict[str, Any] = {
        "iss": order.audience,
        "order": OrderReference(id=order.id, issuer="cloud", sha256=order.sha256),
        "at": NOW,
    }
    return sign_receipt(
        key,
        Receipt(
            kind=kind,
            software="1",
            stores=(line,),
            log=LogPosition(size=0, root=EMPTY_ROOT.hex()),
            complete=True,
            **{**fields, **changed},
        ),
    )


def test_the_private_key_is_for_its_owner_alone(state: State, tmp_path: Path) -> None:
    assert (tmp_path / "backend/issuer.jwk").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "backend").stat().st_mode & 0o777 == 0o700
    assert b'"d"' not in state.order_keys_file.read_bytes()


def test_a_gateway_obeys_what_is_issued(state: State) -> None:
    trust = Trust.from_jwks(json.loads(state.order_keys_file.read_bytes()))
    order = ordered(state)
    understood = verify_order(order.jws.encode(), audience="gw-1/1", trust=trust, clock=StandingClock())
    assert (understood.id, understood.issuer, understood.sequence) == (order.id, "cloud", 1)
    assert understood.sha256 == order.sha256
    assert understood.reaches_to(NOW) >= NOW, "what was captured before this moment is in reach"


def test_sequences_are_per_gateway_and_survive_a_restart(state: State, tmp_path: Path) -> None:
    assert [ordered(state).sequence, ordered(state).sequence, ordered(state, "gw-2").sequence] == [1, 2, 1]
    assert ordered(State(tmp_path / "backend")).sequence == 3


def test_an_order_is_pending_until_its_verified_receipt(state: State) -> None:
    order = ordered(state)
    keeper = state.gateway("gw-1")
    assert keeper.add_receipt(order.id, "erased", "e30.e30.AA")
    assert not keeper.add_receipt(order.id, "erased", "e30.e30.AA")
    with pytest.raises(Contradiction, match="another erased receipt"):
        keeper.add_receipt(order.id, "erased", "e30.e30.BB")
    assert keeper.receipt(order.id, "erased") == "e30.e30.AA"
    assert keeper.pending() == [order]
    assert keeper.overdue(NOW + timedelta(days=2), timedelta(days=1)) == [order]
    assert keeper.overdue(NOW + timedelta(hours=2), timedelta(days=1)) == []
    keeper.add_receipt(order.id, "verified", "e30.e30.AA")
    assert keeper.pending() == []


def test_the_first_receipt_key_is_pinned(state: State) -> None:
    keeper = state.enroll("gw-1")
    assert keeper.pin(hello())
    assert not keeper.pin(hello())
    with pytest.raises(Refused, match=r"another receipt key.*--epoch 2"):
        keeper.pin(hello(SigningKey.generate()))
    assert keeper.receipt_key() == hello().receipt_key


def test_nothing_is_kept_of_a_gateway_that_was_never_declared(state: State, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="never enrolled"):
        state.gateway("gw-1").pin(hello())
    assert list(state) == []
    assert not (tmp_path / "backend/gateways").exists()
    ordered(state)
    assert [keeper.id for keeper in state] == ["gw-1"], "its first order declares it"


def test_a_later_epoch_takes_a_new_key_and_the_old_receipts_still_verify(state: State) -> None:
    keeper, new = greeted(state), SigningKey.generate()
    order = ordered(state)
    Ledger(state, StandingClock()).take(keeper, receipt(order))
    state.enroll("gw-1", 2)
    with pytest.raises(Refused, match="epoch 1"):
        keeper.pin(hello())
    greeted_again = Ledger(state, StandingClock()).greet(keeper, hello(new, epoch=2))
    assert (greeted_again.first, greeted_again.alarm) == (True, None), "a new key begins a new log"
    assert [row.valid for row in report.receipts(state)] == [True]
    with pytest.raises(ReceiptInvalid):
        verified(keeper, receipt(order), "cloud")
    with pytest.raises(Refused, match="later than 1"):
        state.enroll("gw-1", 1)


def test_a_declared_key_is_the_only_one(state: State) -> None:
    keeper = state.enroll("gw-1", key=hello().receipt_key)
    state.enroll("gw-1")
    with pytest.raises(Refused, match="another receipt key"):
        keeper.pin(hello(SigningKey.generate()))
    with pytest.raises(Refused, match="later --epoch"):
        state.enroll("gw-1", key=hello(SigningKey.generate()).receipt_key)
    assert not keeper.pin(hello()), "nothing was believed at first sight"


def test_a_receipt_that_proves_it(state: State) -> None:
    greeted(state)
    order = ordered(state)
    assert verified(state.gateway("gw-1"), receipt(order), "cloud").order.id == order.id


def test_the_owners_own_wipe_is_accepted_with_the_gateways_key(state: State) -> None:
    greeted(state)
    own = OrderReference(id="0197a000-0000-7000-8000-000000000009", issuer="home", sha256="0" * 64)
    assert verified(state.gateway("gw-1"), receipt(ordered(state), order=own), "cloud").order.issuer == "home"


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"key": SigningKey.generate()}, "does not verify"),
        ({"iss": "gw-2/1"}, "another gateway's name"),
        ({"iss": "gw-1/2"}, "another text"),
        ({"order": {"sha256": "0" * 64}}, "another text"),
        ({"order": {"id": "0197a000-0000-7000-8000-000000000009"}}, "never issued"),
        ({"order": {"id": "../../../issuer"}}, "no order id"),
    ],
)
def test_a_receipt_that_proves_nothing(state: State, changed: dict[str, Any], problem: str) -> None:
    greeted(state)
    order = ordered(state)
    if isinstance(reference := changed.get("order"), dict):
        names = {"id": order.id, "issuer": "cloud", "sha256": order.sha256}
        changed = {**changed, "order": OrderReference(**{**names, **reference})}
    with pytest.raises(ReceiptInvalid, match=problem):
        verified(state.gateway("gw-1"), receipt(order, **changed), "cloud")


def test_a_receipt_before_any_hello(state: State) -> None:
    with pytest.raises(ReceiptInvalid, match="not said hello"):
        verified(state.gateway("gw-1"), receipt(ordered(state)), "cloud")


def test_a_batch_counts_once_and_another_with_its_id_is_kept_too(state: State) -> None:
    keeper = state.gateway("gw-1")
    assert keeper.add_lines(LogBatch(id="1", lines=("a", "b")))
    assert not keeper.add_lines(LogBatch(id="1", lines=("a", "b")))
    assert keeper.add_lines(LogBatch(id="1", lines=("after a reset",)))
    assert sorted(keeper.lines()) == ["a", "after a reset", "b"]


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "x" * 65, "+", "#"])
def test_a_name_that_is_no_gateway_id(state: State, name: str) -> None:
    with pytest.raises(ValueError, match="not a gateway id"):
        state.gateway(name)


def test_a_damaged_file_is_named(state: State, tmp_path: Path) -> None:
    order = ordered(state)
    path = tmp_path / "backend/gateways/gw-1/orders" / f"{order.id}.json"
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(StoreBroken, match=re.escape(str(path))):
        state.gateway("gw-1").pending()


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def order_arguments(folder: Path, scope: str) -> list[str | Path]:
    return ["order", "--dir", folder, "--gateway", "gw-1", "--epoch", "1", "--scope", scope]


def test_keys_are_made_once(tmp_path: Path) -> None:
    first, second = run("keys", "--dir", tmp_path / "b"), run("keys", "--dir", tmp_path / "b", "--issuer", "other")
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert first.stdout == second.stdout
    Trust.from_jwks(json.loads(first.stdout))


def test_an_order_can_be_printed(tmp_path: Path) -> None:
    run("keys", "--dir", tmp_path)
    done = run(*order_arguments(tmp_path, '{"everything": true}'), "--print", "--form", "standing")
    assert done.exit_code == 0
    assert done.stdout.strip() == State(tmp_path).gateway("gw-1").pending()[0].jws


@pytest.mark.parametrize("scope", ["", "{", "[]", "{}", '{"rooms": ["hall"]}', '{"cameras": ["../x"]}'])
def test_a_bad_scope_is_bad_input(tmp_path: Path, scope: str) -> None:
    run("keys", "--dir", tmp_path)
    done = run(*order_arguments(tmp_path, scope), "--print")
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1
    assert not State(tmp_path).gateway("gw-1").orders()


def test_a_bad_gateway_is_bad_input(tmp_path: Path) -> None:
    run("keys", "--dir", tmp_path)
    done = run("order", "--dir", tmp_path, "--gateway", "../x", "--epoch", "1", "--scope", '{"everything": true}')
    assert done.exit_code == 2
    assert "not a gateway id" in done.stderr


def test_an_order_without_a_key_says_what_to_do(tmp_path: Path) -> None:
    done = run(*order_arguments(tmp_path, '{"everything": true}'))
    assert done.exit_code == 1
    assert "portvakt backend keys" in done.stderr


def test_half_of_a_certificate_is_bad_input(tmp_path: Path) -> None:
    run("keys", "--dir", tmp_path)
    done = run("serve", "--dir", tmp_path, "--cert", "c.pem")
    assert done.exit_code == 2
    assert "--key" in done.stderr


def test_what_became_of_an_order(tmp_path: Path) -> None:
    run("keys", "--dir", tmp_path, "--issuer", "cloud")
    state = State(tmp_path)
    greeted(state)
    order = ordered(state)
    assert run("receipts", "--dir", tmp_path, "--order", order.id).exit_code == 1, "no receipt: the answer is no"
    overdue = run("fleet", "--dir", tmp_path, "--json")
    assert (overdue.exit_code, json.loads(overdue.stdout)[0]["overdue"]) == (1, 1)

    state.gateway("gw-1").add_receipt(order.id, "verified", receipt(order))
    done = run("receipts", "--dir", tmp_path, "--order", order.id, "--json")
    assert done.exit_code == 0
    row = json.loads(done.stdout)[0]
    assert (row["order"], row["kind"], row["valid"], row["erased"]) == (order.id, "verified", True, 2)
    fleet = run("fleet", "--dir", tmp_path, "--json")
    assert (fleet.exit_code, json.loads(fleet.stdout)[0]["pending"]) == (0, 0)
    shown = run("hello", "--dir", tmp_path).stdout
    assert re.search(r"gw-1\t2026-03-01 \d\d:\d\d:00[+-]\d\d:\d\d\t1\t1\tcloud 3\t", shown), "times have a zone"

    path = tmp_path / f"gateways/gw-1/receipts/{order.id}.verified.jws"
    path.write_text(receipt(order, key=SigningKey.generate()))
    done = run("receipts", "--dir", tmp_path)
    assert done.exit_code == 1
    assert "\tNO\t" in done.stdout
    assert run("fleet", "--dir", tmp_path).exit_code == 1


def test_an_enrolment_by_command_line(tmp_path: Path) -> None:
    run("keys", "--dir", tmp_path)
    key = tmp_path / "key.jwk"
    key.write_text(json.dumps(GATEWAY_KEY.public_jwk()))
    done = run("enroll", "--dir", tmp_path, "--gateway", "gw-1", "--epoch", "2", "--key", key)
    assert (done.exit_code, GATEWAY_KEY.kid in done.stdout) == (0, True)
    assert State(tmp_path).gateway("gw-1").receipt_key() == hello().receipt_key
    assert json.loads(run("fleet", "--dir", tmp_path, "--json").stdout)[0]["gateway"] == "gw-1"
    earlier = run("enroll", "--dir", tmp_path, "--gateway", "gw-1")
    assert (earlier.exit_code, len(earlier.stderr.splitlines())) == (1, 1)


@pytest.mark.parametrize("text", [None, "", "[]", "{}", json.dumps(GATEWAY_KEY.to_jwk())])
def test_a_file_that_holds_no_public_key_is_bad_input(tmp_path: Path, text: str | None) -> None:
    key = tmp_path / "key.jwk"
    if text is not None:
        key.write_text(text)
    done = run("enroll", "--dir", tmp_path, "--gateway", "gw-1", "--key", key)
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)
    assert not (tmp_path / "gateways").exists()


def test_an_order_for_an_epoch_that_is_over_is_warned_of(tmp_path: Path) -> None:
    run("keys", "--dir", tmp_path)
    greeted(State(tmp_path), hello(epoch=3))
    warned = run(*order_arguments(tmp_path, '{"everything": true}'), "--print")
    assert warned.exit_code == 0
    assert "gw-1 has epoch 3 now" in warned.stderr
    present = run(
        "order", "--dir", tmp_path, "--gateway", "gw-1", "--epoch", "3", "--scope", '{"everything": true}', "--print"
    )
    assert (present.exit_code, present.stderr) == (0, "")


@pytest.mark.parametrize("verb", ["hello", "fleet", "receipts"])
def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path, verb: str) -> None:
    done = run(verb, "--dir", tmp_path / "nowhere")
    assert (done.exit_code, len(done.stderr.splitlines())) == (1, 1)


def test_an_order_that_ends_before_it_begins_is_not_issued(tmp_path: Path) -> None:
    state = State(tmp_path)
    for start in (NOW, NOW + timedelta(hours=1)):
        with pytest.raises(ValueError, match="ends before it begins"):
            ordered(state, scope=Scope(start=start, end=NOW))
