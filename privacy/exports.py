"""Exports that wait to be fetched: each under keys of its own, which die a day later, or with the person.

An export is a head and, once it is made, parts of at most `PART` bytes; a few parts share a file, so that whoever
fetches it holds no more than one file in memory. `privacy/FORMAT.md`, "A record of the exports".
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from privacy.errors import StoreBroken
from privacy.export_scope import Contents
from privacy.keyring import KeyRing
from privacy.moment import Moment
from privacy.records import Identifier, Item, RecordClass, Scope, UuidV7
from privacy.sealed_file import Concerns, parsed, reached
from privacy.sealed_folder import HeldBy, nothing_held
from privacy.sealed_store import ExpiringStore
from privacy.store import Barrier, Erasure
from privacy.timekeeping import TimeKeeper

PART: Final = 1024 * 1024
"""Bytes. A record of a sealed log may have 16 MiB; whoever reads one has it in memory more than once."""
PARTS_A_FILE: Final = 4
Failure = Literal["ordered", "disk_short"]
Language = Literal["nb", "en"]


class Head(msgspec.Struct, frozen=True, kw_only=True, tag="head"):
    """What is known of one export."""

    id: UuidV7
    person: Identifier
    """Whose it is: it dies with them."""
    asked: datetime
    scope: Scope
    language: Language
    ready: datetime | None = None
    """When it was made; None: it is not."""
    failed: Failure | None = None
    """Why it will not be."""
    size: int = 0
    """Bytes."""
    sha256: str = ""
    parts: int = 0
    contents: tuple[Contents, ...] = ()
    """What is in it, so that an order which reaches that takes it along."""

    def __repr__(self) -> str:
        return f"Head({self.id})"

    @property
    def concerns(self) -> Concerns:
        return Concerns(self.asked, subjects=(self.person,))

    @property
    def name(self) -> str:
        """Of its first file; the names of the others begin with it."""
        return f"{self.person}/{self.id}"


class Part(msgspec.Struct, frozen=True, tag="part"):
    """A piece of the export's bytes."""

    person: Identifier
    asked: datetime
    number: Annotated[int, msgspec.Meta(ge=0)]
    data: bytes

    def __repr__(self) -> str:
        return f"Part({self.number})"


_encode = msgspec.msgpack.Encoder().encode
_decoder: msgspec.msgpack.Decoder[Head | Part] = msgspec.msgpack.Decoder(Head | Part)
_decode = _decoder.decode


