"""A house that dies: the real storage and eraser in a process that kills itself at a chosen step towards the disk.

A program: it reads one request a line from stdin, forks for each, and answers with one line when that child has ended.
Forking is what keeps hundreds of deaths cheap. Requests and answers are those of `Request` and `Answer`.
"""

import asyncio
import errno
import gc
import logging
import os
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from agent.config.model import Config, Gateway
from agent.errors import ConfigInvalid
from agent.register import Adoption
from agent.storage import Storage, open_storage
from camera.picture import Picture
from privacy.entries import About, Entry, ForeignLine
from privacy.erasure import Eraser
from privacy.errors import StoreBroken
from privacy.orders import Claims, Form, Ground, sign_order, verify_order
from privacy.records import Item, RecordClass, Scope, Tier
from privacy.redaction.line import redacted
from privacy.signing import SigningKey, Trust
from privacy.store import Disk, Erasure, Store

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
IN, BEFORE, AFTER, LATER = NOON, NOON - 6 * HOUR, NOON + 6 * HOUR, NOON + 9 * HOUR
NOW = NOON + 12 * HOUR
SCOPE = Scope(
    classes=(RecordClass.SNAPSHOT, RecordClass.OP_LOG, RecordClass.DEVICE), start=NOON - DAY, end=NOON + 3 * HOUR
)
"""Takes what stands at IN and a day of its own, not what stands at BEFORE minus a day, or AFTER."""
OLD = BEFORE - DAY
STEPS = ("open", "write", "fsync", "fdatasync", "ftruncate", "truncate", "rename", "replace", "unlink", "mkdir")
START_AGAIN = 75


class Request(msgspec.Struct, kw_only=True):
    """What a child does in the state directory `state`, and what befalls it there.

    `begin`: opens the storage. `plant`: fills it. `live`: an order comes and is carried out, then daily life goes on.
    `recover`: starts, takes the order again if `redeliver`, and finishes.
    """

    do: str
    state: str
    redeliver: bool = False
    step: int = 0
    """Counted from 1; 0: nothing befalls it."""
    befalls: str = ""
    """`before`, `during` (of a write: half of it), `after`: dies there. `EIO`, `ENOSPC`: the step fails, once."""
    variant: str = ""
    """A house that is deliberately wrong."""


class Answer(msgspec.Struct, kw_only=True):
    """What became of it. `told` is what it had said to the outside when it ended."""

    ended: int
    """Exit status, or minus the signal."""
    told: list[Any]
    errors: str


