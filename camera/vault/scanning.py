"""What still opens: the files themselves, read with every surviving key; no index is asked."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from camera.vault.catalogue import Segment
from camera.vault.metadata import PictureMetadata
from camera.vault.reach import statement_dies
from camera.vault.record import Part, Placed
from camera.vault.segment import SegmentReader
from camera.vault.survey import Survey, concerned
from privacy.errors import SealBroken
from privacy.records import Item, RecordClass, Scope

_INSTANT: Final = timedelta(microseconds=1)


class Scanning:
    """Every method blocks.

    Raises (all methods):
        StoreBroken: the medium refused.
    """

    def __init__(self, survey: Survey) -> None:
        self._survey = survey

    def scan(self, scope: Scope, before: datetime) -> Iterator[int]:
        """As `Store.scan`: a number for each file of pictures that lies there, then one for the tags.

        A tag or a claim that should have died counts as well.
        """
        for file_id in self._survey.catalogue.segments.ids():
            yield self._file(file_id, scope, before)
        yield self._tags(scope, before)

    def _file(self, file_id: bytes, scope: Scope, before: datetime) -> int:
        catalogue = self._survey.catalogue
        segment = catalogue.living().get(file_id)
        try:
            with SegmentReader(catalogue.segments.file(file_id), catalogue.ring.cipher) as reader:
                if segment is None:
                    return self._stray(reader, scope, before)
                return _Reading(self._survey, segment, reader, scope, before).count()
        except SealBroken:
            return 0

    def _stray(self, reader: SegmentReader, scope: Scope, before: datetime) -> int:
        """A file that no entry names: its first record, tried with every key that there is."""
        first = next(reader.records(), None)
        for segment in self._survey.segments() if first else ():
            reading = _Reading(self._survey, segment, reader, scope, before)
            if first and reading.opens(first):
                return reading.count()
        return 0

    def _tags(self, scope: Scope, before: datetime) -> int:
        return sum(statement_dies(record, scope, before) for record in self._survey.tags.scan())


class _Reading:
    """One file, with the keys of one segment."""

    def __init__(self, survey: Survey, segment: Segment, reader: SegmentReader, scope: Scope, before: datetime) -> None:
        self._survey = survey
        self._segment = segment
        self._reader = reader
        self._scope = scope
        self._end = min(before, scope.end) if scope.end else before
        self._shift = survey.shift(segment)
        self._window = survey.window(segment)
        self._key_of = survey.catalogue.key_of(segment)

    def count(self) -> int:
        """How many of its records are in scope and open, if only in part.

        What does not say when it was captured was so between those before and after it that do.
        """
        last, until = self._window or (None, None)
        left = 0
        undated: list[bytes] = []
        for placed in self._reader.records():
            metadata = self._metadata(placed)
            if metadata is None:
                if self.opens(placed):
                    undated.append(placed.id)
                continue
            at = metadata.at + self._shift if self._shift is not None else None
            left += sum(self._meant(record_id, last, at) for record_id in undated)
            left += self._meant(placed.id, at, at)
            undated, last = [], at
        latest = until and until - _INSTANT
        return left + sum(self._meant(record_id, last, latest) for record_id in undated)

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
        key = self._key_of(placed.id)
        try:
            return self._reader.part(key, placed, part) if key else None
        except SealBroken:
            return None

    def _meant(self, record_id: bytes, earliest: datetime | None, latest: datetime | None) -> bool:
        """Whether a record is in scope that was captured between two times, or nobody knows when."""
        info, scope = self._segment.info, self._scope
        if info is None:
            # Of any camera, of anyone, of any time.
            return scope.named and not scope.devices and (not scope.classes or RecordClass.SNAPSHOT in scope.classes)
        subjects = concerned(self._survey.tags, self._segment, record_id, earliest, latest)
        item = Item("", RecordClass.SNAPSHOT, None, camera=info.camera, subjects=subjects)
        in_time = (scope.start is None or latest is None or latest >= scope.start) and (
            earliest is None or earliest < self._end
        )
        return in_time and scope.covers(item)
