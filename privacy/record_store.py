"""A store of one record class: sealed records that expire at the limit of their class, and nothing more to it.

For classes whose writers need no more than to append and to read again: histories, logins, exports, shares of backups.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from privacy.keyring import KeyRing
from privacy.lifetime import Lifetime
from privacy.moment import Moment
from privacy.records import Item, RecordClass, Scope
from privacy.sealed_file import Concerns
from privacy.sealed_folder import HeldBy, SealedFolder, nothing_held
from privacy.store import Barrier, Erasure
from privacy.timekeeping import TimeKeeper

LARGEST_FILE = 1024 * 1024
"""Bytes. Where a part of a file is erased, the rest is written anew: not more than this and one append."""


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    """A record as it lies inside the seal (MessagePack)."""

    concerns: Concerns
    payload: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Stored).decode


class RecordStore:
    """A `Store` of records of `record_class` in `directory`. Every method blocks: call it on the `Disk` thread.

    Args:
        name: for receipts and metrics; with hyphens for underscores, the kind of its keys and the purpose of its files.
        limit: how long a record lives, by policy; None: while in use.
        barrier: what an order reaches is not stored any more.
        holds: what lives on although it is to die.

    Raises (all methods):
        StoreBroken: the medium refused.
    """

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
        self.name = name
        self.classes = frozenset({record_class})
        self.tier = ring.tier
        self._barrier = barrier
        self._lifetime = Lifetime(time, record_class, limit)
        kind = name.replace("_", "-")
        self._files = SealedFolder(
            directory,
            ring,
            kind,
            _concerns,
            time.moment,
            holds,
            record_class,
            redates=True,
            admits=barrier.admits,
            sealed=self._lifetime.sealed,
        )
        (self._class,) = self.classes

    def append(self, concerns: Concerns, payload: bytes) -> bool:
        """Store a record durably. False, and nothing is stored, where an order reaches it that came meanwhile."""
        return self.append_all([(concerns, payload)]) == 1

    def append_all(self, records: Iterable[tuple[Concerns, bytes]]) -> int:
        """Store records durably, with one fsync; returns how many, which is less where an order reaches some."""
        admitted = [
            (concerns, _encode(_Stored(concerns, payload)))
            for concerns, payload in records
            if self._barrier.admits(concerns.item("", self._class))
        ]
        if admitted:
            self._files.append(self._files.taking(admitted, self._lifetime.span, LARGEST_FILE), admitted)
        return len(admitted)

    def records(self) -> Iterator[tuple[Item, bytes]]:
        """Every record that may be shown, the oldest file first.

        None that an order reaches, or a hold keeps; and while the time is not known, none of an earlier boot where the
        class is one that goes in doubt.
        """
        for name in self._files.names():
            for _, item, payload in self._files.shown(name):
                yield item, _opened(payload)

    def expire(self, ahead: timedelta) -> int:
        """Have die what reaches its limit within `ahead`, the time until the next run; returns how many records went.

        File by file, each by its first record.
        """
        return self._files.expire(self._lifetime.due(ahead))

    def moments(self) -> Iterator[Moment]:
        """When each file began, for the time keeper at a start."""
        return self._files.moments()

    def redate(self, redated: Callable[[Moment], Moment]) -> None:
        """The time has become known: correct when the files of this boot began."""
        self._files.redate(redated)

    def find(self, scope: Scope, before: datetime) -> Iterator[Item]:
        return self._files.find(scope, before)

    def count(self, scope: Scope, before: datetime) -> int:
        return self._files.count(scope, before)

    def erase(self, scope: Scope, before: datetime) -> Erasure:
        return self._files.erase(scope, before)

    def scan(self, scope: Scope, before: datetime) -> Iterator[int]:
        return self._files.scan(scope, before)

    def export(self, scope: Scope) -> Iterator[tuple[Item, bytes]]:
        """Each record's payload; one that no longer decodes, as it lies there."""
        return ((item, _opened(payload)) for item, payload in self._files.export(scope))

    def oldest(self) -> Iterable[tuple[RecordClass, int, datetime | None]]:
        return [self._files.oldest()]


def _stored(payload: bytes) -> _Stored | None:
    try:
        return _decode(payload)
    except ValueError:  # msgspec's DecodeError is one, as is what its datetimes raise
        return None


def _concerns(payload: bytes) -> Concerns | None:
    stored = _stored(payload)
    return stored.concerns if stored else None


def _opened(payload: bytes) -> bytes:
    stored = _stored(payload)
    return stored.payload if stored else payload
