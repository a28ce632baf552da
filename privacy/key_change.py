"""One change of keys, while its block is open: what it will do is kept in memory, and nothing is on a disk yet."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Final, Protocol

import msgspec

from privacy.key_table import KeyEntry, KeyTable
from privacy.seal import KEY_BYTES, RandomBytes

ID_BYTES: Final = 16


class Change(Protocol):
    """What one change of keys will do, once it commits."""

    @property
    def edits(self) -> "Mapping[bytes, KeyEntry | None]":
        """What it will do so far, by entry id; None: the entry dies."""

    def forget(self, entry_id: bytes) -> None:
        """The entry dies, and its key with it. Nothing is wrong where there is none: erasing is idempotent."""

    def add(self, kind: str, info: bytes, entry_id: bytes | None = None) -> KeyEntry:
        """A new entry under a fresh key, born with the commit. With the id of a living one it takes its place.

        Raises:
            KeyError: no entry of that id lives, or this change forgets it.
        """

    def inform(self, entry_id: bytes, info: bytes) -> None:
        """Give an entry new info; its key stays.

        Raises:
            KeyError: as for `add`.
        """

    def entries(self, kind: str) -> Mapping[bytes, KeyEntry]:
        """Who of `kind` lives after this change, as it stands now: by id, oldest first."""

    def afterwards(self, call: Callable[[], None]) -> None:
        """Run `call` once the change has been committed: for indexes in memory, and files to unlink.

        Where a commit failed half-way and is found to count when the ring settles, `call` is run then.
        """


@dataclass(slots=True)
class StagedChange:
    """A `Change` whose block is open."""

    table: KeyTable
    """What the change starts from."""
    kinds: Mapping[str, Mapping[bytes, KeyEntry]]
    """The same by kind."""
    random_bytes: RandomBytes
    edits: dict[bytes, KeyEntry | None] = field(default_factory=dict)
    """By entry id; None: it dies."""
    calls: list[Callable[[], None]] = field(default_factory=list)

    def forget(self, entry_id: bytes) -> None:
        if entry_id in self.table.entries:
            self.edits[entry_id] = None
        else:
            self.edits.pop(entry_id, None)  # added in this change: it is never born

    def add(self, kind: str, info: bytes, entry_id: bytes | None = None) -> KeyEntry:
        if entry_id is not None:
            self._living(entry_id)
        entry = fresh_entry(kind, info, self.random_bytes, entry_id)
        self.edits[entry.id] = entry
        return entry

    def inform(self, entry_id: bytes, info: bytes) -> None:
        self.edits[entry_id] = msgspec.structs.replace(self._living(entry_id), info=info)

    def afterwards(self, call: Callable[[], None]) -> None:
        self.calls.append(call)

    def entries(self, kind: str) -> Mapping[bytes, KeyEntry]:
        edited = {**self.kinds.get(kind, {}), **self.edits}
        return {entry_id: entry for entry_id, entry in edited.items() if entry and entry.kind == kind}

    def survivors(self) -> dict[bytes, KeyEntry]:
        """Who lives afterwards, of every kind."""
        edited = {**self.table.entries, **self.edits}
        return {entry_id: entry for entry_id, entry in edited.items() if entry}

    def call_all(self) -> None:
        """Run the calls in their order, each even if one before it raises."""
        with ExitStack() as stack:
            for call in reversed(self.calls):
                stack.callback(call)

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """What is staged in this block is dropped if it raises."""
        edits, calls = dict(self.edits), list(self.calls)
        try:
            yield
        except BaseException:
            self.edits, self.calls = edits, calls
            raise

    def _living(self, entry_id: bytes) -> KeyEntry:
        entry = self.edits.get(entry_id, self.table.entries.get(entry_id))
        if entry is None:
            raise KeyError(entry_id.hex())
        return entry


def fresh_entry(kind: str, info: bytes, random_bytes: RandomBytes, entry_id: bytes | None = None) -> KeyEntry:
    """An entry under a key that was drawn just now. It is nowhere but in memory."""
    return KeyEntry(entry_id or random_bytes(ID_BYTES), kind, random_bytes(KEY_BYTES), info)
