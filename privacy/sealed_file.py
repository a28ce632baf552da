"""One file of a `SealedFolder`: a sealed log under the key of its entry in the ring, and whom its records concern."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import msgspec

from privacy.entries import About
from privacy.errors import StoreBroken
from privacy.keyring import KeyEntry, KeyRing
from privacy.moment import Moment, Utc
from privacy.records import Item, RecordClass, Scope
from privacy.sealed_log import FILE_BYTES, SealedLog, begins_log

T = TypeVar("T")


class Concerns(msgspec.Struct, frozen=True, array_like=True):
    """`About`, as it lies inside the seal at the head of each record."""

    at: datetime
    camera: str | None = None
    device: str | None = None
    subjects: tuple[str, ...] = ()

    @classmethod
    def of(cls, about: About) -> "Concerns":
        return cls(about.at, about.camera, about.device, tuple(sorted(about.subjects)))

    def item(self, identity: str, record_class: RecordClass) -> Item:
        """What a store says of the record."""
        return Item(identity, record_class, self.at, self.camera, self.device, frozenset(self.subjects))


Describe = Callable[[bytes], Concerns | None]
"""From a record's payload to whom it concerns; None where it cannot be read, which an erasure takes for undated."""


def parsed(decode: Callable[[bytes], T], payload: bytes) -> T | None:
    """What `decode`, of msgspec, makes of a payload; None where that is damaged, or of a later version."""
    try:
        return decode(payload)
    except ValueError:  # msgspec's DecodeError is one, as is what its datetimes raise
        return None


Record = tuple[int, Item, bytes]
"""Its sequence, what it says of itself, its payload."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What all files of one folder have in common."""

    name: str
    """Of the entries in the ring, and the purpose of the logs."""
    record_class: RecordClass
    describe: Describe
    redates: bool
    """Whether `SealedFolder.redate` is called when the time becomes known: the times of records are right only then."""

    def item(self, identity: str, payload: bytes, info: "Info") -> Item:
        """What is known of a record of the file of `info`."""
        return self.dated(identity, self.describe(payload), info)

    def dated(self, identity: str, concerns: Concerns | None, info: "Info") -> Item:
        """The same, where it was read whom it concerns."""
        if concerns is None:
            return Item(identity, self.record_class, None)
        item = concerns.item(identity, self.record_class)
        return replace(item, at=info.right(concerns.at)) if self.redates else item


class Info(msgspec.Struct, frozen=True, array_like=True):
    """The info of a file's entry in the ring."""

    name: str
    moment: Moment
    """When its first record was written."""
    behind: float = 0.0
    """Seconds that the clock was behind: to be added to what its records say. *moment* and *until* are right."""
    until: Utc | None = None
    """When its moment was last corrected: its records were written before, and it takes no more."""

    @classmethod
    def of(cls, entry: KeyEntry) -> "Info":
        """What `entry` says.

        Raises:
            StoreBroken: it was written by a program that knows more than this one.
        """
        info = parsed(_infos.decode, entry.info)
        if info is None:
            raise StoreBroken(f"{entry!r} cannot be read", hint="was it made by a later version?")
        return info

    def to_bytes(self) -> bytes:
        return msgspec.msgpack.encode(self if self.until else (self.name, self.moment))

    def right(self, at: datetime) -> datetime | None:
        """The time of a record that says `at`; None where nobody can say, because the time was not known.

        A clock in doubt may have been set between two records. So none is dated after the time became known, and an
        order that comes later reaches all.
        """
        if not self.moment.trusted:
            return None
        if self.until is None:
            return at
        try:
            at += timedelta(seconds=self.behind)
        except OverflowError:
            return None
        return min(at, self.until)

    def corrected(self, moment: Moment, now: datetime) -> "Info":
        """The same with the right `moment`, as it is known `now`."""
        shift = (moment.wall - self.moment.wall).total_seconds()
        return Info(self.name, moment, self.behind + shift, now)


_infos = msgspec.msgpack.Decoder(Info)


