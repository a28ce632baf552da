import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from privacy.audit import verify_log
from privacy.erasure import Eraser
from privacy.errors import ReceiptInvalid, StoreBroken
from privacy.journal import Journal
from privacy.keyring import KeyRing
from privacy.merkle import EMPTY_ROOT
from privacy.orders import Form, PurgeOrder, verify_order
from privacy.receipts import LogPosition, OrderReference, Receipt, StoreLine, sign_receipt, verify_receipt
from privacy.records import Item, RecordClass, Scope, Tier
from privacy.seal import Keys
from privacy.signing import SigningKey, Trust
from privacy.store import Barrier, Disk, Erasure, Exemption

GATEWAY = "gw-1/1"
START = LogPosition(size=0, root=EMPTY_ROOT.hex())


class Shelf:
    """A store in memory, with faults on demand."""

    name = "shelf"
    classes = frozenset({RecordClass.SNAPSHOT})
    tier = Tier.UNLINKED

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}
        self.hidden: dict[str, Item] = {}
        self.held: set[str] = set()
        self.held_until: datetime | None = None
        self.lost_track = 0
        self.fail_after: int | None = None
        self.erased_in: list[int] = []
        """How many changes of keys were open with each call of `erase`."""
        self.changes = 0
        self.ways = True
        """Whether it says by which way it found what it found."""
        self.marks = b""
        self.tried: list[Sequence[bytes]] = []
        """The marks that each scan was given."""

    def put(self, id_: str, at: datetime | None, camera: str = "front") -> None:
        self.items[id_] = Item(id_, RecordClass.SNAPSHOT, at, camera=camera)

    def find(self, scope: Scope, before: datetime) -> Iterator[Item]:
        return (i for i in list(self.items.values()) if scope.covers(i) and (i.at is None or i.at < before))

    def count(self, scope: Scope, before: datetime) -> int:
        return sum(1 for _ in self.find(scope, before))

    @contextmanager
    def change(self) -> Iterator[None]:
        self.changes += 1
        yield
        self.changes -= 1

    def erase(self, scope: Scope, before: datetime) -> Erasure:
        self.erased_in.append(self.changes)
        every = list(self.find(scope, before))
        found = [item for item in every if item.id not in self.held]
        left = len(every) - len(found)
        for item in found:
            if self.fail_after is not None:
                self.fail_after -= 1
                if self.fail_after < 0:
                    raise StoreBroken("read-only")
            del self.items[item.id]
        exemptions = (Exemption(reason="hold", count=left, due=self.held_until),) if left and self.held_until else ()
        by = {"assigned": len(every)} if self.ways else {}
        return Erasure(len(every), len(found), left + self.lost_track, by, exemptions, self.marks)

    def scan(self, scope: Scope, before: datetime, marks: Sequence[bytes] = ()) -> Iterator[int]:
        self.tried.append(marks)
        yield self.count(scope, before)
        yield len(self.hidden)

    def export(self, scope: Scope) -> Iterator[tuple[Item, bytes]]:
        return iter(())

    def oldest(self) -> list[tuple[RecordClass, int, datetime | None]]:
        return []


class Bench:
    """A journal, a store and an eraser, that can be started again as after a crash."""

    def __init__(self, root: Path, keys: Keys, key: SigningKey, clock: Any, open_ring: Callable[[], KeyRing]) -> None:
        self.open_ring = open_ring
        self.path, self.keys, self.key, self.clock = root / "journal", keys, key, clock
        self.shelf = Shelf()
        self.disk = Disk()
        self.barrier = Barrier(clock)
        self.seen: list[tuple[str, str]] = []
        self.time_known = True
        self.start()

    def start(self) -> None:
        self.journal = Journal(self.path, self.keys, self.open_ring())
        self.eraser = Eraser(
            stores=[self.shelf],
            journal=self.journal,
            key=self.key,
            issuer=GATEWAY,
            software="0",
            barrier=self.barrier,
            disk=self.disk,
            clock=self.clock,
            observe=self.observe,
            change=self.shelf.change,
            time_known=lambda: self.time_known,
        )

    async def observe(self, order: PurgeOrder, kind: str, _receipt: Receipt) -> None:
        self.seen.append((order.id, kind))

    async def finish(self) -> None:
        await self.eraser.finish()

    def receipts(self, order: str) -> dict[str, Receipt]:
        return {
            r.kind: verify_receipt(r.jws, self.key.public_jwk()) for r in self.journal.receipts() if r.order == order
        }


