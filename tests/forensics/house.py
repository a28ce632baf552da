"""A house on a medium: the product's own storage and eraser, in a process that stops at every step towards the disk.

A program: it reads a `Request` a line from stdin and forks for each. The child says what happens, one JSON array a
line: `["step", number, name]`, and then waits for an empty line on stdin where it was asked to; the last is
`["ended", status]`. Everything that was drawn through `random_bytes` is said as well: it is the keys.
"""

import asyncio
import ctypes
import gc
import logging
import os
import sys
import traceback
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from agent.config.model import Config, Gateway
from agent.config.model import Vault as VaultConfig
from agent.register import Adoption
from agent.storage import Storage, open_storage
from camera.picture import Picture
from privacy.entries import About, CommandDone, ForeignLine, PictureFailed
from privacy.erasure import Eraser
from privacy.hold import Actor, Reason, Role
from privacy.orders import Claims, Form, Ground, PurgeOrder, sign_order, verify_order
from privacy.records import Scope
from privacy.redaction.line import redacted
from privacy.signing import SigningKey, Trust
from privacy.store import Disk
from tests.forensics import variants
from tests.forensics.planted import NOON, NOW, ORDERS, PLANTED, Planted

STEPS = (
    *("open", "write", "writev", "pwrite", "ftruncate", "truncate", "fsync", "fdatasync"),
    *("rename", "replace", "unlink", "mkdir"),
)
KEYS = {32, 65_536}
"""Lengths of what is a key or a secret when it is drawn; ids and nonces are shorter, and are in the open anyway."""
MINUTE = timedelta(minutes=1)
CLONE_NEWNS = 0x20000
"""`os.setns` comes with Python 3.12."""


class Request(msgspec.Struct, kw_only=True):
    """`live`: plants, and carries out one order after the other. `recover`: starts, finishes, shows what is there."""

    do: str
    namespace: str
    """Of mounts: where it joins in before it looks at `state`."""
    state: str
    pause: bool = False
    """Wait at every step."""
    variant: str = ""
    """A house that is deliberately wrong; see `variants.py`."""


class Machine:
    """A clock with a battery, and the boot that it is."""

    def __init__(self, now: datetime, boot: int) -> None:
        self.time = now
        self._since = now - 2 * MINUTE
        self._boot = boot

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return (self.time - self._since).total_seconds()

    def boot_id(self) -> bytes:
        return bytes([self._boot]) * 16

    def synchronised(self) -> bool:
        return False

    def battery_clock(self) -> datetime | None:
        return self.time


class Outside:
    """What is said, and waited for."""

    def __init__(self, *, pause: bool) -> None:
        self._write = os.write
        self._pause = pause
        self.watching = False
        self._steps = 0

    def tell(self, *words: object) -> None:
        data = msgspec.json.encode(words) + b"\n"
        while data:
            data = data[self._write(1, data) :]

    def wait(self) -> None:
        sys.stdin.buffer.readline()

    def install(self) -> None:
        """From now on every step towards the disk is told while `watching`."""
        for name in STEPS:
            setattr(os, name, self._watched(name, getattr(os, name)))

    def _watched(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **kwargs: Any) -> Any:
            if self.watching and self._pause and (name != "open" or args[1] & os.O_CREAT):
                self._steps += 1
                self.tell("step", self._steps, name)
                self.wait()
            return real(*args, **kwargs)

        return step

    def random_bytes(self, length: int) -> bytes:
        drawn = os.urandom(length)
        if length in KEYS:
            self.tell("drawn", drawn.hex())
        return drawn


