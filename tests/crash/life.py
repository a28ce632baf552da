"""The life of a house: what is planted, a day on which an order comes, and the start after a cut."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import msgspec

from agent.config.model import Config, Gateway, Keys
from agent.config.model import Vault as VaultConfig
from agent.register import Adoption
from agent.storage import Storage, open_storage
from camera.picture import Picture
from privacy.entries import About, ForeignLine
from privacy.erasure import Eraser
from privacy.errors import StoreBroken
from privacy.hold import Actor, Reason, Role
from privacy.orders import Claims, Form, Ground, PurgeOrder
from privacy.records import RecordClass, Scope
from privacy.redaction.line import redacted
from privacy.store import Disk

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LONG_AGO = NOON - 8 * DAY
"""Past the limit of pictures."""
YESTERDAY = NOON - DAY
ORDERED = NOON + 3 * HOUR + 20 * MINUTE
SCOPE = Scope(
    classes=(RecordClass.SNAPSHOT, RecordClass.OP_LOG, RecordClass.DEVICE),
    start=YESTERDAY + 30 * MINUTE,
    end=NOON + 3 * HOUR + 10 * MINUTE,
)
"""Begins and ends inside an hour, so that some segments and logs die in part."""
LATER = NOON + 4 * HOUR + 5 * MINUTE
BACK = NOON + 5 * HOUR
"""When it starts again."""
BOOTED = {"A": LONG_AGO - DAY, "B": BACK - 5 * MINUTE}
SLOTS = "keys/slots"
"""Of the root of keys, in the state directory."""
HELD = Scope(cameras=("garden",), end=LONG_AGO + HOUR)
OWNER = Actor("kari", Role.OWNER)

PICTURES = (
    # Each at its time, in this order; of which camera.
    (LONG_AGO, "garden", "HELD picture"),
    (LONG_AGO + 2 * HOUR, "front", "EXPIRED picture"),
    (YESTERDAY + 10 * MINUTE, "front", "OUTSIDE picture 0"),
    (YESTERDAY + 15 * MINUTE, "garden", "OUTSIDE picture 1"),
    (YESTERDAY + 35 * MINUTE, "front", "INSIDE picture 0"),
    (YESTERDAY + 36 * MINUTE, "garden", "INSIDE picture 1"),
    (NOON, "front", "INSIDE picture 2"),
    (NOON + 5 * MINUTE, "front", "INSIDE picture 3"),
    (NOON + 2 * HOUR, "garden", "INSIDE picture 4"),
)
EARLIEST = NOON - 2 * DAY
"""Before the scope."""
ENTRIES = (
    (NOON - 4 * DAY, "EXPIRED entry"),
    (EARLIEST, "OUTSIDE entry 0"),
    (YESTERDAY + 10 * MINUTE, "OUTSIDE entry 1"),
    (YESTERDAY + 35 * MINUTE, "INSIDE entry 0"),
    (NOON, "INSIDE entry 1"),
)
LINES = (
    (YESTERDAY + 10 * MINUTE, "OUTSIDE line 0"),
    (YESTERDAY + 35 * MINUTE, "INSIDE line 0"),
    (NOON, "INSIDE line 1"),
    (NOON, "INSIDE line 2"),
)
DEVICES = ((EARLIEST, "OUTSIDE device"), (NOON, "INSIDE device"))
OUTSIDE = {text for planted in (PICTURES, ENTRIES, LINES, DEVICES) for *_, text in planted if text.startswith("OUT")}
INSIDE = {text for planted in (PICTURES, ENTRIES, LINES, DEVICES) for *_, text in planted if text.startswith("IN")}
LIVE_INSIDE = "INSIDE picture 9"
"""Taken shortly before the order comes; its segment is being written then."""
LIVE_OUTSIDE = "EARLY picture"
"""Of the same segment, after the scope's end, and not flushed when the order comes."""
UPLOADED = "OUTSIDE line 0"
TAGGED = ("INSIDE picture 3", "OUTSIDE picture 0")

