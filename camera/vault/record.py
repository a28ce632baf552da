"""One record of a segment: its header, and what its sealed parts are bound to. Format: `privacy/FORMAT.md`, "Pictures".

The header stands in the clear (a random id and three lengths), so that a segment can be listed without a key.
"""

import struct
import zlib
from collections.abc import Iterable
from enum import IntEnum
from typing import Final

import msgspec

RECORD_MAGIC: Final = b"PVSR"
_HEADER: Final = struct.Struct(">4s16s3I")
_CHECK: Final = struct.Struct(">I")
HEADER_BYTES: Final = _HEADER.size + _CHECK.size
_ROW: Final = struct.Struct(">16sQ3I")
ROW_BYTES: Final = _ROW.size
"""Of what a footer says of one record: id, offset, three lengths."""
_NUMBERS: Final = [bytes((number,)) for number in range(256)]


class Part(IntEnum):
    """A part of a record, by its number in the format."""

    METADATA = 1
    THUMBNAIL = 2
    IMAGE = 3


class Placed(msgspec.Struct, frozen=True, gc=False):
    """Where a record lies in its segment."""

    id: bytes
    """16 random bytes."""
    offset: int
    """Of its header, in bytes from the file's start."""
    lengths: tuple[int, int, int]
    """Bytes of the sealed metadata, thumbnail and image."""

    @property
    def end(self) -> int:
        """Where the next record may begin."""
        return self.offset + HEADER_BYTES + sum(self.lengths)

    @property
    def header(self) -> bytes:
        """The record's header, as it stands in the file."""
        header = _HEADER.pack(RECORD_MAGIC, self.id, *self.lengths)
        return header + _CHECK.pack(zlib.crc32(header))

    @classmethod
    def parse(cls, header: bytes, offset: int) -> "Placed | None":
        """The record whose header this is, None where it does not check."""
        if len(header) < HEADER_BYTES or header[:4] != RECORD_MAGIC:
            return None
        if _CHECK.pack(zlib.crc32(header[: _HEADER.size])) != header[_HEADER.size :]:
            return None
        _, record_id, metadata, thumbnail, image = _HEADER.unpack(header[: _HEADER.size])
        return cls(record_id, offset, (metadata, thumbnail, image))

    def begin(self, part: Part) -> int:
        """Where a part begins, in bytes from the file's start."""
        return self.offset + HEADER_BYTES + sum(self.lengths[: part - 1])


def to_rows(placed: Iterable[Placed]) -> bytes:
    """A row for each of these, as it stands in a footer."""
    return b"".join([_ROW.pack(record.id, record.offset, *record.lengths) for record in placed])


def from_rows(rows: bytes) -> list[Placed]:
    """The records of these rows."""
    return [Placed(rid, offset, (a, b, c)) for rid, offset, a, b, c in _ROW.iter_unpack(rows)]


def bound_to(header: bytes, segment_id: bytes, part: Part) -> bytes:
    """What a part is sealed with, so that none can be moved: within its record, to another, or to a segment."""
    return header + segment_id + _NUMBERS[part]
