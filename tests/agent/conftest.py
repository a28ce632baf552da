"""A house that exists only in memory, for the tests of the local API and of the page; and what the others share."""

import asyncio
import io
import os
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PIL import Image

from agent.api.contract import (
    AdoptBody,
    AuditEntry,
    CameraView,
    CapabilityView,
    ClaimBody,
    CommandBody,
    DeviceView,
    EraseAnswer,
    FoundView,
    HoldBody,
    HoldView,
    InventoryRow,
    LinkView,
    LogView,
    OutcomeView,
    PersonView,
    Reading,
    ReceiptView,
    Section,
    ServiceView,
    SnapshotView,
    State,
    StoreReport,
    TagBody,
    TagView,
    TimeBody,
    TimeView,
)
from agent.changes import Changes
from agent.errors import Refused
from agent.supervisor import Supervisor
from drivers.driver import Connection
from drivers.errors import LinkLost
from drivers.model import Capability, Device, Report, Silence, Value
from privacy.keyring import KeyRing
from privacy.keystore.nvram import Nvram
from privacy.records import Scope
from privacy.seal import Keys
from privacy.store import Disk
from privacy.timekeeping import TimeKeeper, Witness

ORDER = "0198c0de-0000-7000-8000-000000000001"
HOLD = "0198c0de-0000-7000-8000-000000000002"


