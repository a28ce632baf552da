"""What people see of the vault: never what an order reaches, a hold keeps, or unknown time seals."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from camera.vault import positions
from camera.vault.catalogue import Segment
from camera.vault.file import FileUnreadable
from camera.vault.metadata import ID_BYTES, SegmentInfo
from camera.vault.pictures import Pictures
from camera.vault.record import Part
from camera.vault.retention import LIMIT
from camera.vault.survey import Survey
from privacy.records import Item, Scope

_ID_DIGITS: Final = 4 * ID_BYTES


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A sealed picture: which, of what camera, captured when (UTC)."""

    id: str
    """Segment id ‖ record id, 64 hex digits."""
    camera: str
    at: datetime
    limit: timedelta = LIMIT
    """The one that it was stored under."""


@dataclass(frozen=True, slots=True)
class Span:
    """What is kept of one camera, and may be shown."""

    count: int
    oldest: datetime
    """None was captured before: by this they go."""
    newest: datetime
    due: datetime
    """When the first goes, by the limits that they were stored under."""
    limit: timedelta
    """The longest of these."""


class Viewing:
    """Every method blocks.

    Raises (all methods):
        StoreBroken: the medium refused.
    """

    def __init__(self, survey: Survey) -> None:
        self._survey = survey

    def newest(self, camera: str | None, limit: int) -> Sequence[Snapshot]:
        """The newest `limit` of `camera`, or of all; newest first, damaged ones left out."""
        self._survey.catalogue.look_again()
        return self._newest(camera, limit)

    def _newest(self, camera: str | None, limit: int) -> Sequence[Snapshot]:
        best: list[Snapshot] = []
        shown = [(info, segment) for info, segment in self._dated() if camera in {None, info.camera}]
        for info, segment in sorted(shown, key=lambda one: one[0].until, reverse=True):
            if len(best) == limit and (not best or best[-1].at >= info.until):
                break
            try:
                with self._survey.opened(segment) as pictures:
                    best += self._latest(info, pictures, limit)
            except FileUnreadable as error:
                self._survey.catalogue.tell_unread(segment, error)
            best = sorted(best, key=lambda shot: (shot.at, shot.id), reverse=True)[:limit]
        return best

    def spans(self) -> dict[str, Span]:
        """What is kept, by camera: also of cameras that are configured no more."""
        self._survey.catalogue.look_again()
        counts: dict[str, int] = {}
        oldest: dict[str, datetime] = {}
        due: dict[str, datetime] = {}
        limits: dict[str, timedelta] = {}
        for info, segment in self._dated():
            if count := segment.count - self._survey.hidden(segment).bit_count():
                counts[info.camera] = counts.get(info.camera, 0) + count
                first = info.moment.wall
                oldest[info.camera] = min(oldest.get(info.camera, first), first)
                due[info.camera] = min(due.get(info.camera, first + info.limit), first + info.limit)
                limits[info.camera] = max(limits.get(info.camera, info.limit), info.limit)
        newest = {camera: self._newest(camera, 1) for camera in counts}
        return {
            camera: Span(
                count,
                oldest[camera],
                newest[camera][0].at if newest[camera] else oldest[camera],
                due[camera],
                limits[camera],
            )
            for camera, count in counts.items()
        }

    def part(self, snapshot: str, part: Part) -> bytes | None:
        """A JPEG, or None when there is none (any more), it is damaged, or must not be shown."""
        with self._shown(snapshot) as shown:
            return shown[0].part(shown[1], part) if shown else None

    def shows(self, snapshot: str) -> bool:
        """Whether there is such a picture, and may be shown."""
        with self._shown(snapshot) as shown:
            return shown is not None

    def one(self, snapshot: str) -> Snapshot | None:
        """Of what camera it is, and when it was captured; None when there is none that may be shown."""
        with self._shown(snapshot) as shown:
            if shown is None:
                return None
            pictures, position = shown
            info, metadata = pictures.segment.info, pictures.metadata(position)
            if info is None or metadata is None:
                return None
            at = pictures.captured(position) or metadata.at
            return Snapshot(snapshot, info.camera, at, info.limit)

    @contextmanager
    def _shown(self, snapshot: str) -> Iterator[tuple[Pictures, int] | None]:
        segment_id, record_id = _parsed(snapshot)
        segment = self._survey.catalogue.living().get(segment_id)
        if segment is None:
            yield None
            return
        self._survey.catalogue.look_again(segment_id)
        with self._survey.opened(segment) as pictures:
            position = pictures.ids.index(record_id) if record_id in pictures.ids else None
            if position is None or self._survey.hidden(segment) & positions.at([position]):
                yield None
            else:
                yield pictures, position

    def export(self, scope: Scope) -> Iterator[tuple[Item, bytes]]:
        """As `Store.export`, with each image."""
        self._survey.catalogue.look_again()
        for found in self._survey.find(scope, None):
            for pictures, position in self._survey.each(found):
                # Asked for each: an order may have come between two of them.
                if self._survey.hidden(pictures.segment) & positions.at([position]):
                    continue
                if (image := pictures.part(position, Part.IMAGE)) is not None:
                    yield self._survey.item(pictures, position), image

    def _dated(self) -> Iterator[tuple[SegmentInfo, Segment]]:
        return ((segment.info, segment) for segment in self._survey.segments() if segment.info and segment.count)

    def _latest(self, info: SegmentInfo, pictures: Pictures, limit: int) -> Iterator[Snapshot]:
        """The last `limit` of one segment, backwards."""
        hidden = self._survey.hidden(pictures.segment)
        for position in reversed(range(len(pictures.ids))):
            if not limit:
                return
            if not hidden & positions.at([position]) and (metadata := pictures.metadata(position)):
                at = pictures.captured(position) or metadata.at
                yield Snapshot((pictures.segment.id + pictures.ids[position]).hex(), info.camera, at, info.limit)
                limit -= 1


def _parsed(snapshot: str) -> tuple[bytes, bytes]:
    """Segment id and record id; of what is no id of ours, some that nothing has."""
    try:
        whole = bytes.fromhex(snapshot) if len(snapshot) == _ID_DIGITS else b""
    except ValueError:
        whole = b""
    return whole[:ID_BYTES], whole[ID_BYTES:]
