"""Which segments there are, and where their pictures lie: from the key table, the index, and the writers.

In memory stands one row a segment. What is known of single pictures lies in the index, but for segments that are not
yet in it.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from camera.vault.file import HEAD_BYTES, FileUnreadable
from camera.vault.folder import VaultFolder
from camera.vault.index import Index
from camera.vault.metadata import KIND, PagePlace, SegmentInfo
from camera.vault.page import Page, read_page
from camera.vault.picture_keys import PictureKeys
from camera.vault.record import Placed
from camera.vault.segment import SegmentReader, by_footer, whole_end
from camera.vault.segment_writer import SegmentWriter
from privacy.errors import SealBroken
from privacy.keyring import Change, KeyEntry, KeyRing

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Told how many segments were read at this start, of how many that have to be."""


def untold(_done: int, _total: int) -> None:
    """Nobody watches."""


@dataclass(slots=True)
class Segment:
    """A living segment: its key is in the table."""

    entry: KeyEntry
    info: SegmentInfo | None
    """None where it cannot be read: then it is of any camera, of anyone, and of no known time."""
    count: int
    """How many pictures in it have keys, as far as its file says: 0 also where that is missing, or another's."""

    @property
    def id(self) -> bytes:
        return self.entry.id

    @property
    def page(self) -> PagePlace | None:
        """Where its picture keys are, if it is partly erased."""
        return self.info.page if self.info else None


