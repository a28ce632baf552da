"""One file of a `SealedFolder`: a sealed log under the key of its entry in the ring, and whom its records concern."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from privacy.entries import About
from privacy.errors import StoreBroken
from privacy.keyring import KeyEntry, KeyRing
from privacy.moment import Moment, Utc
from privacy.records import Item, RecordClass, Scope
from privacy.sealed_log import FILE_BYTES, NotALog, SealedLog, read_log

log = logging.getLogger(__name__)

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


Named = Literal["device", "subject"] | None
"""What the name of a file is the id of, up to a slash: more than one may be about the same."""

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
    named: Named = None
    """Where each file is about one device, or one person, and named after them: so is what cannot be read in it.

    No record of it may be about another: an order that is about others does not look for one there.
    """

    def item(self, identity: str, payload: bytes, info: "Info") -> Item:
        """What is known of a record of the file of `info`."""
        return self.dated(identity, self.describe(payload), info)

    def about(self, name: str) -> str:
        """The id in the name of a file, where it is `named`."""
        return name.rstrip("+").partition("/")[0]

    def dated(self, identity: str, concerns: Concerns | None, info: "Info") -> Item:
        """The same, where it was read whom it concerns."""
        if concerns is None:
            about = self.about(info.name)
            device = about if self.named == "device" else None
            subjects = frozenset({about} if self.named == "subject" and about else ())
            return Item(identity, self.record_class, None, device=device, subjects=subjects)
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
    records, and only `append` makes it. So is what is somebody else's, which is left alone; that is said once.
    """

    def __init__(self, path: Path, ring: KeyRing, entry: KeyEntry, kind: Kind) -> None:
        self.entry = entry
        self.path = path
        self.info = Info.of(entry)
        self.name = self.info.name
        self._ring = ring
        self._kind = kind
        self._log: SealedLog | None = None
        self._head = b""
        """What the file began with when `_log` was opened. Where it begins with something else now, it is another."""
        self._told = False
        self._count = 0
        self._oldest: datetime | None = None
        self._newest: datetime | None = None

    @property
    def missing(self) -> bool:
        """Whether nothing lies there."""
        return self._begins() is None

    @property
    def takes(self) -> bool:
        """Whether a log lies there that records can be added to: what is in it is under its own key."""
        there = self._there()
        return there is not None and not there.shut

    @property
    def size(self) -> int:
        """Bytes on disk, as they were when this run last wrote or read it; 0 of what is not ours."""
        known = self._log or self._there()
        return known.size if known else 0

    @property
    def first_free(self) -> int:
        """The sequence that the next record takes."""
        known = self._log or self._there()
        return known.first_free if known else 0

    def state(self) -> tuple[int, datetime | None]:
        """How many records open, and when the oldest of those was written that can be dated."""
        return (self._count, self._oldest) if self._there() else (0, None)

    def append(self, records: Sequence[tuple[Concerns, bytes]]) -> int:
        """As `SealedLog.append`, which see; the file is made where it is missing."""
        first = self._opened(self._begins()).append([payload for _, payload in records])
        for concerns, _ in records:
            self._see(self._kind.dated("", concerns, self.info).at)
        return first

    def records(self) -> Iterator[Record]:
        """Every record that opens, with its sequence."""
        there = self._there()
        for sequence, payload in there.replay() if there else ():
            yield sequence, self._item(payload, sequence), payload

    def spared(self, scope: Scope) -> bool:
        """Whether an order for `scope` is about others than the one whom this file is about, by its name."""
        meant = {"subject": scope.subjects, "device": scope.devices, None: ()}[self._kind.named]
        return bool(meant) and self._kind.about(self.name) not in meant

    def opens(self) -> bool:
        """Whether any record does."""
        return any(True for _ in self.records())

    def count_reached(self, scope: Scope, before: datetime) -> int:
        """How many records an order for `scope` reaches; reads them only where some may be reached, and others not."""
        if self.spared(scope):
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

    def _begins(self) -> bytes | None:
        """The first bytes of the file, none of what is no file; None where it is missing."""
        try:
            return read_log(self.path, FILE_BYTES)
        except NotALog:
            return b""

    def _there(self) -> SealedLog | None:
        """The log; None where it is missing, or something else lies there."""
        head = self._begins()
        if head is None:
            return None
        try:
            return self._opened(head)
        except NotALog:
            if not self._told:
                self._told = True
                log.warning(
                    "%s is not ours, or damaged from end to end: it counts as missing and is left alone "
                    "(bring the right one back before the next erasure, or move this one away)",
                    self.path,
                )
            return None

    def _opened(self, head: bytes | None) -> SealedLog:
        """The log that begins with `head`; read when it is first asked for, and made where it is missing (None)."""
        if self._log is None or head not in {None, self._head}:
            self._log = None
            opened = SealedLog(self.path, self._ring.seal(self.entry), self._kind.name.encode())
            self._count, self._oldest, self._newest = 0, None, None
            for _, payload in opened.replay():
                self._see(self._item(payload).at)
            self._log, self._head = opened, head or self._begins() or b""
        return self._log

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