PERSONS = Scope(subjects=("ola", "per"))
"""Of another order: what concerns them is assigned, tagged and claimed."""
CLAIMED = ("CLAIMED picture 0", "CLAIMED picture 1")
ASSIGNED = "ASSIGNED picture"
THEIRS = frozenset({*TAGGED, *CLAIMED, ASSIGNED})
BY = {"assigned": 1, "tagged": 2, "claimed": 2}

Tell = Callable[..., None]
Root = Literal["file", "nvram"]


class Request(msgspec.Struct, kw_only=True):
    """What a child does in the state directory `state`, and what befalls it there.

    `begin`: opens the storage. `plant`: fills it. `live`: an order comes and is carried out, then daily life goes on.
    `recover`: starts, takes the order again if `redeliver`, and finishes. `person` and `person_again`: the same for an
    order about persons, and nothing else.
    """

    do: str
    state: str
    root: Root = "file"
    """The kind of root of its keys. Of NVRAM, `SLOTS` is the device's file, and there before the first start."""
    attempt: int
    """How many processes worked here before: none draws the same random bytes as another."""
    redeliver: bool = False
    step: int = 0
    """Counted from 1; 0: nothing befalls it."""
    befalls: str = ""
    """One of `fate.DEATHS`, or of `fate.REFUSALS`, perhaps with ` for good` behind it."""
    variant: str = ""
    """A house that is deliberately wrong: one of `variants.VARIANTS`."""


class HandClock:
    """A machine's clocks, moved by hand. The network is away; a battery clock knows the time."""

    def __init__(self, boot: str, at: datetime) -> None:
        self._boot = boot
        self.at = at

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return (self.at - BOOTED[self._boot]).total_seconds()

    def boot_id(self) -> bytes:
        return self._boot.encode() * 16

    def synchronised(self) -> bool:
        return False

    def battery_clock(self) -> datetime:
        return self.at


def order_claims(scope: Scope = SCOPE) -> Claims:
    return Claims(
        iss="cloud",
        aud="gw-1/1",
        jti="0197a000-0000-7000-8000-000000000001",
        seq=1,
        iat=int(ORDERED.timestamp()),
        exp=int((ORDERED + DAY).timestamp()),
        form=Form.POINT,
        ground=Ground.OWNERS_CHOICE,
        scope=scope,
    )


