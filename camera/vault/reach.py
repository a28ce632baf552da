"""Which pictures of a segment a scope means, from its row alone where that can be, and by a few looks where not.

A segment is of one camera, and its pictures are in order of time; so a bound in time is found by binary search, and
tags and claims give single pictures. What the clock could not date is inside every time range, and before every order.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

import msgspec

from camera.vault import positions
from camera.vault.catalogue import Segment
from camera.vault.pictures import Pictures
from camera.vault.tags import Claim, Tag, Tags
from privacy.records import RecordClass, Scope


class Meant(msgspec.Struct, frozen=True, gc=False):
    """What a `Reach` means of one segment."""

    bits: int
    """Its positions."""
    by: tuple[int, int, int] = (0, 0, 0)
    """Where the scope names subjects: how many of them are assigned to these, tagged with them, claimed by them."""


class Reach:
    """`scope`, and in it what was captured before `before` (None: whenever).

    What nobody can date, an order takes (`in_doubt`), and a hold does not keep.
    """

    def __init__(self, scope: Scope, before: datetime | None, tags: Tags, *, in_doubt: bool = True) -> None:
        self._in_doubt = in_doubt
        self.subjects = frozenset(scope.subjects)
        self._tags = tags
        self._cameras = frozenset(scope.cameras)
        self._start = scope.start
        self._end = min((bound for bound in (scope.end, before) if bound), default=None)
        classes = not scope.classes or RecordClass.SNAPSHOT in scope.classes
        # Snapshots are no device's.
        self._possible = scope.named and classes and not scope.devices

    def known(self, segment: Segment) -> int | None:
        """Which pictures of `segment` are meant, where its row alone tells; None: look at the pictures."""
        return next((bits for _, bits in self.each((segment,))), 0)

    def each(self, segments: Iterable[Segment]) -> Iterator[tuple[Segment, int | None]]:
        """Those of `segments` that may be meant, with what is `known` of each: an erasure asks of thousands."""
        if not self._possible:
            return
        start, end, cameras, pick = self._start, self._end, self._cameras, bool(self.subjects)
        for segment in segments:
            info = segment.info
            if info is None:
                if self._in_doubt:
                    yield segment, positions.every(segment.count)
                continue
            moment = info.moment
            first = moment.wall
            if cameras and info.camera not in cameras:
                continue
            if not moment.trusted:
                yield segment, None  # perhaps its clock is known by now
            elif (end and first >= end) or (start and info.until <= start):
                continue
            elif pick or (start and start > first) or (end and info.until > end):
                yield segment, None
            else:
                yield segment, positions.every(segment.count)

    def parted(self, segments: Iterable[Segment]) -> tuple[list[Segment], list[Segment]]:
        """Those of `segments` that are meant as a whole, as their rows tell, and those to look into."""
        whole: list[Segment] = []
        others: list[Segment] = []
        for segment, bits in self.each(segments):
            (others if bits is None else whole).append(segment)
        return whole, others

    def may_mean(self, segment: Segment) -> bool:
        """Whether anything of `segment` may be meant, however little of its file can be read."""
        # How many pictures it has, its file says: one there may be.
        bits = self.known(Segment(segment.entry, segment.info, 1))
        if bits is not None or segment.info is None:
            return bool(bits)
        if not self.subjects or not self.subjects.isdisjoint(segment.info.subjects):
            return True
        claims = self._tags.claims(segment.info.camera)
        return self.is_tagged(segment) or any(claim.person in self.subjects for claim in claims)

    def of(self, pictures: Pictures) -> Meant:
        """Which of `pictures` are meant."""
        segment = pictures.segment
        theirs = every = positions.every(segment.count)
        if not self.subjects:
            return Meant(theirs & self.window(pictures, *self.bounds))
        is_assigned = segment.info is None or not self.subjects.isdisjoint(segment.info.subjects)
        assigned, tagged, claimed = every if is_assigned else 0, self.tagged(pictures), self.claimed(pictures)
        if not pictures.unreadable:
            theirs = assigned | tagged | claimed
        bits = theirs and theirs & self.window(pictures, *self.bounds)
        return Meant(bits, ((bits & assigned).bit_count(), (bits & tagged).bit_count(), (bits & claimed).bit_count()))

    def window(self, pictures: Pictures, start: datetime | None, end: datetime | None) -> int:
        """Those of `pictures` that were captured from `start` up to `end`, or may have been."""
        count = pictures.segment.count
        if pictures.window is None:
            return positions.every(count) if self._in_doubt or not (start or end) else 0
        first, until = pictures.window
        if (end is not None and first >= end) or (start is not None and until <= start):
            return 0
        low, high = 0, count

        def edges(bound: datetime) -> tuple[int, int]:
            return positions.edges(count, pictures.captured, bound, round(count * ((bound - first) / (until - first))))

        if start is not None and start > first:
            low = edges(start)[0 if self._in_doubt else 1]
        if end is not None and until > end:
            high = edges(end)[1 if self._in_doubt else 0]
        return positions.between(low, max(low, high))

    @property
    def bounds(self) -> tuple[datetime | None, datetime | None]:
        return self._start, self._end

    def is_tagged(self, segment: Segment) -> bool:
        """Whether one of the subjects was tagged on any picture of `segment`."""
        return not self.subjects.isdisjoint(self._tags.persons(segment.entry.id))

    def tagged(self, pictures: Pictures) -> int:
        """Those of `pictures` on which one of the subjects was tagged."""
        persons = self._tags.persons(pictures.segment.id)
        records = [persons[subject] for subject in self.subjects if subject in persons]
        if not records:
            return 0
        tagged = records[0] if len(records) == 1 else set[bytes]().union(*records)
        return positions.where(pictures.ids, tagged.__contains__)

    def claimed(self, pictures: Pictures) -> int:
        """Those of `pictures` that one of the subjects claimed."""
        bits = 0
        info = pictures.segment.info
        for claim in self._tags.claims(info.camera) if info else ():
            if claim.person in self.subjects:
                bits |= self.window(pictures, claim.start, claim.end)
        return bits


def statement_dies(record: Tag | Claim, scope: Scope, before: datetime) -> bool:
    """Whether an order takes a tag or a claim by itself, apart from the pictures that it takes.

    One about its person, or about everything, takes all that was said before. A claim also goes with all it claims.
    """
    other_class = scope.classes and RecordClass.SNAPSHOT not in scope.classes
    other_person = scope.subjects and record.person not in scope.subjects
    if not scope.named or scope.devices or other_class or other_person or record.at >= before:
        return False
    if isinstance(record, Tag):
        inside = not (scope.cameras or scope.start or scope.end)
        return inside and bool(scope.subjects or scope.everything)
    if scope.cameras and record.camera not in scope.cameras:
        return False
    inside = (not scope.start or record.start >= scope.start) and (not scope.end or record.end <= scope.end)
    return inside and bool(scope.subjects or scope.everything or record.end <= before)
