"""The activity log: who did, changed or looked at what, and why; for whom it concerns, and for six months.

Whoever is erased is gone from it, in the lines of everybody else too, and it can still be verified: see
`privacy/FORMAT.md`, "A record of the activity log".
"""

import heapq
import itertools
import logging
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from privacy.activity_hashes import NAMES, NOTHING, HashTree
from privacy.activity_line import MOST_CONCERNED, SALT_BYTES, Deed, Kept, Line, encoded, kept, lines_of, opened
from privacy.keyring import KeyRing
from privacy.records import Item, RecordClass
from privacy.seal import RandomBytes
from privacy.sealed_file import Concerns
from privacy.sealed_folder import HeldBy, nothing_held
from privacy.sealed_store import ExpiringStore
from privacy.store import Barrier
from privacy.timekeeping import TimeKeeper

log = logging.getLogger(__name__)

LARGEST_FILE: Final = 64 * 1024
"""Bytes. To find a line or to erase a part of a file, all of it is read."""
FILES_A_LIMIT: Final = 6
"""A file takes lines for this share of the limit: a month of six. Its first line takes the others along."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A line that may be shown."""

    number: int
    at: datetime
    """When, as it is known today."""
    line: Line
    genuine: bool
    """Whether it is what the log has at its number; else somebody changed one of them, or they are damaged."""


@dataclass(frozen=True, slots=True)
class Parties:
    """Who of a deed can still be named."""

    actor: str | None = None
    token: str | None = None
    concerns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Span:
    """A file, and the numbers that its lines may have."""

    name: str
    person: str
    first: int
    end: int
    """Not included."""


