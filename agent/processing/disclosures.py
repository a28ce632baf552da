"""The two registers of what others get: agreements with third parties, and what was disclosed to an authority."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from agent.rights.grants import Utc
from privacy.case_store import Case, CaseStore
from privacy.hold import Reason
from privacy.keyring import KeyRing
from privacy.records import RecordClass, Scope, UuidV7
from privacy.sealed_file import parsed
from privacy.sealed_folder import HeldBy, nothing_held
from privacy.store import Barrier
from privacy.timekeeping import TimeKeeper

Country = Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{2}$(?!\n)")]
"""ISO 3166-1 alpha-2."""
Reference = Annotated[str, msgspec.Meta(pattern=r"^([A-Za-z0-9][A-Za-z0-9 /._:-]{0,79})?$(?!\n)")]
"""A case or contract number, or empty; nothing that tells a story."""


class Receiver(StrEnum):
    """To whom something may be disclosed; there is no other."""

    POLICE = "police"
    PROSECUTION = "prosecution"
    COURT = "court"
    EMERGENCY_SERVICE = "emergency_service"
    SUPERVISORY_AUTHORITY = "supervisory_authority"
    INSURER = "insurer"
    """Only what is held for a claim."""


class Ground(StrEnum):
    """On what ground; there is no other."""

    COURT_ORDER = "court_order"
    LEGAL_DEMAND = "legal_demand"
    """An authority demands it by a law that obliges."""
    CRIME_REPORT = "crime_report"
    """Somebody reports a crime, and what is theirs or shared shows it."""
    LEGAL_CLAIM = "legal_claim"
    """To establish, exercise or defend a claim."""
    VITAL_INTEREST = "vital_interest"
    """A life is in danger."""
    SUPERVISION = "supervision"
    """The supervisory authority looks into it."""


RECEIVERS: Final = {
    Reason.POLICE_REPORT: frozenset({Receiver.POLICE, Receiver.PROSECUTION, Receiver.COURT}),
    Reason.INSURANCE_CLAIM: frozenset({Receiver.INSURER, Receiver.COURT}),
    Reason.DISPUTE: frozenset({Receiver.COURT, Receiver.POLICE, Receiver.PROSECUTION}),
    Reason.PERSONS_REQUEST: frozenset({Receiver.COURT, Receiver.POLICE, Receiver.PROSECUTION}),
}
"""What is held is handed over under the reason for which it is held, and so to these alone."""
EEA: Final = frozenset(
    {"AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE"}
    | {"IS", "IT", "LI", "LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK"}
)
"""Where personal data may go without a transfer to a third country (GDPR, chapter V)."""


class Agreement(msgspec.Struct, frozen=True, kw_only=True, tag="agreement"):
    """Somebody outside processes data for the home, by a contract (GDPR, article 28)."""

    at: Utc
    """When it was registered."""
    name: str
    """Of the company."""
    classes: tuple[RecordClass, ...]
    since: Utc
    until: Utc
    """Not included."""
    country: Country
    """Where they process it."""
    reference: Reference = ""


class Over(msgspec.Struct, frozen=True, tag="over"):
    """The agreement was ended before its date."""

    at: Utc


class Disclosure(msgspec.Struct, frozen=True, kw_only=True, tag="disclosure"):
    """Something was handed over. It names nobody: whom it is about stands in records of their own."""

    at: Utc
    receiver: Receiver
    ground: Ground
    scope: Scope
    """Without its subjects."""
    own: bool
    """Whether somebody handed over what is about themselves alone, which is nobody else's business."""
    hold: UuidV7 | None = None
    """The hold under which it was kept."""
    reference: Reference = ""


class Part(msgspec.Struct, frozen=True):
    """What one person has to do with it."""

    did: Literal["recorded", "about"]


