"""What makes pictures die: whole segments with their keys, parts of one by a new page for those that survive."""

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

import msgspec

from camera.vault import positions
from camera.vault.catalogue import Catalogue, Segment
from camera.vault.file import HEAD_BYTES
from camera.vault.metadata import ID_BYTES, KIND, PagePlace, SegmentInfo
from camera.vault.page import NewPage, Page, write_pages
from camera.vault.pictures import Pictures
from camera.vault.retention import span_of
from camera.vault.survey import Found
from camera.vault.tags import Claim, Tag, Tags
from camera.vault.writing import Writing
from privacy.keyring import Change
from privacy.moment import Moment
from privacy.seal import RandomBytes


class _Survivors(msgspec.Struct, frozen=True, gc=False):
    segment: Segment
    info: SegmentInfo
    page: Page
    """Of those that live."""
    moment: Moment
    """None of them was captured before."""
    dying: Sequence[bytes]
    """The record ids of the others."""


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
        whole: Iterable[bytes],
        parts: Iterable[Found] = (),
        statement_dies: Callable[[Tag | Claim], bool] = lambda _record: False,
    ) -> None:
        """Have segments die when `change` commits, `parts` of others, the tags on them, and what `statement_dies`.

        Nothing is appended to any of them any more, whatever becomes of the change.
        """
        self.leftovers = True
        dying: dict[bytes, Sequence[bytes] | None] = dict.fromkeys(whole)
        survivors: list[_Survivors] = []
        # In one transaction the index asks the file system once, and not for each segment, whether it is still its own.
        with self._catalogue.index.batch():
            for one in parts:
                part = self._part(one)
                dying[one.segment.entry.id] = part.dying if part else None
                if part:
                    survivors.append(part)
        for segment_id, ids in dying.items():
            if ids is None:
                change.forget(segment_id)
        self._writing.retire(dying)
        self._write(change, survivors)
        self._tags.erase(dying, statement_dies)

    def _part(self, doomed: Found) -> _Survivors | None:
        """Who survives in a segment; None where nobody does."""
        segment, bits = doomed.segment, doomed.bits
        info = segment.info
        if info is None or bits == positions.every(segment.count):
            return None
        with doomed.pictures or Pictures(self._catalogue, segment, None) as pictures:
            ids = pictures.ids
            if segment.page and len(ids) < segment.count:
                return None  # its page is damaged or gone: no picture of it opens any more
            # All `ids`, also should there be more than were counted: what nobody meant survives.
            living = positions.every(len(ids)) & ~bits
            if not living:
                return None
            moment = _moment(pictures, info, living) if bits & 1 else info.moment
            page = pictures.survivors(b"".join(positions.chosen(living, ids)))
        return _Survivors(segment, info, page, moment, positions.chosen(bits, ids))

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
            pages.append(NewPage(segment.id, self._catalogue.ring.seal(entry), part.page))
        places = write_pages(self._catalogue.pages.path, file_id, self._catalogue.ring.cipher, pages)
        self._catalogue.bytes += HEAD_BYTES + sum(length for _, length in places)
        for part, (offset, length) in zip(parts, places, strict=True):
            page = PagePlace(file_id, offset, length, len(part.page))
            info = msgspec.structs.replace(part.info, moment=part.moment, page=page)
            change.inform(part.segment.id, info.to_bytes())


def _moment(pictures: Pictures, info: SegmentInfo, living: int) -> Moment:
    """When the first of the `living` was captured: of a picture that dies, the time must not stay either.

    Where no picture was looked at, when the hour of the segment began, or what stands for it: opening a file for each
    would be a tenth of the erasure of a person. That makes them no older than a segment is long, which is how early a
    picture goes anyway. Likewise where that one is damaged: so none lives too long.
    """
    begin = info.until - span_of(info.limit)
    if pictures.opened and (metadata := pictures.metadata(next(positions.members(living)))):
        begin = metadata.at + timedelta(seconds=info.behind)
    return info.moment.later(begin - info.moment.wall)
