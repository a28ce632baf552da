"""A folder of sealed logs: what the operation log and the spool have in common as stores of record class `op_log`.

Whole files die by unlinking, parts of a file by writing the rest anew (tier C). Each record carries, inside the seal,
whom it concerns.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from privacy.entries import About
from privacy.errors import StoreBroken
from privacy.files import remove, sync_directory
from privacy.records import Item, RecordClass, Scope
from privacy.seal import Keys
from privacy.sealed_log import SealedLog
from privacy.store import Erasure

SUFFIX = ".log"
_NAME = re.compile(r"[0-9A-Za-z-]{1,64}")


class Concerns(msgspec.Struct, frozen=True, array_like=True):
    """`About`, as it lies inside the seal at the head of each record."""

    at: datetime
    camera: str | None
    device: str | None
    subjects: tuple[str, ...]

    @classmethod
    def of(cls, about: About) -> "Concerns":
        return cls(about.at, about.camera, about.device, tuple(sorted(about.subjects)))


@dataclass(frozen=True, slots=True)
class FileState:
    """What a file holds: how many records, and when the oldest was written."""

    count: int
    oldest: datetime | None


Describe = Callable[[bytes], Concerns | None]
"""From a record's payload to whom it concerns; None where it cannot be read, which an erasure takes for undated."""


class SealedFolder:
    """Sealed logs by name in one directory, each under a key of its own. Every method blocks.

    Only files that carry our suffix and open with our seal are ever touched.

    Raises (all methods):
        StoreBroken: the medium refused, or a file in the directory is not ours.
    """

    def __init__(self, directory: Path, keys: Keys, purpose: str, describe: Describe) -> None:
        self._directory = directory
        self._keys = keys
        self._purpose = purpose
        self._describe = describe
        self._logs: dict[str, SealedLog] = {}
        self._states: dict[str, FileState] = {}
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StoreBroken(f"cannot use {directory}: {error.strerror}", hint="see `portvakt doctor`") from error

    def names(self) -> list[str]:
        """The files that are there, in the order of their names; read from the disk."""
        try:
            paths = [path for path in self._directory.iterdir() if path.suffix == SUFFIX]
            return sorted(path.stem for path in paths if _NAME.fullmatch(path.stem) and path.is_file())
        except OSError as error:
            raise StoreBroken(
                f"cannot list {self._directory}: {error.strerror}", hint="see `portvakt doctor`"
            ) from error

    def append(self, name: str, records: Sequence[tuple[Concerns, bytes]]) -> int:
        """Add records to the file `name`, as `SealedLog.append`; returns the sequence of the first."""
        first = self.log(name).append([payload for _, payload in records])
        state = self.state(name)
        times = [concerns.at for concerns, _ in records] + ([state.oldest] if state.oldest else [])
        self._states[name] = FileState(state.count + len(records), min(times, default=None))
        return first

    def log(self, name: str) -> SealedLog:
        """The file `name`, made where it is not there."""
        if name not in self._logs:
            path = self._directory / (name + SUFFIX)
            log = SealedLog(path, self._keys.seal(f"{self._purpose}/{name}"), f"{self._purpose}/{name}".encode())
            self._logs[name] = log
            self._states[name] = self._measured(log)
        return self._logs[name]

    def state(self, name: str) -> FileState:
        self.log(name)
        return self._states[name]

    def records(self, name: str) -> Iterator[tuple[int, Item, bytes]]:
        """Every record of the file `name` that opens."""
        for sequence, payload in self.log(name).replay():
            yield sequence, self._item(name, sequence, payload), payload

    def keep(self, name: str, wanted: Callable[[Item], bool]) -> int:
        """Write the file `name` anew with the records that are `wanted`, or unlink it; returns how many went."""
        items = [item for _, item, _ in self.records(name)]
        unwanted = [item for item in items if not wanted(item)]
        if len(unwanted) == len(items):
            self.drop([name])
            return len(items)
        if unwanted:
            log = self.log(name)
            log.rewrite(lambda sequence, old: old if wanted(self._item(name, sequence, old)) else None)
            self._states[name] = self._measured(log)
        return len(unwanted)

    def drop(self, names: Sequence[str]) -> None:
        """Unlink whole files, durably."""
        for name in names:
            remove(self._directory / (name + SUFFIX))
            self._logs.pop(name, None)
            self._states.pop(name, None)
        try:
            if names:
                sync_directory(self._directory)
        except OSError as error:
            raise StoreBroken(
                f"cannot remove files of {self._directory}: {error.strerror}", hint="see `portvakt doctor`"
            ) from error

    def expire(self, due: datetime) -> Iterator[int]:
        """Drop what was not written after `due`, a file at each step; yields how many records went.

        A file that is due as a whole is unlinked; of one on the edge, the rest is written anew.
        """
        for name in self.names():
            oldest = self.state(name).oldest
            if oldest is None or oldest <= due:
                yield self.keep(name, lambda item: item.at is not None and item.at > due)

    def find(self, scope: Scope, before: datetime) -> Iterator[Item]:
        """As `Store.find`."""
        return (item for _, item, _ in self._in_scope(scope, before))

    def erase(self, scope: Scope, before: datetime) -> Erasure:
        """As `Store.erase`."""
        erased = 0
        for name in self.names():
            if any(_reached(scope, before, item) for _, item, _ in self.records(name)):
                erased += self.keep(name, lambda item: not _reached(scope, before, item))
        return Erasure(found=erased, erased=erased, left=self.scan(scope, before))

    def scan(self, scope: Scope, before: datetime) -> int:
        """As `Store.scan`: reads the files themselves."""
        return sum(1 for _ in self._in_scope(scope, before))

    def export(self, scope: Scope) -> Iterator[tuple[Item, bytes]]:
        """As `Store.export`."""
        return ((item, payload) for _, item, payload in self._in_scope(scope, None))

    def oldest(self) -> tuple[RecordClass, int, datetime | None]:
        """The one row of `Store.oldest`."""
        states = [self.state(name) for name in self.names()]
        times = [state.oldest for state in states if state.oldest]
        return RecordClass.OP_LOG, sum(state.count for state in states), min(times, default=None)

    def _in_scope(self, scope: Scope, before: datetime | None) -> Iterator[tuple[int, Item, bytes]]:
        for name in sorted(self.names(), key=self._age):
            for sequence, item, payload in self.records(name):
                if _reached(scope, before, item):
                    yield sequence, item, payload

    def _age(self, name: str) -> tuple[bool, datetime | None]:
        oldest = self.state(name).oldest
        return oldest is not None, oldest

    def _item(self, name: str, sequence: int, payload: bytes) -> Item:
        concerns = self._describe(payload)
        identity = f"{name}.{sequence}"
        if concerns is None:
            return Item(identity, RecordClass.OP_LOG, None)
        subjects = frozenset(concerns.subjects)
        return Item(identity, RecordClass.OP_LOG, concerns.at, concerns.camera, concerns.device, subjects)

    def _measured(self, log: SealedLog) -> FileState:
        described = [self._describe(payload) for _, payload in log.replay()]
        times = [concerns.at for concerns in described if concerns]
        return FileState(len(described), min(times, default=None))


def _reached(scope: Scope, before: datetime | None, item: Item) -> bool:
    return scope.covers(item) and (before is None or item.at is None or item.at < before)
