"""Stored snapshots: one sealed file each (`camera.snapshot_file`), and an index in memory made from them.

A *damaged* record is a file of ours whose metadata does not open. Nobody can say what it shows or since when, so it
is undated and may be any camera's and anyone's: every erasure that could mean a snapshot takes it, and expiry takes
it at its next run, because it cannot be shown to be young enough. The file's own times are never asked: a clock set
back would make them lie. A medium that cannot be read is another thing: it raises `StoreBroken` and costs nothing.
"""

import heapq
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from camera.picture import Picture
from camera.snapshot_file import HEAD, PARTS, Damaged, Layout, Metadata, Part, open_part, pack, parse_metadata
from camera.snapshot_folder import SnapshotFolder
from privacy.records import Item, RecordClass, Scope, Tier
from privacy.seal import RandomBytes, Seal
from privacy.store import Barrier, Erasure

log = logging.getLogger(__name__)

ID_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A sealed picture: which, of what camera, captured when (UTC)."""

    id: str
    camera: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Span:
    """What is kept of one camera."""

    count: int
    oldest: datetime
    newest: datetime


class SnapshotStore:
    """Implements `privacy.store.Store`. Like every store it blocks, and lives on the `Disk` thread."""

    name = "snapshots"
    classes = frozenset({RecordClass.SNAPSHOT})
    tier = Tier.UNLINKED

    def __init__(self, root: Path, seal: Seal, random_bytes: RandomBytes, barrier: Barrier) -> None:
        """Open the store under `root`, and read the metadata of all that is there.

        Raises:
            StoreBroken: the medium refuses.
        """
        self._folder = SnapshotFolder(root)
        self._seal = seal
        self._random_bytes = random_bytes
        self._index: dict[str, Item] = {}
        self._barrier = barrier
        self._refresh()

    # -- pictures

    def append(
        self, camera: str, at: datetime, picture: Picture, subjects: frozenset[str] = frozenset()
    ) -> Snapshot | None:
        """Seal and keep `picture`; None where an order that came while it was under way reaches it.

        Raises:
            StoreBroken: the medium refused; nothing of the picture is left.
        """
        record = self._random_bytes(ID_BYTES).hex()
        item = Item(record, RecordClass.SNAPSHOT, at, camera=camera, subjects=subjects)
        if not self._barrier.admits(item):
            return None
        metadata = Metadata(camera, at, picture.width, picture.height, tuple(sorted(subjects)))
        self._folder.write(record, pack(self._seal, record, metadata, picture))
        self._index[record] = item
        return Snapshot(record, camera, at)

    def newest(self, camera: str | None, limit: int) -> Sequence[Snapshot]:
        """The newest `limit` of `camera`, or of all; newest first, damaged ones left out."""
        return heapq.nlargest(limit, self._snapshots(camera), key=lambda snapshot: (snapshot.at, snapshot.id))

    def spans(self) -> dict[str, Span]:
        """What is kept, by camera: also of cameras that are configured no more."""
        spans: dict[str, Span] = {}
        for shot in self._snapshots(None):
            if old := spans.get(shot.camera):
                spans[shot.camera] = Span(old.count + 1, min(old.oldest, shot.at), max(old.newest, shot.at))
            else:
                spans[shot.camera] = Span(1, shot.at, shot.at)
        return spans

    def count(self) -> int:
        """How many records there are, damaged ones included."""
        return len(self._index)

    def image(self, snapshot: str) -> bytes | None:
        """A JPEG, or None when there is none (any more), it is damaged, or an order forbids to show it."""
        return self._shown_part(snapshot, "image")

    def thumbnail(self, snapshot: str) -> bytes | None:
        """A JPEG, or None when there is none (any more), it is damaged, or an order forbids to show it."""
        return self._shown_part(snapshot, "thumbnail")

    # -- the Store contract

    def find(self, scope: Scope, before: datetime) -> Iterator[Item]:
        self._refresh()
        return iter([item for item in self._index.values() if _covers(scope, before, item)])

    def erase(self, scope: Scope, before: datetime) -> Erasure:
        found = [item.id for item in self.find(scope, before)]
        self.remove(found)
        left = len(set(self._folder.ids()).intersection(found))
        return Erasure(found=len(found), erased=len(found) - left, left=left)

    def scan(self, scope: Scope, before: datetime) -> int:
        return sum(self._opens(record, scope, before) for record in self._folder.ids())

    def export(self, scope: Scope) -> Iterator[tuple[Item, bytes]]:
        self._refresh()
        for item in list(self._index.values()):
            if _covers(scope, None, item) and (image := self.image(item.id)) is not None:
                yield item, image

    def oldest(self) -> Iterable[tuple[RecordClass, int, datetime | None]]:
        dated = (item.at for item in self._index.values() if item.at)
        return [(RecordClass.SNAPSHOT, len(self._index), min(dated, default=None))]

    # -- expiry

    def items(self) -> Sequence[Item]:
        """All there is, from the folder and not from any configuration."""
        self._refresh()
        return list(self._index.values())

    def remove(self, records: Sequence[str]) -> int:
        """Unlink `records`; returns how many there were.

        Raises:
            StoreBroken: the medium refused; call again.
        """
        removed = self._folder.remove(records)
        for record in records:
            self._index.pop(record, None)
        return removed

    # -- reading

    def _snapshots(self, camera: str | None) -> Iterator[Snapshot]:
        for item in list(self._index.values()):
            shown = item.camera and (camera is None or item.camera == camera) and self._barrier.admits(item)
            if shown and item.camera and item.at:
                yield Snapshot(item.id, item.camera, item.at)

    def _refresh(self) -> None:
        """Make the index agree with the folder; opens only what it does not know yet."""
        there = set(self._folder.ids())
        for gone in self._index.keys() - there:
            del self._index[gone]
        new = there - self._index.keys()
        damaged = 0
        for record in new:
            try:
                self._index[record] = self._item(record)
            except Damaged:
                damaged += 1
                self._index[record] = Item(record, RecordClass.SNAPSHOT, None)
            except FileNotFoundError:
                continue
        if damaged:
            log.warning("%d of %d snapshots are damaged and will go with the next expiry", damaged, len(there))

    def _item(self, record: str) -> Item:
        metadata = parse_metadata(self._part(record, "metadata"))
        subjects = frozenset(metadata.subjects)
        return Item(record, RecordClass.SNAPSHOT, metadata.at, camera=metadata.camera, subjects=subjects)

    def _part(self, record: str, part: Part) -> bytes:
        layout = Layout.parse(self._folder.read(record, 0, HEAD.size), self._folder.size(record))
        return open_part(self._seal, record, part, self._folder.read(record, *layout.span(part)))

    def _shown_part(self, record: str, part: Part) -> bytes | None:
        item = self._index.get(record)
        return self._picture_part(record, part) if item and self._barrier.admits(item) else None

    def _picture_part(self, record: str, part: Part) -> bytes | None:
        try:
            return self._part(record, part)
        except (Damaged, FileNotFoundError):
            return None

    def _opens(self, record: str, scope: Scope, before: datetime) -> bool:
        """Whether anything in the file of `record` can be read and is in scope."""
        try:
            return _covers(scope, before, self._item(record))
        except FileNotFoundError:
            return False
        except Damaged:
            readable = any(self._picture_part(record, part) is not None for part in PARTS)
            return readable and _covers(scope, before, Item(record, RecordClass.SNAPSHOT, None))


def _covers(scope: Scope, before: datetime | None, item: Item) -> bool:
    if item.camera is None:
        # Damaged: any scope that could mean a snapshot means it. Snapshots are no device's.
        could = not scope.classes or RecordClass.SNAPSHOT in scope.classes
        return scope.named and could and not scope.devices
    return scope.covers(item) and (before is None or item.at is None or item.at < before)
