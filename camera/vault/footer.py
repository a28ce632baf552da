"""The footer of a segment: where its records lie, so that a start need not look for each. Format: `privacy/FORMAT.md`.

It can be lost, and it is checked before it is believed.
"""

import struct
import zlib
from collections.abc import Callable, Iterable
from typing import Final

from camera.vault.file import HEAD_BYTES
from camera.vault.record import ROW_BYTES, Placed, from_rows, to_rows

_MAGIC: Final = b"PVSF"
"""It begins with this, and ends."""
_NUMBER: Final = struct.Struct(">I")
_TRAILER_BYTES: Final = 2 * _NUMBER.size + len(_MAGIC)
"""How many records, CRC-32, magic."""
_GLANCE: Final = 16 * 1024
"""Bytes of the file's end that are read at first: the footer of an hour's pictures at one in 10 s."""


def pack_footer(segment_id: bytes, placed: Iterable[Placed]) -> bytes:
    """The footer of a segment whose records these are."""
    return _packed(segment_id, to_rows(placed))


def read_footer(segment_id: bytes, size: int, last: Callable[[int], bytes]) -> list[Placed] | None:
    """The records that the footer names of a file of `size` bytes; None where there is none, or it is torn or damaged.

    Each record must begin where the one before ends, the first of them behind the head, and the footer behind the last.
    `last` gives so many bytes of the file's end, at most all of them.
    """
    tail = last(_GLANCE)
    if len(tail) < _TRAILER_BYTES or not tail.endswith(_MAGIC):
        return None
    (count,) = _NUMBER.unpack_from(tail, len(tail) - _TRAILER_BYTES)
    length = len(_MAGIC) + ROW_BYTES * count + _TRAILER_BYTES
    if length > size - HEAD_BYTES:
        return None
    footer = (tail if length <= len(tail) else last(length))[-length:]
    rows = footer[len(_MAGIC) : -_TRAILER_BYTES]
    if footer != _packed(segment_id, rows):
        return None
    placed = from_rows(rows)
    ends = [HEAD_BYTES, *(record.end for record in placed)]
    return placed if ends == [*(record.offset for record in placed), size - length] else None


def _packed(segment_id: bytes, rows: bytes) -> bytes:
    said = _MAGIC + rows + _NUMBER.pack(len(rows) // ROW_BYTES)
    return said + _NUMBER.pack(zlib.crc32(said, zlib.crc32(segment_id))) + _MAGIC