@dataclass(frozen=True, slots=True)
class Registered:
    """An agreement, and whether somebody ended it."""

    id: str
    agreement: Agreement
    ended: datetime | None
    by: str | None
    """Who registered it, where they are not erased."""

    def lasts(self, at: datetime) -> bool:
        return self.ended is None and self.agreement.since <= at < self.agreement.until


@dataclass(frozen=True, slots=True)
class Disclosed:
    """A disclosure, and who has to do with it, as far as they are not erased."""

    id: str
    at: datetime
    disclosure: Disclosure
    by: str | None
    about: tuple[str, ...]


_record: Final = msgspec.json.Decoder(Agreement | Over | Disclosure).decode
_part: Final = msgspec.json.Decoder(Part).decode
_encode: Final = msgspec.json.Encoder().encode


class Disclosures(CaseStore):
    """Every method blocks: call it on the `Disk` thread."""

    def __init__(  # noqa: PLR0913 - what it is made of, each used
        self,
        directory: Path,
        ring: KeyRing,
        time: TimeKeeper,
        limit: timedelta | None,
        barrier: Barrier,
        *,
        holds: HeldBy = nothing_held,
    ) -> None:
        super().__init__(
            "disclosures",
            RecordClass.DISCLOSURE,
            directory=directory,
            ring=ring,
            time=time,
            limit=limit,
            barrier=barrier,
            holds=holds,
        )

    def register(self, id_: str, agreement: Agreement, by: str | None) -> bool:
        """Keep an agreement. False, where an order reaches it.

        Raises:
            StoreBroken: the medium refused.
        """
        return self._kept(id_, agreement, {by: ("recorded",)} if by else {})

    def over(self, registered: Registered, at: datetime) -> None:
        """The agreement has ended.

        Raises:
            StoreBroken: the medium refused; it lasts still.
        """
        self.add(registered.id, registered.agreement.at, _encode(Over(at)))

    def disclose(self, id_: str, disclosure: Disclosure, by: str, about: Iterable[str]) -> bool:
        """Keep that something was disclosed, by somebody, about some people. False, where an order reaches one of them.

        Raises:
            StoreBroken: the medium refused.
        """
        people: dict[str, tuple[Literal["recorded", "about"], ...]] = dict.fromkeys(about, ("about",))
        people[by] = ("recorded", *people.get(by, ()))
        return self._kept(id_, disclosure, people)

    def agreements(self) -> list[Registered]:
        """All that may be shown, in the order in which they were registered."""
        found = []
        for case, records in self._read():
            agreement = next((record for record in records if isinstance(record, Agreement)), None)
            if agreement:
                ended = next((record.at for record in records if isinstance(record, Over)), None)
                found.append(Registered(case.id, agreement, ended, _who(case, "recorded")))
        return found

    def disclosed(self) -> list[Disclosed]:
        """All that may be shown, in their order."""
        return [
            Disclosed(case.id, case.at, record, _who(case, "recorded"), _people(case, "about"))
            for case, records in self._read()
            for record in records
            if isinstance(record, Disclosure)
        ]

    def _kept(
        self,
        id_: str,
        record: Agreement | Disclosure,
        people: dict[str, tuple[Literal["recorded", "about"], ...]],
    ) -> bool:
        parts = [(person, did) for person, dids in people.items() for did in dids]
        return all(self.add(id_, record.at, _encode(Part(did)), person) for person, did in parts) and self.add(
            id_, record.at, _encode(record)
        )

    def _read(self) -> Iterable[tuple[Case, list[Agreement | Over | Disclosure]]]:
        for case in self.cases():
            yield case, [record for payload in case.records if (record := parsed(_record, payload))]


def _people(case: Case, did: str) -> tuple[str, ...]:
    return tuple(
        sorted(
            person
            for person, payloads in case.parts.items()
            if any((part := parsed(_part, payload)) and part.did == did for payload in payloads)
        )
    )


def _who(case: Case, did: str) -> str | None:
    return next(iter(_people(case, did)), None)
