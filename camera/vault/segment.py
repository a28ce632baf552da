"""A segment: the pictures of one camera and hour in one append-only file. Format: `privacy/FORMAT.md`, "Pictures".

Damage costs the pictures that it hits: a reader goes on at the next header that checks.
"""

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from camera.vault.file import HEAD_BYTES, cipher_of, head_checks, open_to_read, pack_head, read_at
from camera.vault.footer import pack_footer, read_footer
from camera.vault.record import HEADER_BYTES, RECORD_MAGIC, Part, Placed, bound_to
from privacy.errors import SealBroken, StoreBroken
from privacy.files import write_all
from privacy.seal import TAG_BYTES, Cipher, OnceSeal

__all__ = ["Part", "Placed", "SegmentReader", "SegmentWriter", "by_footer", "whole_end"]

log = logging.getLogger(__name__)

SEGMENT_MAGIC: Final = b"PVSG"
_STRIDE: Final = 16 * 1024
"""Bytes that a search through damage reads at a time."""


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


class SegmentReader:
    """Reads one segment, also while it is written. A context manager; every method blocks.

    Raises (all methods):
        StoreBroken: the medium refused, which says nothing about what the file holds.
    """

    def __init__(self, path: Path, cipher: Cipher | None = None) -> None:
        """Open `path`, whose name is the segment's id in hex, and check its head.

        `cipher` is that of the key table: with it, a damaged head costs no picture. Without it, it raises.

        Raises:
            SealBroken: no such file, or it is no segment, or another's, or its head is damaged.
        """
        self._path = path
        self._id = bytes.fromhex(path.name)
        self._handle = open_to_read(path)
        try:
            self._cipher = self._checked(read_at(self._handle, HEAD_BYTES, 0), cipher)
        except (SealBroken, StoreBroken):
            self.close()
            raise

    def _checked(self, head: bytes, cipher: Cipher | None) -> Cipher:
        if head_checks(head):
            return cipher_of(head, SEGMENT_MAGIC, self._id)
        if cipher is None:
            raise SealBroken("the head of a segment is damaged")
        log.warning("the head of segment %s is damaged; its pictures are read without it", self._id.hex())
        return cipher

    @property
    def id(self) -> bytes:
        return self._id

    @property
    def cipher(self) -> Cipher:
        return self._cipher

    @property
    def size(self) -> int:
        """Bytes of the file now."""
        return os.fstat(self._handle).st_size

    def records(self) -> Iterator[Placed]:
        """Every record whose header checks and that ends within the file, in order; opens none.

        Where the file is damaged, it looks for the next such header. A record behind which none begins may itself have
        lost or won bytes, so the search begins within it.
        """
        # Headers are far apart: reading ahead would read every picture.
        os.posix_fadvise(self._handle, 0, 0, os.POSIX_FADV_RANDOM)
        size, at, sought = self.size, HEAD_BYTES, HEAD_BYTES
        while at < size:
            placed = self._header(at, size) or self._search(sought, size)
            if placed is None:
                return
            yield placed
            at, sought = placed.end, placed.offset + HEADER_BYTES

    def footer(self) -> list[Placed] | None:
        """The records that its footer names; None where it has none that checks. `by_footer` asks more."""
        size = self.size
        return read_footer(self._id, size, lambda length: self._last(size, length))

    def _last(self, size: int, length: int) -> bytes:
        length = min(length, size)
        return read_at(self._handle, length, size - length)

    def part(self, picture_key: bytes, placed: Placed, part: Part) -> bytes:
        """One part of a record, opened.

        Raises:
            SealBroken: damaged, not there, another's, or sealed under another key.
        """
        if placed.end > self.size:
            raise SealBroken("a record ends behind its segment")
        sealed = read_at(self._handle, placed.lengths[part - 1], placed.begin(part))
        return OnceSeal(picture_key, self._cipher).open(part, sealed, bound_to(placed.header, self._id, part))

    def cut(self, end: int) -> None:
        """Cut what follows `end`, durably; does nothing where nothing does."""
        if end >= self.size:
            return
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                os.ftruncate(handle, end)
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise StoreBroken(
                f"cannot cut the torn tail of a segment: {error.strerror}", hint="see `portvakt doctor`"
            ) from error

    def close(self) -> None:
        """Close the file. Nothing is wrong where it is closed already."""
        if self._handle >= 0:
            handle, self._handle = self._handle, -1
            os.close(handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _header(self, at: int, size: int) -> Placed | None:
        placed = Placed.parse(read_at(self._handle, HEADER_BYTES, at), at)
        return placed if placed and placed.end <= size else None

    def _search(self, begin: int, size: int) -> Placed | None:
        """The first record that begins at `begin` or later."""
        for at in range(begin, size, _STRIDE):
            # Strides overlap by a magic less one byte, so that none is cut in two, or met twice.
            stride = read_at(self._handle, _STRIDE + len(RECORD_MAGIC) - 1, at)
            found = stride.find(RECORD_MAGIC)
            while found >= 0:
                if placed := self._header(at + found, size):
                    return placed
                found = stride.find(RECORD_MAGIC, found + 1)
        return None


def by_footer(reader: SegmentReader, key_of: Callable[[bytes], bytes | None]) -> list[Placed] | None:
    """The records that the footer names; None where it names none, or cannot be believed.

    The last one that has a key is opened: a footer may be durable while the pictures before it were not yet. All others
    are as far from another as they are large, and to look for each is what a footer is there to spare.

    Raises:
        StoreBroken: the medium refused.
    """
    placed = reader.footer() or []
    keyed = ((key, record) for record in reversed(placed) if (key := key_of(record.id)) is not None)
    last = next(keyed, None)
    return placed if last and _opens(reader, *last) else None


def whole_end(reader: SegmentReader, key_of: Callable[[bytes], bytes | None]) -> int:
    """Where the last record ends of which all three parts open; what follows is a torn tail.

    `key_of` gives the picture key of a record id, None where it has none. Where no record opens, the head's end.

    Raises:
        StoreBroken: the medium refused.
    """
    for placed in reversed(list(reader.records())):
        key = key_of(placed.id)
        if key is not None and _opens(reader, key, placed):
            return placed.end
    return HEAD_BYTES


def _opens(reader: SegmentReader, key: bytes, placed: Placed) -> bool:
    try:
        for part in Part:
            reader.part(key, placed, part)
    except SealBroken:
        return False
    return True
