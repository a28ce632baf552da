"""One hold: what is kept, why, by whom and until when."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec

from privacy.records import Identifier, Item, Scope, UuidV7

Utc = Annotated[datetime, msgspec.Meta(tz=True)]


class Reason(StrEnum):
    """Why something may be held; there is no other."""

    POLICE_REPORT = "police_report"
    INSURANCE_CLAIM = "insurance_claim"
    DISPUTE = "dispute"
    PERSONS_REQUEST = "persons_request"
    """Somebody asks that what concerns them is kept, and not used (GDPR, article 18)."""


class Role(StrEnum):
    """What somebody is to the home."""

    OWNER = "owner"
    RESIDENT = "resident"
    GUEST = "guest"
    INSTALLER = "installer"
    SUPPORT = "support"
    RESPONDER = "responder"


class Actor(msgspec.Struct, frozen=True):
    """Who did something, in which role. An opaque id, never a name."""

    id: Identifier
    role: Role


class Renewal(msgspec.Struct, frozen=True):
    at: Utc
    by: tuple[Actor, Actor]


class End(msgspec.Struct, frozen=True):
    at: Utc
    by: Actor | None
    """None: it came to its date."""


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept, why, by whom and until when; and what has become of it."""

    id: UuidV7
    reason: Reason
    scope: Scope
    by: Actor
    made: Utc
    until: Utc
    renewed: Renewal | None = None
    ended: End | None = None

    @property
    def people(self) -> frozenset[str]:
        """Everybody whose id stands in it."""
        actors = (self.by, *(self.renewed.by if self.renewed else ()), *((self.ended.by,) if self.ended else ()))
        return frozenset(self.scope.subjects) | {actor.id for actor in actors if actor}

    def keeps(self, item: Item) -> bool:
        """Whether `item` is in its scope.

        What cannot be dated is in no range of time here, so that it does not live on for a hold of other records.
        """
        dated = item.at is not None or (self.scope.start is None and self.scope.end is None)
        return dated and self.scope.covers(item)


def overlap(one: Scope, other: Scope) -> bool:
    """Whether a dated record may be in both scopes."""
    named = (
        (one.classes, other.classes),
        (one.cameras, other.cameras),
        (one.devices, other.devices),
    )
    # Not the subjects: a record may concern several people.
    if not (one.named and other.named) or any(a and b and not set(a) & set(b) for a, b in named):
        return False
    starts = [scope.start for scope in (one, other) if scope.start]
    ends = [scope.end for scope in (one, other) if scope.end]
    return not (starts and ends) or max(starts) < min(ends)
