"""What an action is about."""

from dataclasses import dataclass, replace
from datetime import datetime

from privacy.records import RecordClass, Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What an action is about, in opaque ids.

    Rooms, cameras and devices are places; one that names none is about the whole home. Without `classes` it is about
    the class that the action itself is about, and where it is about none, about every kind of record.
    """

    rooms: tuple[str, ...] = ()
    cameras: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    classes: tuple[RecordClass, ...] = ()
    subjects: tuple[str, ...] = ()
    """Whom it is about: whose record, whose position, who placed the hold, who shall go."""
    also: tuple[str, ...] = ()
    """Whom it concerns besides, and who is therefore told: tagged, claiming."""
    moment: datetime | None = None
    """Of one record: when it was made, aware. None: what it may reach back to depends on the answer."""

    @property
    def placed(self) -> bool:
        """Whether it names a part of the home."""
        return bool(self.rooms or self.cameras or self.devices)

    def about(self, *subjects: str) -> "Target":
        """The same of these people."""
        return replace(self, subjects=subjects)

    @classmethod
    def of(cls, scope: Scope) -> "Target":
        """What an erasure, an export or a hold of `scope` is about."""
        return cls(cameras=scope.cameras, devices=scope.devices, classes=scope.classes, subjects=scope.subjects)


HOME = Target()
"""All of it, or no part of it in particular."""
