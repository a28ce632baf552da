"""The raw operation log: sealed, a file for an hour, gone after its limit. Nothing of it leaves except redacted."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields, replace
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from privacy.entries import Entry
from privacy.keyring import KeyRing
from privacy.lifetime import Lifetime
from privacy.moment import Moment
from privacy.records import Item, RecordClass, Scope
from privacy.sealed_file import Concerns
from privacy.sealed_folder import HeldBy, SealedFolder, all_admitted, nothing_held
from privacy.store import Erasure
from privacy.timekeeping import TimeKeeper

PURPOSE = "operation-log"
LARGEST_FILE = 4 * 1024 * 1024
"""Bytes. Where a part of a file is erased, the rest is written anew: not more than this."""


class StoredEntry(msgspec.Struct, frozen=True):
    """An entry as it lies inside the seal (MessagePack)."""

    concerns: Concerns
    level: str
    event: str
    fields: dict[str, object]


_encode = msgspec.msgpack.Encoder(enc_hook=str).encode
_decode = msgspec.msgpack.Decoder(StoredEntry).decode


class OperationLog:
    """A `Store` of what the agent itself wrote. Every method blocks: call it on the `Disk` thread."""

    name = "operation_log"
    classes = frozenset({RecordClass.OP_LOG})

    def __init__(  # noqa: PLR0913 - what it is made of, each used
        self,
        directory: Path,
        ring: KeyRing,
        time: TimeKeeper,
        limit: timedelta,
        *,
        holds: HeldBy = nothing_held,
        admits: Callable[[Item], bool] = all_admitted,
    ) -> None:
        """`admits`: as `Barrier.admits`. What an order reaches is exported no more."""
        self.tier = ring.tier
        self._time = time
        self._lifetime = Lifetime(time, RecordClass.OP_LOG, limit)
        self._files = SealedFolder(
            directory,
            ring,
            PURPOSE,
            _concerns,
            time.moment,
            holds,
            redates=True,
            admits=admits,
            sealed=self._lifetime.sealed,
        )
        self.limit = limit
        """How long an entry lives at the most."""

    def append(self, entries: Sequence[Entry]) -> None:
        """Store `entries` durably. One call is one fsync, so gather what comes together.

        Raises:
            StoreBroken: the medium refused.
        """
        records = []
        for entry in entries:
            concerns = Concerns.of(entry.about)
            values = {field.name: getattr(entry, field.name) for field in fields(entry) if field.name != "at"}
            records.append((concerns, _encode(StoredEntry(concerns, entry.level, entry.event, values))))
        if records:
            self._files.append(self._files.taking(records, self._lifetime.span, LARGEST_FILE), records)

    def item(self, entry: Entry) -> Item:
        """What there is to say of an entry that is stored now: undated, while the time is not known."""
        concerns = Concerns.of(entry.about)
        item = concerns.item("", RecordClass.OP_LOG)
        return item if self._time.known else replace(item, at=None)

    def expire(self, ahead: timedelta) -> int:
        """Have die what reaches its limit within `ahead`, the time until the next run; returns how many entries went.

        File by file: of an hour, by its first entry.
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
        """Each entry as JSON; one that no longer decodes, as it lies there."""
        for item, payload in self._files.export(scope):
            try:
                yield item, msgspec.json.encode(_decode(payload))
            except ValueError:
                yield item, payload

    def oldest(self) -> Iterable[tuple[RecordClass, int, datetime | None]]:
        return [self._files.oldest()]


def _concerns(payload: bytes) -> Concerns | None:
    try:
        return _decode(payload).concerns
    except ValueError:  # msgspec's DecodeError is one, as is what its datetimes raise
        return None
