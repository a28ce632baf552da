"""Appending pictures: the open segment of each camera, and how much a power cut can take."""

from collections.abc import Container, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from camera.picture import Picture
from camera.vault.catalogue import Catalogue, Segment
from camera.vault.file import HEAD_BYTES
from camera.vault.metadata import ID_BYTES, KIND, PictureMetadata, SegmentInfo
from camera.vault.picture_keys import PictureKeys
from camera.vault.retention import Limits
from camera.vault.segment_writer import SegmentWriter
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
    keys: PictureKeys
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

    def __init__(self, catalogue: Catalogue, limits: Limits, random_bytes: RandomBytes) -> None:
        self._catalogue = catalogue
        self._limits = limits
        self._random_bytes = random_bytes
        self._open: dict[str, _Open] = {}
        self.appended = 0
        """Bytes of pictures since the last flush: never less than `unsynced`, and known without asking each writer."""
        self._retired: set[bytes] = set()
        """Segments that nothing is appended to any more, and that are not yet durable and in the index."""
        self._unnamed: set[bytes] = set()
        """Segments whose files are new: their folder is not synced since."""

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
        placed = current.writer.append(
            current.keys.of(record_id), record_id, metadata, picture.thumbnail, picture.image
        )
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
                self._sync_pictures(segment_id)
            except StoreBroken as error:
                refused = error
        try:
            self._sync_names()
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

    def retire(self, segments: Container[bytes]) -> None:
        """Append no more to any of `segments`."""
        for camera in [camera for camera, current in self._open.items() if current.segment.id in segments]:
            self._retire(camera)

    def sync(self, segments: Iterable[bytes]) -> None:
        """Make the pictures of these durable, if they are not. Where that fails, a segment takes no more of them."""
        for segment_id in segments:
            self._sync_pictures(segment_id)
        self._sync_names()

    def close(self) -> None:
        """Append no more to any segment, and make all of it durable."""
        for camera in list(self._open):
            self._retire(camera)
        self.flush()

    def _sync_pictures(self, segment_id: bytes) -> None:
        writer = self._catalogue.writers.get(segment_id)
        if writer is None:
            return
        if segment_id in self._retired:
            before = writer.size
            writer.finish()
            self._catalogue.bytes += writer.size - before
        try:
            writer.sync()
        except StoreBroken:
            self._give_up({segment_id})
            raise

    def _sync_names(self) -> None:
        """One sync for all files that are new. If it fails, none of them takes more pictures."""
        if not self._unnamed:
            return
        try:
            self._catalogue.segments.sync()
        except StoreBroken:
            self._give_up(self._unnamed)
            raise
        finally:
            self._unnamed = set()

    def _give_up(self, segments: set[bytes]) -> None:
        """What of these is on the medium, their files will say."""
        self.retire(segments)
        for segment_id in segments:
            if writer := self._catalogue.writers.pop(segment_id, None):
                writer.close()

    def _begun(self, camera: str, moment: Moment, subjects: tuple[str, ...]) -> _Open:
        until = _end_of(moment.wall, self._limits.span(camera))
        info = SegmentInfo(camera, subjects, moment, until, keep=self._limits.of(camera).total_seconds())
        entry = self._catalogue.ring.add(KIND, info.to_bytes())
        return _Open(self._catalogue.born(entry, info), info, moment.wall, PictureKeys(entry.key))

    def _file(self, segment: Segment) -> SegmentWriter:
        writer = SegmentWriter.create(self._catalogue.segments.path, segment.id, self._catalogue.ring.cipher)
        self._catalogue.writers[segment.id] = writer
        self._unnamed.add(segment.id)
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
