"""An order given in the house goes the way of every order: signed, verified, journaled, carried out, receipted."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.errors import Refused
from agent.local_orders import ISSUER, LocalIssuer
from agent.register import Adoption, DeviceRegister
from privacy.audit import verify_log
from privacy.erasure import Eraser
from privacy.errors import StoreBroken
from privacy.journal import Journal
from privacy.orders import Form, Ground, PurgeOrder
from privacy.receipts import Receipt
from privacy.records import Scope
from privacy.signing import SigningKey
from privacy.store import Barrier, Disk

AUDIENCE = "gw-1/1"
ALL = Scope(everything=True)


class Bench:
    """A journal, an eraser over one store, and the issuer of the house; `start` again is a restart."""

    def __init__(self, folder: Path, ground: Any, disk: Disk, clock: Any) -> None:
        self.folder, self.disk, self.clock = folder, disk, clock
        self.keys, self.ring, self.time = ground.keys, ground.ring, ground.time
        self.receipt_key, self.local_key = SigningKey.generate(), SigningKey.generate()
        self.start()

    def start(self) -> None:
        barrier = Barrier()
        self.journal = Journal(self.folder / "journal", self.keys, self.ring)
        self.register = DeviceRegister(self.folder / "devices", self.ring, self.time.moment, barrier)
        self.eraser = Eraser(
            stores=[self.register],
            journal=self.journal,
            key=self.receipt_key,
            issuer=AUDIENCE,
            software="0",
            barrier=barrier,
            disk=self.disk,
            clock=self.clock,
            observe=self.observe,
            change=self.ring.change,
        )
        self.issuer = LocalIssuer(
            key=self.local_key,
            audience=AUDIENCE,
            journal=self.journal,
            eraser=self.eraser,
            clock=self.clock,
            random_bytes=self.keys.random_bytes,
        )

    async def observe(self, order: PurgeOrder, kind: str, receipt: Receipt) -> None:
        """Nobody listens."""

    def orders(self) -> list[PurgeOrder]:
        return self.journal.unfinished()


@pytest.fixture
def bench(tmp_path: Path, ground: Any, disk: Disk, clock: Any) -> Bench:
    return Bench(tmp_path, ground, disk, clock)


async def test_from_a_persons_word_to_two_receipts(bench: Bench) -> None:
    bench.register.add(Adoption("lamp", "homekit", bench.clock.now() - timedelta(hours=1), {}))
    bench.register.add(Adoption("plug", "homekit", bench.clock.now() - timedelta(hours=1), {}))
    id_ = await bench.issuer.erase(Scope(devices=("lamp",)))
    [order] = bench.orders()
    assert (order.id, order.issuer, order.sequence, order.form) == (id_, ISSUER, 1, Form.POINT)
    assert order.ground is Ground.OWNERS_CHOICE
    await bench.eraser.finish()
    assert [adoption.id for adoption in bench.register.all()] == ["plug"]
    receipts = list(bench.journal.receipts())
    assert [(r.order, r.issuer, r.kind) for r in receipts] == [(id_, ISSUER, "erased"), (id_, ISSUER, "verified")]
    erased, verified = verify_log([r.jws for r in receipts], bench.receipt_key.public_jwk())
    assert (erased.stores[0].found, erased.stores[0].erased, verified.complete) == (1, 1, True)
    assert erased.order.sha256 == order.sha256


async def test_it_reaches_what_there_is_up_to_now(bench: Bench) -> None:
    bench.clock.time = datetime(2026, 3, 1, 12, 0, 0, 400_000, tzinfo=UTC)
    await bench.issuer.erase(ALL)
    [order] = bench.orders()
    assert order.reaches_to(bench.clock.now()) == bench.clock.now(), "what was captured in this very second, too"
    assert order.reaches_to(bench.clock.now() + timedelta(hours=1)) <= bench.clock.now() + timedelta(seconds=1)


async def test_sequences_go_on_after_a_restart(bench: Bench) -> None:
    await bench.issuer.erase(ALL)
    await bench.issuer.erase(ALL)
    bench.start()
    await bench.issuer.erase(ALL)
    assert [order.sequence for order in bench.orders()] == [1, 2, 3]
    await bench.eraser.finish()
    bench.start()
    await bench.issuer.erase(ALL)
    assert [order.sequence for order in bench.orders()] == [4], "also when the text of the others is dead"
    assert bench.journal.last_sequences() == {ISSUER: 4}


async def test_two_orders_at_the_same_moment_are_two(bench: Bench) -> None:
    ids = await asyncio.gather(*(bench.issuer.erase(ALL) for _ in range(5)))
    assert len(set(ids)) == 5
    assert [order.sequence for order in bench.orders()] == [1, 2, 3, 4, 5]


async def test_a_scope_that_names_nothing_is_refused(bench: Bench) -> None:
    with pytest.raises(Refused) as refused:
        await bench.issuer.erase(Scope())
    assert refused.value.code == "empty_scope"
    assert bench.orders() == []


@pytest.mark.parametrize("hours", [0, 1])
async def test_a_scope_that_ends_before_it_begins_is_refused(bench: Bench, hours: int) -> None:
    end = bench.clock.now()
    with pytest.raises(Refused) as refused:
        await bench.issuer.erase(Scope(start=end + timedelta(hours=hours), end=end))
    assert refused.value.code == "bad_range"
    assert bench.orders() == []


async def test_a_scope_longer_than_an_order_may_be_is_refused(bench: Bench) -> None:
    with pytest.raises(Refused) as refused:
        await bench.issuer.erase(Scope(cameras=tuple(f"camera-{number:050d}" for number in range(200))))
    assert refused.value.code == "size"
    assert bench.orders() == []


async def test_an_order_that_cannot_be_journaled_was_not_given(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    admit: Callable[[PurgeOrder], bool] = bench.journal.admit

    def refuse(_order: PurgeOrder) -> bool:
        raise StoreBroken("the card is full")

    monkeypatch.setattr(bench.journal, "admit", refuse)
    with pytest.raises(StoreBroken):
        await bench.issuer.erase(ALL)
    assert bench.orders() == []
    monkeypatch.setattr(bench.journal, "admit", admit)
    await bench.issuer.erase(ALL)
    assert [order.sequence for order in bench.orders()] == [1], "no gap that somebody would have to explain"
