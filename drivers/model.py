"""The device model, in Matter's vocabulary (vocabulary only; no conformance is claimed).

A capability is named `Cluster.Attribute` as in the Matter Application Cluster Specification 1.3, but values are in
the units people use: °C, percent, watts; not in Matter's hundredths and 1/254ths.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from drivers.errors import Unsupported

Value = bool | int | float | str
DeviceId = str
"""Stable over restarts, renames and readdressing; opaque to people: `[A-Za-z0-9_.:-]{1,64}`."""


class Kind(StrEnum):
    """What sort of value a capability has."""

    BOOL = "bool"
    INT = "int"
    FLOAT = "float"
    ENUM = "enum"


@dataclass(frozen=True, slots=True)
class Capability:
    """One thing that a device can do or report."""

    name: str
    """`Cluster.Attribute`, for example `Thermostat.OccupiedHeatingSetpoint`."""
    kind: Kind
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    writable: bool = False

    @property
    def cluster(self) -> str:
        return self.name.partition(".")[0]

    def check(self, value: Value) -> Value:
        """Return `value` in this capability's kind.

        Raises:
            Unsupported: not writable, of another kind, or out of range; the message says what would be right.
        """
        if not self.writable:
            raise Unsupported(f"{self.name} can only be read")
        if self.kind is Kind.BOOL:
            if isinstance(value, bool):
                return value
            raise Unsupported(f"{self.name} takes true or false, not {value!r}")
        if self.kind is Kind.ENUM:
            if value in self.choices:
                return value
            raise Unsupported(f"{self.name} takes one of {', '.join(self.choices)}, not {value!r}")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Unsupported(f"{self.name} takes a number, not {value!r}")
        low, high = self.minimum, self.maximum
        # Written so that NaN fails as well.
        if (low is not None and not value >= low) or (high is not None and not value <= high):
            raise Unsupported(f"{self.name} takes {low} to {high} {self.unit}".rstrip() + f", not {value}")
        if self.kind is Kind.INT:
            if value != int(value):
                raise Unsupported(f"{self.name} takes a whole number, not {value}")
            return int(value)
        return float(value)


ON_OFF = Capability("OnOff.OnOff", Kind.BOOL, writable=True)
LEVEL = Capability("LevelControl.CurrentLevel", Kind.FLOAT, "%", 0, 100, writable=True)
TEMPERATURE = Capability("TemperatureMeasurement.MeasuredValue", Kind.FLOAT, "°C", -60, 120)
HEATING_SETPOINT = Capability("Thermostat.OccupiedHeatingSetpoint", Kind.FLOAT, "°C", 5, 35, writable=True)
ACTIVE_POWER = Capability("ElectricalPowerMeasurement.ActivePower", Kind.FLOAT, "W")


@dataclass(frozen=True, slots=True)
class Device:
    """One controllable thing."""

    id: DeviceId
    name: str
    """What people call it; personal data, so it never appears in a log line unredacted."""
    family: str
    """The driver that speaks to it: `modbus`, `homekit`, ..."""
    capabilities: tuple[Capability, ...]
    verified: bool = False
    """Whether the device proves its identity on each connection (pairing keys, or a wire nobody else is on)."""

    def capability(self, name: str) -> Capability:
        """The capability called `name`: in full, or the cluster alone where only one of it can be meant.

        Raises:
            Unsupported: there is none, or several could be meant.
        """
        exact = [c for c in self.capabilities if c.name == name]
        loose = exact or [c for c in self.capabilities if c.cluster == name]
        loose = [c for c in loose if c.writable] or loose
        if len(loose) == 1:
            return loose[0]
        known = ", ".join(c.name for c in self.capabilities)
        raise Unsupported(f"{self.id} has no capability {name}", hint=f"it has: {known}")


@dataclass(frozen=True, slots=True)
class Report:
    """What a device said: one value of one capability."""

    device: DeviceId
    capability: str
    value: Value


@dataclass(frozen=True, slots=True)
class Silence:
    """One device of a line stopped answering while the line itself stands. Its next report ends the silence."""

    device: DeviceId
    reason: str


@dataclass(frozen=True, slots=True)
class Reading:
    """A value and when it was reported or asked for (UTC)."""

    value: Value
    at: datetime


@dataclass(slots=True)
class DeviceState:
    """Desired and reported are two things, each with its time."""

    reachable: bool = False
    since: datetime | None = None
    """Since when `reachable` has been as it is."""
    reason: str = ""
    """Why it cannot be reached, in one line without personal data."""
    desired: dict[str, Reading] = field(default_factory=dict)
    reported: dict[str, Reading] = field(default_factory=dict)


class Fate(StrEnum):
    """What became of a command."""

    DONE = "done"
    FAILED = "failed"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class Command:
    """A request to set one capability. `deadline` is wall time, UTC; a late command is never carried out."""

    id: str
    device: DeviceId
    capability: str
    value: Value
    actor: str
    deadline: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a command, and when (UTC)."""

    command: str
    device: DeviceId
    capability: str
    fate: Fate
    at: datetime
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A device seen on the network. A hint only: mDNS is trivially forged, so nothing is adopted without a person."""

    family: str
    id: str
    """Stable id from the announcement."""
    name: str
    model: str
    addresses: tuple[str, ...]
    """Numeric, IPv6 with scope."""
    port: int
    properties: Mapping[str, str] = field(default_factory=dict)
    pairable: bool = True
    """Whether it says that it can be adopted now."""
