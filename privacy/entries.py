"""Everything that the agent itself writes into its operation log. Raw entries never leave; see `redaction/`.

An entry is a frozen dataclass. Each field says how it may leave: `Annotated[str, KEEP]`. A field that says nothing is
erased. Fields called `camera`, `device`, `actor`, `subject` and `subjects` also say whom the entry concerns, so that an
erasure finds it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum
from typing import Annotated, ClassVar, get_type_hints

from privacy.redaction.labels import Label


class Handling(Enum):
    """How the value of a field may leave."""

    KEEP = "keep"
    """As it is: counts, codes, versions, names of events and capabilities. The detectors look at it all the same."""
    TEXT = "text"
    """Free text, as errors carry it: without what the detectors find."""
    PSEUDONYM = "pseudonym"
    """As `<label:token>`; a `Label` beside it says which."""
    COARSEN = "coarsen"
    """Times to the hour, numbers to two digits."""
    ERASE = "erase"
    """Not at all."""


KEEP, TEXT, PSEUDONYM, COARSEN, ERASE = Handling


class Level(StrEnum):
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class About:
    """When something happened and whom it concerns; for erasure, never for upload."""

    at: datetime
    camera: str | None = None
    device: str | None = None
    subjects: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Entry:
    """Base of all entries. `at` is aware, and leaves to the second."""

    level: ClassVar[Level] = Level.INFO

    at: datetime

    @property
    def event(self) -> str:
        """The class's name as `snake_case`."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(self).__name__).lower()

    @property
    def about(self) -> About:
        people = (*getattr(self, "subjects", ()), getattr(self, "subject", None), getattr(self, "actor", None))
        return About(
            self.at,
            getattr(self, "camera", None),
            getattr(self, "device", None),
            frozenset(filter(None, people)),
        )


_HANDLINGS: dict[type, dict[str, tuple[Handling, Label]]] = {}


def handling_of(entry: type[Entry], field: str) -> tuple[Handling, Label]:
    """How `field` of `entry` may leave, and its label as a pseudonym. Not exactly one handling: it may not."""
    if entry not in _HANDLINGS:
        hints = get_type_hints(entry, include_extras=True)
        _HANDLINGS[entry] = {name: _handling(getattr(hint, "__metadata__", ())) for name, hint in hints.items()}
    return _HANDLINGS[entry][field]


def _handling(markers: Iterable[object]) -> tuple[Handling, Label]:
    handlings = [marker for marker in markers if isinstance(marker, Handling)]
    labels = [marker for marker in markers if isinstance(marker, Label)]
    clear = len(handlings) == 1 and (handlings[0] is not Handling.PSEUDONYM or len(labels) == 1)
    return handlings[0] if clear else Handling.ERASE, labels[0] if labels else Label.ERASED


Kept = Annotated[str, KEEP]
Count = Annotated[int, KEEP]
Milliseconds = Annotated[float, KEEP]
Reason = Annotated[str, TEXT]
CameraId = Annotated[str, PSEUDONYM, Label.CAMERA]
DeviceId = Annotated[str, PSEUDONYM, Label.DEVICE]
PersonId = Annotated[str, PSEUDONYM, Label.PERSON]
Name = Annotated[str, PSEUDONYM, Label.NAME]
Address = Annotated[str, PSEUDONYM, Label.IP]
Issuer = Annotated[str, PSEUDONYM, Label.ISSUER]


@dataclass(frozen=True, slots=True)
class AgentStarted(Entry):
    version: Kept


@dataclass(frozen=True, slots=True)
class AgentStopping(Entry):
    pass


@dataclass(frozen=True, slots=True)
class ServiceDown(Entry):
    level: ClassVar[Level] = Level.WARNING

    service: Kept
    reason: Reason


@dataclass(frozen=True, slots=True)
class ServiceUp(Entry):
    service: Kept


@dataclass(frozen=True, slots=True)
class DeviceFound(Entry):
    family: Kept
    name: Name
    address: Address


@dataclass(frozen=True, slots=True)
class DeviceAdopted(Entry):
    device: DeviceId
    family: Kept
    name: Name
    actor: PersonId


@dataclass(frozen=True, slots=True)
class DeviceRemoved(Entry):
    device: DeviceId
    actor: PersonId


@dataclass(frozen=True, slots=True)
class DeviceReachable(Entry):
    device: DeviceId


@dataclass(frozen=True, slots=True)
class DeviceUnreachable(Entry):
    level: ClassVar[Level] = Level.WARNING

    device: DeviceId
    reason: Reason


@dataclass(frozen=True, slots=True)
class CommandDone(Entry):
    device: DeviceId
    capability: Kept
    fate: Kept
    actor: PersonId
    milliseconds: Milliseconds


@dataclass(frozen=True, slots=True)
class PictureStored(Entry):
    camera: CameraId
    bytes: Annotated[int, COARSEN]
    """Coarse, because the size of a picture follows what is on it."""
    milliseconds: Milliseconds


@dataclass(frozen=True, slots=True)
class PictureFailed(Entry):
    level: ClassVar[Level] = Level.WARNING

    camera: CameraId
    reason: Reason