class SealedFile:
    """Opened when it is first needed.

    Where the file is missing, the power went between its key and itself, or somebody took it away: it is a log without
    records, and only `open` makes it.
    """

    def __init__(self, path: Path, ring: KeyRing, entry: KeyEntry, kind: Kind) -> None:
        self.entry = entry
        self.path = path
        self.info = Info.of(entry)
        self.name = self.info.name
        self._ring = ring
        self._kind = kind
        self._log: SealedLog | None = None
        self._count = 0
        self._oldest: datetime | None = None
        self._newest: datetime | None = None

    @property
    def missing(self) -> bool:
        """Whether no file lies there."""
        return self._head() is None

    @property
    def ours(self) -> bool:
        """Whether a log of this program lies there."""
        return begins_log(self._head() or b"")

    @property
    def size(self) -> int:
        """Bytes on disk, as they were when this run last wrote or read it."""
        return 0 if self._log is None and self.missing else self.open().size

    @property
    def first_free(self) -> int:
        """The sequence that the next record takes."""
        return 0 if self._log is None and self.missing else self.open().first_free

    def open(self) -> SealedLog:
        """The log; read when it is first asked for, and made where it is missing."""
        if self._log is None:
            opened = SealedLog(self.path, self._ring.seal(self.entry), self._kind.name.encode())
            for _, payload in opened.replay():
                self._see(self._item(payload).at)
            self._log = opened
        return self._log

    def state(self) -> tuple[int, datetime | None]:
        """How many records open, and when the oldest of those was written that can be dated."""
        if self.missing:
            return 0, None
        self.open()
        return self._count, self._oldest

    def append(self, records: Sequence[tuple[Concerns, bytes]]) -> int:
        """As `SealedLog.append`."""
        first = self.open().append([payload for _, payload in records])
        for concerns, _ in records:
            self._see(self._kind.dated("", concerns, self.info).at)
        return first

    def records(self) -> Iterator[Record]:
        """Every record that opens, with its sequence."""
        for sequence, payload in () if self.missing else self.open().replay():
            yield sequence, self._item(payload, sequence), payload

    def count_reached(self, scope: Scope, before: datetime) -> int:
        """How many records an order for `scope` reaches; reads them only where some may be reached, and others not.

        None of what is somebody else's: that stops no order.
        """
        if not self.ours:
            return 0
        count, _ = self.state()
        ends = (Item("", self._kind.record_class, at) for at in (self._oldest, self._newest))
        if all(reached(scope, before, end) for end in ends) and not (scope.cameras or scope.devices or scope.subjects):
            return count
        return sum(reached(scope, before, item) for _, item, _ in self.records())

    def left_with(self, kept: Sequence[tuple[int, bytes]], now: Moment) -> Info:
        """The info of this file, begun when the first of those that are `kept` was written.

        What dies takes its time along.
        Records are dated by a wall clock, so the moment moves by no more than the boot-time clock vouches for: its own
        age in this boot. Else a clock that was set would have the box older than it is, and all that it keeps. Where
        nobody can say, the file stays as old as it was, so that none lives too long.
        """
        first = next((item.at for _, item, _ in self.records()), None)
        times = [self._item(payload).at for _, payload in kept]
        known = [at for at in times if at]
        if first is None or not known or len(known) < len(times):
            return self.info
        begun, shift = self.info.moment, max(min(known) - first, timedelta())
        if now.boot == begun.boot:
            age = timedelta(seconds=max(now.since_boot - begun.since_boot, 0.0))
            moment = begun.later(min(shift, age))
        else:
            # Nobody vouches for more than the wall time, which makes no box older.
            wall = begun.wall + min(shift, max(now.wall - begun.wall, timedelta()))
            moment = msgspec.structs.replace(begun, wall=wall, no_earlier=wall)
        return msgspec.structs.replace(self.info, moment=moment)

    def _head(self) -> bytes | None:
        """The first bytes of the file; None where it is missing."""
        try:
            with self.path.open("rb") as file:
                return file.read(FILE_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreBroken(
                f"cannot read {self.path.name}: {error.strerror}", hint="see `portvakt doctor`"
            ) from error

    def _item(self, payload: bytes, sequence: int = 0) -> Item:
        return self._kind.item(f"{self.name}.{sequence}", payload, self.info)

    def _see(self, at: datetime | None) -> None:
        self._count += 1
        if at:
            self._oldest = min(self._oldest or at, at)
            self._newest = max(self._newest or at, at)


def reached(scope: Scope, before: datetime | None, item: Item) -> bool:
    """Whether an order for `scope` up to `before` (None: for ever) reaches `item`."""
    return scope.covers(item) and (before is None or item.at is None or item.at < before)
