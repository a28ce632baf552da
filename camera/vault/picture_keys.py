"""The key of each picture, derived from its segment's. Format: `privacy/FORMAT.md`, "Keys"."""

from typing import Final

from privacy.blocks import Blocks
from privacy.seal import KEY_BYTES, expand

_PURPOSE: Final = b"snapshot"

Halves = tuple[bytes, bytes]
"""The keys of several pictures: the first 16 bytes of each, one after the other, and likewise the last 16."""


class PictureKeys:
    """Derives the picture keys of one segment, at two AES blocks each: for who needs more than one of them.

    It holds what all of them follow from, so it is to be forgotten where the segment's key is.
    """

    def __init__(self, segment_key: bytes) -> None:
        both = expand(segment_key, _PURPOSE, 2 * KEY_BYTES)
        self._first, self._second = Blocks(both[:KEY_BYTES]), Blocks(both[KEY_BYTES:])

    def of(self, record_id: bytes) -> bytes:
        """The 32-byte key of one picture."""
        return self._first.of(record_id) + self._second.of(record_id)

    def halves(self, ids: bytes) -> Halves:
        """The keys of all pictures whose record ids are joined in `ids`, in that order."""
        return self._first.of(ids), self._second.of(ids)


def picture_key(segment_key: bytes, record_id: bytes) -> bytes:
    """The 32-byte key of one picture."""
    return PictureKeys(segment_key).of(record_id)
