"""A store of one record class: sealed records that expire at the limit of their class, and nothing more to it.

For classes whose writers need no more than to append and to read again: histories, logins, exports, shares of backups.
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

import msgspec

from privacy.keyring import KeyRing
from privacy.records import Item, RecordClass
from privacy.sealed_file import Concerns, parsed
from privacy.sealed_folder import HeldBy, nothing_held
from privacy.sealed_store import ExpiringStore
from privacy.store import Barrier
from privacy.timekeeping import TimeKeeper

LARGEST_FILE: Final = 1024 * 1024
"""Bytes. Where a part of a file is erased, the rest is written anew: not more than this and one append."""


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    """A record as it lies inside the seal (MessagePack)."""

    concerns: Concerns
    payload: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Stored).decode


class RecordStore(ExpiringStore):
    """A `Store` of records of `record_class` in `directory`; what an order reaches is not stored any more either."""

    def __init__(  # noqa: PLR0913 - what it is made of, each used
        self,
        name: str,
        record_class: RecordClass,
        *,
        directory: Path,
        ring: KeyRing,
        time: TimeKeeper,
        limit: timedelta | None,
        barrier: Barrier,
        holds: HeldBy = nothing_held,
    ) -> None:
        self.name, self.record_class = name, record_class
        super().__init__(directory, ring, time, limit, holds=holds, admits=barrier.admits)

    def append(self, concerns: Concerns, payload: bytes) -> bool:
        """Store a record durably. False, and nothing is stored, where an order reaches it that came meanwhile."""
        return self.append_all([(concerns, payload)]) == 1

    def append_all(self, records: Iterable[tuple[Concerns, bytes]]) -> int:
        """Store records durably, with one fsync; returns how many, which is less where an order reaches some."""
        admitted = [
            (concerns, _encode(_Stored(concerns, payload)))
            for concerns, payload in records
            if self._admits(concerns.item("", self.record_class))
        ]
        self._append(admitted, LARGEST_FILE)
        return len(admitted)

    def records(self) -> Iterator[tuple[Item, bytes]]:
        """Every record that may be shown, the oldest file first.

        None that an order reaches, or a hold keeps; and while the time is not known, none of an earlier boot where the
        class is one that goes in doubt.
        """
        return ((item, self._exported(item, payload)) for item, payload in self._shown())

    def _exported(self, _item: Item, payload: bytes) -> bytes:
        stored = parsed(_decode, payload)
        return stored.payload if stored else payload

    def _concerns(self, payload: bytes) -> Concerns | None:
        stored = parsed(_decode, payload)
        return stored.concerns if stored else None
