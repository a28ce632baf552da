"""Whom else pictures concern: who was tagged on them, and who claimed a camera and time as theirs.

A sealed log in the ring, of kind `tags`. Format: `privacy/FORMAT.md`, "A record of the tags". It is small: an id a
picture that somebody tagged.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from camera.vault.metadata import ID_BYTES
from privacy.keyring import KeyEntry, KeyRing
from privacy.moment import Moment
from privacy.records import RecordClass
from privacy.sealed_file import Concerns
from privacy.sealed_folder import SealedFolder

KIND: Final = "tags"
_FILE: Final = ""


class Tag(msgspec.Struct, frozen=True, array_like=True, tag="tag"):
    """Somebody in the house says that `person` is on these pictures. Who said so is for the log to know."""

    at: datetime
    """When they said so."""
    person: str
    pictures: tuple[bytes, ...]
    """Segment id ‖ record id, 32 bytes each."""


class Claim(msgspec.Struct, frozen=True, array_like=True, tag="claim"):
    """`person` claims what `camera` took from `start` up to `end`, and the owner accepted it."""

    at: datetime
    """When it was accepted."""
    person: str
    camera: str
    start: datetime
    end: datetime


Dying = Mapping[bytes, Collection[bytes] | None]
"""By segment id, the record ids that die; None for all of them."""


class Tags:
    """Every method blocks: call it on the `Disk` thread.

    Raises (all methods):
        StoreBroken: the medium refused.
    """

    def __init__(self, directory: Path, ring: KeyRing, moment: Callable[[], Moment]) -> None:
        self._folder = SealedFolder(directory, ring, KIND, _describe, moment, record_class=RecordClass.SNAPSHOT)
        self._ring = ring
        self._state: tuple[int, int] | None = None
        """Of the ring, when the log was last looked for: its generation, and how many entries are of this kind."""
        self._read: list[KeyEntry] = []
        """The entries of the files that `_tags` and `_claims` were read from: one, or more where one was away."""
        self._tags: list[Tag] = []
        self._claims: list[Claim] = []
        self._tagged: dict[bytes, dict[str, set[bytes]]] = {}
        """Segment id, person, record ids."""

    def add(self, record: Tag | Claim) -> None:
        """Keep a tag or an accepted claim, durably."""
        self._refresh()
        concerns = _concerns(record)
        self._folder.append(_FILE, [(concerns, _encode(record))])
        self._refresh()
        self._take(record)

    def persons(self, segment_id: bytes) -> Mapping[str, Collection[bytes]]:
        """Who was tagged on pictures of a segment, and on which (record ids)."""
        self._refresh()
        return self._tagged.get(segment_id, {})

    def claims(self, camera: str) -> Iterator[Claim]:
        """What was claimed of `camera`."""
        self._refresh()
        return (claim for claim in self._claims if claim.camera == camera)

    def erase(self, dying: Dying, dies: Callable[[Tag | Claim], bool]) -> None:
        """The tags on pictures that die go, and what `dies` by itself. Inside a change of keys: with its commit."""

        def anew(payload: bytes) -> bytes | None:
            record = _parsed(payload)
            if record is None or dies(record):
                return None
            left = _left(record, dying)
            return _encode(left) if left else None

        self._refresh()
        records: list[Tag | Claim] = [*self._tags, *self._claims]
        if any(dies(record) or _left(record, dying) is not record for record in records):
            for name in self._folder.names():
                self._folder.revise(name, anew)
        self._folder.forget_unread()

    def scan(self) -> Iterator[Tag | Claim]:
        """Each tag and claim that opens, from the bytes on the disk."""
        for name in self._folder.names():
            yield from filter(None, (_parsed(payload) for _, _, payload in self._folder.records(name)))

    def _refresh(self) -> None:
        """Read the log where another than the known one lives: after a start, or a change of keys."""
        # What lives can have changed with these two alone, and this is asked for each picture that is stored.
        state = self._ring.generation, len(self._ring.entries(KIND))
        if state == self._state:
            return
        entries = [file.entry for file in self._folder.files()]
        if entries != self._read:
            self._tags, self._claims, self._tagged = [], [], {}
            for record in self.scan():
                self._take(record)
        self._read, self._state = entries, state

    def _take(self, record: Tag | Claim) -> None:
        if isinstance(record, Claim):
            self._claims.append(record)
            return
        self._tags.append(record)
        for picture in record.pictures:
            persons = self._tagged.setdefault(picture[:ID_BYTES], {})
            persons.setdefault(record.person, set()).add(picture[ID_BYTES:])


def _left(record: Tag | Claim, dying: Dying) -> Tag | Claim | None:
    if isinstance(record, Claim):
        return record
    left = tuple(picture for picture in record.pictures if not _dies(picture, dying))
    if len(left) == len(record.pictures):
        return record
    return msgspec.structs.replace(record, pictures=left) if left else None


def _dies(picture: bytes, dying: Dying) -> bool:
    records = dying.get(picture[:ID_BYTES], ())
    return records is None or picture[ID_BYTES:] in records


def _concerns(record: Tag | Claim) -> Concerns:
    camera = record.camera if isinstance(record, Claim) else None
    return Concerns(record.at, camera, subjects=(record.person,))


def _describe(payload: bytes) -> Concerns | None:
    record = _parsed(payload)
    return _concerns(record) if record else None


def _parsed(payload: bytes) -> Tag | Claim | None:
    """None for what another version wrote: it means nothing, and goes with the next erasure that takes anything."""
    try:
        return _decoder.decode(payload)
    except msgspec.MsgspecError:
        return None


_encode = msgspec.msgpack.Encoder().encode
_decoder: msgspec.msgpack.Decoder[Tag | Claim] = msgspec.msgpack.Decoder(Tag | Claim)
