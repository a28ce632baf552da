"""Files of pictures that are not what an entry names. They are dead, if nobody made a mistake; the scan makes sure.

A key that lives could open one in two cases: the file is a copy of a living segment, under another name or behind
another head; or a key is not as fresh as it should be, and opens what died. The head of a copy says whose it is. Else
the metadata of its first few records are tried with every key, bound to the segment of the key and to the file's own.
A living segment's own file that has lost its head, or has another's, is one of these.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from typing import Final

from camera.vault.catalogue import Segment
from camera.vault.file import FileUnreadable, cipher_of, head_checks, id_of, read_at
from camera.vault.picture_keys import PictureKeys
from camera.vault.reading import Reading, Sought
from camera.vault.record import Part, Placed, bound_to
from camera.vault.segment import SEGMENT_MAGIC, SegmentReader
from camera.vault.survey import Survey
from privacy.errors import SealBroken
from privacy.seal import Cipher, OnceSeal

KeyOf = Callable[[bytes], bytes | None]
TRIED: Final = 3
"""So many records: damage to the first does not hide the others."""


class StrayReader(SegmentReader):
    """A file whose name and head may both be another's."""

    named: bytes | None = None
    """The segment that its head names; None where the head is damaged."""

    def __init__(self, path: Path, cipher: Cipher) -> None:
        """Open `path`.

        Raises:
            SealBroken: no such file, or none of pictures.
            FileUnreadable: the medium refused.
        """
        super().__init__(path, cipher)
        self.own = self.named or self._id
        """The segment that its pictures are bound to, if it is what it seems."""

    def read_as(self, segment_id: bytes) -> None:
        """From now on its pictures are opened as those of a segment."""
        self._id = segment_id

    def sealed_metadata(self, placed: Placed) -> bytes:
        """As they lie there."""
        return read_at(self._handle, placed.lengths[0], placed.begin(Part.METADATA))

    def _checked(self, head: bytes, cipher: Cipher | None) -> Cipher:
        if not head_checks(head):
            return super()._checked(head, cipher)
        self.named = id_of(head)
        return cipher_of(head, SEGMENT_MAGIC, self.named)


@dataclass(frozen=True, slots=True)
class _Keyed:
    """A living segment, and how the keys of its pictures are found."""

    segment: Segment
    keys: tuple[KeyOf, ...]


class Strays:
    """For one scan. It keeps keys, until they are another generation's: let go of it when the scan has ended."""

    def __init__(self, survey: Survey, sought: Sought, concerns: Callable[[Segment], bool]) -> None:
        """`concerns`: whether a segment may hold something of what is sought."""
        self._survey = survey
        self._catalogue = survey.catalogue
        self._sought = sought
        self._concerns = concerns
        self._generation = -1
        self._keyed: dict[bytes, _Keyed] = {}

    def count(self, file_id: bytes) -> int:
        """What of one such file opens and is in scope.

        Raises:
            SealBroken: it is gone, or no file of pictures.
            FileUnreadable: the medium refused.
        """
        with StrayReader(self._catalogue.segments.file(file_id), self._catalogue.ring.cipher) as reader:
            first = self._first(reader)
            left = 0
            if segment := self._catalogue.living().get(reader.own):
                reader.read_as(segment.id)
                reading = Reading(self._survey, segment, reader, self._sought)
                left = reading.count()
                if any(map(reading.opens, first)):
                    return left
            if found := self._opened(reader, first):
                segment, whose = found
                reader.read_as(whose)
                left += Reading(self._survey, segment, reader, self._sought, own=whose == segment.id).count()
            return left

    def _first(self, reader: StrayReader) -> list[Placed]:
        """Its first few records, by the footer, or else by the headers that check."""
        reader.read_as(reader.own)
        first = list(islice(reader.footer() or reader.records(), TRIED))
        # A footer checks as its own segment's alone. Where head and headers are damaged, it may be any.
        for segment_id in list(self._catalogue.living()) if not first and reader.named is None else ():
            reader.read_as(segment_id)
            if footer := reader.footer():
                reader.own = segment_id
                return footer[:TRIED]
        return first

    def _opened(self, reader: StrayReader, first: Sequence[Placed]) -> tuple[Segment, bytes] | None:
        """With the keys of which segment one of the first records opens, and as whose."""
        sealed = [(one, reader.sealed_metadata(one), bound_to(one.header, reader.own, Part.METADATA)) for one in first]
        for keyed in self._every():
            segment_id = keyed.segment.id
            for key_of, (one, metadata, as_own) in product(keyed.keys, sealed):
                if (key := key_of(one.id)) is None:
                    continue
                seal = OnceSeal(key, reader.cipher)
                if _opens(seal, metadata, bound_to(one.header, segment_id, Part.METADATA)):
                    return keyed.segment, segment_id
                if _opens(seal, metadata, as_own):
                    return keyed.segment, reader.own
        return None

    def _every(self) -> Iterator[_Keyed]:
        living = self._catalogue.living()
        if self._generation != self._catalogue.ring.generation:
            self._generation = self._catalogue.ring.generation
            self._keyed.clear()
        for segment in living.values():
            keyed = self._keyed.get(segment.id)
            if keyed is None:
                keyed = self._keyed[segment.id] = _Keyed(segment, self._keys(segment))
            yield keyed

    def _keys(self, segment: Segment) -> tuple[KeyOf, ...]:
        derived = PictureKeys(segment.entry.key).of
        if not segment.page:
            return (derived,)
        try:
            return self._catalogue.key_of(segment), derived
        except FileUnreadable:
            if self._concerns(segment):
                raise
            return (derived,)


def _opens(seal: OnceSeal, sealed: bytes, bound: bytes) -> bool:
    try:
        seal.open(Part.METADATA, sealed, bound)
    except SealBroken:
        return False
    return True
