"""Marks: pictures that an order takes because somebody was tagged on them, or claimed them. `privacy/FORMAT.md`.

What says so dies with them, in the same change of keys; a scan afterwards goes by the marks, which the journal keeps.
"""

from collections.abc import Collection, Iterable, Mapping

import msgspec

from camera.vault.metadata import ID_BYTES
from privacy.errors import StoreBroken


class Marks:
    """Those of several attempts, together."""

    def __init__(self, packed: Iterable[bytes]) -> None:
        """Of what `packed_marks` gave.

        Raises:
            StoreBroken: another version wrote it. Without it nobody can say what must not open.
        """
        self._marked: dict[bytes, set[bytes] | None] = {}
        for one in packed:
            for segment_id, ids in _parsed(one).items():
                known = self._marked.setdefault(segment_id, set())
                if ids is None or known is None:
                    self._marked[segment_id] = None
                else:
                    known.update(ids[at : at + ID_BYTES] for at in range(0, len(ids), ID_BYTES))

    def within(self, segment_id: bytes) -> bool:
        """Whether any picture of a segment is marked."""
        return segment_id in self._marked

    def on(self, segment_id: bytes, record_id: bytes) -> bool:
        """Whether a picture is marked."""
        ids = self._marked.get(segment_id, ())
        return ids is None or record_id in ids


def packed_marks(marked: Mapping[bytes, Collection[bytes] | None]) -> bytes:
    """By segment id, the record ids of the pictures; None for all of them. No bytes where there are none."""
    return _encode({one: ids and b"".join(ids) for one, ids in marked.items()}) if marked else b""


def _parsed(packed: bytes) -> dict[bytes, bytes | None]:
    try:
        return _decode(packed)
    except msgspec.MsgspecError as error:
        raise StoreBroken(
            "what an order noted of the pictures that it took is of another version",
            hint="has the program gone back to an older one?",
        ) from error


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[bytes, bytes | None]).decode