@dataclass(frozen=True, slots=True)
class PicturesExpired(Entry):
    camera: CameraId
    count: Count
    reason: Kept
    """From a closed list."""


@dataclass(frozen=True, slots=True)
class PersonTagged(Entry):
    """Somebody said that a person is on a picture; which one stands with the picture alone."""

    subject: PersonId
    actor: PersonId


@dataclass(frozen=True, slots=True)
class TimeClaimed(Entry):
    """A person claimed what a camera took for some time, and it was accepted."""

    camera: CameraId
    subject: PersonId
    actor: PersonId


@dataclass(frozen=True, slots=True)
class PersonAdded(Entry):
    subject: PersonId
    role: Kept
    """From the closed list."""
    actor: PersonId


@dataclass(frozen=True, slots=True)
class PersonChanged(Entry):
    subject: PersonId
    role: Kept
    """The one they have now."""
    actor: PersonId


@dataclass(frozen=True, slots=True)
class PersonRemoved(Entry):
    subject: PersonId
    actor: PersonId


@dataclass(frozen=True, slots=True)
class ConsentGiven(Entry):
    """By the person themselves: nobody else can."""

    subject: PersonId
    kind: Kept
    version: Count
    """Of the text."""


@dataclass(frozen=True, slots=True)
class ConsentWithdrawn(Entry):
    subject: PersonId
    kind: Kept
    order: Kept
    """The order that erases what had been collected."""


@dataclass(frozen=True, slots=True)
class ExportAsked(Entry):
    """Somebody is to get all that is kept of them."""

    subject: PersonId
    actor: PersonId


@dataclass(frozen=True, slots=True)
class ExportSettled(Entry):
    """It is made, or cannot be."""

    subject: PersonId
    outcome: Kept
    """From a closed list."""
    bytes: Annotated[int, COARSEN]


@dataclass(frozen=True, slots=True)
class ObjectionAnswered(Entry):
    """Somebody objected to what is kept of them."""

    subject: PersonId
    record_class: Kept
    outcome: Kept
    """From a closed list."""


@dataclass(frozen=True, slots=True)
class HomeClaimed(Entry):
    """Somebody made the gateway theirs, as its first owner."""

    subject: PersonId


@dataclass(frozen=True, slots=True)
class SignedIn(Entry):
    subject: PersonId
    way: Kept
    """From the closed list."""


@dataclass(frozen=True, slots=True)
class SignInRefused(Entry):
    """It does not say of whom: what was typed may be anything."""

    level: ClassVar[Level] = Level.WARNING

    way: Kept
    code: Kept


@dataclass(frozen=True, slots=True)
class SignedOut(Entry):
    subject: PersonId


@dataclass(frozen=True, slots=True)
class WayChanged(Entry):
    """How somebody signs in has changed, by themselves."""

    subject: PersonId
    what: Kept
    """From a closed list."""


@dataclass(frozen=True, slots=True)
class LinkMade(Entry):
    """A way in for somebody, once."""

    subject: PersonId
    actor: PersonId
    purpose: Kept
    """From the closed list."""


@dataclass(frozen=True, slots=True)
class SupportOpened(Entry):
    """Somebody from support was let in, for some hours."""

    case: Kept
    """Random: it names nobody."""
    subject: PersonId
    actor: PersonId


@dataclass(frozen=True, slots=True)
class SupportEnded(Entry):
    case: Kept
    why: Kept
    """From a closed list."""


@dataclass(frozen=True, slots=True)
class HoldPlaced(Entry):
    hold: Kept
    """A UUIDv7, which names nobody."""
    reason: Kept
    """From the closed list."""
    actor: PersonId


@dataclass(frozen=True, slots=True)
class HoldReleased(Entry):
    hold: Kept
    actor: PersonId


@dataclass(frozen=True, slots=True)
class HoldEnded(Entry):
    """It came to its date."""

    hold: Kept


@dataclass(frozen=True, slots=True)
class TimeKnown(Entry):
    by: Kept


@dataclass(frozen=True, slots=True)
class OrderJournaled(Entry):
    order: Kept
    """A UUIDv7, which names nobody."""
    issuer: Issuer
    form: Kept


@dataclass(frozen=True, slots=True)
class OrderRefused(Entry):
    level: ClassVar[Level] = Level.WARNING

    code: Kept
    detail: Reason


@dataclass(frozen=True, slots=True)
class StoreErased(Entry):
    store: Kept
    found: Count
    erased: Count
    left: Count


@dataclass(frozen=True, slots=True)
class ReceiptMade(Entry):
    order: Kept
    kind: Kept


@dataclass(frozen=True, slots=True)
class LinkUp(Entry):
    pass


@dataclass(frozen=True, slots=True)
class LinkDown(Entry):
    level: ClassVar[Level] = Level.WARNING

    reason: Reason


@dataclass(frozen=True, slots=True)
class LogUploaded(Entry):
    lines: Count


@dataclass(frozen=True, slots=True)
class ForeignLine(Entry):
    """A line that another program wrote: a child's stderr, a library's log record."""

    source: Kept
    text: Reason
