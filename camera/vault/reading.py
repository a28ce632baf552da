"""One file of pictures, read with the keys of one segment: how much of it opens that an order has in scope."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from camera.vault.catalogue import Segment
from camera.vault.marks import Marks
from camera.vault.metadata import PictureMetadata
from camera.vault.picture_keys import PictureKeys
from camera.vault.record import Part, Placed
from camera.vault.segment import SegmentReader
from camera.vault.survey import Survey, concerned
from privacy.errors import SealBroken
from privacy.records import Item, RecordClass, Scope

_INSTANT: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Sought:
    """What must not open any more."""

    scope: Scope
    before: datetime
    marks: Marks
    seen: set[bytes] = field(default_factory=set)
    """The ids of what was counted: each counts once, in however many files it opens."""


class Reading:
    """`reader`'s file, with the keys of `segment`. Every method blocks.

    `own`: its pictures are that segment's. Otherwise they are of any camera, of anyone and of any time: a key that
    lives opens what is none of its own.

    Raises (all methods):
        FileUnreadable: the medium refused.
    """

    def __init__(
        self, survey: Survey, segment: Segment, reader: SegmentReader, sought: Sought, *, own: bool = True
    ) -> None:
        self._survey = survey
        self._segment = segment
        self._info = segment.info if own else None
        self._reader = reader
        self._sought = sought
        scope = sought.scope
        self._end = min(sought.before, scope.end) if scope.end else sought.before
        self._shift = survey.shift(segment)
        self._window = survey.window(segment)
        self._key_of = survey.catalogue.key_of(segment)
        # The key of a page is drawn anew. Where it were the segment's, all of its pictures would follow from it.
        self._spare: Callable[[bytes], bytes] | None = PictureKeys(segment.entry.key).of if segment.page else None

    def count(self) -> int:
        """How many of its records are in scope and open, if only in part.

        What does not say when it was captured was so between those before and after it that do.
        """
        last, until = self._window or (None, None)
        left = 0
        undated: list[bytes] = []
        for placed in self._records():
            metadata = self._metadata(placed)
            if metadata is None:
                if self.opens(placed):
                    undated.append(placed.id)
                continue
            at = metadata.at + self._shift if self._shift is not None else None
            left += sum(self._counts(record_id, last, at) for record_id in undated)
            left += self._counts(placed.id, at, at, metadata.subjects)
            undated, last = [], at
        latest = until and until - _INSTANT
        return left + sum(self._counts(record_id, last, latest) for record_id in undated)

    def _records(self) -> Sequence[Placed]:
        """Whatever is a record by its own header, or by what the footer says."""
        records = {placed.offset: placed for placed in self._reader.footer() or ()}
        records.update((placed.offset, placed) for placed in self._reader.records())
        return [records[offset] for offset in sorted(records)]

    def opens(self, placed: Placed) -> bool:
        """Whether any part of a record opens."""
        return any(self._part(placed, part) is not None for part in Part)

    def _metadata(self, placed: Placed) -> PictureMetadata | None:
        plain = self._part(placed, Part.METADATA)
        try:
            return PictureMetadata.from_bytes(plain) if plain is not None else None
        except SealBroken:
            return None

    def _part(self, placed: Placed, part: Part) -> bytes | None:
        for key in self._keys(placed, part):
            try:
                return self._reader.part(key, placed, part)
            except SealBroken:
                continue
        return None

    def _keys(self, placed: Placed, part: Part) -> Iterator[bytes]:
        if key := self._key_of(placed.id):
            yield key
        # What died in a page is tried by its metadata alone, unless it is marked: the images would have to be read.
        if self._spare and (part is Part.METADATA or self._sought.marks.on(self._segment.id, placed.id)):
            yield self._spare(placed.id)

    def _counts(
        self, record_id: bytes, earliest: datetime | None, latest: datetime | None, subjects: tuple[str, ...] = ()
    ) -> bool:
        """Whether a record is in scope, and was not counted before.

        It was captured between two times (None: nobody knows), and itself names `subjects`.
        """
        seen = self._sought.seen
        if record_id in seen or not self._meant(record_id, earliest, latest, subjects):
            return False
        seen.add(record_id)
        return True

    def _meant(
        self, record_id: bytes, earliest: datetime | None, latest: datetime | None, subjects: tuple[str, ...]
    ) -> bool:
        info, scope = self._info, self._sought.scope
        if info is None:
            # Of any camera, of anyone, of any time.
            return scope.named and not scope.devices and (not scope.classes or RecordClass.SNAPSHOT in scope.classes)
        whose = concerned(self._survey.tags, self._segment, record_id, earliest, latest).union(subjects)
        if self._sought.marks.on(self._segment.id, record_id):
            whose = whose.union(scope.subjects)
        item = Item("", RecordClass.SNAPSHOT, None, camera=info.camera, subjects=whose)
        in_time = (scope.start is None or latest is None or latest >= scope.start) and (
            earliest is None or earliest < self._end
        )
        return in_time and scope.covers(item)