@pytest.fixture
async def bench(
    tmp_path: Path, keys: Keys, gateway_key: SigningKey, clock: Any, open_ring: Callable[[], KeyRing]
) -> AsyncIterator[Bench]:
    made = Bench(tmp_path, keys, gateway_key, clock, open_ring)
    yield made
    made.disk.close()


@pytest.fixture
def order(order_text: Callable[..., str], trust: Trust, clock: Any) -> Callable[..., PurgeOrder]:
    return lambda **claims: verify_order(order_text(**claims).encode(), audience=GATEWAY, trust=trust, clock=clock)


def at(clock: Any, **before: float) -> datetime:
    return clock.now() - timedelta(**before)


async def test_an_order_erases_its_scope_and_gets_two_receipts(bench: Bench, order: Any, clock: Any) -> None:
    bench.shelf.put("old", at(clock, hours=1))
    bench.shelf.put("undated", None)
    bench.shelf.put("other", at(clock, hours=1), camera="back")
    purge = order()
    clock.move(minutes=5)
    bench.shelf.put("newer than the order", at(clock, minutes=1))
    assert await bench.eraser.admit(purge)
    await bench.finish()
    assert set(bench.shelf.items) == {"other", "newer than the order"}
    receipts = bench.receipts(purge.id)
    assert list(receipts) == ["erased", "verified"]
    line = receipts["erased"].stores[0]
    assert (line.found, line.erased, line.left, line.tier) == (2, 2, 0, Tier.UNLINKED)
    assert receipts["verified"].complete
    assert receipts["verified"].order.sha256 == purge.sha256
    assert bench.seen == [(purge.id, "erased"), (purge.id, "verified")]


