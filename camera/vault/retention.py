"""When segments go, and why: pure functions from what is kept to what goes.

A segment has the limit that its camera had when it was made, and goes earlier where the camera's limit has become
shorter since; so a camera that was removed keeps its own. It goes as a whole, by the age of its first picture; so a
picture goes early by at most the segment's length, and by the time until expiry runs again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final

from privacy.moment import Age

LIMIT: Final = timedelta(days=7)
"""The promise. A site may shorten it, and never lengthen it."""
LONGEST_SPAN: Final = timedelta(hours=1)
SHORTEST_SPAN: Final = timedelta(seconds=1)
SPANS_IN_LIMIT: Final = 24
"""A limit of a day or less has so many segments, and runs of expiry."""


class Reason(StrEnum):
    """Why pictures go."""

    LIMIT = "limit reached"
    DOUBT = "cannot be shown to be young enough"
    SPACE = "no space for newer ones"


@dataclass(frozen=True, slots=True)
class Limits:
    """How long pictures live: a camera's own limit, or for all others the site's."""

    site: timedelta = LIMIT
    cameras: Mapping[str, timedelta] = field(default_factory=dict)

    def of(self, camera: str | None, stored: timedelta = LIMIT) -> timedelta:
        """The limit that `camera`'s pictures live under (None: whose camera nobody knows, the shortest of all).

        `stored` is the one that they were stored under: nothing makes it longer.
        """
        if camera is None:
            return min([self.of("", stored), *map(self.of, self.cameras)])
        return min(self.cameras.get(camera, self.site), self.site, stored, LIMIT)

    def span(self, camera: str | None) -> timedelta:
        """How long `camera`'s segments are; for None, the shortest that any are."""
        return span_of(self.of(camera))

    def pause(self, kept: Iterable["Kept"] = ()) -> timedelta:
        """The longest time from a run of expiry that sees what is `kept` to the next one.

        What is past its limit, as a hold keeps it, need not be looked after: it goes with any run after that.
        """
        waiting = {self.of(one.camera, one.limit) for one in kept if not self._is_past(one)}
        return min([self.span(None), *map(span_of, waiting)])

    def _is_past(self, one: "Kept") -> bool:
        return one.age is None or one.age.at_least >= self.of(one.camera, one.limit)


@dataclass(frozen=True, slots=True)
class Kept:
    """A segment, as expiry sees it."""

    id: bytes
    camera: str | None
    """None: nobody can say."""
    age: Age | None
    """Of its first picture, or more by less than its length; None: nobody can say anything."""
    pictures: int
    """How many no hold keeps."""
    limit: timedelta = LIMIT
    """The one that it was stored under."""


@dataclass(frozen=True, slots=True)
class Expired:
    """Pictures of one segment that go, or went, of which camera, and why."""

    segment: bytes
    camera: str | None
    pictures: int
    reason: Reason


def span_of(limit: timedelta) -> timedelta:
    """How long a segment is whose pictures live for `limit`."""
    return max(SHORTEST_SPAN, min(LONGEST_SPAN, limit / SPANS_IN_LIMIT))


def due(kept: Sequence[Kept], limits: Limits, patience_over: bool) -> Sequence[Expired]:  # noqa: FBT001 - a fact
    """What goes now, so that nothing that is `kept` lives past its limit before the next run.

    That has to come within `limits.pause(kept)`. `patience_over`: for a day nobody could say what time it is.
    """
    ahead = limits.pause(kept)
    judged = ((one, _reason(one, limits.of(one.camera, one.limit) - ahead, patience_over)) for one in kept)
    return [Expired(one.id, one.camera, one.pictures, reason) for one, reason in judged if reason]


def for_space(oldest_first: Iterable[tuple[Kept, int]], needed: int) -> Sequence[Expired]:
    """What goes so that `needed` bytes come free: of segments with their sizes in bytes, the oldest, as few as can be.

    What a hold keeps a part of stays as a whole: its bytes would not come free.
    """
    going: list[Expired] = []
    for one, size in oldest_first:
        if needed <= 0:
            break
        needed -= size
        going.append(Expired(one.id, one.camera, one.pictures, Reason.SPACE))
    return going


def _reason(one: Kept, limit: timedelta, patience_over: bool) -> Reason | None:  # noqa: FBT001 - as above
    if one.age is None:
        return Reason.DOUBT
    if one.age.at_least >= limit:
        return Reason.LIMIT
    if one.age.at_most is None:
        return Reason.DOUBT if patience_over else None
    return Reason.DOUBT if one.age.at_most >= limit else None