class House:
    """What a child does. Overridden where a house is deliberately wrong."""

    def __init__(self, request: Request, order: PurgeOrder, tell: Tell) -> None:
        self.order = order
        self.tell = tell
        self._redeliver = request.redeliver
        begins = {"begin": LONG_AGO, "plant": LONG_AGO, "recover": BACK, "person_again": BACK}
        at = begins.get(request.do, NOON + 3 * HOUR + 5 * MINUTE)
        self.clock = HandClock("B" if at == BACK else "A", at)
        self._random = random.Random(f"{request.do} {request.attempt}")
        config = Config(
            version=1,
            gateway=Gateway(id="gw-1", state_dir=Path(request.state)),
            vault=VaultConfig(reserve_mb=0),
            keys=Keys(root=request.root, path=Path(request.state) / SLOTS if request.root == "nvram" else None),
        )
        self.storage: Storage = open_storage(config, self.clock, self._random.randbytes)
        self.disk = Disk()
        self.eraser = self.make_eraser()

    def make_eraser(self, **others: Any) -> Eraser:
        """As the agent makes it; `others` are for houses that are wrong."""
        storage = self.storage
        parts = {
            "stores": storage.stores,
            "journal": storage.journal,
            "change": storage.ring.change,
            "observe": self.observe,
        }
        return Eraser(
            key=storage.receipt_key,
            issuer="gw-1/1",
            software="0",
            barrier=storage.barrier,
            disk=self.disk,
            clock=self.clock,
            time_known=lambda: storage.time.known,
            **{**parts, **others},  # type: ignore[arg-type]
        )

    async def observe(self, *_: object) -> None:
        """Nobody looks."""

    async def begin(self) -> None:
        """That it opened is all."""

    async def plant(self) -> None:
        storage = self.storage
        storage.holds.place(Reason.DISPUTE, HELD, OWNER, LONG_AGO + 30 * DAY)
        shots: dict[str, str] = {}
        for at, kind, text in sorted(_planted(), key=lambda row: row[0]):
            self.clock.at = at
            match kind:
                case "entry":
                    storage.operation_log.append([ForeignLine(at, "a program", text)])
                case "line":
                    storage.spool.append([(redacted(text), About(at, camera="front"))])
                case "device":
                    storage.register.add(_adoption(text, at))
                case camera:
                    shot = storage.vault.append(camera, at, _picture(text), frozenset({"kari"}))
                    assert shot
                    shots[text] = shot.id
        storage.day_keys(date(2026, 3, 1))
        storage.vault.tag("ola", [shots[text] for text in TAGGED])
        storage.vault.claim("per", "front", NOON + 3 * HOUR, NOON + 4 * HOUR)
        storage.vault.flush()
        self.hand_out(3)

    async def live(self) -> None:
        await self.before_the_order()
        await self.carry_out()
        await self.upload()
        await self.go_on()
        await self.expire()
        await self.end_the_hold()

    async def before_the_order(self) -> None:
        vault = self.storage.vault
        await self.attempt(lambda: vault.append("front", self.clock.at, _picture(LIVE_INSIDE), frozenset({"kari"})))
        await self.attempt(vault.flush)
        self.clock.at += 10 * MINUTE
        await self.attempt(lambda: vault.append("front", self.clock.at, _picture(LIVE_OUTSIDE), frozenset({"kari"})))

    async def carry_out(self) -> None:
        self.clock.at = ORDERED
        if await self.again_if_broken(lambda: self.eraser.admit(self.order)):
            self.tell("acknowledged")
        await self.again_if_broken(self.eraser.finish)
        if await self.attempt(self.storage.vault.flush):
            self.tell("kept", LIVE_OUTSIDE)
        self.tell("generation", self.storage.ring.generation)

    async def upload(self) -> None:
        storage = self.storage
        self.handed: str | None = None
        await self.attempt(lambda: self.hand_out(1))
        self.tell("uploading")
        if (handed := self.handed) and await self.attempt(lambda: storage.spool.acknowledge(handed)):
            self.tell("uploaded")
        issued = list(storage.journal.receipts())
        if issued and await self.attempt(lambda: storage.journal.acknowledge(self.order.id, "erased")):
            self.tell("receipt acknowledged")

    async def go_on(self) -> None:
        """Another hour: new segments and logs, so new keys in the table as it stands."""
        storage = self.storage
        self.clock.at = LATER
        await self.attempt(storage.time.tick)
        appended = await self.attempt(
            lambda: storage.vault.append("front", LATER, _picture("LATER picture"), frozenset({"kari"}))
        )
        if await self.attempt(storage.vault.flush) and appended:
            self.tell("kept", "LATER picture")
        if await self.attempt(lambda: storage.operation_log.append([ForeignLine(LATER, "a program", "LATER entry")])):
            self.tell("kept", "LATER entry")
        if await self.attempt(lambda: storage.spool.append([(redacted("LATER line"), About(LATER))])):
            self.tell("kept", "LATER line")
        if await self.attempt(lambda: storage.register.add(_adoption("LATER device", LATER))):
            self.tell("kept", "LATER device")

    async def expire(self) -> None:
        """One run of expiry, of the logs and of the vault, as the agent's two services do it."""
        storage = self.storage

        def logs() -> None:
            with storage.ring.change():
                storage.operation_log.expire(HOUR)
                storage.spool.expire(HOUR)
                storage.day_keys.expire(HOUR)

        await self.attempt(logs)
        await self.attempt(storage.vault.expire)
        await self.attempt(storage.vault.reclaim)

    async def end_the_hold(self) -> None:
        for hold in self.storage.holds.active():
            self.tell("releasing")
            if await self.attempt(lambda hold=hold: self.storage.holds.release(hold.id, OWNER)):
                self.tell("released")
        await self.expire()
        self.tell("generation", self.storage.ring.generation)

    async def recover(self) -> None:
        storage = self.storage
        self.tell("started", [hold.id for hold in storage.holds.active()], storage.time.known)
        if self._redeliver:
            await self.again_if_broken(lambda: self.eraser.admit(self.order))
        if not await self.again_if_broken(self.eraser.finish):
            return
        await self.expire()
        await self.attempt(lambda: [None for _ in iter(storage.vault.reclaim, 0)])
        await self.attempt(lambda: self.hand_out(100))
        for store in storage.stores:
            exported = b"\n".join(payload for _, payload in store.export(Scope(everything=True)))
            left = sum(store.scan(SCOPE, ORDERED))
            self.tell("store", store.name, left, exported.decode(errors="replace"))
        receipts = self._receipts()
        self.tell("receipts", receipts, storage.receipt_key.public_jwk())
        acknowledged = [one.kind for one in storage.journal.receipts() if one.acknowledged]
        self.tell("receipts acknowledged", acknowledged)
        tagged = storage.vault.find(Scope(subjects=("ola",)), BACK)
        self.tell("tagged", [storage.vault.image(item.id).decode() for item in tagged])  # type: ignore[union-attr]
        # The broker may bring it once more, whenever it likes.
        await self.again_if_broken(lambda: self.eraser.admit(self.order))
        await self.again_if_broken(self.eraser.finish)
        self.tell("receipts once more", self._receipts() == receipts)
        self.tell("generation", storage.ring.generation)

    async def person(self) -> None:
        """An order about persons."""
        vault = self.storage.vault
        taken = ((CLAIMED[0], "front", "kari"), (ASSIGNED, "hall", "per"), (CLAIMED[1], "front", "kari"))
        for text, camera, whom in taken:
            vault.append(camera, self.clock.at, _picture(text), frozenset({whom}))
            self.clock.at += 5 * MINUTE
        vault.flush()
        self.clock.at = ORDERED
        if await self.again_if_broken(lambda: self.eraser.admit(self.order)):
            self.tell("acknowledged")
        await self.again_if_broken(self.eraser.finish)

    async def person_again(self) -> None:
        if self._redeliver:
            await self.again_if_broken(lambda: self.eraser.admit(self.order))
        if await self.again_if_broken(self.eraser.finish):
            self.tell("receipts", self._receipts(), self.storage.receipt_key.public_jwk())

    def close(self) -> None:
        self.disk.close()

    def hand_out(self, most: int) -> None:
        batch = self.storage.spool.next_batch(most)
        self.handed = batch.id if batch else None
        if batch:
            self.tell("batch", batch.id, [line.text for line in batch.lines])

    async def attempt(self, call: Callable[[], Any]) -> bool:
        """On the disk's thread; again where it fails. Whether it was done."""
        return await self.again_if_broken(lambda: self.disk.run(call))

    async def again_if_broken(self, call: Callable[[], Awaitable[Any]]) -> bool:
        """As the supervisor does; a fault that strikes once costs no more than that."""
        for _ in range(2):
            try:
                await call()
            except StoreBroken as error:
                self.tell("broken", str(error))
            else:
                return True
        return False

    def _receipts(self) -> list[str]:
        return [one.jws for one in self.storage.journal.receipts() if one.order == self.order.id]


def _planted() -> Iterator[tuple[datetime, str, str]]:
    """When, where and what."""
    yield from PICTURES
    yield from ((at, "entry", text) for at, text in ENTRIES)
    yield from ((at, "line", text) for at, text in LINES)
    yield from ((at, "device", text) for at, text in DEVICES)


def _picture(text: str) -> Picture:
    return Picture(text.encode(), f"{text}, small".encode(), 64, 48)


def _adoption(text: str, at: datetime) -> Adoption:
    return Adoption(text.split(maxsplit=1)[0], "homekit", at, {"devices": [{"name": text}]})


def lived(house: House, do: str) -> None:
    """Run what was asked for."""
    asyncio.run(getattr(house, do)())
    house.close()