class House:
    """What a child does."""

    def __init__(self, request: Request, orders: list[PurgeOrder], outside: Outside) -> None:
        self._orders = orders
        self._outside = outside
        self._machine = Machine(NOON - 4 * 60 * MINUTE, 1) if request.do == "live" else Machine(NOW + 9 * MINUTE, 2)
        self._state = Path(request.state)
        config = Config(
            version=1,
            gateway=Gateway(id="gw-1", state_dir=self._state),
            vault=VaultConfig(reserve_mb=0),
        )
        self.storage: Storage = open_storage(config, self._machine, outside.random_bytes)
        self._disk = Disk()
        self.eraser = Eraser(
            stores=self.storage.stores,
            journal=self.storage.journal,
            key=self.storage.receipt_key,
            issuer="gw-1/1",
            software="0",
            barrier=self.storage.barrier,
            disk=self._disk,
            clock=self._machine,
            observe=self._observe,
            change=self.storage.ring.change,
            besides=self._forget_pseudonyms,
            time_known=lambda: self.storage.time.known,
        )

    async def live(self) -> None:
        await self._disk.run(self._plant)
        self._say_what_lives()
        self._outside.tell("planted")
        self._outside.wait()
        for number, order in enumerate(self._orders):
            self._machine.time = NOW + number * MINUTE
            self._outside.watching = True
            await self.eraser.admit(order)
            self._outside.tell("admitted", number)
            await self.eraser.finish()
            while await self._disk.run(self.storage.vault.reclaim):
                """Dead bytes are unlinked."""
            self._outside.watching = False
            self._say_what_lives()
            self._say_receipts()
            self._outside.tell("done", number)
            self._outside.wait()
        self._close()

    async def recover(self) -> None:
        await self.eraser.finish()
        self._say_what_lives()
        self._say_receipts()
        everything = Scope(everything=True)
        for store in self.storage.stores:
            exported = await self._disk.run(lambda store=store: [text for _, text in store.export(everything)])
            self._outside.tell("shown", b"\n".join(exported).hex())
        self._outside.tell("recovered")
        self._outside.wait()
        self._close()

    def _close(self) -> None:
        self._disk.close()
        self.storage.vault.close()

    def _plant(self) -> None:
        for planted in sorted(PLANTED, key=lambda each: each.at):
            self._machine.time = planted.at + timedelta(seconds=1.25)
            self.storage.day_keys(planted.at.date())
            self._plant_one(planted)
            self.storage.vault.flush()
        self._machine.time = NOW
        self.storage.time.tick()

    def _plant_one(self, one: Planted) -> None:
        storage, at = self.storage, one.at
        words = one.text.split("|")
        match one.what:
            case "picture":
                picture = Picture(one.image, one.thumbnail, 64, 48)
                stored = storage.vault.append(one.camera, at, picture, frozenset(one.persons))
                assert stored
                self._outside.tell("picture", one.name, stored.id)
                for person in one.tagged:
                    storage.vault.tag(person, [stored.id])
            case "claim":
                end = at.replace(minute=30, second=0, microsecond=0)
                storage.vault.claim(*one.persons, one.camera, at.replace(minute=0, second=0, microsecond=0), end)
            case "hold":
                who = Actor(*one.persons, Role.RESIDENT)
                hold = storage.holds.place(Reason.PERSONS_REQUEST, Scope(subjects=one.persons), who)
                storage.holds.release(hold.id, who)
            case "entry":
                storage.operation_log.append([PictureFailed(at, one.camera, f"{words[0]} refused {words[1]}")])
            case "command":
                storage.operation_log.append([CommandDone(at, "lamp-9", words[0], words[1], *one.persons, 3.0)])
            case "foreign line":
                storage.operation_log.append([ForeignLine(at, "a program", f"{words[0]}: {words[1]}")])
            case "spooled line":
                about = About(at, camera=one.camera, subjects=frozenset(one.persons))
                storage.spool.append([(redacted(f"{words[0]}: {words[1]}"), about)])
            case "device":
                record = {"devices": [{"name": words[0]}], "pairing": words[1]}
                storage.register.add(Adoption(f"lamp-{at:%H%M}", "homekit", at, record))

    def _say_what_lives(self) -> None:
        """The keys that a start would find."""
        living = [entry.key.hex() for entry in self.storage.ring.all()]
        self._outside.tell("living", living, (self._state / "root.key").read_bytes().hex())

    def _say_receipts(self) -> None:
        receipts = [receipt.jws for receipt in self.storage.journal.receipts()]
        self._outside.tell("receipts", receipts, self.storage.receipt_key.public_jwk())

    def _forget_pseudonyms(self, scope: Scope) -> None:
        if scope.everything:
            self.storage.day_keys.forget()

    async def _observe(self, *_: object) -> None:
        """Nobody looks."""


def _signed_orders() -> list[PurgeOrder]:
    key = SigningKey.generate()
    trust = Trust.from_jwks({"keys": [{**key.public_jwk(), "issuer": "cloud"}]})
    orders = []
    for number, scope in enumerate(ORDERS):
        at = NOW + number * MINUTE
        claims = Claims(
            iss="cloud",
            aud="gw-1/1",
            jti=f"0197a000-0000-7000-8000-{number:012d}",
            seq=number + 1,
            iat=int(at.timestamp()),
            exp=int((at + timedelta(days=1)).timestamp()),
            form=Form.POINT,
            ground=Ground.OWNERS_CHOICE,
            scope=scope,
        )
        text = sign_order(key, claims).encode()
        orders.append(verify_order(text, audience="gw-1/1", trust=trust, clock=Machine(at, 1)))
    return orders


def _child(request: Request, orders: list[PurgeOrder]) -> None:
    with Path(request.namespace).open("rb") as namespace:
        if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNS):
            raise OSError(ctypes.get_errno(), "setns")
    outside = Outside(pause=request.pause)
    outside.install()
    house = House(request, orders, outside)
    if request.variant:
        variants.ALL[request.variant](house)
    asyncio.run(getattr(house, request.do)())


def main() -> None:
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    orders = _signed_orders()
    gc.freeze()  # what a child only reads stays shared
    while line := sys.stdin.buffer.readline():
        request = msgspec.json.decode(line, type=Request)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                _child(request, orders)
                status = 0
            except BaseException:  # noqa: BLE001 - it must not get back into the parent's loop
                traceback.print_exc()
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        sys.stdout.buffer.write(msgspec.json.encode(["ended", os.waitstatus_to_exitcode(status)]) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
