"""What an accessory has and says, in capabilities (HAP R2, 6.6 to 6.8 and chapter 9). Pure: bytes in, values out."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import msgspec
from aiohomekit import hkjson
from aiohomekit.model.characteristics import CharacteristicsTypes
from aiohomekit.uuid import normalize_uuid

from drivers.discovery import NAME_LENGTH, clean
from drivers.errors import NoAnswer
from drivers.model import LEVEL, ON_OFF, TEMPERATURE, Capability, Device, DeviceId, Kind, Report, Silence, Value

CAPABILITIES: Mapping[str, Capability] = {
    CharacteristicsTypes.ON: ON_OFF,
    CharacteristicsTypes.BRIGHTNESS: LEVEL,
    CharacteristicsTypes.TEMPERATURE_CURRENT: TEMPERATURE,
}
"""Characteristic type → capability. A further one that needs no conversion is one line here."""

TRANSIENT = frozenset({-70402, -70403, -70407, -70408})
"""Statuses after which the same write may succeed: cannot reach it, busy, no resources, timed out (HAP R2, 6.11)."""

MOST_ACCESSORIES = 150
"""Behind one bridge, itself included (HAP R2, 2.5.3.2)."""

T = TypeVar("T", bound=msgspec.Struct)


class _Characteristic(msgspec.Struct):
    iid: int
    type: str
    perms: list[str] = []
    value: object = None


class _Service(msgspec.Struct):
    characteristics: list[_Characteristic]


class _Accessory(msgspec.Struct):
    aid: int
    services: list[_Service]


class _Accessories(msgspec.Struct):
    accessories: list[_Accessory]


class _Row(msgspec.Struct):
    aid: int
    iid: int
    value: object = None
    status: int = 0


class _Rows(msgspec.Struct):
    characteristics: list[_Row]


@dataclass(frozen=True, slots=True)
class Point:
    """One characteristic that is a capability of one device."""

    aid: int
    iid: int
    device: DeviceId
    capability: Capability
    events: bool
    """Whether it can tell of changes by itself."""


@dataclass(frozen=True, slots=True)
class Database:
    """What `/accessories` says, as far as we can use it."""

    devices: tuple[Device, ...]
    points: tuple[Point, ...]


def parse_accessories(body: bytes, accessory_id: DeviceId) -> Database:
    """Read `/accessories`. The accessory itself is that device; what a bridge carries is `<accessory_id>.<aid>`.

    Of several characteristics of one kind in one accessory the first counts.

    Raises:
        NoAnswer: the body is not what HAP prescribes.
    """
    devices: list[Device] = []
    points: list[Point] = []
    for accessory in _decode(body, _Accessories).accessories[:MOST_ACCESSORIES]:
        device = accessory_id if accessory.aid == 1 else f"{accessory_id}.{accessory.aid}"
        found: dict[str, Point] = {}
        called = ""
        for item in (c for service in accessory.services for c in service.characteristics):
            type_ = _type(item.type)
            if type_ == CharacteristicsTypes.NAME and not called and isinstance(item.value, str):
                called = clean(item.value, NAME_LENGTH)
            if (capability := CAPABILITIES.get(type_)) and "pr" in item.perms and capability.name not in found:
                capability = replace(capability, writable=capability.writable and "pw" in item.perms)
                found[capability.name] = Point(accessory.aid, item.iid, device, capability, "ev" in item.perms)
        if found:
            capabilities = tuple(point.capability for point in found.values())
            devices.append(Device(device, called or device, "homekit", capabilities, verified=True))
            points.extend(found.values())
    return Database(tuple(devices), tuple(points))


def read_target(points: Iterable[Point]) -> str:
    """The request target that reads `points`."""
    return "/characteristics?id=" + ",".join(f"{p.aid}.{p.iid}" for p in points)


def subscribe_body(points: Iterable[Point]) -> bytes:
    """Ask for events of `points`."""
    return _body({"aid": p.aid, "iid": p.iid, "ev": True} for p in points)


def write_body(point: Point, value: Value) -> bytes:
    """Set `point` to `value`, which its capability has checked."""
    on_wire = bool(value) if point.capability.kind is Kind.BOOL else round(float(value))
    return _body([{"aid": point.aid, "iid": point.iid, "value": on_wire}])


def parse_values(body: bytes, points: Sequence[Point]) -> Iterator[Report | Silence]:
    """What an answer or an event says of `points`. Values that make no sense are left out.

    Raises:
        NoAnswer: the body is not what HAP prescribes.
    """
    known = {(p.aid, p.iid): p for p in points}
    for row in _decode(body, _Rows).characteristics:
        if point := known.get((row.aid, row.iid)):
            if row.status:
                yield Silence(point.device, f"its bridge says status {row.status}")
            elif (value := _value(point.capability, row.value)) is not None:
                yield Report(point.device, point.capability.name, value)


def parse_status(body: bytes) -> int:
    """The first status of a write's answer that is not 0 (HAP R2, table 6-11); 0 if all is well.

    Raises:
        NoAnswer: the body is not what HAP prescribes.
    """
    return next((row.status for row in _decode(body, _Rows).characteristics if row.status), 0)


def _value(capability: Capability, raw: object) -> Value | None:
    if capability.kind is Kind.BOOL:
        # HAP R2, 6.3.3: a boolean may also come as 0 or 1.
        return bool(raw) if isinstance(raw, bool | int) else None
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not math.isfinite(raw):
        return None
    return float(raw)


def _type(text: str) -> str:
    try:
        return normalize_uuid(text)
    except ValueError:
        return text


def _body(rows: Iterable[Mapping[str, int | bool]]) -> bytes:
    # Without blanks, as Apple's controllers send it; some accessories parse no other.
    return json.dumps({"characteristics": list(rows)}, separators=(",", ":")).encode()


def _decode(body: bytes, shape: type[T]) -> T:
    try:
        # The library's reader forgives the trailing commas of some accessories.
        return msgspec.convert(hkjson.loads(body), shape)
    except (ValueError, msgspec.ValidationError) as error:
        raise NoAnswer("the device answered rubbish") from error
