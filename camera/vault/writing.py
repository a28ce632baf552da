"""Appending pictures: the open segment of each camera, and how much a power cut can take."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from camera.picture import Picture
from camera.vault.catalogue import Catalogue, Segment
from camera.vault.file import HEAD_BYTES
from camera.vault.metadata import ID_BYTES, KIND, PictureMetadata, SegmentInfo
from camera.vault.picture_keys import picture_key
from camera.vault.segment import SegmentWriter
from privacy.errors import StoreBroken
from privacy.moment import Moment
from privacy.seal import RandomBytes
from privacy.store import LONGEST_ON_ITS_WAY

UNSYNCED_BYTES: Final = 4 * 1024 * 1024
"""A power cut takes at most so many bytes of pictures, and at most those of `camera.expiry.FLUSH_SECONDS`."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class _Open:
    """The segment that a camera's pictures go into."""

    segment: Segment
    info: SegmentInfo
    last: datetime
    """When the last picture was captured."""
    writer: SegmentWriter | None = None
    """None as long as the file could not be made."""

    def takes(self, at: datetime, moment: Moment, subjects: tuple[str, ...]) -> bool:
        """Whether a picture belongs here: in order of time, of the same hour, boot, trust and subjects."""
        info = self.info
        mine = info.moment
        same = mine.boot == moment.boot and mine.trusted == moment.trusted and info.subjects == subjects
        return same and self.last <= at < info.until


class Writing:
    """Every method blocks.

    Raises (all methods):
        StoreBroken: the medium refused.
    """

    def __init__(self, catalogue: Catalogue, span: Callable[[str], timedelta], random_bytes: RandomBytes) -> None:
        """`span` is how long the segments of a camera are."""
        self._catalogue = catalogue
        self._span = span
        self._random_bytes = random_bytes
        self._open: dict[str, _Open] = {}
        self.appended = 0
        """Bytes of pictures since the last flush: never less than `unsynced`, and known without asking each writer."""
        self._retired: set[bytes] = set()
        """Segments that nothing is appended to any more, and that are not yet durable and in the index."""

    def append(self, camera: str, moment: Moment, picture: Picture, subjects: tuple[str, ...]) -> tuple[bytes, bytes]:
        """Seal and write a picture that was captured at `moment`; returns segment id and record id."""
        at = moment.wall
        current = self._open.get(camera)
        if current is None or not current.takes(at, moment, subjects) or not self._lives(current.segment.id):
            self._retire(camera)
            current = self._open[camera] = self._begun(camera, moment, subjects)
        if current.writer is None:
            current.writer = self._file(current.segment)
        record_id = self._random_bytes(ID_BYTES)
        metadata = PictureMetadata.of(at, picture.width, picture.height, subjects).to_bytes()
        key = picture_key(current.segment.entry.key, record_id)
        placed = current.writer.append(key, record_id, metadata, picture.thumbnail, picture.image)
        length = placed.end - placed.offset
        self._catalogue.bytes += length
        self.appended += length
        current.segment.count += 1
        current.last = at
        return current.segment.id, record_id

    @property
    def unsynced(self) -> int:
        """Bytes of pictures that a power cut would take."""
        return sum(writer.unsynced for writer in self._catalogue.writers.values())

    def flush(self) -> None:
        """Make keys and pictures durable, then put the segments that are done into the index.

        A segment that cannot be synced takes no more pictures; the others are synced all the same.
        """
        self._catalogue.ring.sync()
        refused: StoreBroken | None = None
        writers = self._catalogue.writers
        for segment_id, writer in list(writers.items()):
            if not self._lives(segment_id):
                del writers[segment_id]
                writer.close()
                continue
            try:
                self.sync(segment_id)
            except StoreBroken as error:
                refused = error
        self.appended = 0
        if refused:
            raise refused
        if self._retired:
            with self._catalogue.index.batch():
                for segment_id in self._retired & writers.keys():
                    self._catalogue.settle(segment_id)
            self._retired.clear()

    def retire(self, segments: set[bytes]) -> None:
        """Append no more to any of `segments`."""
        for camera in [camera for camera, current in self._open.items() if current.segment.id in segments]:
            self._retire(camera)

    def sync(self, segment_id: bytes) -> None:
        """Make the pictures of one segment durable, if they are not. If that fails, it takes no more of them."""
        writer = self._catalogue.writers.get(segment_id)
        if writer is None:
            return
        try:
            writer.sync()
        except StoreBroken:
            self.retire({segment_id})
            del self._catalogue.writers[segment_id]  # what of it is on the medium, its file will say
            writer.close()
            raise

    def close(self) -> None:
        """Append no more to any segment, and make all of it durable."""
        for camera in list(self._open):
            self._retire(camera)
        self.flush()

    def _begun(self, camera: str, moment: Moment, subjects: tuple[str, ...]) -> _Open:
        until = _end_of(moment.wall, self._span(camera))
        info = SegmentInfo(camera, subjects, moment, until)
        entry = self._catalogue.ring.add(KIND, info.to_bytes())
        return _Open(self._catalogue.born(entry, info), info, moment.wall)

    def _file(self, segment: Segment) -> SegmentWriter:
        writer = SegmentWriter.create(self._catalogue.segments.path, segment.id, self._catalogue.ring.cipher)
        self._catalogue.writers[segment.id] = writer
        self._catalogue.bytes += HEAD_BYTES
        self.appended += HEAD_BYTES
        return writer

    def _lives(self, segment_id: bytes) -> bool:
        return segment_id in self._catalogue.ring.entries(KIND)

    def _retire(self, camera: str) -> None:
        current = self._open.pop(camera, None)
        if current and current.writer:
            self._retired.add(current.segment.id)


def captured(moment: Moment, now: datetime, at: datetime) -> Moment:
    """When a picture was captured: it reaches the vault at `moment`, when the clock says `now`; before, it said `at`.

    Where both do not go together, that clock was set in between: then the picture is taken for as old as it can be.
    """
    waited = (now - at).total_seconds()
    if not 0 <= waited <= LONGEST_ON_ITS_WAY:
        waited = LONGEST_ON_ITS_WAY
    back = timedelta(seconds=waited)
    return msgspec.structs.replace(
        moment,
        since_boot=moment.since_boot - min(waited, moment.since_boot),
        powered=moment.powered - min(waited, moment.powered),
        wall=now - back,
        no_earlier=moment.no_earlier and moment.no_earlier - back,
    )


def _end_of(at: datetime, span: timedelta) -> datetime:
    """The end of the hour, or what stands for it, that `at` is in."""
    return at + span - (at - _EPOCH) % span
