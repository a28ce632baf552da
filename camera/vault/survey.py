"""What of the vault is in a scope, who holds it, and what must not be shown: for all that erases, finds and shows."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

import msgspec

from camera.vault import positions
from camera.vault.catalogue import Catalogue, Segment
from camera.vault.file import FileUnreadable
from camera.vault.metadata import SegmentInfo
from camera.vault.pictures import Pictures
from camera.vault.reach import Meant, Reach
from camera.vault.tags import Tags
from privacy.hold import Hold
from privacy.holds import Holds
from privacy.records import Item, RecordClass, Scope
from privacy.store import Barrier
from privacy.timekeeping import TimeKeeper

AT_ONCE: Final = 64
"""How many segments are looked up in one go."""


class Found(msgspec.Struct, frozen=True, gc=False):
    """What a scope means of one segment."""

    segment: Segment
    bits: int
    """Positions."""
    by: tuple[int, int, int] = (0, 0, 0)
    """Where the scope names subjects: how many are assigned to them, tagged with them, claimed by them."""
    pictures: Pictures | None = None
    """Where one had to look: open until the next is asked for."""


class Survey:
    """Reads, and changes nothing. Every method blocks.

    Raises (all methods):
        StoreBroken: the medium refused.
    """

    def __init__(self, catalogue: Catalogue, tags: Tags, time: TimeKeeper, holds: Holds, barrier: Barrier) -> None:
        self.catalogue = catalogue
        self.tags = tags
        self.time = time
        self._holds = holds
        self._barrier = barrier

    def segments(self) -> list[Segment]:
        """Every living segment, in the order of their birth."""
        return list(self.catalogue.living().values())

    def find(self, scope: Scope, before: datetime | None, segments: Iterable[Segment] | None = None) -> Iterator[Found]:
        """What `scope` means, of what was captured before `before` (None: whenever); of all `segments`, or of these."""
        reach = Reach(scope, before, self.tags)
        if segments is None:
            segments = self.segments()
        for segment, bits in self._looked_up(reach, segments) if reach.subjects else reach.each(segments):
            if bits is None:
                with Pictures(self.catalogue, segment, self.shift(segment)) as pictures:
                    meant = self._meant(pictures, reach)
                    if meant.bits:
                        yield Found(segment, meant.bits, meant.by, pictures)
            elif bits:
                yield Found(segment, bits)

    def _looked_up(self, reach: Reach, segments: Iterable[Segment]) -> Iterator[tuple[Segment, int | None]]:
        """`reach.each`, where it is about persons: the ids of some dozens of segments are looked up together."""
        each = reach.each(segments)
        while some := list(islice(each, AT_ONCE)):
            # Without a tag nobody asks for the ids.
            self.catalogue.read_ahead([one for one, bits in some if bits is None and reach.is_tagged(one)])
            yield from some

    def vacant(
        self, scope: Scope, before: datetime, segments: Iterable[Segment] | None = None
    ) -> Iterator[tuple[Segment, Hold | None]]:
        """Of which no picture is known, though `scope` may mean some; and the hold that may keep these, if one does.

        Their files are missing, or another's. They may come back, and nothing of them may open then.
        """
        reach = Reach(scope, before, self.tags)
        for segment in self.segments() if segments is None else segments:
            if not segment.count and reach.may_mean(segment):
                yield segment, self.may_keep(segment)

    def may_keep(self, segment: Segment) -> Hold | None:
        """The hold that lasts longest of those that may keep a picture of `segment`, where none is known.

        None keeps an entry whose file never came to be.
        """
        reaches = ((hold, Reach(hold.scope, None, self.tags, in_doubt=False)) for hold in self._holds.active())
        hold = next((hold for hold, reach in reaches if reach.may_mean(segment)), None)
        return hold if hold and self.catalogue.may_come_back(segment) else None

    @property
    def holding(self) -> bool:
        """Whether there is any hold."""
        return bool(self._holds.active())

    def held(self, segment: Segment) -> Iterator[tuple[Hold, int]]:
        """Which holds keep pictures of `segment`, and which; the one that lasts longest first."""
        for hold in self._holds.active():
            if bits := self._positions(segment, Reach(hold.scope, None, self.tags, in_doubt=False)):
                yield hold, bits

    def kept(self, segment: Segment) -> int:
        """What any hold keeps of `segment`."""
        bits = 0
        for _, held in self.held(segment):
            bits |= held
        return bits

    def hidden(self, segment: Segment) -> int:
        """What must not be shown of `segment`: an order reaches it, a hold keeps it, or nobody knows the time."""
        if segment.info is None or self.time.sealed(segment.info.moment):
            return positions.every(segment.count)
        bits = self.kept(segment)
        for scope, reach in self._barrier.raised():
            bits |= self._positions(segment, Reach(scope, reach, self.tags))
        return bits

    def opened(self, segment: Segment) -> Pictures:
        """The pictures of `segment`.

        Raises:
            FileUnreadable: it could not be read when somebody looked last.
        """
        self.catalogue.require_read(segment)
        return Pictures(self.catalogue, segment, self.shift(segment))

    def shift(self, segment: Segment) -> timedelta | None:
        """What has to be added to the times that pictures of `segment` say; None where nobody can tell."""
        info = segment.info
        if info is None:
            return None
        if info.moment.trusted:
            return timedelta(seconds=info.behind)
        redated = self.time.redated(info.moment)
        return redated.wall - info.moment.wall if redated.trusted else None

    def window(self, segment: Segment) -> tuple[datetime, datetime] | None:
        """When the first picture of `segment` was captured, and before when all were; None where nobody can tell."""
        return Pictures(self.catalogue, segment, self.shift(segment)).window

    def corrected(self, segment: Segment) -> SegmentInfo | None:
        """What its entry has to say now that the time is known; None where it says so, or nobody can tell."""
        info = segment.info
        if info is None or (moment := self.time.redated(info.moment)) == info.moment:
            return None
        shift = moment.wall - info.moment.wall
        behind = info.behind + shift.total_seconds()
        return msgspec.structs.replace(info, moment=moment, until=info.until + shift, behind=behind)

    def item(self, pictures: Pictures, position: int) -> Item:
        """What there is to say of one picture."""
        segment, record_id = pictures.segment, pictures.ids[position]
        at = pictures.captured(position)
        camera = segment.info.camera if segment.info else None
        subjects = concerned(self.tags, segment, record_id, at, at)
        return Item((segment.id + record_id).hex(), RecordClass.SNAPSHOT, at, camera=camera, subjects=subjects)

    def each(self, found: Found) -> Iterator[tuple[Pictures, int]]:
        """The pictures of `found`, one after the other, by their positions.

        Between two of them the segment may die, or some of its pictures: those are left out.
        """
        segment = found.segment
        with ExitStack() as stack:
            pictures = stack.enter_context(self.opened(segment))
            wanted = positions.chosen(found.bits, pictures.ids)
            places = {record_id: place for place, record_id in enumerate(pictures.ids)}
            for record_id in wanted:
                now = self.catalogue.living().get(segment.id)
                if now is None:
                    return
                if now is not segment:
                    stack.close()
                    segment, pictures = now, stack.enter_context(self.opened(now))
                    places = {record_id: place for place, record_id in enumerate(pictures.ids)}
                if record_id in places:
                    yield pictures, places[record_id]

    def _meant(self, pictures: Pictures, reach: Reach) -> Meant:
        """What `reach` means of a segment that one has to look into."""
        segment = pictures.segment
        try:
            self.catalogue.require_read(segment)
            return reach.of(pictures)
        except FileUnreadable as error:
            if reach.may_mean(segment):
                raise
            self.catalogue.tell_unread(segment, error)
            return Meant(0)

    def _positions(self, segment: Segment, reach: Reach) -> int:
        """What `reach` means of a segment; of one that cannot be read, all, if it may mean any."""
        bits = reach.known(segment)
        if bits is None:
            try:
                with self.opened(segment) as pictures:
                    return reach.of(pictures).bits
            except FileUnreadable as error:
                self.catalogue.tell_unread(segment, error)
                return positions.every(segment.count) if reach.may_mean(segment) else 0
        return bits


def concerned(
    tags: Tags, segment: Segment, record_id: bytes, earliest: datetime | None, latest: datetime | None
) -> frozenset[str]:
    """Everybody whom a picture concerns that was captured between two times (None: who knows)."""
    info = segment.info
    assigned: Iterable[str] = info.subjects if info else ()
    tagged = (person for person, records in tags.persons(segment.id).items() if record_id in records)
    claimed = (
        claim.person
        for claim in (tags.claims(info.camera) if info else ())
        if (latest is None or claim.start <= latest) and (earliest is None or earliest < claim.end)
    )
    return frozenset((*assigned, *tagged, *claimed))
