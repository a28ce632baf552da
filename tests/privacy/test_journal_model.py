"""Journal, stores and eraser through anything: orders, copies of them, a medium that refuses, power cuts, restarts.

The medium fails where a real one does, below `os`: at any call that changes something, once or from then on, with
half a write done or none. What must hold is checked after each step, and once more when all is healed.
"""

import asyncio
import contextlib
import errno
import itertools
import os
import tempfile
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from privacy import files, key_files, sealed_log
from privacy.audit import verify_log
from privacy.entries import About, Entry
from privacy.erasure import Eraser
from privacy.errors import StoreBroken
from privacy.journal import Journal
from privacy.keyring import KeyRing
from privacy.operation_log import OperationLog
from privacy.orders import Claims, Form, Ground, PurgeOrder, sign_order, verify_order
from privacy.receipts import Kind, Receipt
from privacy.records import Item, RecordClass, Scope
from privacy.redaction.line import redacted
from privacy.seal import Keys
from privacy.signing import SigningKey, Trust
from privacy.spool import Spool
from privacy.store import Barrier, Disk
from privacy.timekeeping import TimeKeeper, Witness
from tests.suites.memory_slots import MemorySlots

T = TypeVar("T")

GATEWAY = "gw-1/1"
ALL = Scope(everything=True)
LATER = datetime(2099, 1, 1, tzinfo=UTC)
LIMIT = timedelta(days=100_000)
CLOUD, RECEIPTS = SigningKey.generate(), SigningKey.generate()
TRUST = Trust.from_jwks({"keys": [{**CLOUD.public_jwk(), "issuer": "cloud"}]})
CAMERAS = ("front", "back")


