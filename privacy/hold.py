"""One hold: what is kept, why, by whom and until when."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final

import msgspec

from privacy.errors import HoldRefused
from privacy.moment import Moment
from privacy.records import Identifier, Item, Scope, UuidV7

LONGEST: Final = timedelta(days=30)
"""From when it is placed, and once more from when it is renewed."""

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
    WEARER = "wearer"
    """Of a personal alarm."""


class Actor(msgspec.Struct, frozen=True):
    """Who did something, in which role. An opaque id, never a name."""

    id: Identifier
    role: Role


class Renewal(msgspec.Struct, frozen=True):
    at: Utc
    by: tuple[Actor, Actor]
    moment: Moment
    """The same as `at`, in every way that this box could know."""


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
    moment: Moment
    """The same as `made`, in every way that this box could know."""
    until: Utc
    renewed: Renewal | None = None
    ended: End | None = None

    @property
    def people(self) -> frozenset[str]:
        """Everybody whose id stands in it."""
        actors = (self.by, *(self.renewed.by if self.renewed else ()), *((self.ended.by,) if self.ended else ()))
        return frozenset(self.scope.subjects) | {actor.id for actor in actors if actor}

    @property
    def since(self) -> Moment:
        """From when its length counts."""
        return self.renewed.moment if self.renewed else self.moment

    @property
    def length(self) -> timedelta:
        """How long it lasts from then on, whatever the wall clock says."""
        return self.until - (self.renewed.at if self.renewed else self.made)

    @property
    def over(self) -> datetime:
        """When it ended, or will."""
        return self.ended.at if self.ended else self.until

    def dated(self, anew: Callable[[Moment], Moment]) -> "Hold":
        """The same hold, as long as before, where `anew` says what is known of a moment by now."""
        moment, renewed, ended = anew(self.moment), self.renewed, self.ended
        made = self.made if moment == self.moment else moment.wall
        if renewed and (again := anew(renewed.moment)) != renewed.moment:
            renewed = Renewal(again.wall, renewed.by, again)
        if moment == self.moment and renewed is self.renewed:
            return self
        until = (renewed.at if renewed else made) + self.length
        if ended:
            ended = End(ended.at + (until - self.until), ended.by)
        return msgspec.structs.replace(self, made=made, moment=moment, until=until, renewed=renewed, ended=ended)

    def keeps(self, item: Item) -> bool:
        """Whether `item` is in its scope.

        What cannot be dated is in no range of time here, so that it does not live on for a hold of other records.
        """
        dated = item.at is not None or (self.scope.start is None and self.scope.end is None)
        return dated and self.scope.covers(item)

    def shares(self, reason: Reason, scope: Scope) -> datetime | None:
        """Since when it keeps, or kept, something that is in `scope`, for the same reason; None: nothing.

        Of what was captured after it was over it kept nothing; and everybody may have kept what concerns them, whatever
        was kept for others.
        """
        end = min(self.scope.end, self.over) if self.scope.end else self.over
        strangers = self.scope.subjects and scope.subjects and not set(self.scope.subjects) & set(scope.subjects)
        if self.reason is not reason or strangers:
            return None
        if not overlap(msgspec.structs.replace(self.scope, end=end), scope):
            return None
        return max(self.made, scope.start) if scope.start else self.made


def end_of(now: datetime, until: datetime | None) -> datetime:
    """When what is held from `now` on is over: at `until`, or None for the longest.

    Raises:
        HoldRefused: `bad_end`.
    """
    longest = now + LONGEST
    if until is None:
        return longest
    if not now < until <= longest:
        raise HoldRefused(
            "bad_end", f"a hold ends within {LONGEST.days} days from now", hint=f"by {longest:%Y-%m-%d %H:%M} UTC"
        )
    return until


def end_of_first(
    now: datetime, until: datetime | None, reason: Reason, scope: Scope, others: Iterable[Hold]
) -> datetime:
    """As `end_of`, for a hold that is placed beside `others`: for one reason nothing is held for longer than `LONGEST`.

    Where nobody asked for an end, it is early enough for that.

    Raises:
        HoldRefused: `bad_end`, or `again`.
    """
    end = end_of(now, until)
    for other in others:
        since = other.shares(reason, scope)
        if since is None or end <= since + LONGEST:
            continue
        if until or since + LONGEST <= now:
            begin = min(other.over, end - LONGEST) + timedelta(seconds=1)
            raise HoldRefused(
                "again",
                f"a hold of the same reason has kept some of that since {since:%Y-%m-%d %H:%M} UTC",
                hint=f"nothing is kept for more than {LONGEST.days} days: begin at {begin:%Y-%m-%d %H:%M:%S} UTC",
            )
        end = since + LONGEST
    return end


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
