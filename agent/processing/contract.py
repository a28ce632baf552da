"""What crosses the API about the record of processing, agreements with processors, and disclosures."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from agent.api.contract import Wire
from agent.processing.disclosures import Country, Ground, Receiver, Reference
from agent.rights.grants import Utc
from privacy.records import Identifier, RecordClass, Scope, UuidV7


class AgreementBody(Wire, frozen=True, kw_only=True):
    """Register an agreement with somebody outside who processes data for the home."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    """Of the company; 80 characters."""
    classes: Annotated[tuple[RecordClass, ...], Meta(min_length=1, max_length=32)]
    country: Country
    """Where they process it."""
    since: Utc | None = None
    """Left out: from now on."""
    until: Utc | None = None
    """Not included. Left out: as long as the register keeps it, which is the longest."""
    reference: Reference = ""


class ProcessorAgreementView(Wire, frozen=True, kw_only=True):
    id: str
    name: str
    classes: tuple[RecordClass, ...]
    country: str
    since: datetime
    until: datetime
    reference: str
    lasts: bool
    """Whether they may get something now."""
    ended: datetime | None = None
    by: str | None = None


class DisclosureBody(Wire, frozen=True, kw_only=True):
    """Record that something was handed over: what a hold keeps, or a scope."""

    receiver: Receiver
    ground: Ground
    hold: UuidV7 | None = None
    scope: Scope | None = None
    """Instead of `hold`."""
    reference: Reference = ""
    by: Identifier | None = None
    """For the command line alone: in which owner's name. Left out: in that of the only one there is."""


class DisclosureView(Wire, frozen=True, kw_only=True):
    id: str
    at: datetime
    receiver: Receiver
    ground: Ground
    scope: Scope
    hold: str | None
    reference: str
    by: str | None
    """Null: they were erased."""


class Controller(Wire, frozen=True, kw_only=True):
    """Who answers for it, as the configuration says."""

    name: str
    contact: str


class Recipient(Wire, frozen=True, kw_only=True):
    """Somebody outside the home who gets something."""

    name: str
    what: str
    """Exactly what leaves."""
    country: str = ""
    """Where known."""
    third_country: bool = False
    """Whether that is outside the European Economic Area."""


class ProcessingRow(Wire, frozen=True, kw_only=True):
    """What is done with one class of records (GDPR, article 30(1))."""

    record_class: RecordClass
    purpose: str
    basis: tuple[str, ...]
    people: tuple[str, ...]
    """Categories of data subjects."""
    data: tuple[str, ...]
    """Categories of personal data."""
    recipients: tuple[Recipient, ...]
    transfers: tuple[str, ...]
    """To third countries."""
    limit: str
    safeguards: tuple[str, ...]
    rights: tuple[str, ...]
    """What the table of rights has about this class: who may do each stands there."""
    count: int
    oldest: datetime | None


class DisclosedTo(Wire, frozen=True, kw_only=True):
    """How often something was disclosed to somebody; who handed over what is their own is not counted."""

    receiver: Receiver
    count: int


class RecordOfProcessing(Wire, frozen=True, kw_only=True):
    """The record of processing activities, as things are now."""

    gateway: str
    version: str
    at: datetime
    controller: Controller | None
    """Null: the configuration does not say."""
    systems: tuple[str, ...]
    tier: str
    """Of the root of the keys, as it runs."""
    rows: tuple[ProcessingRow, ...]
    disclosed: tuple[DisclosedTo, ...] = ()
