"""What the link is answered: from a real journal and a real spool."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.changes import Changes
from agent.cloud.messages import Hello
from agent.cloud.orders import Admitted, OrderDesk, Refused
from agent.recorder import Recorder
from agent.uplink import Uplink
from privacy import entries
from privacy.erasure import Eraser
from privacy.journal import Journal
from privacy.operation_log import OperationLog
from privacy.orders import Claims, Form, Ground, PurgeOrder, sign_order
from privacy.receipts import Receipt
from privacy.records import Scope
from privacy.redaction.pseudonyms import DayKeys
from privacy.signing import SigningKey, Trust
from privacy.spool import Spool
from privacy.store import Barrier, Disk

AUDIENCE = "gw-1/1"
LIMIT = timedelta(hours=72)
ORDER = "0197a000-0000-7000-8000-00000000000"


class Bench:
    """An uplink, and the cloud's key to sign orders with."""

    def __init__(self, folder: Path, ground: Any, disk: Disk, clock: Any) -> None:
        self.clock, self.cloud, self.key = clock, SigningKey.generate(), SigningKey.generate()
        keys, ring, time = ground.keys, ground.ring, ground.time
        self.recorded: list[entries.Entry] = []
        self.marked: list[str] = []
        changes = Changes()
        changes.mark = lambda *sections: self.marked.extend(sections)  # type: ignore[method-assign]
        barrier = Barrier()
        self.journal = Journal(folder / "journal", keys, ring)
        self.recorder = Recorder(
            registry_file=None,
            day_keys=DayKeys(ring, time, LIMIT),
            change=ring.change,
            operation_log=OperationLog(folder / "operation-log", ring, time, LIMIT),
            spool=Spool(folder / "spool", keys, ring, time, LIMIT),
            barrier=barrier,
            disk=disk,
            clock=clock,
            changes=changes,
        )
        self.eraser = Eraser(
            stores=[],
            journal=self.journal,
            key=self.key,
            issuer=AUDIENCE,
            software="0",
            barrier=barrier,
            disk=disk,
            clock=clock,
            observe=self.observe,
        )
        desk = OrderDesk(
            audience=AUDIENCE,
            trust=Trust.from_jwks({"keys": [{**self.cloud.public_jwk(), "issuer": "cloud"}]}),
            clock=clock,
            admit=self.eraser.admit,
            refused=lambda _code, _sha256: None,
        )
        self.uplink = Uplink(
            gateway="gw-1",
            epoch=1,
            software="0.1.0",
            key=self.key,
            desk=desk,
            configured=True,
            journal=self.journal,
            recorder=self.recorder,
            disk=disk,
            clock=clock,
            changes=changes,
            record=self.recorded.append,
        )

    async def observe(self, order: PurgeOrder, kind: str, receipt: Receipt) -> None:
        """Nobody listens."""

    def order(self, number: int) -> bytes:
        now = int(self.clock.now().timestamp())
        claims = Claims(
            iss="cloud",
            aud=AUDIENCE,
            jti=f"{ORDER}{number}",
            seq=number,
            iat=now,
            exp=now + 3600,
            form=Form.POINT,
            ground=Ground.OWNERS_CHOICE,
            scope=Scope(everything=True),
        )
        return sign_order(self.cloud, claims).encode()


@pytest.fixture
def bench(tmp_path: Path, ground: Any, disk: Disk, clock: Any) -> Bench:
    return Bench(tmp_path, ground, disk, clock)


async def test_hello_says_how_far_we_have_come(bench: Bench) -> None:
    before = await bench.uplink.hello()
    assert (before.last_sequences, before.receipts) == ({}, 0)
    for number in (1, 3):
        assert await bench.uplink.order(bench.order(number), retained=False) == Admitted(f"{ORDER}{number}", new=True)
    assert (await bench.uplink.hello()).receipts == 0, "journaled is not carried out"
    await bench.eraser.finish()
    hello = await bench.uplink.hello()
    assert (hello.gateway, hello.epoch, hello.software) == ("gw-1", 1, "0.1.0")
    assert (hello.last_sequences, hello.receipts) == ({"cloud": 3}, 4)
    assert hello.receipt_key.kid == bench.key.kid
    again = msgspec.json.decode(msgspec.json.encode(hello), type=Hello)
    assert again == hello
    assert "d" not in msgspec.to_builtins(hello.receipt_key), "the public half"


