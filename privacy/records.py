"""The words of the record model: classes, items, and the one scope language for export, hold and erasure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec

Identifier = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]*$(?!\n)")]
"""Opaque, fit for file names and topics. `$` alone would let a line break at the end pass."""

ID_IN_WORDS = "1 to 64 of A-Z a-z 0-9 _ . : -, the first of them a letter or a digit"
"""An `Identifier`, for people."""

# RFC 9562, version 7.
UuidV7 = Annotated[
    str, msgspec.Meta(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$(?!\n)")
]


def is_identifier(text: str) -> bool:
    """Whether `text` is an `Identifier`."""
    try:
        msgspec.convert(text, Identifier)
    except msgspec.ValidationError:
        return False
    return True


class RecordClass(StrEnum):
    """A kind of data. Limits and purposes are in `privacy/policies/`."""

    SNAPSHOT = "snapshot"
    CAMERA_LOGIN = "camera_login"
    OP_LOG = "op_log"
    DEVICE = "device"
    SENSOR_HISTORY = "sensor_history"
    PRESENCE = "presence"
    PERSON = "person"
    LOCATION = "location"
    WEARER_POSITION = "wearer_position"
    ALARM = "alarm"
    VISIT = "visit"
    ACTIVITY = "activity"
    ALARM_CONTACT = "alarm_contact"
    CONSENT = "consent"
    SUPPORT_CASE = "support_case"
    DISCLOSURE = "disclosure"
    WEB_SESSION = "web_session"
    EXPORT = "export"
    ORDER_JOURNAL = "order_journal"
    RECEIPT = "receipt"
    BACKUP = "backup"


class Tier(StrEnum):
    """How dead the erased is. Never claim a better one than was measured."""

    HARDWARE_SLOT = "A"
    OVERWRITTEN_IN_PLACE = "B"
    UNLINKED = "C"


@dataclass(frozen=True, slots=True)
class Item:
    """What a store says of one record without showing it."""

    id: str
    record_class: RecordClass
    at: datetime | None
    """When it was captured or written; None when nobody can say, which an erasure reads as "before"."""
    camera: str | None = None
    device: str | None = None
    subjects: frozenset[str] = frozenset()


class Scope(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Which records. Fields narrow each other (and), the values inside one field widen it (or).

    A scope that names nothing matches nothing: "all there is" has to be said, with `everything`.
    `start` is inclusive and `end` exclusive; both aware.
    """

    everything: bool = False
    classes: tuple[RecordClass, ...] = ()
    cameras: tuple[Identifier, ...] = ()
    devices: tuple[Identifier, ...] = ()
    subjects: tuple[Identifier, ...] = ()
    start: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    end: Annotated[datetime, msgspec.Meta(tz=True)] | None = None

    @property
    def named(self) -> bool:
        """Whether it names anything at all."""
        narrowed = self.classes or self.cameras or self.devices or self.subjects or self.start or self.end
        return self.everything or bool(narrowed)

    @property
    def backwards(self) -> bool:
        """Whether it ends before it begins, or as it begins: nobody means that, and nothing dated is in it."""
        return self.start is not None and self.end is not None and self.start >= self.end

    def covers(self, item: Item) -> bool:
        """Whether `item` is in this scope. An undated item is inside every time range."""
        if not self.named:
            return False
        return (
            (not self.classes or item.record_class in self.classes)
            and (not self.cameras or item.camera in self.cameras)
            and (not self.devices or item.device in self.devices)
            and (not self.subjects or bool(item.subjects.intersection(self.subjects)))
            and (item.at is None or self.start is None or item.at >= self.start)
            and (item.at is None or self.end is None or item.at < self.end)
        )