class Exports(ExpiringStore):
    """A `Store` of waiting exports. Every method blocks: call it on the `Disk` thread.

    The limit counts from when an export was asked for, so that it never lives longer than its limit after it is ready.
    An order that reaches anything that an export holds takes the whole of it, and so does one that reaches its person.

    Args:
        reserve: bytes of the medium that stay free.

    Raises (all methods):
        StoreBroken: the medium refused.
    """

    name = "exports"
    record_class = RecordClass.EXPORT
    named = "subject"

    def __init__(  # noqa: PLR0913 - what it is made of, each used
        self,
        directory: Path,
        ring: KeyRing,
        time: TimeKeeper,
        limit: timedelta | None,
        *,
        barrier: Barrier,
        holds: HeldBy = nothing_held,
        reserve: int = 0,
    ) -> None:
        super().__init__(directory, ring, time, limit, holds=holds, admits=barrier.admits)
        self._directory = directory
        self._reserve = reserve
        self._drop_unfinished()

    def begin(self, head: Head) -> bool:
        """Note that `head` was asked for; what the same person had asked for before goes.

        False, and nothing is changed, where an order reaches them.
        """
        if not self._admits(head.concerns.item("", self.record_class)):
            return False
        self.drop(head.person)
        self._files.append(head.name, [(head.concerns, _encode(head))])
        return True

    def add(self, head: Head, number: int, data: bytes) -> bool:
        """Keep part `number`, counted from 0; False, and nothing is kept, where an order reaches the person.

        Or where the export was dropped meanwhile.
        """
        if not self._admits(head.concerns.item("", self.record_class)) or head.name not in self._files.names():
            return False
        part = Part(head.person, head.asked, number, data)
        self._files.append(_file_of(head, number), [(head.concerns, _encode(part))])
        return True

    def settle(self, head: Head) -> None:
        """Make `head` what is known of the export from now on: it is ready, or will not be; then its parts go."""
        with self._files.change():
            if head.failed:
                self._lose(name for name in self._names_of(head.person, head.id) if name != head.name)
            if head.name in self._files.names():
                self._files.rewrite(head.name, [_encode(head)])

    def drop(self, person: str, export: str | None = None) -> int:
        """Have the export of that id die, or all that `person` has; returns how many records went."""
        return self._lose(self._names_of(person, export))

    def of(self, person: str) -> list[Head]:
        """What `person` has asked for and may be shown, the oldest first."""
        return sorted((head for head in self._heads() if head.person == person), key=lambda head: head.asked)

    def unmade(self) -> list[Head]:
        """What is to be made, the oldest first."""
        waiting = (head for head in self._heads() if head.ready is None and head.failed is None)
        return sorted(waiting, key=lambda head: head.asked)

    def file(self, head: Head, number: int) -> bytes | None:
        """The bytes of the parts that share file `number`, counted from 0; None where one is missing, or all are gone.

        An export has `files(head)` of them.
        """
        first = number * PARTS_A_FILE
        wanted = range(first, min(first + PARTS_A_FILE, head.parts))
        found: dict[int, bytes] = {}
        for _, item, payload in self._files.records(_file_of(head, first)):
            part = parsed(_decode, payload)
            if isinstance(part, Part) and self._may_show(item):
                found[part.number] = part.data
        return b"".join(found[each] for each in wanted) if found.keys() >= set(wanted) else None

    def short_of(self, needed: int) -> bool:
        """Whether there is no room for `needed` bytes more, beside what stays free for others."""
        try:
            system = os.statvfs(self._directory)
        except OSError as error:
            raise StoreBroken(f"cannot measure the medium: {error.strerror}", hint="see `portvakt doctor`") from error
        return system.f_bavail * system.f_frsize < self._reserve + needed

    def expire(self, ahead: timedelta) -> int:
        """As `ExpiringStore.expire`; an export goes as a whole, by its first file."""
        due = self._lifetime.due(ahead)
        begun: dict[str, list[Moment]] = {}
        for file in self._files.files():
            begun.setdefault(_export_of(file.name), []).append(file.info.moment)
        over = {export for export, moments in begun.items() if any(map(due, moments))}
        return self._lose(name for name in self._files.names() if _export_of(name) in over)

    def erase(self, scope: Scope, before: datetime) -> Erasure:
        """As `Store.erase`; what an export holds is reached as where it came from."""
        with self._files.change():
            erasure = super().erase(scope, before)
            more = sum(self.drop(head.person, head.id) for head in self._holding(scope, before))
        return replace(erasure, found=erasure.found + more, erased=erasure.erased + more)

    def scan(self, scope: Scope, before: datetime, marks: Sequence[bytes] = ()) -> Iterator[int]:
        """As `Store.scan`; and the exports that hold what is in scope, by what their heads say."""
        yield from super().scan(scope, before, marks)
        yield len(self._holding(scope, before))

    def _holding(self, scope: Scope, before: datetime) -> list[Head]:
        """The exports that `scope` reaches by what is in them, and not as what they are."""
        return [
            head
            for head in self._heads(all_=True)
            if any(each.reached(scope, before) for each in head.contents)
            and not reached(scope, before, head.concerns.item("", self.record_class))
        ]

    def _heads(self, *, all_: bool = False) -> Iterator[Head]:
        """Those that may be shown, or `all_`."""
        for name in self._files.names():
            if name.count("/") == 1:
                for _, item, payload in self._files.records(name):
                    head = parsed(_decode, payload)
                    if isinstance(head, Head) and (all_ or self._may_show(item)):
                        yield head

    def _names_of(self, person: str, export: str | None) -> list[str]:
        """The files of one export, or of all that `person` has."""
        begins = f"{person}/{export or ''}"
        return [name for name in self._files.names() if name.startswith(begins)]

    def _lose(self, names: Iterable[str]) -> int:
        with self._files.change():
            return sum(len(self._files.lose(name, lambda _sequence, _item: True)) for name in list(names))

    def _drop_unfinished(self) -> None:
        """The parts of what was being made when the last run ended; `unmade` has it made again."""
        ready = {head.name for head in self._heads(all_=True) if head.ready}
        with suppress(StoreBroken):  # a medium that refuses keeps nobody out: they are sealed, and nobody offers them
            self._lose(name for name in self._files.names() if name.count("/") > 1 and _export_of(name) not in ready)

    def _exported(self, item: Item, payload: bytes) -> bytes:
        known = parsed(_decode, payload)
        if isinstance(known, Part):
            return known.data
        if known is None:
            return payload
        return msgspec.json.encode({"asked": item.at, "ready": known.ready, "size": known.size, "sha256": known.sha256})

    def _concerns(self, payload: bytes) -> Concerns | None:
        known = parsed(_decode, payload)
        return Concerns(known.asked, subjects=(known.person,)) if known else None


def files(head: Head) -> int:
    """How many files the parts of an export are in."""
    return -(-head.parts // PARTS_A_FILE)


def _file_of(head: Head, number: int) -> str:
    return f"{head.name}/{number // PARTS_A_FILE:06d}"


def _export_of(name: str) -> str:
    """The part of a file's name that all of one export share."""
    return "/".join(name.rstrip("+").split("/")[:2])