class ActivityLog(ExpiringStore):
    """A `Store` of lines: sealed files for each person and month, and the Merkle tree over all lines there ever were.

    Every method blocks: call it on the `Disk` thread.
    """

    name = "activity"
    record_class = RecordClass.ACTIVITY
    named = "subject"
    beside = frozenset(NAMES)

    def __init__(  # noqa: PLR0913 - what it is made of, each used
        self,
        directory: Path,
        ring: KeyRing,
        time: TimeKeeper,
        limit: timedelta | None,
        *,
        barrier: Barrier,
        random_bytes: RandomBytes,
        holds: HeldBy = nothing_held,
    ) -> None:
        super().__init__(directory, ring, time, limit, holds=holds, admits=barrier.admits)
        self._random_bytes = random_bytes
        self.tree = HashTree(directory)
        self._make_good()

    def append(self, deeds: Sequence[Deed]) -> list[int]:
        """Note `deeds` durably, together; returns the number of each one's first line.

        What an order reaches that came meanwhile is left out.

        Raises:
            StoreBroken: the medium refused. Some of the lines may be there all the same.
        """
        numbers: list[int] = []
        lines: list[tuple[Line, Kept]] = []
        for deed in deeds:
            numbers.append(self.tree.size + len(lines))
            admitted = [line for line in lines_of(deed, numbers[-1]) if self._admits(_item(line))]
            for line in admitted:
                lines.append((line, kept(self.tree.size + len(lines), self._random_bytes(SALT_BYTES), line)))
        # The leaves first: so no number is ever given twice, and no line is without its leaf.
        self.tree.append([each.leaf for _, each in lines])
        by_person: dict[str, list[tuple[Line, Kept]]] = {}
        for line, each in lines:
            by_person.setdefault(line.person, []).append((line, each))
        for person, theirs in by_person.items():
            records = [(line.concerns, encoded(each)) for line, each in theirs]
            self._files.append(self._file_for(person, records, theirs[0][1].number), records)
        return numbers

    def lines(self, person: str | None, before: int | None, most: int) -> list[Shown]:
        """The newest `most` lines of `person` (None: of everybody) with a number below `before`, newest first."""
        end = self.tree.size if before is None else before
        newest: list[tuple[int, int, Item, Line, Kept]] = []
        order = itertools.count()  # no two are compared further than this
        spans = [span for span in self._spans() if person in {None, span.person} and span.first < end]
        for span in sorted(spans, key=lambda span: span.end, reverse=True):
            if len(newest) >= most and span.end <= newest[0][0]:
                break
            for item, line, each in self._shown_of(span.name):
                if each.number < end:
                    put = heapq.heappush if len(newest) < most else heapq.heappushpop
                    put(newest, (each.number, next(order), item, line, each))
        return [self._as_shown(item, line, each) for _, _, item, line, each in sorted(newest, reverse=True)]

    def line(self, number: int) -> tuple[Shown, Kept] | None:
        """The line of that number, and what shows that it is in the log; None where there is none, or not any more."""
        for span in self._spans():
            if span.first <= number < span.end:
                for item, line, each in self._shown_of(span.name):
                    if each.number == number and self._genuine(each):
                        return self._as_shown(item, line, each), each
        return None

    def parties(self, deeds: Iterable[int]) -> Mapping[int, Parties]:
        """Who did each of those deeds, and whom it was done to, as far as they are not erased."""
        wanted = sorted(set(deeds))
        found = {deed: Parties() for deed in wanted}
        for span in self._spans():
            # The lines of a deed have numbers from its own on, next to each other.
            at = bisect_left(wanted, span.first - MOST_CONCERNED)
            if at == len(wanted) or wanted[at] >= span.end:
                continue
            for _, line, each in self._shown_of(span.name):
                if line.deed not in found or not self._genuine(each):
                    continue
                known = found[line.deed]
                if line.did:
                    found[line.deed] = replace(known, actor=line.person, token=line.token)
                elif line.person:
                    found[line.deed] = replace(known, concerns=tuple(sorted({*known.concerns, line.person})))
        return found

    def _spans(self) -> Iterator[_Span]:
        """The files, of each person the newest first."""
        newer: _Span | None = None
        for name in reversed(self._files.names()):
            person, _, number = name.rstrip("+").partition("/")
            first = int(number)
            if newer is None or newer.person != person:
                end = self.tree.size
            else:
                # Made twice, after a failure, both may have any of them.
                end = newer.first if newer.first != first else newer.end
            newer = _Span(name, person, first, end)
            yield newer

    def _shown_of(self, name: str) -> Iterator[tuple[Item, Line, Kept]]:
        """What may be shown of the file `name`."""
        return ((item, line, each) for item, line, each in self._read(name) if self._may_show(item))

    def _read(self, name: str) -> Iterator[tuple[Item, Line, Kept]]:
        for _, item, payload in self._files.records(name):
            each = opened(payload)
            line = each.line if each else None
            if each and line:
                yield item, line, each

    def _as_shown(self, item: Item, line: Line, each: Kept) -> Shown:
        return Shown(each.number, item.at or line.at, line, self._genuine(each))

    def _genuine(self, each: Kept) -> bool:
        return each.number < self.tree.size and self.tree.leaf(each.number) == each.leaf

    def _file_for(self, person: str, records: Sequence[tuple[Concerns, bytes]], number: int) -> str:
        mine = f"{person}/"
        latest = max((name for name in self._files.names() if name.startswith(mine)), default=None)
        if latest and self._takes(self._files.file(latest), records, LARGEST_FILE):
            return latest
        return f"{mine}{number:016d}"

    @property
    def _span(self) -> timedelta | None:
        return self.limit and self.limit / FILES_A_LIMIT

    def _make_good(self) -> None:
        """Where lines are beyond the leaves, have no number given again."""
        last = max((span.first for span in self._spans()), default=-1)
        if last < self.tree.size:
            return
        log.warning("leaves of the activity log were taken away: its newest lines are not in it any more")
        numbers = (each.number for span in self._spans() for _, _, each in self._read(span.name))
        self.tree.append([NOTHING] * (max((*numbers, last)) + 1 - self.tree.size))

    def _exported(self, item: Item, payload: bytes) -> bytes:
        each = opened(payload)
        line = each.line if each else None
        if line is None:
            return payload
        return msgspec.json.encode({"at": item.at, **msgspec.structs.asdict(line)})

    def _concerns(self, payload: bytes) -> Concerns | None:
        each = opened(payload)
        line = each.line if each else None
        return line.concerns if line else None


def _item(line: Line) -> Item:
    return line.concerns.item("", RecordClass.ACTIVITY)