class ApiHouse:
    """Fulfils `House`; a test reads what it was asked in `asked`, and says what becomes of it."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)
        self.asked: list[tuple[Any, ...]] = []
        self.refusal: Refused | None = None
        self.outcome = "done"
        self.unknown: tuple[str, ...] = ()
        self.jpeg = _jpeg()
        self.signed_checkpoint = ""
        self.audit_entries: tuple[AuditEntry, ...] = ()
        self._changes = Changes()
        self._state = _state(self.now)

    def state(self) -> State:
        return self._state

    def section(self, section: Section) -> object:
        return getattr(self._state, section)

    def changes(self) -> AsyncIterator[frozenset[Section]]:
        return self._changes.follow()

    def set(self, **sections: Any) -> None:
        """Change sections of the state, and tell."""
        self._state = msgspec.structs.replace(self._state, **sections)
        self._changes.mark(*sections)

    def set_device(self, device: str, **fields: Any) -> None:
        self.set(
            devices=tuple(
                msgspec.structs.replace(each, **fields) if each.id == device else each for each in self._state.devices
            )
        )

    def report(self, device: str, capability: str, value: Any) -> None:
        """The device says that `capability` has `value` now."""
        [found] = [each for each in self._state.devices if each.id == device]
        reading = Reading(value=value, at=datetime.now(UTC))
        capabilities = tuple(
            msgspec.structs.replace(each, reported=reading) if each.name == capability else each
            for each in found.capabilities
        )
        self.set_device(device, capabilities=capabilities)

    def add_receipt(
        self,
        kind: Any,
        order: str = ORDER,
        *stores: StoreReport,
        at: datetime | None = None,
        acknowledged: bool | None = None,
    ) -> None:
        """A receipt comes: into the log, and as the newest of the 20 that the state shows."""
        receipt = ReceiptView(
            order=order,
            issuer="local",
            kind=kind,
            at=at or datetime.now(UTC),
            stores=stores or (StoreReport(store="snapshots", found=3, erased=3, left=0, tier="C"),),
            jws="",
            signature_valid=True,
            acknowledged=kind == "erased" if acknowledged is None else acknowledged,
        )
        receipt = msgspec.structs.replace(receipt, jws=_unsigned(receipt))
        self.set(receipts=(receipt, *self._state.receipts)[:20])
        entry = {name: getattr(receipt, name) for name in AuditEntry.__struct_fields__ if hasattr(receipt, name)}
        self.audit_entries = (*self.audit_entries, AuditEntry(**entry))

    async def command(self, device: str, body: CommandBody, actor: str) -> OutcomeView:
        self._ask("command", device, body.capability, body.value, actor)
        if device not in {each.id for each in self._state.devices}:
            raise Refused("unknown_device", f"there is no device {device}", hint="portvakt devices list")
        if self.outcome == "done":
            self.report(device, body.capability, body.value)
            return OutcomeView(command="c1", fate="done", at=datetime.now(UTC))
        return OutcomeView(
            command="c1", fate="failed", at=datetime.now(UTC), detail="unit 1 did not answer; is it switched on?"
        )

    async def adopt(self, found: str, body: AdoptBody, actor: str) -> DeviceView:
        self._ask("adopt", found, body.family, body.code, actor)
        [view] = [each for each in self._state.found if each.id == found]
        device = _lamp(self.now, id="desk", name=view.name, verified=True)
        self.set(found=(), devices=(*self._state.devices, device))
        return device

    async def remove(self, device: str, actor: str) -> None:
        self._ask("remove", device, actor)
        self.set(devices=tuple(each for each in self._state.devices if each.id != device))

    async def taken(self, snapshot: str) -> tuple[str, datetime] | None:
        return next(((each.camera, each.at) for each in self._state.snapshots if each.id == snapshot), None)

    async def can_sign_in(self, person: str) -> bool:
        return False

    async def picture(self, snapshot: str, *, thumbnail: bool, actor: str) -> bytes | None:
        self._ask("picture", snapshot, thumbnail, actor)
        return self.jpeg if snapshot in {each.id for each in self._state.snapshots} else None

    async def tag(self, snapshot: str, body: TagBody, actor: str) -> TagView:
        self._ask("tag", snapshot, body.subject, actor)
        return TagView(snapshot=snapshot, subject=body.subject)

    async def claim(self, body: ClaimBody, actor: str) -> ClaimBody:
        self._ask("claim", body, actor)
        return body

    async def erase(self, scope: Scope, actor: str) -> EraseAnswer:
        self._ask("erase", scope, actor)
        if not scope.named:
            raise Refused("empty_scope", "the scope names nothing", hint="name a camera, or say everything")
        return EraseAnswer(order=ORDER, unknown=self.unknown)

    async def audit(self) -> tuple[AuditEntry, ...]:
        return self.audit_entries

    async def checkpoint(self) -> str:
        return self.signed_checkpoint

    async def holds(self) -> tuple[HoldView, ...]:
        return self._state.holds

    async def people(self) -> tuple[PersonView, ...]:
        return ()

    async def hold(self, body: HoldBody, actor: str) -> HoldView:
        self._ask("hold", body, actor)
        hold = HoldView(
            id=HOLD,
            reason=body.reason,
            scope=body.scope,
            by=actor,
            made=self.now,
            until=body.until or self.now + timedelta(days=30),
        )
        self.set(holds=(hold,))
        return hold

    async def release(self, hold: str, actor: str) -> HoldView:
        self._ask("release", hold, actor)
        found = [each for each in self._state.holds if each.id == hold]
        if not found:
            raise Refused("unknown_hold", "there is no such hold", hint="see the list of holds")
        self.set(holds=())
        return msgspec.structs.replace(found[0], ended=self.now)

    async def confirm_time(self, body: TimeBody, actor: str) -> TimeView:
        self._ask("confirm_time", body, actor)
        self.set(time=TimeView(now=body.at, known=True))
        return self._state.time

    async def inventory(self) -> tuple[InventoryRow, ...]:
        return (
            InventoryRow(
                record_class="snapshot",
                purpose="to see who is at the door",
                basis="legitimate interest",
                limit="7 days",
                limit_seconds=604800,
                count=3,
                oldest=self.now,
                next_to_go=self.now + timedelta(days=7),
                tier="C",
                overdue=False,
            ),
        )

    async def metrics(self) -> str:
        return "portvakt_snapshots 3\n"

    def _ask(self, *what: Any) -> None:
        self.asked.append(what)
        if self.refusal:
            raise self.refusal


def _unsigned(receipt: ReceiptView) -> str:
    """A JWS that looks like the receipt; nobody here checks the signature."""
    claims = {"kind": receipt.kind, "order": {"id": receipt.order}, "at": receipt.at, "stores": receipt.stores}
    parts = ({"alg": "Ed25519"}, claims, "signature")
    return ".".join(urlsafe_b64encode(msgspec.json.encode(part)).decode().rstrip("=") for part in parts)


def _jpeg() -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").resize((320, 180)).save(out, "JPEG")
    return out.getvalue()


def _lamp(now: datetime, **fields: Any) -> DeviceView:
    lamp = DeviceView(
        id="lamp",
        name="Hall lamp",
        family="homekit",
        verified=True,
        reachable=True,
        since=now,
        capabilities=(
            CapabilityView(name="OnOff.OnOff", kind="bool", writable=True, reported=Reading(value=False, at=now)),
            CapabilityView(
                name="LevelControl.CurrentLevel",
                kind="float",
                unit="%",
                minimum=0,
                maximum=100,
                writable=True,
                reported=Reading(value=60.0, at=now),
            ),
        ),
    )
    return msgspec.structs.replace(lamp, **fields)


def _pump(now: datetime) -> DeviceView:
    return DeviceView(
        id="pump",
        name="Heat pump",
        family="modbus",
        verified=False,
        reachable=True,
        since=now,
        capabilities=(
            CapabilityView(
                name="TemperatureMeasurement.MeasuredValue",
                kind="float",
                unit="°C",
                reported=Reading(value=21.4, at=now),
            ),
            CapabilityView(
                name="Thermostat.OccupiedHeatingSetpoint",
                kind="float",
                unit="°C",
                minimum=5,
                maximum=35,
                writable=True,
                reported=Reading(value=21.0, at=now),
            ),
            CapabilityView(
                name="Thermostat.SystemMode",
                kind="enum",
                choices=("off", "heat", "cool"),
                writable=True,
                reported=Reading(value="heat", at=now),
            ),
        ),
    )


def _state(now: datetime) -> State:
    goes = now + timedelta(minutes=5)
    snapshots = tuple(
        SnapshotView(
            id=f"s{n}", camera="door", at=now - timedelta(seconds=10 * n), goes=goes - timedelta(seconds=10 * n)
        )
        for n in range(3)
    )
    return State(
        gateway="Gateway-4f2a",
        version="0.1.0",
        ready_at=now,
        time=TimeView(now=now, known=True),
        holds=(),
        link=LinkView(configured=True, connected=True, since=now),
        services=(ServiceView(name="modbus"), ServiceView(name="camera door")),
        devices=(_pump(now), _lamp(now)),
        found=(
            FoundView(
                family="homekit",
                id="AA:BB:CC:DD:EE:FF",
                name="Desk lamp",
                model="L1",
                address="192.0.2.7",
                pairable=True,
                code_format="123-45-678",
            ),
        ),
        cameras=(
            CameraView(
                id="door",
                name="Front door",
                working=True,
                pictures=3,
                keep_seconds=300,
                newest=now,
                next_to_go=goes,
            ),
        ),
        snapshots=snapshots,
        receipts=(),
        log=(LogView(sequence=1, line="event=start version=0.1.0", state="uploaded"),),
    )


@pytest.fixture
def api_house() -> ApiHouse:
    return ApiHouse()


class FixedClock:
    """A machine's clocks. They stand until they are moved; `time` alone may be set, as a wall clock can be.

    There is a battery clock, and no network: so the gateway knows the time, until a test takes the battery out.
    """

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, 12, tzinfo=UTC)
        self.ticks = 10_000.0
        """Seconds since the boot."""
        self.boot = 1
        self.network = False
        """Whether the network has set the wall clock."""
        self.battery = True
        """Whether a clock with a battery keeps the time."""

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.ticks

    def boot_id(self) -> bytes:
        return self.boot.to_bytes(16, "big")

    def synchronised(self) -> bool:
        return self.network

    def battery_clock(self) -> datetime | None:
        return self.time if self.battery else None

    def move(self, **step: float) -> None:
        """Time passes."""
        self.time += timedelta(**step)
        self.ticks += timedelta(**step).total_seconds()

    def reboot(self, **off: float) -> None:
        """The machine is switched off, for that long, and on again."""
        self.time += timedelta(**off)
        self.boot += 1
        self.ticks = 5.0


@dataclass(frozen=True)
class Ground:
    """What stores stand on."""

    keys: Keys
    ring: KeyRing
    time: TimeKeeper


class FakeLine:
    """A line in memory, and its own connection: a test says what its devices say, and sees what they were sent."""

    def __init__(self, id_: str, *devices: Device) -> None:
        self.id = id_
        self.devices = devices
        self.problem = ""
        """Why it cannot be opened."""
        self.says: asyncio.Queue[Report | Silence | Exception | None] = asyncio.Queue()
        """What comes next; an exception ends the connection, None ends it without a word."""
        self.takes: Callable[[], Awaitable[object]] = lambda: asyncio.sleep(0)
        """What a device does with a command; may wait, or raise."""
        self.sent: list[tuple[str, str, Value]] = []
        self.open = False

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        if self.problem:
            raise LinkLost(self.problem)
        self.open = True
        try:
            yield self
        finally:
            self.open = False

    async def reports(self) -> AsyncIterator[Report | Silence]:
        while (said := await self.says.get()) is not None:
            if isinstance(said, Exception):
                raise said
            yield said

    async def send(self, device: str, capability: Capability, value: Value) -> None:
        self.sent.append((device, capability.name, value))
        await self.takes()


@pytest.fixture
def make_line() -> type[FakeLine]:
    return FakeLine


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def keys() -> Keys:
    return Keys(bytes(range(32)))


@pytest.fixture
def open_ring(tmp_path: Path) -> Callable[[], KeyRing]:
    """Opens the key ring of this test, anew with each call; its root is in a battery-backed memory that is a file."""
    nvram = tmp_path / "nvram"
    nvram.write_bytes(bytes(256))
    return lambda: KeyRing.open(tmp_path / "keys", Nvram(nvram, sysfs=tmp_path), os.urandom)


@pytest.fixture
def ring(open_ring: Callable[[], KeyRing]) -> KeyRing:
    return open_ring()


@pytest.fixture
def keeper(clock: FixedClock) -> TimeKeeper:
    """Knows the time of `clock`."""
    keeper = TimeKeeper(clock, clock.boot_id(), clock.synchronised, lambda: None, lambda _note: None)
    assert keeper.witness(clock.now(), Witness.PERSON)
    return keeper


@pytest.fixture
def ground(keys: Keys, ring: KeyRing, keeper: TimeKeeper) -> Ground:
    return Ground(keys, ring, keeper)


@pytest.fixture
def disk() -> Iterator[Disk]:
    made = Disk()
    yield made
    made.close()


@pytest.fixture
async def supervisor() -> AsyncIterator[Supervisor]:
    """One that runs; a bug in a service fails the test."""
    stop, made = asyncio.Event(), Supervisor()
    running = asyncio.create_task(made.run_until(stop))
    yield made
    stop.set()
    await running


async def _until(true: Callable[[], object], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.002)


@pytest.fixture
def until() -> Callable[[Callable[[], object]], Awaitable[None]]:
    """Waits until something is true."""
    return _until
