"""The raw operation log: sealed, one file a UTC day, gone after its limit. Nothing of it leaves except redacted."""

import hmac
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec

from privacy.entries import Entry
from privacy.records import Item, RecordClass, Scope, Tier
from privacy.seal import Keys
from privacy.sealed_folder import Concerns, SealedFolder
from privacy.store import Erasure

PURPOSE = "operation-log"


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
    tier = Tier.UNLINKED

    def __init__(self, directory: Path, keys: Keys, limit: timedelta) -> None:
        self._files = SealedFolder(directory, keys, PURPOSE, _concerns)
        self._name_key = keys.derive(f"{PURPOSE}-names")
        self.limit = limit
        """How long an entry lives at the most."""

    def append(self, entries: Sequence[Entry]) -> None:
        """Store `entries` durably. One call is one fsync a day touched, so gather what comes together.

        Raises:
            StoreBroken: the medium refused.
        """
        days: defaultdict[date, list[tuple[Concerns, bytes]]] = defaultdict(list)
        for entry in entries:
            concerns = Concerns.of(entry.about)
            values = {field.name: getattr(entry, field.name) for field in fields(entry) if field.name != "at"}
            stored = _encode(StoredEntry(concerns, entry.level, entry.event, values))
            days[entry.at.astimezone(UTC).date()].append((concerns, stored))
        for day, records in days.items():
            self._files.append(self._file_name(day), records)

    def expire(self, now: datetime) -> int:
        """Drop what is older than the limit; returns how many entries went.

        Pass the time of the next run rather than of this one, and nothing is ever late.
        """
        return sum(self._files.expire(now - self.limit))

    def find(self, scope: Scope, before: datetime) -> Iterator[Item]:
        return self._files.find(scope, before)

    def erase(self, scope: Scope, before: datetime) -> Erasure:
        return self._files.erase(scope, before)

    def scan(self, scope: Scope, before: datetime) -> int:
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

    def _file_name(self, day: date) -> str:
        """Opaque: on which days something happened in a home is nobody's business."""
        return hmac.digest(self._name_key, day.isoformat().encode(), "sha256")[:16].hex()


def _concerns(payload: bytes) -> Concerns | None:
    try:
        return _decode(payload).concerns
    except ValueError:  # msgspec's DecodeError is one, as is what its datetimes raise
        return None
