"""What the page and the command line see of the house: the wire types, and the house behind them.

All times are aware UTC, RFC 3339 in JSON. Everything here is for somebody inside the home. Of what it shows, the
backend gets the redacted lines and the receipts, each on its own way; this API hands it nothing.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal, Protocol

import msgspec
from msgspec import Meta

from agent.people.contact import Language
from privacy.hold import Reason, Role
from privacy.records import Identifier, Scope

CLAIMS_FROM: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""No picture here is older."""
CLAIMS_AHEAD: Final = timedelta(days=31)
"""How far ahead of now a claim may reach."""

Value = bool | int | float | str
Section = Literal["time", "holds", "link", "services", "devices", "found", "cameras", "snapshots", "receipts", "log"]


class Wire(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of everything that crosses the API."""


class Reading(Wire, frozen=True, kw_only=True):
    value: Value
    at: datetime


class CapabilityView(Wire, frozen=True, kw_only=True):
    name: str
    """`Cluster.Attribute` in Matter's words, such as `OnOff.OnOff`."""
    kind: Literal["bool", "int", "float", "enum"]
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    writable: bool = False
    desired: Reading | None = None
    reported: Reading | None = None


class DeviceView(Wire, frozen=True, kw_only=True):
    id: str
    name: str
    family: str
    verified: bool
    """Whether it proves its identity; what cannot is shown as *unverified*."""
    reachable: bool
    since: datetime | None
    reason: str = ""
    """Why it cannot be reached."""
    capabilities: tuple[CapabilityView, ...]


class FoundView(Wire, frozen=True, kw_only=True):
    """A device on the network that nobody has adopted."""

    family: str
    id: str
    name: str
    model: str
    address: str
    pairable: bool
    code_format: str = ""
    """What the adoption code looks like (`123-45-678`), or empty where none is asked."""


class CameraView(Wire, frozen=True, kw_only=True):
    id: str
    name: str
    working: bool
    reason: str = ""
    """Why it takes no pictures: what is wrong with it, or whose consent it waits for."""
    basis: str = ""
    """On what ground it takes them: `consent`, of everybody whom it is assigned to; or `contract`, where it is nobody's
    alone, so that no one person's word stops it. Empty: it takes none any more."""
    pictures: int
    keep_seconds: float
    """The limit that its pictures live under."""
    newest: datetime | None = None
    next_to_go: datetime | None = None
    """When its oldest picture goes."""


class SnapshotView(Wire, frozen=True, kw_only=True):
    id: str
    camera: str
    at: datetime
    goes: datetime
    """The time at which it will be gone, at the latest."""


class HoldView(Wire, frozen=True, kw_only=True):
    """Something that is kept past its limit, for a while and for a reason; it is not shown meanwhile."""

    id: str
    reason: Reason
    scope: Scope
    by: str
    made: datetime
    until: datetime
    ended: datetime | None = None


class TimeView(Wire, frozen=True, kw_only=True):
    """What the gateway knows of the time."""

    now: datetime
    """By the gateway's best belief."""
    known: bool
    """False: what was stored before it was last switched on is not shown."""
    hidden: int = 0
    """How many pictures are not shown for that."""
    reason: str = ""
    """Why it is not known, and the cure."""


class ExemptionView(Wire, frozen=True, kw_only=True):
    """What an erasure left, why, and until when."""

    reason: str
    count: int
    due: datetime


class StoreReport(Wire, frozen=True, kw_only=True):
    store: str
    found: int
    erased: int
    left: int
    tier: Literal["A", "B", "C"]
    by: dict[str, int] = {}
    """Where people were named: how many were found by each way to concern somebody (assigned, tagged, claimed)."""
    exemptions: tuple[ExemptionView, ...] = ()


class ReceiptView(Wire, frozen=True, kw_only=True):
    order: str
    issuer: str
    kind: Literal["erased", "verified"]
    at: datetime
    stores: tuple[StoreReport, ...]
    jws: str
    """The receipt itself, compact JWS; `portvakt receipt verify` takes it."""
    signature_valid: bool
    """Whether the gateway's own public key verifies it, checked when this view was made."""
    acknowledged: bool
    """Whether the backend has confirmed it."""


class LogView(Wire, frozen=True, kw_only=True):
    sequence: int
    line: str
    """As it is uploaded: redacted."""
    state: Literal["waiting", "uploaded"]


class LinkView(Wire, frozen=True, kw_only=True):
    configured: bool
    connected: bool
    since: datetime | None = None
    reason: str = ""


class ServiceView(Wire, frozen=True, kw_only=True):
    name: str
    problem: str = ""
    """Empty while it runs."""


class HealthView(Wire, frozen=True, kw_only=True):
    """That somebody answers, and what does not run."""

    ok: bool
    version: str
    problems: tuple[ServiceView, ...]


class State(Wire, frozen=True, kw_only=True):
    gateway: str
    version: str
    ready_at: datetime
    time: TimeView
    holds: tuple[HoldView, ...]
    """Those that last."""
    link: LinkView
    services: tuple[ServiceView, ...]
    devices: tuple[DeviceView, ...]
    found: tuple[FoundView, ...]
    cameras: tuple[CameraView, ...]
    snapshots: tuple[SnapshotView, ...]
    """The newest 24, newest first."""
    receipts: tuple[ReceiptView, ...]
    """The newest 20, newest first; `House.audit` has all."""
    log: tuple[LogView, ...]
    """The newest 50 lines of this run, newest first, waiting or uploaded.

    Lines that an earlier run left in the spool are uploaded like the others, and are not shown here.
    """


class CommandBody(Wire, frozen=True, kw_only=True):
    capability: Annotated[str, Meta(max_length=128)]
    value: (
        bool
        | Annotated[int, Meta(ge=-(2**53), le=2**53)]
        | Annotated[float, Meta(ge=-1e15, le=1e15)]
        | Annotated[str, Meta(max_length=256)]
    )
    deadline_seconds: Annotated[float, Meta(gt=0, le=60)] = 5.0


class OutcomeView(Wire, frozen=True, kw_only=True):
    command: str
    fate: Literal["done", "failed", "expired", "superseded"]
    at: datetime
    detail: str = ""
    """Why not, and what to do."""


class AdoptBody(Wire, frozen=True, kw_only=True):
    family: Annotated[str, Meta(max_length=64)]
    code: Annotated[str, Meta(max_length=64)] = ""


class EraseBody(Wire, frozen=True, kw_only=True):
    scope: Scope


class EraseAnswer(Wire, frozen=True, kw_only=True):
    order: str
    """The id of the order that now stands in the journal; its receipts will name it."""
    unknown: tuple[str, ...] = ()
    """What it names that the gateway knew nothing of, such as `camera nope`: perhaps the name is wrong."""


class HoldBody(Wire, frozen=True, kw_only=True):
    scope: Scope
    reason: Reason
    until: Annotated[datetime, Meta(tz=True)] | None = None
    """Left out: for as long as may be: 30 days, counted from an earlier hold of the same reason on some of that."""


class PersonView(Wire, frozen=True, kw_only=True):
    """Somebody with a relation to the home."""

    id: str
    role: Role
    name: str
    lives_here: bool
    email: str | None = None
    phone: str | None = None
    """In the form of E.164."""
    language: Language = Language.BOKMAL
    added: datetime
    minor: bool = False
    until: datetime | None = None
    """When they left the home. They keep the rights over what is kept of them, for 30 days."""


class PersonBody(Wire, frozen=True, kw_only=True):
    role: Role
    name: Annotated[str, Meta(max_length=200)]
    lives_here: bool
    email: Annotated[str, Meta(max_length=254)] = ""
    """RFC 3696, erratum 1690: none is longer."""
    phone: Annotated[str, Meta(max_length=40)] = ""
    language: Language = Language.BOKMAL
    minor: bool = False
    """A child or a teenager; never an owner."""


class PersonChange(Wire, frozen=True, kw_only=True):
    """What is left out stays; an empty address or number takes it away."""

    role: Role | None = None
    name: Annotated[str, Meta(max_length=200)] | None = None
    lives_here: bool | None = None
    email: Annotated[str, Meta(max_length=254)] | None = None
    phone: Annotated[str, Meta(max_length=40)] | None = None
    language: Language | None = None
    minor: bool | None = None
    returns: bool = False
    """True: who has left belongs to the home again, from now on."""


class TagBody(Wire, frozen=True, kw_only=True):
    subject: Identifier
    """The opaque id of a person who is on the picture."""


class TagView(Wire, frozen=True, kw_only=True):
    """Somebody in the house says that a person is on a picture; an order for that person takes it."""

    snapshot: str
    subject: str


class ClaimBody(Wire, frozen=True, kw_only=True):
    """A person claims what a camera takes from `start` up to `end`, not included; an order for them takes it."""

    camera: Identifier
    subject: Identifier
    start: Annotated[datetime, Meta(tz=True)]
    end: Annotated[datetime, Meta(tz=True)]

    def problem(self, now: datetime) -> str:
        """Why nobody can claim that time, for a person; empty where they can."""
        if self.start >= self.end:
            return "the claim ends before it begins"
        if self.start < CLAIMS_FROM:
            return f"the claim begins before {CLAIMS_FROM:%Y}"
        if self.end > now + CLAIMS_AHEAD:
            return f"the claim ends more than {CLAIMS_AHEAD.days} days from now"
        return ""


class TimeBody(Wire, frozen=True, kw_only=True):
    at: Annotated[datetime, Meta(tz=True)]
    """What time it is, says the person."""


class WaitingOrder(Wire, frozen=True, kw_only=True):
    """An order to erase that waits until a hold ends: what else it named is gone."""

    order: str
    left: int
    """How many records the hold kept when the order was carried out."""
    until: datetime
    """When the last hold ends that keeps some of them, by itself."""


class InventoryRow(Wire, frozen=True, kw_only=True):
    """One record class: what is kept, and how old."""

    record_class: str
    purpose: str
    basis: str
    limit: str
    """In words a person reads, such as `7 days`."""
    limit_seconds: float | None
    count: int
    oldest: datetime | None
    """Of what no hold keeps."""
    next_to_go: datetime | None
    tier: Literal["A", "B", "C"]
    held: int = 0
    """How many of them a hold keeps, past their limit too."""
    held_until: datetime | None = None
    """When the last of these holds ends."""
    hidden: int = 0
    """How many of them are not shown: held, ordered to be erased, or of a time that nobody knows."""
    waiting: tuple[WaitingOrder, ...] = ()
    """Of the class `order_journal`: the orders that cannot be finished while a hold lasts."""
    overdue: bool
    """True when something lives past its limit; then `inventory` and `doctor` exit with 1."""


class AuditEntry(Wire, frozen=True, kw_only=True):
    """One entry of the log of receipts.

    Where one has expired, only its `leaf` is left, so that the log can still be checked.
    """

    order: str = ""
    issuer: str = ""
    kind: Literal["erased", "verified", "expired"]
    at: datetime | None = None
    jws: str = ""
    acknowledged: bool = False
    """Whether the backend has confirmed it."""
    leaf: Annotated[str, Meta(pattern="^([0-9a-f]{64})?$")] = ""
    """Of an expired one: its leaf hash in the Merkle log (RFC 9162, 2.1.1), in hex."""


class House(Protocol):
    """What the API asks of the house. Every refusal is an `agent.errors.Refused` with a code and a cure."""

    def state(self) -> State:
        """Everything, now."""

    def section(self, section: Section) -> object:
        """One field of `state()`, without making the others."""

    def changes(self) -> AsyncIterator[frozenset[Section]]:
        """The sections that changed since the last turn; several changes in a row may come as one."""

    async def command(self, device: str, body: CommandBody, actor: str) -> OutcomeView:
        """Carry out a command; returns when its fate is known. Refused: `unknown_device`, `bad_value`."""

    async def adopt(self, found: str, body: AdoptBody, actor: str) -> DeviceView:
        """Adopt a found device. Refused: `not_found`, `adoption_failed`."""

    async def remove(self, device: str, actor: str) -> None:
        """Forget an adopted device. Refused: `unknown_device`, `configured` (stands in the configuration), `held`."""

    async def taken(self, snapshot: str) -> tuple[str, datetime] | None:
        """Of what camera a picture is, and of when; None when there is no such snapshot (any more)."""

    async def picture(self, snapshot: str, *, thumbnail: bool, actor: str) -> bytes | None:
        """A JPEG, or None when there is no such snapshot (any more)."""

    async def tag(self, snapshot: str, body: TagBody, actor: str) -> TagView:
        """Say that a person is on a picture. Refused: `unknown_snapshot`."""

    async def claim(self, body: ClaimBody, actor: str) -> ClaimBody:
        """Accept a person's claim to what a camera takes. Refused: `unknown_camera`, `bad_range`."""

    async def erase(self, scope: Scope, actor: str) -> EraseAnswer:
        """Journal an order of the local issuer; returns when it is on disk.

        Refused: `empty_scope`, `bad_range`, `size`.
        """

    async def holds(self) -> tuple[HoldView, ...]:
        """Every hold that is remembered, the oldest first."""

    async def hold(self, body: HoldBody, actor: str) -> HoldView:
        """Keep what is in a scope past its limit. Refused: `nothing_kept`, and the codes of `Holds.place`."""

    async def release(self, hold: str, actor: str) -> HoldView:
        """End a hold. Refused: the codes of `Holds.release`."""

    async def people(self) -> tuple[PersonView, ...]:
        """Everybody who belongs to the house and may be shown, in the order in which they were added."""

    async def add_person(self, body: PersonBody, actor: str) -> PersonView:
        """Add somebody. Refused: the codes of `PeopleDesk.add`."""

    async def change_person(self, person: str, body: PersonChange, actor: str) -> PersonView:
        """Correct what is known of somebody. Refused: the codes of `PeopleDesk.change`."""

    async def remove_person(self, person: str, actor: str) -> None:
        """End what somebody is to the home; forget who has left. Refused: the codes of `PeopleDesk.remove`."""

    async def can_sign_in(self, person: str) -> bool:
        """Whether somebody has a password or a passkey already."""

    async def confirm_time(self, body: TimeBody, actor: str) -> TimeView:
        """A person says what time it is. Refused: `not_believed`, and why."""

    async def inventory(self) -> tuple[InventoryRow, ...]:
        """One row for each record class that is kept here."""

    async def audit(self) -> tuple[AuditEntry, ...]:
        """The whole log of receipts, oldest first."""

    async def checkpoint(self) -> str:
        """The log as it stands now, signed: a compact JWS of `privacy.checkpoint`."""

    async def metrics(self) -> str:
        """Prometheus text format, prefix `portvakt_`."""