class Catalogue:
    """Every method blocks.

    Raises (all methods):
        StoreBroken: the medium refused.
    """

    def __init__(self, root: Path, ring: KeyRing, progress: Progress = untold) -> None:
        """Open what lies under `root`; read the segments that the index does not know, and cut their torn tails."""
        self.segments = VaultFolder(root / "segments")
        self.pages = VaultFolder(root / "pages")
        self.index = Index(root / "index")
        self.writers: dict[bytes, SegmentWriter] = {}
        """Of segments that are not in the index yet, also where nothing is appended to them any more."""
        self.ring = ring
        self._told: set[bytes] = set()
        self._unread: dict[bytes, str] = {}
        """Segments that could not be read when that was due, and why: nobody knows how many pictures they have."""
        self._rows: dict[bytes, Segment] = {}
        self._generation = ring.generation
        sizes = self.segments.sizes()
        self.bytes = sum(sizes.values()) + self.pages.total()
        """What lies on the disk, dead bytes included."""
        self._load(sizes, progress)

    def living(self) -> Mapping[bytes, Segment]:
        """Every living segment by id, in the order of their birth; a view that must not be kept over a change."""
        entries = self.ring.entries(KIND)
        if self._generation != self.ring.generation or len(entries) != len(self._rows):
            self._follow(entries)
        return self._rows

    def within(self, change: Change) -> list[Segment]:
        """Every segment that lives after `change`, as it stands now."""
        edits, rows = change.edits, self.living()
        if rows.keys().isdisjoint(edits):
            return list(rows.values())
        return [_as(row, entry) for row in rows.values() if (entry := edits.get(row.id, row.entry))]

    def born(self, entry: KeyEntry, info: SegmentInfo) -> Segment:
        """A new segment, whose key was just added to the ring."""
        segment = Segment(entry, info, 0)
        self._rows[entry.id] = segment
        return segment

    def dead(self) -> tuple[list[bytes], list[bytes]]:
        """The files that no entry names: of segments, and of pages."""
        living = self.living()
        named = {row.page.file_id for row in living.values() if row.page}
        segments = [file_id for file_id in self.segments.ids() if file_id not in living]
        return segments, [file_id for file_id in self.pages.ids() if file_id not in named]

    def may_come_back(self, segment: Segment) -> bool:
        """Of a segment of which no picture is known: whether it had some once, or has another's file for its own."""
        if self.index.record_ids(segment.id):
            return True
        try:
            self.reader(segment).close()
        except SealBroken:
            return self.segments.file(segment.id).exists()
        return False

    def bury(self, segments: Sequence[bytes], pages: Sequence[bytes]) -> int:
        """Unlink dead files; returns how many there were."""
        self.index.drop(segments)
        for segment_id in segments:
            if writer := self.writers.pop(segment_id, None):
                writer.close()
        removed = self.segments.remove(segments) + self.pages.remove(pages)
        self.bytes = self.segments.total() + self.pages.total()
        return removed

    def records(self, segment: Segment) -> Sequence[Placed | None]:
        """Where the pictures of `ids` lie; None where one cannot be found in the file."""
        placed = self._placed(segment)
        if page := segment.page:
            by_id = {record.id: record for record in placed}
            return [by_id.get(record_id) for record_id in self._page(segment, page).record_ids()]
        return placed

    def record(self, segment: Segment, position: int) -> Placed | None:
        """One of `records`, where the index alone tells; None where it does not: ask for all of them."""
        if segment.page or segment.id in self.writers:
            return None
        return self.index.record(segment.id, position)

    def ids(self, segment: Segment) -> Sequence[bytes]:
        """The ids of its pictures that have keys, in the order in which they were taken; opens no segment."""
        if page := segment.page:
            return self._page(segment, page).record_ids()
        if writer := self.writers.get(segment.id):
            return [record.id for record in writer.placed]
        ids = self.index.record_ids(segment.id)
        return [record.id for record in self._placed(segment)] if ids is None else ids

    def read_ahead(self, segments: Iterable[Segment]) -> None:
        """Have the `ids` of some dozens of segments at hand."""
        if known := [segment.id for segment in segments if not segment.page and segment.id not in self.writers]:
            self.index.read_ahead(known)

    def key_of(self, segment: Segment) -> Callable[[bytes], bytes | None]:
        """Gives the picture key of a record id; None where it has none."""
        return self.keys(segment).of

    def keys(self, segment: Segment) -> PictureKeys | Page:
        """Its picture keys."""
        page = segment.page
        return self._page(segment, page) if page else PictureKeys(segment.entry.key)

    def reader(self, segment: Segment) -> SegmentReader:
        """Its file.

        Raises:
            SealBroken: it is not there, or another's.
        """
        return SegmentReader(self.segments.file(segment.id), self.ring.cipher)

    def settle(self, segment_id: bytes) -> None:
        """Put a segment to which nothing is appended any more into the index. Its bytes must be durable."""
        writer = self.writers[segment_id]
        self.index.put(segment_id, writer.size, writer.placed)
        del self.writers[segment_id]
        writer.close()

    def close(self) -> None:
        """Close the index."""
        self.index.close()

    def look_again(self, segment_id: bytes | None = None) -> None:
        """Count what was given up before and can be read by now: that segment, or all.

        To be called before positions are made, and never in between: they are positions among so many pictures.
        """
        for given_up in [one for one in self._unread if segment_id in {None, one}]:
            try:
                if row := self.living().get(given_up):
                    row.count = self._count(row)
            except FileUnreadable as error:
                self._unread[given_up] = error.args[0]
            else:
                del self._unread[given_up]

    def require_read(self, segment: Segment) -> None:
        """Before anybody looks inside.

        Raises:
            FileUnreadable: it is given up, until somebody looks again.
        """
        if why := self._unread.get(segment.id):
            raise FileUnreadable(why, hint="see `portvakt doctor`")

    def tell_unread(self, segment: Segment, error: FileUnreadable) -> None:
        """One line about a file that is passed over, however often that is."""
        self._tell(segment, "segment %s is passed over: %s", error)

    # -- what is there

    def _load(self, sizes: Mapping[bytes, int], progress: Progress) -> None:
        entries = self.ring.entries(KIND)
        known, counts = self.index.sizes(), self.index.counts()
        unknown = []
        for entry in entries.values():
            row = self._rows[entry.id] = _row(entry, counts.get(entry.id, 0))
            if entry.id not in sizes:
                row.count = 0  # its key was durable before its first picture was
            elif known.get(entry.id) != sizes[entry.id]:
                unknown.append(row)
        with self.index.batch():
            self.index.drop(known.keys() - entries.keys())
            for done, row in enumerate(unknown, 1):
                try:
                    row.count = self._count(row)
                except FileUnreadable as error:
                    # One picture at least, or it would pass for a file that never came to be.
                    row.count = max(row.page.count if row.page else 0, 1)
                    self._unread[row.id] = error.args[0]
                    self.tell_unread(row, error)
                progress(done, len(unknown))

    def _count(self, segment: Segment) -> int:
        """How many pictures it has, from its file."""
        placed = self._read(segment)
        return segment.page.count if segment.page else len(placed)

    def _follow(self, entries: Mapping[bytes, KeyEntry]) -> None:
        """Take over what a change of keys made of the table."""
        old, self._rows = self._rows, {}
        for entry in entries.values():
            row = old.get(entry.id)
            self._rows[entry.id] = _as(row, entry) if row else _row(entry, 0)
        self._generation = self.ring.generation

    def _placed(self, segment: Segment) -> list[Placed]:
        if writer := self.writers.get(segment.id):
            return list(writer.placed)
        known = self.index.get(segment.id)
        return known[1] if known else self._read(segment)

    def _read(self, segment: Segment) -> list[Placed]:
        """Read the segment's own file, cut a torn tail, and tell the index: all its records, dead ones too."""
        try:
            with self.reader(segment) as reader:
                key_of = self.key_of(segment)
                placed = by_footer(reader, key_of)
                if placed is None:
                    self._cut_torn(segment, reader, key_of)
                    placed = list(reader.records())
                self.index.put(segment.id, reader.size, placed)
        except SealBroken as error:
            self._tell(segment, "segment %s cannot be read: %s", error)
            return []
        return placed

    def _cut_torn(self, segment: Segment, reader: SegmentReader, key_of: Callable[[bytes], bytes | None]) -> None:
        if reader.footer() is not None:
            return  # it was written to its end: what does not open is damaged
        end, size = whole_end(reader, key_of), reader.size
        if HEAD_BYTES < end < size:  # where nothing opens, nothing says what is torn and what is damaged
            log.warning("segment %s: cut a torn tail of %d bytes", segment.id.hex(), size - end)
            reader.cut(end)
            self.bytes -= size - end

    def _page(self, segment: Segment, page: PagePlace) -> Page:
        """The page of a partly erased segment; an empty one where it is damaged or gone, and its keys with it."""
        seal, file = self.ring.seal(segment.entry), self.pages.file(page.file_id)
        try:
            return read_page(file, page.offset, page.length, segment.id, page.file_id, seal)
        except SealBroken as error:
            self._tell(segment, "the page of segment %s cannot be read: %s", error)
            return Page()

    def _tell(self, segment: Segment, message: str, error: SealBroken | FileUnreadable) -> None:
        """One line for each segment, however often it is asked for."""
        if segment.id not in self._told:
            self._told.add(segment.id)
            log.warning(message, segment.id.hex(), error)


def _as(row: Segment, entry: KeyEntry) -> Segment:
    """The row of a segment whose entry is, or has become, `entry`."""
    return row if row.entry is entry or row.entry == entry else _row(entry, row.count)


def _row(entry: KeyEntry, count: int) -> Segment:
    info = SegmentInfo.from_bytes(entry.info)
    return Segment(entry, info, info.page.count if info and info.page else count)
