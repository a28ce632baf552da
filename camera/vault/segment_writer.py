"""Writes a segment: pictures are appended to one new file, until it ends with a footer. Format: `privacy/FORMAT.md`."""

import contextlib
import logging
import os
from pathlib import Path

from camera.vault.file import HEAD_BYTES, pack_head
from camera.vault.footer import pack_footer
from camera.vault.record import Part, Placed, bound_to
from camera.vault.segment import SEGMENT_MAGIC
from privacy.errors import StoreBroken
from privacy.files import write_all
from privacy.seal import TAG_BYTES, Cipher, OnceSeal

log = logging.getLogger(__name__)


class SegmentWriter:
    """Appends to one new segment. Every method blocks."""

    def __init__(self, path: Path, segment_id: bytes, cipher: Cipher, handle: int) -> None:
        """For `create` alone."""
        self._path = path
        self._id = segment_id
        self._cipher = cipher
        self._handle = handle
        self._size = HEAD_BYTES
        self._synced = 0
        self._placed: list[Placed] = []
        self._torn = False
        """Past `_size` there may lie a part of a record."""
        self._failed = False
        """A sync failed, so nobody can say what the medium has."""
        self._finished = False
        """Nothing is appended any more."""

    @classmethod
    def create(cls, folder: Path, segment_id: bytes, cipher: Cipher) -> "SegmentWriter":
        """Make the file `folder/<segment id in hex>` with its head.

        Raises:
            StoreBroken: the medium refused, or the file is there already. Nothing is left of it.
        """
        path = folder / segment_id.hex()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            handle = os.open(path, flags, 0o600)
            try:
                write_all(handle, pack_head(SEGMENT_MAGIC, cipher, segment_id))
            except OSError:
                os.close(handle)
                with contextlib.suppress(OSError):
                    path.unlink()
                raise
        except OSError as error:
            raise StoreBroken(f"cannot make a segment: {error.strerror}", hint="see `portvakt doctor`") from error
        return cls(path, segment_id, cipher, handle)

    @property
    def id(self) -> bytes:
        return self._id

    @property
    def path(self) -> Path:
        return self._path

    @property
    def size(self) -> int:
        """Bytes up to the end of the last whole record, or of the footer."""
        return self._size

    @property
    def unsynced(self) -> int:
        """Bytes of these that a power cut may take."""
        return self._size - self._synced

    @property
    def placed(self) -> list[Placed]:
        """The records that were appended, in order. The writer's own list: copy what must stay."""
        return self._placed

    def append(self, picture_key: bytes, record_id: bytes, metadata: bytes, thumbnail: bytes, image: bytes) -> Placed:
        """Seal the three parts and write them, in one call to the kernel and buffered by nothing else.

        `record_id` is 16 fresh random bytes, never used before, not even by an append that failed: the nonces are
        fixed, so a key must seal one picture only.

        Raises:
            StoreBroken: the medium refused. The segment ends with its last whole record, or takes no more until it
                does: the next append first tries again to cut it there.
        """
        if self._failed or self._finished:
            raise StoreBroken("cannot append to a segment that takes no more", hint="see `portvakt doctor`")
        lengths = (len(metadata) + TAG_BYTES, len(thumbnail) + TAG_BYTES, len(image) + TAG_BYTES)
        placed = Placed(record_id, self._size, lengths)
        header, end = placed.header, placed.end
        seal = OnceSeal(picture_key, self._cipher)
        record = [header]
        for part, plain in ((Part.METADATA, metadata), (Part.THUMBNAIL, thumbnail), (Part.IMAGE, image)):
            record.append(seal.close(part, plain, bound_to(header, self._id, part)))
        try:
            self._write(record, end - self._size)
        except OSError as error:
            with contextlib.suppress(OSError):
                self._cut_torn()
            raise StoreBroken(f"cannot append to a segment: {error.strerror}", hint="see `portvakt doctor`") from error
        self._size = end
        self._placed.append(placed)
        return placed

    def _write(self, record: list[bytes], length: int) -> None:
        self._cut_torn()
        self._torn = True
        written = os.writev(self._handle, record)
        if written < length:
            write_all(self._handle, b"".join(record)[written:])  # goes on, or raises what stood in the way
        self._torn = False

    def _cut_torn(self) -> None:
        if self._torn:
            os.ftruncate(self._handle, self._size)

    def finish(self) -> None:
        """Append no more: behind the last record comes the footer, which spares a start from looking for each of them.

        It is durable with the next `sync` if there is one, and lost in a power cut if not, or where the medium refuses
        it now: that costs a start some time, and nothing else. Finished twice is finished.
        """
        if self._failed or self._finished or not self._placed:
            return
        self._finished = True
        footer = pack_footer(self._id, self._placed)
        try:
            self._cut_torn()
            self._torn = True
            write_all(self._handle, footer)
            self._torn = False
        except OSError as error:
            with contextlib.suppress(OSError):
                self._cut_torn()
            log.warning("segment %s stays without a footer: %s", self._id.hex(), error.strerror)
            return
        if self._synced == self._size:
            self._synced += len(footer)
        self._size += len(footer)

    def sync(self) -> None:
        """Make every record durable that was appended (fdatasync). The file's name is for its folder to sync.

        Raises:
            StoreBroken: the medium refused. What was not synced may be lost, and no later sync could tell (the kernel
                reports a failed write once), so this writer takes nothing more: close it and create another.
        """
        if self._failed:
            raise StoreBroken("a segment could not be synced before", hint="see `portvakt doctor`")
        if not self.unsynced:
            return
        try:
            os.fdatasync(self._handle)
        except OSError as error:
            self._failed = True
            raise StoreBroken(f"cannot sync a segment: {error.strerror}", hint="see `portvakt doctor`") from error
        self._synced = self._size

    def close(self) -> None:
        """Close the file; does not sync. Nothing is wrong where it is closed already."""
        if self._handle >= 0:
            handle, self._handle = self._handle, -1
            with contextlib.suppress(OSError):  # what it could tell, `sync` has told
                os.close(handle)
