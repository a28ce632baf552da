"""What makes pictures die: whole segments with their keys, parts of one by a new page for those that survive."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta

import msgspec

from camera.vault import positions
from camera.vault.catalogue import Catalogue, Segment
from camera.vault.file import HEAD_BYTES
from camera.vault.metadata import ID_BYTES, KIND, PagePlace, SegmentInfo
from camera.vault.page import NewPage, write_pages
from camera.vault.pictures import opened
from camera.vault.tags import Claim, Tag, Tags
from camera.vault.writing import Writing
from privacy.keyring import Change
from privacy.moment import Moment
from privacy.seal import RandomBytes


@dataclass(frozen=True, slots=True)
class _Survivors:
    segment: Segment
    info: SegmentInfo
    ids: list[bytes]
    dying: list[bytes]
    moment: Moment
    """When the first of them was captured."""


class Erasing:
    """Stages deaths in a change of keys. Every method blocks.

    Raises (all methods):
        StoreBroken: the medium refused.
    """

    def __init__(self, catalogue: Catalogue, writing: Writing, tags: Tags, random_bytes: RandomBytes) -> None:
        self._catalogue = catalogue
        self._writing = writing
        self._tags = tags
        self._random_bytes = random_bytes
        self.leftovers = True
        """Whether there may be files that no key opens any more."""

    def stage(
        self,
        change: Change,
        doomed: Iterable[tuple[Segment, int]],
        statement_dies: Callable[[Tag | Claim], bool] = lambda _record: False,
    ) -> None:
        """Have those positions of each segment die when `change` commits, the tags on them, and what `statement_dies`.

        Nothing is appended to these segments any more, whatever becomes of the change.
        """
        self.leftovers = True
        dying: dict[bytes, Collection[bytes] | None] = {}
        parts: list[_Survivors] = []
        # In one transaction the index asks the file system once, and not for each segment, whether it is still its own.
        with self._catalogue.index.batch():
            for segment, bits in doomed:
                segment_id = segment.entry.id
                if part := self._part(segment, bits):
                    dying[segment_id] = part.dying
                    parts.append(part)
                else:
                    dying[segment_id] = None
                    change.forget(segment_id)
        self._writing.retire(set(dying))
        self._write(change, parts)
        self._tags.erase(dying, statement_dies)

    def _part(self, segment: Segment, bits: int) -> _Survivors | None:
        """Who survives in a segment; None where nobody does."""
        if segment.info is None or bits == positions.every(segment.count):
            return None
        ids = self._catalogue.ids(segment)
        if segment.page and len(ids) < segment.count:
            return None  # its page is damaged or gone: no picture of it opens any more
        # All `ids`, also should there be more than were counted: what nobody meant survives.
        living = positions.every(len(ids)) & ~bits
        return _Survivors(
            segment,
            segment.info,
            positions.chosen(living, ids),
            positions.chosen(bits, ids),
            self._moment(segment, segment.info, living),
        )

    def _moment(self, segment: Segment, info: SegmentInfo, living: int) -> Moment:
        """When the first of the `living` was captured: of a picture that dies, the time must not stay either.

        Where that one is damaged, the segment stays as old as it was, so that none lives too long.
        """
        first = next(positions.members(living))
        if first == 0:
            return info.moment
        with opened(self._catalogue, segment, timedelta(seconds=info.behind)) as pictures:
            at = pictures.captured(first)
        return info.moment.later(max(at - info.moment.wall, timedelta())) if at else info.moment

    def _write(self, change: Change, parts: list[_Survivors]) -> None:
        """The pages of all `parts`, in one file, and their entries."""
        if not parts:
            return
        # A page must not name what a power cut takes.
        self._writing.sync(part.segment.id for part in parts)
        pages = []
        file_id = self._random_bytes(ID_BYTES)
        for part in parts:
            segment = part.segment
            entry = change.add(KIND, segment.entry.info, segment.id)
            survivors = self._catalogue.survivors(segment, part.ids)
            pages.append(NewPage(segment.id, self._catalogue.ring.seal(entry), survivors))
        places = write_pages(self._catalogue.pages.path, file_id, self._catalogue.ring.cipher, pages)
        self._catalogue.bytes += HEAD_BYTES + sum(length for _, length in places)
        for part, (offset, length) in zip(parts, places, strict=True):
            page = PagePlace(file_id, offset, length, len(part.ids))
            info = msgspec.structs.replace(part.info, moment=part.moment, page=page)
            change.inform(part.segment.id, info.to_bytes())
