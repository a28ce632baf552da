"""Reads a segment: the pictures of one camera and hour in one append-only file. Format: `privacy/FORMAT.md`.

Damage costs the pictures that it hits: a reader goes on at the next header that checks.
"""

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from camera.vault.file import HEAD_BYTES, cipher_of, head_checks, open_to_read, read_at
from camera.vault.footer import read_footer
from camera.vault.record import HEADER_BYTES, RECORD_MAGIC, Part, Placed, bound_to
from privacy.errors import SealBroken, StoreBroken
from privacy.seal import Cipher, OnceSeal

log = logging.getLogger(__name__)

SEGMENT_MAGIC: Final = b"PVSG"
_STRIDE: Final = 16 * 1024
"""Bytes that a search through damage reads at a time."""


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
    return placed if last and opens(reader, *last) else None


def whole_end(reader: SegmentReader, key_of: Callable[[bytes], bytes | None]) -> int:
    """Where the last record ends of which all three parts open; what follows is a torn tail.

    `key_of` gives the picture key of a record id, None where it has none. Where no record opens, the head's end.

    Raises:
        StoreBroken: the medium refused.
    """
    for placed in reversed(list(reader.records())):
        key = key_of(placed.id)
        if key is not None and opens(reader, key, placed):
            return placed.end
    return HEAD_BYTES


def opens(reader: SegmentReader, key: bytes, placed: Placed) -> bool:
    """Whether all three parts of a record open.

    Raises:
        StoreBroken: the medium refused.
    """
    try:
        for part in Part:
            reader.part(key, placed, part)
    except SealBroken:
        return False
    return True