class PowerCut(BaseException):
    """Nothing that runs survives it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """The `nth` call of its kind fails."""

    call: str
    nth: int
    then: str
    """What follows: "goes on", "refuses" every change, or is a "power cut" of which nobody hears."""
    half: bool
    """Of a write, half is done."""


OUTCOMES = ("goes on", "refuses", "power cut")
CALLS = ("open", "write", "fdatasync", "fsync", "ftruncate", "replace", "unlink")
FAULTS = st.builds(
    Fault,
    st.sampled_from(CALLS),
    st.integers(0, 4),
    st.sampled_from(OUTCOMES),
    st.booleans(),
)


class Medium:
    """Stands for `os` in the modules that write."""

    def __init__(self, fault: Fault) -> None:
        self._fault = fault
        self._calls = 0
        self._failed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def open(self, path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR):
            self._change("open")
        return os.open(path, flags, mode)

    def write(self, handle: int, data: bytes) -> int:
        try:
            self._change("write")
        except (OSError, PowerCut):
            if self._fault.half:
                os.write(handle, bytes(data)[: len(data) // 2])
            raise
        return os.write(handle, data)

    def fsync(self, handle: int) -> None:
        self._change("fsync")

    def fdatasync(self, handle: int) -> None:
        self._change("fdatasync")

    def ftruncate(self, handle: int, size: int) -> None:
        self._change("ftruncate")
        os.ftruncate(handle, size)

    def _change(self, call: str) -> None:
        self._calls += call == self._fault.call
        if self._failed and self._fault.then != "goes on":
            self._fail()
        if not self._failed and self._calls > self._fault.nth:
            self._fail()

    def _fail(self) -> None:
        self._failed = True
        if self._fault.then == "power cut":
            raise PowerCut
        raise OSError(errno.EIO, "the medium refuses")

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        replace, unlink = Path.replace, Path.unlink

        def faulty_replace(path: Path, target: Path) -> Path:
            self._change("replace")
            return replace(path, target)

        def faulty_unlink(path: Path, missing_ok: bool = False) -> None:  # noqa: FBT001, FBT002 - as in pathlib
            self._change("unlink")
            unlink(path, missing_ok=missing_ok)

        with (
            mock.patch.object(files, "os", self),
            mock.patch.object(key_files, "os", self),
            mock.patch.object(sealed_log, "os", self),
            mock.patch.object(Path, "replace", faulty_replace),
            mock.patch.object(Path, "unlink", faulty_unlink),
        ):
            yield


@dataclass(frozen=True, slots=True)
class Note(Entry):
    camera: str
    number: int


@dataclass(slots=True)
class Given:
    """An order as the outside knows it."""

    order: PurgeOrder
    admitted: bool = False
    """We said that it is journaled; before, nobody knows."""

    def may_reach(self, item: Item, *, done: bool) -> bool:
        """Whether the order may take `item`, that was there before the order was `done`."""
        assert item.at
        reach = self.order.issued if self.order.form is Form.POINT else LATER
        return not done and self.order.scope.covers(item) and item.at < reach


class House(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.stack = contextlib.ExitStack()
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.loop = asyncio.new_event_loop()
        self.stack.callback(self.loop.close)
        self.disk = Disk()
        self.stack.callback(self.disk.close)
        self.time = datetime(2026, 3, 1, 12, tzinfo=UTC)
        self.slots = MemorySlots()
        self.keys = Keys(bytes(32))
        self.numbers = itertools.count(1)
        self.given: list[Given] = []
        self.kept: dict[int, Item] = {}
        """The records that nothing may have taken."""
        self.taken: dict[int, Item] = {}
        """Those that some order may have taken."""
        self.log: list[str] = []
        self.sequences: dict[str, int] = {}

    # -- the clock

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    # -- what happens

    @initialize()
    def start(self) -> None:
        """The first start, and each after it."""
        self.barrier = Barrier(self)
        self.ring = KeyRing.open(self.folder / "keys", self.slots, os.urandom)
        self.journal = Journal(self.folder / "journal", self.keys, self.ring)
        keeper = TimeKeeper(self, bytes(16), lambda: True, lambda: None, lambda _note: None)
        keeper.witness(self.time, Witness.PERSON)
        self.stores = (
            OperationLog(self.folder / "operation-log", self.ring, keeper, LIMIT),
            Spool(self.folder / "spool", self.keys, self.ring, keeper, LIMIT),
        )
        self.eraser = Eraser(
            stores=self.stores,
            journal=self.journal,
            key=RECEIPTS,
            issuer=GATEWAY,
            software="0",
            barrier=self.barrier,
            disk=self.disk,
            clock=self,
            observe=self.observe,
            change=self.ring.change,
        )

    async def observe(self, order: PurgeOrder, kind: Kind, receipt: Receipt) -> None:
        """Nobody listens."""

    @rule()
    def restart(self) -> None:
        self.start()

    @rule(camera=st.sampled_from(CAMERAS))
    def record(self, camera: str) -> None:
        self.time += timedelta(seconds=1)
        number = next(self.numbers)
        log, spool = self.stores
        log.append([Note(self.time, camera, number)])
        spool.append([(redacted(str(number)), About(self.time, camera))])
        item = Item(str(number), RecordClass.OP_LOG, self.time, camera=camera)
        waiting = any(given.may_reach(item, done=self.done(given)) for given in self.given)
        (self.taken if waiting else self.kept)[number] = item

    @rule(camera=st.sampled_from([*CAMERAS, None]), form=st.sampled_from(Form), fault=st.none() | FAULTS)
    def order(self, camera: str | None, form: Form, fault: Fault | None) -> None:
        self.time += timedelta(seconds=2)
        number = next(self.numbers)
        claims = Claims(
            iss="cloud",
            aud=GATEWAY,
            jti=f"0197a000-0000-7000-8000-{number:012d}",
            seq=number,
            iat=int(self.time.timestamp()),
            exp=int(self.time.timestamp()) + 86_400,
            form=form,
            ground=Ground.OWNERS_CHOICE,
            scope=Scope(cameras=(camera,)) if camera else ALL,
        )
        order = verify_order(sign_order(CLOUD, claims).encode(), audience=GATEWAY, trust=TRUST, clock=self)
        given = Given(order)
        self.given.append(given)
        reached = {number: item for number, item in self.kept.items() if given.may_reach(item, done=False)}
        self.taken |= reached
        self.kept = {number: item for number, item in self.kept.items() if number not in reached}
        self.deliver(given, fault)

    @precondition(lambda self: self.given)
    @rule(data=st.data(), fault=st.none() | FAULTS)
    def again(self, data: st.DataObject, fault: Fault | None) -> None:
        """The broker delivers a copy, or what it was never acknowledged."""
        self.deliver(data.draw(st.sampled_from(self.given)), fault)

    def deliver(self, given: Given, fault: Fault | None) -> None:
        new = self.through(self.eraser.admit(given.order), fault)
        if new is not None:
            assert not (new and given.admitted), "the id alone decides"
            given.admitted = True

    @rule(fault=st.none() | FAULTS)
    def carry_out(self, fault: Fault | None) -> None:
        self.through(self.eraser.finish(), fault)

    @precondition(lambda self: self.given)
    @rule(data=st.data(), kind=st.sampled_from(["erased", "verified"]), fault=st.none() | FAULTS)
    def acknowledge(self, data: st.DataObject, kind: Kind, fault: Fault | None) -> None:
        order = data.draw(st.sampled_from(self.given)).order.id
        noted = self.through(self.disk.run(self.journal.acknowledge, order, kind), fault)
        if noted:
            assert [r for r in self.journal.receipts() if (r.order, r.kind, r.acknowledged) == (order, kind, True)]

    def through(self, work: Coroutine[Any, Any, T], fault: Fault | None) -> T | None:
        """What `work` returns, or None where the medium refused it. After a power cut the house starts again."""
        medium = Medium(fault).in_place() if fault else contextlib.nullcontext()
        try:
            with medium:
                return self.loop.run_until_complete(work)
        except StoreBroken:
            return None
        except PowerCut:
            self.start()
            return None

    # -- what must hold

    def done(self, given: Given) -> bool:
        return any((r.order, r.kind) == (given.order.id, "verified") for r in self.journal.receipts())

    @invariant()
    def what_was_admitted_is_known(self) -> None:
        assert all(self.journal.known(given.order.id) for given in self.given if given.admitted)

    @invariant()
    def receipts_never_change_and_the_log_verifies(self) -> None:
        receipts = list(self.journal.receipts())
        log = [receipt.jws for receipt in receipts]
        assert log[: len(self.log)] == self.log
        if len(log) > len(self.log):
            verify_log(log, RECEIPTS.public_jwk())
        self.log = log
        kinds = [(receipt.order, receipt.kind) for receipt in receipts]
        assert len(set(kinds)) == len(kinds), "each once"

    @invariant()
    def sequences_never_fall(self) -> None:
        sequences = self.journal.last_sequences()
        assert all(sequences.get(issuer, 0) >= last for issuer, last in self.sequences.items())
        self.sequences = sequences

    @invariant()
    def nothing_out_of_scope_is_lost(self) -> None:
        for store in self.stores:
            there = {(item.camera, item.at) for item in store.find(ALL, LATER)}
            assert {(item.camera, item.at) for item in self.kept.values()} <= there, store.name

    @invariant()
    def nothing_is_left_of_what_was_verified(self) -> None:
        for given in self.given:
            if given.order.form is Form.POINT and self.done(given):
                for store in self.stores:
                    assert not list(store.find(given.order.scope, given.order.issued)), store.name

    def teardown(self) -> None:
        try:
            if hasattr(self, "journal"):
                self.healed()
        finally:
            self.stack.close()

    def healed(self) -> None:
        """Started once more, on a medium that works, every order ends as it should."""
        self.start()
        self.loop.run_until_complete(self.eraser.finish())
        self.receipts_never_change_and_the_log_verifies()
        self.nothing_out_of_scope_is_lost()
        self.nothing_is_left_of_what_was_verified()
        for given in self.given:
            kinds = [r.kind for r in self.journal.receipts() if r.order == given.order.id]
            known = self.journal.known(given.order.id)
            assert kinds == (["erased", "verified"] if known else [])
            assert known or not given.admitted
        assert self.journal.unfinished() == []
        texts = b"".join(payload for _, payload in self.journal._log.replay())
        assert not any(given.order.jws.encode() in texts for given in self.given), "the text of orders is dead"
        erased = [r for r in verify_log(self.log, RECEIPTS.public_jwk()) if r.kind == "erased"]
        for store in self.stores:
            named = sum(line.found for receipt in erased for line in receipt.stores if line.store == store.name)
            gone = len(self.kept) + len(self.taken) - sum(1 for _ in store.find(ALL, LATER))
            assert named >= gone, "a crash half-way does not make a receipt say less"


House.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestAnyHistory = House.TestCase


@pytest.mark.parametrize("then", OUTCOMES)
@pytest.mark.parametrize("call", CALLS)
def test_each_call_of_one_erasure(call: str, then: str) -> None:
    """The same, without chance: one order, and each call on its way fails once."""
    for nth, half in itertools.product(range(6), (False, True) if call == "write" else (False,)):
        house = House()
        try:
            house.start()
            for camera in ("front", "back", "front"):
                house.record(camera)
            house.order("front", Form.POINT, None)
            for fault in (Fault(call, nth, then, half), None):
                house.carry_out(fault)
                house.receipts_never_change_and_the_log_verifies()
                house.nothing_out_of_scope_is_lost()
        finally:
            house.teardown()


def test_others_may_read_while_it_is_written() -> None:
    """The event loop asks for receipts, sequences and open orders while the `Disk` thread writes."""
    house = House()
    try:
        house.start()
        journal, stop = house.journal, threading.Event()
        asked: list[tuple[int, int]] = []

        def ask() -> None:
            while not stop.is_set():
                open_orders = journal.unfinished()
                receipts = list(journal.receipts())
                assert len({(receipt.order, receipt.kind) for receipt in receipts}) == len(receipts)
                assert all(isinstance(order, PurgeOrder) for order in open_orders)
                asked.append((len(receipts), journal.last_sequences().get("cloud", 0)))

        with ThreadPoolExecutor(1) as other:
            asking = other.submit(ask)
            for _ in range(60):
                house.order("front", Form.POINT, None)
                house.carry_out(None)
            stop.set()
            asking.result()
        assert asked == sorted(asked), "neither receipts nor sequences ever fall"
        assert journal.log_position().size == 120
    finally:
        house.teardown()