async def test_an_order_that_is_only_to_be_closed_is_not_carried_out_again(
    bench: Bench, order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.eraser.admit(order())
    with monkeypatch.context() as patch:
        patch.setattr(bench.journal, "close", lambda: None)
        await bench.finish()
    assert bench.journal.unfinished()
    await bench.finish()
    assert bench.journal.unfinished() == []
    assert bench.shelf.erased_in == [1], "once"


async def test_more_may_be_found_than_was_counted(
    bench: Bench, order: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file could not be read when the store counted, and can be now."""
    for name in ("one", "two", "held"):
        bench.shelf.put(name, at(clock, hours=1))
    bench.shelf.held, bench.shelf.held_until = {"held"}, clock.now() + timedelta(days=1)
    monkeypatch.setattr(bench.shelf, "count", lambda *_: 0)
    purge = order()
    await bench.eraser.admit(purge)
    await bench.finish()
    (line,) = bench.receipts(purge.id)["erased"].stores
    assert (line.found, line.erased, line.left) == (3, 2, 1)


async def test_a_standing_order_reaches_to_its_execution(bench: Bench, order: Any, clock: Any) -> None:
    purge = order(form=Form.STANDING)
    clock.move(days=90)
    bench.shelf.put("the winter", at(clock, days=1))
    await bench.eraser.admit(purge)
    await bench.finish()
    assert bench.shelf.items == {}


async def test_the_same_id_again_changes_nothing_and_keeps_its_receipts(
    bench: Bench, order_text: Any, trust: Trust, clock: Any
) -> None:
    text = order_text()
    purge = verify_order(text.encode(), audience=GATEWAY, trust=trust, clock=clock)
    await bench.eraser.admit(purge)
    await bench.finish()
    before = [r.jws for r in bench.journal.receipts()]
    bench.start()
    assert not await bench.eraser.admit(purge)
    await bench.finish()
    assert [r.jws for r in bench.journal.receipts()] == before
    assert bench.journal.last_sequences() == {"cloud": purge.sequence}


async def test_a_crash_anywhere_rolls_forward_and_the_receipt_still_says_all(
    bench: Bench, order: Any, clock: Any
) -> None:
    for number in range(5):
        bench.shelf.put(str(number), at(clock, hours=number + 1))
    purge = order()
    await bench.eraser.admit(purge)
    for survivors in (1, 2):
        bench.start()
        bench.shelf.fail_after = survivors
        with pytest.raises(StoreBroken):
            await bench.finish()
        assert bench.receipts(purge.id) == {}
    bench.shelf.fail_after = None
    bench.start()
    await bench.finish()
    assert bench.shelf.items == {}
    assert bench.receipts(purge.id)["erased"].stores[0].found == 5


async def test_no_verified_receipt_over_something_that_still_opens(bench: Bench, order: Any, clock: Any) -> None:
    bench.shelf.hidden["copy"] = Item("copy", RecordClass.SNAPSHOT, None)
    purge = order()
    await bench.eraser.admit(purge)
    with pytest.raises(StoreBroken, match="still open"):
        await bench.finish()
    assert "verified" not in bench.receipts(purge.id)
    bench.shelf.hidden.clear()
    bench.start()
    await bench.finish()
    assert bench.receipts(purge.id)["verified"].complete
    assert bench.seen.count((purge.id, "erased")) == 1


async def test_what_is_under_a_hold_is_named_and_the_order_waits_for_its_end(
    bench: Bench, order: Any, clock: Any
) -> None:
    for name in ("held", "free"):
        bench.shelf.put(name, at(clock, hours=1))
    bench.shelf.held, bench.shelf.held_until = {"held"}, at(clock, days=-30)
    purge = order()
    await bench.eraser.admit(purge)
    await bench.finish()
    assert set(bench.shelf.items) == {"held"}
    receipts = bench.receipts(purge.id)
    assert list(receipts) == ["erased"], "nothing is verified while something can be read"
    assert not receipts["erased"].complete
    line = receipts["erased"].stores[0]
    assert (line.found, line.erased, line.left) == (2, 1, 1)
    assert line.exemptions == (Exemption(reason="hold", count=1, due=bench.shelf.held_until),)
    assert bench.journal.unfinished() == [purge]
    assert not bench.barrier.admits(Item("held", RecordClass.SNAPSHOT, at(clock, hours=1), camera="front"))

    bench.start()
    await bench.finish()
    assert list(bench.receipts(purge.id)) == ["erased"], "the same again while it is held"
    bench.shelf.held.clear()
    await bench.finish()
    receipts = bench.receipts(purge.id)
    assert list(receipts) == ["erased", "verified"]
    assert receipts["verified"].complete
    assert bench.shelf.items == {}
    assert bench.journal.unfinished() == []


async def test_the_end_of_a_hold_wakes_the_service(bench: Bench, order: Any, clock: Any) -> None:
    bench.shelf.put("held", at(clock, hours=1))
    bench.shelf.held, bench.shelf.held_until = {"held"}, at(clock, days=-30)
    await bench.eraser.admit(order())
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        service = group.create_task(bench.eraser.run())
        while not bench.seen:
            await asyncio.sleep(0.01)
        bench.shelf.held.clear()
        bench.eraser.wake()
        while len(bench.seen) < 2:
            await asyncio.sleep(0.01)
        service.cancel()
    assert bench.shelf.items == {}


async def test_an_order_that_waits_is_tried_again_by_itself(
    bench: Bench, order: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("privacy.erasure.LONGEST_WAIT", timedelta(seconds=0.02))
    bench.shelf.put("held", at(clock, hours=1))
    bench.shelf.held, bench.shelf.held_until = {"held"}, at(clock, days=-30)
    await bench.eraser.admit(order())
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        service = group.create_task(bench.eraser.run())
        while not bench.seen:
            await asyncio.sleep(0.01)
        bench.shelf.held.clear()
        while len(bench.seen) < 2:
            await asyncio.sleep(0.01)
        service.cancel()


async def test_what_is_left_for_no_reason_gets_no_receipt(bench: Bench, order: Any) -> None:
    bench.shelf.lost_track = 1
    purge = order()
    await bench.eraser.admit(purge)
    with pytest.raises(StoreBroken, match="for no reason"):
        await bench.finish()
    assert bench.receipts(purge.id) == {}


async def test_the_stores_erase_inside_one_change_of_keys(bench: Bench, order: Any) -> None:
    purge = order()
    await bench.eraser.admit(purge)
    await bench.finish()
    assert bench.shelf.erased_in == [1]
    assert bench.shelf.changes == 0


@pytest.mark.parametrize("known", [True, False])
async def test_a_receipt_says_whether_the_time_is_known_and_by_what_a_subject_was_found(
    bench: Bench, order: Any, clock: Any, *, known: bool
) -> None:
    bench.time_known = known
    bench.shelf.put("old", at(clock, hours=1))
    purge = order()
    await bench.eraser.admit(purge)
    await bench.finish()
    receipt = bench.receipts(purge.id)["erased"]
    assert receipt.time_known is known
    assert receipt.stores[0].by == {"assigned": 1}


class PowerCut(BaseException):
    """Nothing that runs survives it."""


def lines(bench: Bench) -> list[str]:
    """What kinds of lines the journal has."""
    return [msgspec.json.decode(payload)["type"] for _, payload in bench.journal._log.replay()]


async def test_a_crash_before_the_first_receipt_does_not_lose_by_what_it_was_found(
    bench: Bench, order: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        bench.shelf.put(name, at(clock, hours=1))
    purge = order()
    await bench.eraser.admit(purge)

    def cut(*_: object) -> None:
        raise PowerCut

    with monkeypatch.context() as patch:
        patch.setattr(bench.journal, "receipt", cut)
        with pytest.raises(PowerCut):
            await bench.finish()
    assert bench.shelf.items == {}
    for _ in range(2):
        bench.start()
        await bench.finish()
        receipts = bench.receipts(purge.id)
        assert receipts["erased"].stores[0].by == {"assigned": 2}
        assert receipts["erased"].stores[0].found == 2


async def test_what_dies_is_noted_inside_the_change_that_takes_it(
    bench: Bench, order: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.shelf.put("old", at(clock, hours=1))
    noted = []
    dying = bench.journal.dying

    def note(*what: Any) -> None:
        noted.append((bench.shelf.changes, len(bench.shelf.items)))
        dying(*what)

    monkeypatch.setattr(bench.journal, "dying", note)
    await bench.eraser.admit(order())
    await bench.finish()
    assert noted == [(1, 0)], "everything is staged, and nothing is committed"


async def test_a_scan_is_given_the_marks_of_every_attempt(bench: Bench, order: Any, clock: Any) -> None:
    for name in ("held", "free"):
        bench.shelf.put(name, at(clock, hours=1))
    bench.shelf.held, bench.shelf.held_until = {"held"}, at(clock, days=-30)
    bench.shelf.marks = b"first"
    purge = order()
    await bench.eraser.admit(purge)
    await bench.finish()
    bench.start()
    await bench.finish()
    assert bench.shelf.tried == []
    assert lines(bench).count("dying") == 1, "the same again is not news"
    bench.shelf.held.clear()
    bench.shelf.marks = b"second"
    await bench.finish()
    assert bench.shelf.tried == [(b"first", b"second")]
    assert bench.receipts(purge.id)["erased"].stores[0].by == {"assigned": 2}
    assert "dying" not in lines(bench), "what has been verified need not be tried again"


async def test_an_order_about_nobody_writes_no_more_than_it_did(bench: Bench, order: Any, clock: Any) -> None:
    bench.shelf.put("old", at(clock, hours=1))
    bench.shelf.ways = False
    bench.shelf.hidden["copy"] = Item("copy", RecordClass.SNAPSHOT, None)
    await bench.eraser.admit(order())
    with pytest.raises(StoreBroken, match="still open"):
        await bench.finish()
    assert lines(bench) == ["intent", "found", "receipt"]
    assert bench.shelf.tried == [()]


async def test_after_the_verified_receipt_the_text_of_the_order_is_dead(bench: Bench, order: Any, keys: Keys) -> None:
    purge = order(scope=Scope(subjects=("person-kari",)))
    await bench.eraser.admit(purge)
    await bench.finish()
    again = Journal(bench.path, keys, bench.open_ring())
    texts = b"".join(payload for _, payload in again._log.replay())
    assert b"person-kari" not in texts
    assert purge.jws.encode() not in texts
    assert again.unfinished() == []
    assert again.known(purge.id)
    assert again.last_sequences() == {"cloud": purge.sequence}


async def test_acknowledgements_are_kept(bench: Bench, order: Any, keys: Keys) -> None:
    purge = order()
    await bench.eraser.admit(purge)
    await bench.finish()
    assert bench.journal.acknowledge(purge.id, "erased")
    assert not bench.journal.acknowledge(purge.id, "erased")
    assert not bench.journal.acknowledge("unknown", "erased")
    again = Journal(bench.path, keys, bench.open_ring())
    assert [(r.kind, r.acknowledged) for r in again.receipts()] == [("erased", True), ("verified", False)]


async def test_the_service_takes_orders_as_they_come(bench: Bench, order: Any, clock: Any) -> None:
    bench.shelf.put("old", at(clock, hours=1))
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        service = group.create_task(bench.eraser.run())
        await asyncio.sleep(0.01)
        await bench.eraser.admit(order())
        while len(bench.seen) < 2:
            await asyncio.sleep(0.01)
        service.cancel()
    assert bench.shelf.items == {}


async def test_nothing_captured_before_is_admitted_after(bench: Bench, order: Any, clock: Any) -> None:
    purge = order()
    late = Item("on its way", RecordClass.SNAPSHOT, at(clock, seconds=2), camera="front")
    assert bench.barrier.admits(late)
    await bench.eraser.admit(purge)
    await bench.finish()
    assert not bench.barrier.admits(late)
    assert bench.barrier.admits(Item("new", RecordClass.SNAPSHOT, clock.now(), camera="front"))
    assert bench.barrier.admits(Item("other", RecordClass.SNAPSHOT, late.at, camera="back"))
    clock.move(minutes=3)
    assert bench.barrier.admits(late), "nothing is on its way for so long; a clock set back must not lock a camera out"


async def test_an_order_that_cannot_be_finished_holds_up_no_other(bench: Bench, order: Any, clock: Any) -> None:
    bench.shelf.put("stuck", at(clock, hours=1))
    bench.shelf.put("other", at(clock, hours=1), camera="back")
    first, second = order(), order(scope=Scope(cameras=("back",)))
    await bench.eraser.admit(first)
    await bench.eraser.admit(second)
    erase = bench.shelf.erase

    def stuck(scope: Scope, before: datetime) -> Erasure:
        if "front" in scope.cameras:
            raise StoreBroken("read-only")
        return erase(scope, before)

    bench.shelf.erase = stuck  # type: ignore[method-assign]
    with pytest.raises(StoreBroken, match="read-only"):
        await bench.finish()
    assert bench.receipts(first.id) == {}
    assert list(bench.receipts(second.id)) == ["erased", "verified"]


def test_a_changed_foreign_or_lying_receipt_does_not_verify(gateway_key: SigningKey, clock: Any) -> None:
    line = StoreLine(store="shelf", found=3, erased=2, left=1, tier=Tier.UNLINKED)
    reference = OrderReference(id="1", issuer="cloud", sha256="0" * 64)
    honest = Receipt(
        iss=GATEWAY,
        kind="erased",
        order=reference,
        at=clock.now(),
        software="0",
        stores=(line,),
        log=START,
        complete=False,
    )
    jws = sign_receipt(gateway_key, honest)
    assert verify_receipt(jws + "\n", gateway_key.public_jwk()) == honest
    for wrong in (jws[:-8] + "AAAAAAAA", "", "a.b.c", jws.replace(".", "")):
        with pytest.raises(ReceiptInvalid):
            verify_receipt(wrong, gateway_key.public_jwk())
    with pytest.raises(ReceiptInvalid):
        verify_receipt(jws, SigningKey.generate().public_jwk())
    with pytest.raises(ReceiptInvalid):
        verify_receipt(jws, {"kty": "oct"})
    lying = Receipt(
        iss=GATEWAY,
        kind="erased",
        order=reference,
        at=clock.now(),
        software="0",
        stores=(line,),
        log=START,
        complete=True,
    )
    with pytest.raises(ReceiptInvalid, match="contradicts"):
        verify_receipt(sign_receipt(gateway_key, lying), gateway_key.public_jwk())


async def test_the_log_of_receipts_shows_any_change(bench: Bench, order: Any) -> None:
    for _ in range(3):
        await bench.eraser.admit(order())
        await bench.finish()
        bench.start()
    log = [receipt.jws for receipt in bench.journal.receipts()]
    public = bench.key.public_jwk()
    assert [receipt.log.size for receipt in verify_log(log, public)] == list(range(6))
    swapped = [*log[:2], log[3], log[2], *log[4:]]
    for wrong in (log[1:], [*log[:2], *log[3:]], swapped, [*log, log[-1]]):
        with pytest.raises(ReceiptInvalid, match="does not follow"):
            verify_log(wrong, public)
    with pytest.raises(ReceiptInvalid, match="entry 4: this receipt does not verify"):
        verify_log([*log[:4], log[4][:-8] + "AAAAAAAA", log[5]], public)