class Fate:
    """Counts the steps towards the disk, and strikes at one of them."""

    def __init__(self, request: Request) -> None:
        self._strike = request.step
        self._befalls = request.befalls
        self.steps: list[str] = []

    def install(self) -> None:
        for name in STEPS:
            setattr(os, name, self._watched(name, getattr(os, name)))

    def _watched(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **kwargs: Any) -> Any:
            if name == "open" and not args[1] & os.O_CREAT:
                return real(*args, **kwargs)
            self.steps.append(name)
            if len(self.steps) != self._strike:
                return real(*args, **kwargs)
            if self._befalls in {"EIO", "ENOSPC"}:
                code = getattr(errno, self._befalls)
                raise OSError(code, os.strerror(code))
            if self._befalls == "during":
                real(args[0], args[1][: len(args[1]) // 2])
            if self._befalls == "after":
                real(*args, **kwargs)
            os.kill(os.getpid(), signal.SIGKILL)
            raise AssertionError("outlived it")

        return step


class StandingClock:
    """Stands at NOW."""

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0


class ErasesAfterTheReceipt:
    """A store that says that it erased, and does so at the scan."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.name, self.classes, self.tier = store.name, store.classes, Tier.UNLINKED
        self.find, self.export, self.oldest = store.find, store.export, store.oldest

    def erase(self, scope: Scope, before: datetime) -> Erasure:
        found = sum(1 for _ in self._store.find(scope, before))
        return Erasure(found, found, 0)

    def scan(self, scope: Scope, before: datetime) -> int:
        return self._store.erase(scope, before).left


class House:
    """What a child does."""

    def __init__(self, request: Request, order: str, trust: Trust, tell: Callable[..., None]) -> None:
        self._request = request
        self._order = verify_order(order.encode(), audience="gw-1/1", trust=trust, clock=StandingClock())
        self._tell = tell
        config = Config(version=1, gateway=Gateway(id="gw-1", state_dir=Path(request.state)))
        self._storage: Storage = open_storage(config)
        stores: tuple[Store, ...] = self._storage.stores
        if request.variant == "receipt before erasing":
            stores = tuple(ErasesAfterTheReceipt(store) for store in stores)
        if request.variant == "skips the spool":
            stores = tuple(store for store in stores if store is not self._storage.spool)
        if request.variant == "does not journal what it found":
            self._storage.journal.counted = lambda *_: None  # type: ignore[method-assign]
        self._disk = Disk()
        self._eraser = Eraser(
            stores=stores,
            journal=self._storage.journal,
            key=self._storage.receipt_key,
            issuer="gw-1/1",
            software="0",
            barrier=self._storage.barrier,
            disk=self._disk,
            clock=StandingClock(),
            observe=self._observe,
        )

    async def _observe(self, *_: object) -> None:
        """Nobody looks."""

    async def begin(self) -> None:
        """That it opened is all."""

    async def plant(self) -> None:
        storage = self._storage
        for number, at in enumerate([IN, IN + HOUR, IN - HOUR]):
            storage.snapshots.append("front", at, _picture(f"INSIDE picture {number}"), frozenset({"kari"}))
        for number, at in enumerate([OLD, AFTER]):
            storage.snapshots.append("garden", at, _picture(f"OUTSIDE picture {number}"))
        # A day that dies whole, one that is thinned, one that stays.
        inside = [_entry(at, f"INSIDE entry {number}") for number, at in enumerate([NOON - 13 * HOUR, IN, IN + HOUR])]
        outside = [_entry(at, f"OUTSIDE entry {number}") for number, at in enumerate([OLD, AFTER])]
        storage.operation_log.append([*inside, *outside])
        for number, at in enumerate([IN, OLD, IN + HOUR, AFTER]):
            word = "INSIDE" if SCOPE.covers(Item("", RecordClass.OP_LOG, at)) else "OUTSIDE"
            storage.spool.append([(redacted(f"{word} line {number}"), About(at, camera="front"))])
        self._hand_out(3)
        for word, at in (("INSIDE", IN), ("OUTSIDE", AFTER)):
            storage.register.add(Adoption(word, "homekit", at, {"devices": [{"name": f"{word} device"}]}))

    async def live(self) -> None:
        storage = self._storage
        if self._request.variant == "acknowledges before it journals":
            self._tell("acknowledged")
        await self._do(lambda: self._eraser.admit(self._order))
        self._tell("acknowledged")
        await self._do(self._eraser.finish)
        await self._try(self._hand_out, 1)
        self._tell("uploading")
        await self._try(lambda: self._handed and storage.spool.acknowledge(self._handed))
        self._tell("uploaded")
        await self._try(lambda: storage.journal.acknowledge(self._order.id, "erased"))
        self._tell("receipt acknowledged")
        await self._try(lambda: storage.snapshots.append("front", LATER, _picture("LATER picture")))
        self._tell("kept", "LATER picture")
        await self._try(lambda: storage.operation_log.append([_entry(LATER, "LATER entry")]))
        self._tell("kept", "LATER entry")
        await self._try(lambda: storage.spool.append([(redacted("LATER line"), About(LATER))]))
        self._tell("kept", "LATER line")
        adoption = Adoption("LATER", "homekit", LATER, {"devices": [{"name": "LATER device"}]})
        await self._try(lambda: storage.register.add(adoption))
        self._tell("kept", "LATER device")

    async def recover(self) -> None:
        storage = self._storage
        if self._request.redeliver:
            await self._do(lambda: self._eraser.admit(self._order))
        await self._do(self._eraser.finish)
        await self._try(self._hand_out, 100)
        for store in storage.stores:
            exported = b"\n".join(payload for _, payload in store.export(Scope(everything=True)))
            self._tell("store", store.name, store.scan(SCOPE, NOW), exported.decode(errors="replace"))
        receipts = [receipt for receipt in storage.journal.receipts() if receipt.order == self._order.id]
        self._tell("receipts", [receipt.jws for receipt in receipts], storage.receipt_key.public_jwk())
        self._tell("receipts acknowledged", [receipt.kind for receipt in receipts if receipt.acknowledged])

    def close(self) -> None:
        self._disk.close()

    def _hand_out(self, most: int) -> None:
        batch = self._storage.spool.next_batch(most)
        self._handed = batch.id if batch else None
        if batch:
            self._tell("batch", batch.id, [line.text for line in batch.lines])

    async def _try(self, call: Callable[..., Any], *args: Any) -> None:
        await self._do(lambda: self._disk.run(call, *args))

    async def _do(self, call: Callable[[], Awaitable[Any]]) -> None:
        """Again where it fails, as the supervisor does; a fault strikes once."""
        try:
            await call()
        except StoreBroken as error:
            self._tell("broken", str(error))
            await call()


def _picture(text: str) -> Picture:
    return Picture(text.encode(), f"{text}, small".encode(), 64, 48)


def _entry(at: datetime, text: str) -> Entry:
    return ForeignLine(at, "a program", text)


def _child(request: Request, order: str, trust: Trust, told: int) -> int:
    write = os.write

    def tell(*words: object) -> None:
        write(told, msgspec.json.encode(words) + b"\n")

    fate = Fate(request)
    fate.install()
    try:
        house = House(request, order, trust, tell)
    except (StoreBroken, ConfigInvalid) as error:
        tell("broken", str(error))
        return START_AGAIN
    asyncio.run(getattr(house, request.do)())
    house.close()
    tell("steps", fate.steps)
    return 0


def _forked(request: Request, order: str, trust: Trust) -> Answer:
    heard, told = os.pipe()
    errors = Path(request.state + ".errors")
    child = os.fork()
    if child == 0:
        os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 2)
        status = 1
        try:
            status = _child(request, order, trust, told)
        except BaseException:  # noqa: BLE001 - it must not get back into the parent's loop
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(told)
    with os.fdopen(heard, "rb") as pipe:
        lines = [msgspec.json.decode(line) for line in pipe]
    _, status = os.waitpid(child, 0)
    return Answer(ended=os.waitstatus_to_exitcode(status), told=lines, errors=errors.read_text())


def main() -> None:
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    key = SigningKey.generate()
    trust = Trust.from_jwks({"keys": [{**key.public_jwk(), "issuer": "cloud"}]})
    claims = Claims(
        iss="cloud",
        aud="gw-1/1",
        jti="0197a000-0000-7000-8000-000000000001",
        seq=1,
        iat=int(NOW.timestamp()),
        exp=int((NOW + DAY).timestamp()),
        form=Form.POINT,
        ground=Ground.OWNERS_CHOICE,
        scope=SCOPE,
    )
    order = sign_order(key, claims)
    gc.freeze()  # what a child only reads stays shared
    for line in sys.stdin.buffer:
        answer = _forked(msgspec.json.decode(line, type=Request), order, trust)
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