async def test_receipts_are_due_until_they_are_acknowledged(bench: Bench) -> None:
    for number in (1, 2):
        await bench.uplink.order(bench.order(number), retained=False)
    await bench.eraser.finish()
    first, second = f"{ORDER}1", f"{ORDER}2"

    async def due() -> list[tuple[str, str]]:
        return [(receipt.order, receipt.kind) for receipt in await bench.uplink.receipts_due()]

    assert await due() == [(first, "erased"), (first, "verified"), (second, "erased"), (second, "verified")]
    await bench.uplink.receipt_acknowledged(first, "erased")
    await bench.uplink.receipt_acknowledged(first, "erased")
    await bench.uplink.receipt_acknowledged("unknown", "erased")
    assert bench.marked == ["receipts"], "told once, and of what there is"
    assert await due() == [(first, "verified"), (second, "erased"), (second, "verified")]
    of_first = await bench.uplink.receipts_of(first)
    assert [(receipt.kind, receipt.acknowledged) for receipt in of_first] == [("erased", True), ("verified", False)]
    assert await bench.uplink.receipts_of("unknown") == []
    assert (await bench.uplink.hello()).receipts == 4, "acknowledged ones count as well"


async def test_what_is_no_order_is_refused(bench: Bench) -> None:
    retained = await bench.uplink.order(bench.order(1), retained=True)
    assert isinstance(retained, Refused)
    assert retained.code == "retained"
    assert isinstance(await bench.uplink.order(b"rubbish", retained=False), Refused)
    assert (await bench.uplink.hello()).last_sequences == {}


async def test_the_same_order_again_is_not_new(bench: Bench) -> None:
    await bench.uplink.order(bench.order(1), retained=False)
    await bench.eraser.finish()
    assert await bench.uplink.order(bench.order(1), retained=False) == Admitted(f"{ORDER}1", new=False)


async def test_lines_go_out_until_they_are_acknowledged(bench: Bench) -> None:
    assert await bench.uplink.next_batch() is None
    bench.recorder(entries.LinkUp(at=bench.clock.now()))
    await bench.recorder.flush()
    batch = await bench.uplink.next_batch()
    assert batch
    assert len(batch.lines) == 1
    await bench.uplink.batch_acknowledged("another")
    assert await bench.uplink.next_batch() == batch
    await bench.uplink.batch_acknowledged(batch.id)
    assert await bench.uplink.next_batch() is None


def test_the_link_goes_up_and_down_and_says_why_once(bench: Bench) -> None:
    uplink, clock = bench.uplink, bench.clock
    view = uplink.view()
    assert (view.configured, view.connected, view.since, view.reason) == (True, False, None, "")
    uplink.problem("no route to the broker")
    uplink.problem("no route to the broker")
    assert (uplink.view().connected, uplink.view().reason) == (False, "no route to the broker")
    clock.move(seconds=1)
    uplink.standing(True)
    uplink.standing(True)
    assert uplink.view() == msgspec.structs.replace(view, connected=True, since=clock.now())
    clock.move(seconds=1)
    uplink.standing(False)
    uplink.problem("the broker closed the connection")
    down = uplink.view()
    assert (down.connected, down.since, down.reason) == (False, clock.now(), "the broker closed the connection")
    assert [type(entry) for entry in bench.recorded] == [entries.LinkDown, entries.LinkUp, entries.LinkDown]
    assert bench.marked == ["link"] * 4


async def test_hello_names_the_head_of_the_log_and_its_places_can_be_asked_for(bench: Bench) -> None:
    for number in (1, 2):
        await bench.uplink.order(bench.order(number), retained=False)
    await bench.eraser.finish()
    await bench.uplink.receipt_acknowledged(f"{ORDER}1", "erased")
    first, second = await bench.uplink.hello(), await bench.uplink.hello()
    assert first.log == bench.journal.log_position()
    assert (first.log.size, first.acknowledged) == (4, 1)
    assert first.id != second.id, "each saying has an id of its own"
    places = await bench.uplink.receipts_at({1, 2, 9})
    assert [(receipt.order, receipt.kind) for receipt in places] == [(f"{ORDER}1", "verified"), (f"{ORDER}2", "erased")]


async def test_what_has_expired_is_sent_no_more_and_the_others_keep_their_places(bench: Bench, ground: Any) -> None:
    await bench.uplink.order(bench.order(1), retained=False)
    await bench.eraser.finish()
    assert (await bench.uplink.hello()).first == 0
    bench.clock.move(days=30)
    await bench.uplink.order(bench.order(2), retained=False)
    await bench.eraser.finish()
    assert bench.journal.expire(ground.time, timedelta(days=30), timedelta()) == 2
    hello = await bench.uplink.hello()
    assert (hello.first, hello.receipts, hello.log.size, hello.last_sequences) == (2, 2, 4, {"cloud": 2})
    assert await bench.uplink.receipts_at({0, 1}) == []
    assert [one.kind for one in await bench.uplink.receipts_at({0, 2})] == ["erased"]
    assert [one.order for one in await bench.uplink.receipts_due()] == [f"{ORDER}2"] * 2
    assert await bench.uplink.receipts_of(f"{ORDER}1") == []
    bench.clock.move(days=30)
    assert bench.journal.expire(ground.time, timedelta(days=30), timedelta()) == 2
    assert (await bench.uplink.hello()).first == 4
