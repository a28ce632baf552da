"""The raw operation log: sealed, a file for an hour, gone after its limit. Nothing of it leaves except redacted."""

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import timedelta
from typing import Final

import msgspec

from privacy.entries import Entry
from privacy.records import Item, RecordClass
from privacy.sealed_file import Concerns, parsed
from privacy.sealed_store import ExpiringStore

PURPOSE: Final = "operation-log"
LARGEST_FILE: Final = 4 * 1024 * 1024
"""Bytes. Where a part of a file is erased, the rest is written anew: not more than this."""


class StoredEntry(msgspec.Struct, frozen=True):
    """An entry as it lies inside the seal (MessagePack)."""

    concerns: Concerns
    level: str
    event: str
    fields: dict[str, object]


_encode = msgspec.msgpack.Encoder(enc_hook=str).encode
_decode = msgspec.msgpack.Decoder(StoredEntry).decode


class OperationLog(ExpiringStore):
    """A `Store` of what the agent itself wrote; it leaves as JSON."""

    name = "operation_log"
    record_class = RecordClass.OP_LOG
    limit: timedelta

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
        self._append(records, LARGEST_FILE)

    def item(self, entry: Entry) -> Item:
        """What there is to say of an entry that is stored now: undated, while the time is not known."""
        item = Concerns.of(entry.about).item("", RecordClass.OP_LOG)
        return item if self._lifetime.time.known else replace(item, at=None)

    def _exported(self, _item: Item, payload: bytes) -> bytes:
        entry = parsed(_decode, payload)
        return msgspec.json.encode(entry) if entry else payload

    def _concerns(self, payload: bytes) -> Concerns | None:
        entry = parsed(_decode, payload)
        return entry.concerns if entry else None
