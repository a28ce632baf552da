"""The key ring: every key that dies, in two key tables under the root's slot, and the change that kills.

Formats and crash points: `privacy/FORMAT.md`, "Key tables" and "Crash points of a change of keys".
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final

from privacy.cpu import quick_cipher
from privacy.key_change import Change, StagedChange, fresh_entry
from privacy.key_files import KeyFiles
from privacy.key_root import Root
from privacy.key_table import KeyEntry, KeyLine, KeyTable, Line, NoteLine, TableKey
from privacy.keystore.contract import KeyStore
from privacy.records import Tier
from privacy.seal import Cipher, RandomBytes, Seal

__all__ = ["Change", "KeyEntry", "KeyRing"]

MOST_LINES: Final = 4096
"""Then the tables are written anew, all in the base: a year of notes without any change would be 50,000 lines."""


class KeyRing:
    """Owns the key tables and the slots. Every method blocks, and is called on the `Disk` thread alone.

    After a StoreBroken from any method the ring settles first when it is used again: the rule of the start (highest
    generation whose slot and table open; the other slot destroyed) is applied before anything else is written.
    """

    tier: Tier
    cipher: Cipher

    def __init__(self, root: Root, files: KeyFiles, random_bytes: RandomBytes) -> None:
        """For `open` alone."""
        self.tier = root.tier
        self._root = root
        self._files = files
        self._random_bytes = random_bytes
        self._unsynced = False
        self._settled = True
        """False while something is being written, and after that failed: what the disk says may then differ."""
        self._change: StagedChange | None = None
        """The change whose block is open."""
        self._unsure: tuple[int, StagedChange] | None = None
        """A generation that failed while it was committed, and the change that makes it."""

    @classmethod
    def open(
        cls, directory: Path, store: KeyStore, random_bytes: RandomBytes, cipher: Cipher | None = None
    ) -> "KeyRing":
        """Open the tables in `directory`, settle what a crash left, or make all anew at a first start.

        `cipher` is what a first start records; None chooses by the CPU.

        Raises:
            StoreBroken: the medium refused; or slots and tables do not belong together. Nothing was changed then.
        """
        files = KeyFiles(directory)
        root = Root(store, files, random_bytes)
        ring = cls(root, files, random_bytes)
        found = root.find() or root.begin(cipher or quick_cipher())
        root.settle_slots(found)
        if not found.both_whole:
            ring._write_both(found.table, found.key, first=1 - found.number)
        ring._adopt(found.table, found.key)
        return ring

    @property
    def generation(self) -> int:
        """Of the table that counts."""
        return self._table.generation

    def entries(self, kind: str) -> Mapping[bytes, KeyEntry]:
        """The living entries of `kind`, by id, oldest first; a view that must not be kept over a change."""
        return MappingProxyType(self._kinds.get(kind, {}))

    def all(self) -> Iterator[KeyEntry]:
        """Every living entry, of every kind."""
        return iter(self._table.entries.values())

    def seal(self, entry: KeyEntry) -> Seal:
        """A seal with random nonces under the key of `entry`, by this ring's cipher."""
        return Seal(entry.key, self._random_bytes, self.cipher)

    def add(self, kind: str, info: bytes) -> KeyEntry:
        """A fresh key, as a line in both tables; durable with the next `sync`. Not while a change is open.

        Raises:
            StoreBroken: the medium refused; there is no such entry.
            RuntimeError: a change is open.
        """
        if self._change:
            raise RuntimeError("a change is open: add to that, or its commit and this key would be two stories")
        entry = fresh_entry(kind, info, self._random_bytes)
        self._append(KeyLine(entry))
        self._kinds.setdefault(kind, {})[entry.id] = entry
        return entry

    def note(self, name: str, value: bytes) -> None:
        """Keep a small value of the ring's own, such as the clock's; durable with the next `sync` or change.

        Not part of an open change: it stays, whatever becomes of that.
        """
        self._append(NoteLine(name, value))

    def noted(self, name: str) -> bytes | None:
        """What was noted last."""
        return self._table.notes.get(name)

    def sync(self) -> None:
        """Make every line durable that was added; does nothing where there is none."""
        self._settle()
        if self._unsynced:
            with self._writing():
                self._files.sync()
            self._unsynced = False

    @contextmanager
    def change(self) -> Iterator[Change]:
        """Everything in this block is one change: it commits when the outermost block ends without an exception.

        An inner `change()` joins the outer one. With an exception, nothing was changed; where the outer block catches
        that of an inner one, what the inner one staged is dropped. An empty change writes nothing, but still settles
        what an earlier one left undone: nothing is called erased before that.

        Raises:
            StoreBroken: the medium refused. What was to die may live still: change again.
        """
        if self._change:
            with self._change.all_or_nothing():
                yield self._change
            return
        self._settle()
        staged = self._change = StagedChange(self._table, self._kinds, self._random_bytes)
        try:
            yield staged
        finally:
            self._change = None
        self._settle()
        if staged.edits:
            self._commit(staged)
        staged.call_all()

    def _commit(self, staged: StagedChange) -> None:
        """Steps 2 to 5 of FORMAT.md's table."""
        table = KeyTable(self.generation + 1, self.cipher, staged.survivors(), dict(self._table.notes))
        held, key = self._root.next_secret(table.generation)
        data = key.close(table)
        first = table.generation % 2
        with self._writing():
            self._unsure = table.generation, staged
            self._files.overwrite(first, data)
            self._root.commit(held)
            self._root.destroy_other(held.generation)
            self._files.overwrite(1 - first, data)
            self._unsure = None
        table.size = len(data)
        self._adopt(table, key)

    def _append(self, line: Line) -> None:
        self._settle()
        if self._table.lines >= MOST_LINES:
            with self._writing():
                self._write_both(self._table, self._key, first=0)
        data = self._key.close_line(self._table, line)
        with self._writing():
            self._files.append(self._table.size, data)
        self._unsynced = True
        self._table.apply(line)
        self._table.lines += 1
        self._table.size += len(data)

    def _settle(self) -> None:
        """After a failure: which generation counts is for the disk to say, as at a start.

        If it is the one in memory, its entries and notes are as memory has them: what was added, and not what failed to
        be; the medium may hold less, or more. Both tables are written anew, so that whatever failed is written again.
        """
        if self._settled:
            return
        found = self._root.find_again()
        self._root.settle_slots(found)
        table = self._table if found.table.generation == self.generation else found.table
        self._write_both(table, found.key, first=1 - found.number)
        self._adopt(table, found.key)
        self._settled = True
        unsure, self._unsure = self._unsure, None
        if unsure and unsure[0] == self.generation:
            unsure[1].call_all()

    def _write_both(self, table: KeyTable, key: TableKey, first: int) -> None:
        """Write `table` over both, all in the base; durable. The one that counts must not be `first`."""
        data = key.close(table)
        self._files.overwrite(first, data)
        self._files.overwrite(1 - first, data)
        table.lines, table.size = 0, len(data)
        self._unsynced = False

    def _adopt(self, table: KeyTable, key: TableKey) -> None:
        """From here on `table` is what counts; keys that are not in it are in this ring's memory no more."""
        self.cipher = table.cipher
        self._table = table
        self._key = key
        self._unsynced = False
        self._kinds: dict[str, dict[bytes, KeyEntry]] = {}
        for entry in table.entries.values():
            self._kinds.setdefault(entry.kind, {})[entry.id] = entry

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Around steps towards the disk: whatever interrupts them leaves the ring unsettled."""
        self._settled = False
        yield
        self._settled = True
