"""The bytes of one stored snapshot.

    magic "PVSN" | version 1 | three lengths, 4 bytes big-endian each | metadata | thumbnail | image

Each part is a sealed blob of its own (`privacy.seal`), bound to `portvakt/v1/snapshot/<record id>/<part>`, so that
parts cannot be swapped within a file or between files. Metadata is JSON inside its seal. What lies open is lengths
alone. `privacy/FORMAT.md` describes this file among all others.
"""

import struct
from datetime import datetime
from typing import Annotated, Final, Literal, Self

import msgspec

from camera.picture import Picture
from privacy.errors import SealBroken
from privacy.seal import Seal

Part = Literal["metadata", "thumbnail", "image"]

PARTS: Final[tuple[Part, ...]] = ("metadata", "thumbnail", "image")
MAGIC: Final = b"PVSN\x01"
HEAD: Final = struct.Struct(">5s3I")


class Metadata(msgspec.Struct, frozen=True):
    """What a snapshot says of itself, sealed like the picture."""

    camera: str
    at: Annotated[datetime, msgspec.Meta(tz=True)]
    width: int
    height: int
    subjects: tuple[str, ...] = ()


class Damaged(Exception):
    """A file of ours whose bytes do not open, or are not all there."""


class Layout(msgspec.Struct, frozen=True):
    """Where the parts of one file lie."""

    offsets: tuple[int, int, int]
    lengths: tuple[int, int, int]

    @classmethod
    def parse(cls, head: bytes, file_size: int) -> Self:
        """The layout that the first `HEAD.size` bytes give.

        Raises:
            Damaged: they are no head, or the parts do not fill the file exactly.
        """
        if len(head) != HEAD.size or not head.startswith(MAGIC):
            raise Damaged("no head")
        _, metadata, thumbnail, image = HEAD.unpack(head)
        if HEAD.size + metadata + thumbnail + image != file_size:
            raise Damaged("the parts do not fill the file")
        start = HEAD.size
        return cls((start, start + metadata, start + metadata + thumbnail), (metadata, thumbnail, image))

    def span(self, part: Part) -> tuple[int, int]:
        """Offset and length of `part`, in bytes."""
        index = PARTS.index(part)
        return self.offsets[index], self.lengths[index]


def pack(seal: Seal, record: str, metadata: Metadata, picture: Picture) -> bytes:
    """A whole file."""
    plain = (msgspec.json.encode(metadata), picture.thumbnail, picture.image)
    sealed = [seal.close(part, _bound_to(record, name)) for name, part in zip(PARTS, plain, strict=True)]
    return HEAD.pack(MAGIC, *map(len, sealed)) + b"".join(sealed)


def open_part(seal: Seal, record: str, part: Part, sealed: bytes) -> bytes:
    """One part, opened.

    Raises:
        Damaged: it does not open as this part of this record.
    """
    try:
        return seal.open(sealed, _bound_to(record, part))
    except SealBroken as error:
        raise Damaged(f"{part} does not open") from error


def parse_metadata(plain: bytes) -> Metadata:
    """The opened metadata part.

    Raises:
        Damaged: sealed by us, and yet not readable: written by another version.
    """
    try:
        return msgspec.json.decode(plain, type=Metadata)
    except msgspec.DecodeError as error:
        raise Damaged("metadata is malformed") from error


def _bound_to(record: str, part: Part) -> bytes:
    return f"portvakt/v1/snapshot/{record}/{part}".encode()
