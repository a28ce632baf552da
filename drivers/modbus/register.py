"""One register: where it lies, what its number means, and the way from words to values and back. Pure."""

import math
import struct
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

import msgspec

from drivers.errors import NoAnswer, Unsupported
from drivers.model import ACTIVE_POWER, HEATING_SETPOINT, LEVEL, ON_OFF, TEMPERATURE, Capability, Kind, Value

ADDRESSES = 1 << 16
VOCABULARY = {c.name: c for c in (ON_OFF, LEVEL, TEMPERATURE, HEATING_SETPOINT, ACTIVE_POWER)}


class Table(StrEnum):
    """The four tables of the Modbus data model (V1.1b3, section 4.3)."""

    HOLDING = "holding"
    INPUT = "input"
    COIL = "coil"
    DISCRETE = "discrete"

    @property
    def bits(self) -> bool:
        return self in {Table.COIL, Table.DISCRETE}

    @property
    def read_only(self) -> bool:
        return self in {Table.INPUT, Table.DISCRETE}


class Encoding(StrEnum):
    """How a value lies in its registers."""

    BOOL = "bool"
    INT16 = "int16"
    UINT16 = "uint16"
    INT32 = "int32"
    UINT32 = "uint32"
    FLOAT32 = "float32"


STRUCTS = {
    Encoding.BOOL: ">H",
    Encoding.INT16: ">h",
    Encoding.UINT16: ">H",
    Encoding.INT32: ">i",
    Encoding.UINT32: ">I",
    Encoding.FLOAT32: ">f",
}


class Register(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One entry of a map: a value in one register, two adjacent registers, or one bit."""

    address: Annotated[int, msgspec.Meta(ge=0, lt=ADDRESSES)]
    """As on the wire, from 0; not the 4xxxx or 1-based numbers of some manuals."""
    table: Table
    encoding: Encoding = msgspec.field(name="type")
    capability: Annotated[str, msgspec.Meta(pattern=r"^[A-Z][A-Za-z0-9]*\.[A-Z][A-Za-z0-9]*$")]
    """`Cluster.Attribute`, as in `drivers.model`."""
    unit: str = ""
    scale: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    """Value = raw number times scale."""
    word_order: Literal["big", "little"] = "big"
    """Which of two registers comes first; the bytes inside a register are always big-endian (V1.1b3, section 4.2)."""
    writable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    absent: int | None = None
    """The raw number by which the unit says that it has no value, for example a sensor that is not fitted."""
    poll: bool = True
    """False: read only when the unit is found, and after a write."""

    @property
    def size(self) -> int:
        """How many addresses it takes."""
        return struct.calcsize(STRUCTS[self.encoding]) // 2

    def fits(self, raw: float) -> bool:
        """Whether `raw` is a number that this register can hold."""
        try:
            struct.pack(STRUCTS[self.encoding], raw if self.encoding is Encoding.FLOAT32 else round(raw))
        except (struct.error, OverflowError, ValueError):
            return False
        return math.isfinite(raw)

    @property
    def described(self) -> Capability:
        """The capability that this register is."""
        known = VOCABULARY.get(self.capability)
        if known is None:
            whole = self.encoding is not Encoding.FLOAT32 and float(self.scale).is_integer()
            kind = Kind.BOOL if self.encoding is Encoding.BOOL else Kind.INT if whole else Kind.FLOAT
            known = Capability(self.capability, kind, self.unit)
        if self.writable:
            return replace(known, minimum=self.minimum, maximum=self.maximum, writable=True)
        return replace(known, writable=False)

    def decode(self, words: Sequence[int]) -> Value | None:
        """Return the value in `words` (bits as 0 and 1); None where the unit says that it has none.

        Raises:
            NoAnswer: the words make no sense as this value.
        """
        ordered = words if self.word_order == "big" else tuple(reversed(words))
        raw = struct.unpack(STRUCTS[self.encoding], struct.pack(f">{len(ordered)}H", *ordered))[0]
        if self.encoding is Encoding.BOOL:
            if raw not in {0, 1}:
                raise NoAnswer(f"{self.capability} reads {raw}, which is neither 0 nor 1")
            return bool(raw)
        if raw == self.absent:
            return None
        value = self._scaled(raw)
        known = self.described
        low, high = known.minimum, known.maximum
        # A value that was set outside the write limits at the unit itself is still true; an impossible one is not.
        impossible = not known.writable and not (low is None or high is None or low <= value <= high)
        if impossible or not math.isfinite(value):
            raise NoAnswer(
                f"{self.capability} reads {value:g} {self.unit}".rstrip() + ", which cannot be",
                hint="correct type and scale in the register map, or name the raw number in `absent`",
            )
        return int(value) if known.kind is Kind.INT else value

    def encode(self, value: Value) -> tuple[int, ...]:
        """Return the words that say `value`, rounded to the register's step.

        Raises:
            Unsupported: the value is not a number, or does not fit into the register.
        """
        if isinstance(value, str) or not math.isfinite(value):
            raise Unsupported(f"{self.capability} takes a number, not {value!r}")
        raw = value if self.encoding is Encoding.FLOAT32 else round(value / self.scale)
        try:
            packed = struct.pack(STRUCTS[self.encoding], raw)
        except (struct.error, OverflowError):
            raise Unsupported(f"{self.capability} = {value} does not fit into {self.encoding}") from None
        words = struct.unpack(f">{self.size}H", packed)
        return words if self.word_order == "big" else tuple(reversed(words))

    def _scaled(self, raw: float) -> float:
        if self.encoding is Encoding.FLOAT32:
            return float(f"{raw * self.scale:.7g}")  # more digits than a float32 has would be invented
        exponent = Decimal(repr(self.scale)).normalize().as_tuple().exponent
        return round(raw * self.scale, max(0, -exponent) if isinstance(exponent, int) else 0)
