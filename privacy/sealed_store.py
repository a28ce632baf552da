"""What the stores of sealed logs have in common: what of them may be shown, and when it goes.

Each store says for itself what its records are, and how they come in.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from privacy.keyring import KeyRing
from privacy.lifetime import Lifetime
from privacy.moment import Moment, since
from privacy.records import Item, RecordClass, Scope
from privacy.sealed_file import Concerns, Named, SealedFile, reached
from privacy.sealed_folder import HeldBy, SealedFolder, nothing_held
from privacy.store import Erasure
from privacy.timekeeping import TimeKeeper


def all_admitted(_item: Item) -> bool:
    """For what no order reaches."""
    return True


class SealedStore(ABC):
    """A `Store` of one record class in a `SealedFolder`. Every method blocks: call it on the `Disk` thread.

    Args:
        moment: now.
        holds: what lives on although it is to die; it is not shown.
        admits: as `Barrier.admits`: what an order reaches is not shown, from the moment it stands in the journal.

    Raises (all methods):
        StoreBroken: the medium refused.
    """

    name: str
    """For receipts and metrics; with hyphens for underscores, the kind of its keys and the purpose of its files."""
    record_class: RecordClass
    named: Named = None
    """What a file's name is the id of."""
    beside: frozenset[str] = frozenset()
    """As for `SealedFolder`."""

    def __init__(
        self,
        directory: Path,
        ring: KeyRing,
        moment: Callable[[], Moment],
        *,
        holds: HeldBy = nothing_held,
        admits: Callable[[Item], bool] = all_admitted,
    ) -> None:
        kind, described = self.name.replace("_", "-"), self._concerns
        self.classes = frozenset({self.record_class})
        self.tier = ring.tier
        self._admits = admits
        self._files = SealedFolder(
            directory,
            ring,
            kind,
            described,
            moment,
            holds,
            self.record_class,
            beside=self.beside,
            redates=True,
            named=self.named,
        )

    def moments(self) -> Iterator[Moment]:
        """When each file began, for the time keeper at a start."""
        return (file.info.moment for file in self._files.files())

    def redate(self, redated: Callable[[Moment], Moment]) -> None:
        """The time has become known: correct what was said of the records of this boot."""
        self._files.redate(redated)

    def find(self, scope: Scope, before: datetime) -> Iterator[Item]:
        """As `Store.find`."""
        records = (record for file in self._files.files() for record in file.records())
        return (item for _, item, _ in records if reached(scope, before, item))

    def count(self, scope: Scope, before: datetime) -> int:
        """As `Store.count`."""
        return sum(file.count_reached(scope, before) for file in self._files.files())

    def erase(self, scope: Scope, before: datetime) -> Erasure:
        """As `Store.erase`."""
        return self._files.erase(scope, before)

    def scan(self, scope: Scope, before: datetime, marks: Sequence[bytes] = ()) -> Iterator[int]:
        """As `Store.scan`."""
        return self._files.scan(scope, before, marks)

    def export(self, scope: Scope) -> Iterator[tuple[Item, bytes]]:
        """As `Store.export`; what no longer decodes, as it lies there."""
        return ((item, self._exported(item, payload)) for item, payload in self._shown() if scope.covers(item))

    def oldest(self) -> Iterator[tuple[RecordClass, int, datetime | None]]:
        """As `Store.oldest`."""
        states = [file.state() for file in self._files.files()]
        yield self.record_class, sum(count for count, _ in states), min((at for _, at in states if at), default=None)

    @abstractmethod
    def _concerns(self, payload: bytes) -> Concerns | None:
        """Whom a record concerns; None where it cannot be read."""

    def _exported(self, _item: Item, payload: bytes) -> bytes:
        """What leaves of a record that lies there as `payload`."""
        return payload

    def _shown(self) -> Iterator[tuple[Item, bytes]]:
        """What may be shown, file by file."""
        for name in self._files.names():
            if not self._doubtful(name):
                yield from ((item, payload) for _, item, payload in self._files.records(name) if self._may_show(item))

    def _may_show(self, item: Item) -> bool:
        """Whether neither a hold keeps it nor an order reaches it."""
        return self._admits(item) and not self._files.held(item)

    def _doubtful(self, _name: str) -> bool:
        """Whether nothing of that file may be shown, because nobody knows how old it is."""
        return False


class ExpiringStore(SealedStore):
    """A `SealedStore` whose records go at the limit of their class."""

    limit: timedelta | None
    """How long a record lives at the most; None: while in use."""

    def __init__(  # noqa: PLR0913 - what it is made of, each used
        self,
        directory: Path,
        ring: KeyRing,
        time: TimeKeeper,
        limit: timedelta | None,
        *,
        holds: HeldBy = nothing_held,
        admits: Callable[[Item], bool] = all_admitted,
    ) -> None:
        self.limit = limit
        self._lifetime = Lifetime(time, self.record_class, limit)
        super().__init__(directory, ring, time.moment, holds=holds, admits=admits)

    def expire(self, ahead: timedelta) -> int:
        """Have die what reaches its limit within `ahead`, the time until the next run; returns how many records went.

        File by file, each by its first record.
        """
        return self._files.expire(self._lifetime.due(ahead))

    def _append(self, records: Sequence[tuple[Concerns, bytes]], largest: int, above: int = 0) -> None:
        """Store records, if there are any, durably in the newest file or another; `largest` is in bytes."""
        if records:
            self._files.append(self._taking(records, largest, above), records)

    def _taking(self, records: Sequence[tuple[Concerns, bytes]], largest: int, above: int) -> str:
        """The name, a number above `above`, of the file that takes `records`.

        It is a new one where the newest is `largest` bytes long, or began longer ago than one file takes records, or in
        another boot: as a file dies by the moment of its first record, others die early by at most that. And where the
        time was known then and is not known now, or the other way round: no clock in doubt dates what a right one
        wrote.
        """
        names = set(self._files.names())
        newest = max((int(name) for name in names if name.isdecimal()), default=0)
        if numbered(newest) in names and self._takes(self._files.file(numbered(newest)), records, largest):
            return numbered(newest)
        return numbered(max(newest, above) + 1)

    def _takes(self, file: SealedFile, records: Sequence[tuple[Concerns, bytes]], largest: int) -> bool:
        """Whether `file` goes on with `records`; see `_taking`."""
        if file.size >= largest or self._files.away(file.name):
            return False
        now, begun, span = self._lifetime.time.moment(), file.info.moment, self._span
        first = since([concerns.at for concerns, _ in records], now)
        young = span is None or now.since_boot - begun.since_boot < span.total_seconds()
        alike = now.boot == begun.boot and first.trusted == begun.trusted and file.info.until is None
        return young and alike and begun.wall <= min(concerns.at for concerns, _ in records)

    @property
    def _span(self) -> timedelta | None:
        """How long one file takes records; None: for ever."""
        return self._lifetime.span

    def _doubtful(self, name: str) -> bool:
        return self._lifetime.sealed(self._files.file(name).info.moment)


def numbered(number: int) -> str:
    """The name of a file that goes by a number."""
    return f"{number:010d}"
