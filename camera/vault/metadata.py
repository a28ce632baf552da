"""What is sealed about a segment (in its entry of the key table) and about a picture. Format: `privacy/FORMAT.md`."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import msgspec

from camera.vault.retention import LIMIT
from privacy.errors import SealBroken
from privacy.moment import Moment

KIND: Final = "snapshots"
"""Of the entries in the key table."""
ID_BYTES: Final = 16
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class PagePlace(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where the page of a partly erased segment lies."""

    file_id: bytes
    offset: int
    length: int
    """Bytes."""
    count: int
    """How many pictures survive."""


class SegmentInfo(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The info of a segment's entry."""

    camera: str
    subjects: tuple[str, ...]
    """To whom the camera was assigned, in order."""
    moment: Moment
    """None of its living pictures was captured before: when the first was, or when its hour began."""
    until: datetime
    """All of its pictures were captured before this."""
    page: PagePlace | None = None
    behind: float = 0.0
    """Seconds that the clock was behind: to be added to what its pictures say. *moment* and *until* are right."""
    keep: Annotated[float, msgspec.Meta(gt=0)] = LIMIT.total_seconds()
    """Seconds: the limit that its camera had when it was made. Its pictures never get a longer one."""

    @property
    def limit(self) -> timedelta:
        """As `keep`; never more than the promise, whatever stands there."""
        return min(timedelta(seconds=min(self.keep, LIMIT.total_seconds())), LIMIT)

    def to_bytes(self) -> bytes:
        return _encode(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> "SegmentInfo | None":
        """None where it cannot be read: written by another version. The table's seal has checked the bytes."""
        try:
            return _decode_info(data)
        except msgspec.MsgspecError:
            return None


class PictureMetadata(msgspec.Struct, frozen=True, array_like=True):
    """The first part of a picture's record."""

    microseconds: Annotated[int, msgspec.Meta(ge=-62_135_596_800_000_000, le=253_402_300_799_999_999)]
    """Since 1970, UTC: the time of capture, of the years 1 to 9999."""
    width: int
    """Pixels."""
    height: int
    subjects: tuple[str, ...]

    @classmethod
    def of(cls, at: datetime, width: int, height: int, subjects: tuple[str, ...]) -> "PictureMetadata":
        return cls((at - _EPOCH) // _MICROSECOND, width, height, subjects)

    @property
    def at(self) -> datetime:
        """The time of capture."""
        return _EPOCH + self.microseconds * _MICROSECOND

    def to_bytes(self) -> bytes:
        return _encode(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> "PictureMetadata":
        """Parse the opened part.

        Raises:
            SealBroken: sealed by us, and yet not readable: written by another version.
        """
        try:
            return _decode_metadata(data)
        except msgspec.MsgspecError as error:
            raise SealBroken("the metadata of a picture cannot be read") from error


_encode = msgspec.msgpack.Encoder().encode
_decode_info = msgspec.msgpack.Decoder(SegmentInfo).decode
_decode_metadata = msgspec.msgpack.Decoder(PictureMetadata).decode
