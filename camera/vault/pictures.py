"""The living pictures of one segment, read from its file as they are asked for."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Self

from camera.vault.catalogue import Catalogue, Segment
from camera.vault.metadata import PictureMetadata
from camera.vault.page import Page
from camera.vault.picture_keys import PictureKeys
from camera.vault.record import Part, Placed
from camera.vault.segment import SegmentReader
from privacy.errors import SealBroken


class Pictures:
    """By position, from 0. What is damaged is None. As a context it closes its file, and forgets its keys, at the end.

    Raises (all methods):
        StoreBroken: the medium refused, which says nothing about what the file holds.
    """

    def __init__(self, catalogue: Catalogue, segment: Segment, shift: timedelta | None) -> None:
        """`shift` is what the clock was behind when they were captured; None where nobody can say."""
        self.segment = segment
        self._catalogue = catalogue
        self._shift = shift
        # Once they are asked for. No `cached_property`: an erasure of a person makes thousands of these.
        self._ids: Sequence[bytes] | None = None
        self._records: Sequence[Placed | None] | None = None
        self._keys: PictureKeys | Page | None = None
        self._reader: SegmentReader | None = None
        self._missing = False
        """Whether its file was asked for, and is not there, or another's."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._keys = None
        if self._reader:
            self._reader.close()
            self._reader = None

    @property
    def window(self) -> tuple[datetime, datetime] | None:
        """When the first was captured, and before when all were; None where nobody can say."""
        info, shift = self.segment.info, self._shift
        if info is None or shift is None:
            return None
        if info.moment.trusted:
            return info.moment.wall, info.until
        return info.moment.wall + shift, info.until + shift

    @property
    def unreadable(self) -> bool:
        """Whether nobody can say which pictures there are, or whose."""
        return self.segment.info is None or (self.segment.page is not None and len(self.ids) < self.segment.count)

    @property
    def ids(self) -> Sequence[bytes]:
        """The record ids, by position; opens no file of pictures."""
        if self._ids is None:
            self._ids = self._catalogue.ids(self.segment)
        return self._ids

    @property
    def records(self) -> Sequence[Placed | None]:
        if self._records is None:
            self._records = self._catalogue.records(self.segment)
        return self._records

    def metadata(self, position: int) -> PictureMetadata | None:
        plain = self.part(position, Part.METADATA)
        try:
            return PictureMetadata.from_bytes(plain) if plain is not None else None
        except SealBroken:
            return None

    def captured(self, position: int) -> datetime | None:
        """When, UTC; None also where the clock could not say."""
        if self._shift is None or (metadata := self.metadata(position)) is None:
            return None
        return metadata.at + self._shift

    def part(self, position: int, part: Part) -> bytes | None:
        """One part, opened."""
        placed = self._placed(position)
        if placed is None or self._missing:
            return None
        if self._keys is None:
            self._keys = self._catalogue.keys(self.segment)
        try:
            if self._reader is None:
                self._reader = self._catalogue.reader(self.segment)
        except SealBroken:
            self._missing = True
            return None
        key = self._keys.of(placed.id)
        try:
            return self._reader.part(key, placed, part) if key else None
        except SealBroken:
            return None

    @property
    def opened(self) -> bool:
        """Whether its file is open, since somebody looked at a picture."""
        return self._reader is not None

    def survivors(self, ids: bytes) -> Page:
        """A page for the record ids that are joined in `ids`, all of which have picture keys now."""
        keys = self._keys or self._catalogue.keys(self.segment)
        return Page(ids, keys.halves(ids))

    def _placed(self, position: int) -> Placed | None:
        if placed := self._catalogue.record(self.segment, position):
            return placed
        return self.records[position] if position < len(self.records) else None
