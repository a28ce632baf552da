"""A house that exists only in memory, for the tests of the local API and of the page."""

import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from PIL import Image

from agent.api.contract import (
    AdoptBody,
    AuditEntry,
    CameraView,
    CapabilityView,
    CommandBody,
    DeviceView,
    EraseAnswer,
    FoundView,
    InventoryRow,
    LinkView,
    LogView,
    OutcomeView,
    Reading,
    ReceiptView,
    Section,
    ServiceView,
    SnapshotView,
    State,
    StoreReport,
)
from agent.changes import Changes
from agent.errors import Refused
from privacy.records import Scope

ORDER = "0198c0de-0000-7000-8000-000000000001"


class ApiHouse:
    """Fulfils `House`; a test reads what it was asked in `asked`, and says what becomes of it."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)
        self.asked: list[tuple[Any, ...]] = []
        self.refusal: Refused | None = None
        self.outcome = "done"
        self.jpeg = _jpeg()
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

    def add_receipt(self, kind: Any) -> None:
        receipt = ReceiptView(
            order=ORDER,
            issuer="local",
            kind=kind,
            at=datetime.now(UTC),
            stores=(StoreReport(store="snapshots", found=3, erased=3, left=0, tier="C"),),
            jws="eyJhbGciOiJFZDI1NTE5In0.e30.c2lnbmF0dXJl",
            signature_valid=True,
            acknowledged=kind == "erased",
        )
        self.set(receipts=(receipt, *self._state.receipts))

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

    async def picture(self, snapshot: str, *, thumbnail: bool, actor: str) -> bytes | None:
        self._ask("picture", snapshot, thumbnail, actor)
        return self.jpeg if snapshot in {each.id for each in self._state.snapshots} else None

    async def erase(self, scope: Scope, actor: str) -> EraseAnswer:
        self._ask("erase", scope, actor)
        if not scope.named:
            raise Refused("empty_scope", "the scope names nothing", hint="name a camera, or say everything")
        return EraseAnswer(order=ORDER)

    async def audit(self) -> tuple[AuditEntry, ...]:
        return self.audit_entries

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
