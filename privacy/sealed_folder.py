"""A folder of sealed logs, each under a key of its own in the ring: what every store but the vault is made of.

A file dies with its key. Where a part of it dies, the rest is first sealed anew, in another file under another key.
Formats and crash points: `privacy/FORMAT.md`, "A sealed log" and "Crash points of a change of keys".
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Final, Protocol

from privacy.keyring import Change, KeyEntry, KeyRing
from privacy.log_directory import LogDirectory
from privacy.moment import Moment, since
from privacy.records import Item, RecordClass, Scope
from privacy.sealed_file import Concerns, Describe, Info, Kind, Named, Record, SealedFile, reached
from privacy.sealed_log import SealedLog, records_in
from privacy.store import Erasure, Exemption


class Held(Protocol):
    """Why a record lives on, and until when."""

    @property
    def reason(self) -> str: ...

    @property
    def until(self) -> datetime: ...


TRIED: Final = 8
"""How many records of a stray file each other key is tried on: where damage hides all of these, it hides the rest."""

HeldBy = Callable[[Item], Held | None]
"""The hold that a record is under, if any."""


def nothing_held(_item: Item) -> None:
    """For what no hold reaches."""


class SealedFolder:
    """Sealed logs by name in one directory. Every method blocks: call it on the `Disk` thread.

    The ring alone says which files there are. A file of ours that it does not know is dead, and unlinked at the start;
    whatever else lies in the directory is left alone. Where that has the name of a file that lives, the file counts as
    missing: it costs no other file anything, and no order waits for it.

    Args:
        kind: of the entries in the ring, and the purpose of the logs; nobody else uses it.
        describe: whom a record concerns.
        moment: now.
        holds: what lives on although it is to die.
        beside: names of files of ours that also lie there.
        redates: whether `redate` is called when the time becomes known. Until then what was written is undated.

    Raises (all methods):
        StoreBroken: the medium refused.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what it is made of, each used
        self,
        directory: Path,
        ring: KeyRing,
        kind: str,
        describe: Describe,
        moment: Callable[[], Moment],
        holds: HeldBy = nothing_held,
        record_class: RecordClass = RecordClass.OP_LOG,
        *,
        beside: frozenset[str] = frozenset(),
        redates: bool = False,
        named: Named = None,
    ) -> None:
        self._directory = LogDirectory(directory, beside)
        self._ring = ring
        self._kind = Kind(kind, record_class, describe, redates, named)
        self._moment = moment
        self._holds = holds
        self._entries: dict[bytes, KeyEntry] = {}
        self._files: dict[str, SealedFile] = {}
        self._change: Change | None = None
        self._staged: dict[bytes, SealedFile] = {}
        """Files that the open change has written, by the ids of their entries."""
        self._unsettled: set[Path] = set()
        """Files that a change writes, or has die: which of both, nobody knows before the ring is settled."""
        self._unmade: set[bytes] = set()
        """Entries that this run has added, and whose files were never whole: they hold nothing."""
        self._unlink_dead()

    def names(self) -> list[str]:
        """The files that live, in the order of their names."""
        return sorted(self._living())

    def files(self) -> list[SealedFile]:
        """Those files, in the same order."""
        living = self._living()
        return [living[name] for name in sorted(living)]

    def append(self, name: str, records: Sequence[tuple[Concerns, bytes]]) -> int:
        """Add records durably to the file `place(name)`, made where it is not there; returns the sequence of the first.

        As `SealedLog.append`. Not while a change of keys is open.
        """
        # First: after a change that failed, only a ring that has settled knows which file lives. And a sync may be due.
        self._ring.sync()
        name = self.place(name)
        file = self._living().get(name)
        if file is None:
            moment = since([concerns.at for concerns, _ in records], self._moment())
            entry = self._ring.add(self._kind.name, Info(name, moment).to_bytes())
            self._unmade.add(entry.id)
            self._ring.sync()  # the key before the file: a file without one is dead
            file = self._living()[name]
        first = file.append(records)
        self._unmade.discard(file.entry.id)
        return first

    def place(self, name: str) -> str:
        """`name`, or a longer one where the file of that name is away.

        It may come back with what it holds, and has to die by its own key then, without what was written since. And
        where something else lies in its place, that is not ours to write to.
        """
        living = self._living()
        while name in living and self.away(name):
            name += "+"
        return name

    def away(self, name: str) -> bool:
        """Whether the file `name`, which must be one of `names`, is missing though it was there, or may have been.

        So is one in whose place something lies that is under no key of its own.
        """
        file = self._living()[name]
        return not file.takes and not (file.missing and file.entry.id in self._unmade)

    def file(self, name: str) -> SealedFile:
        """The file `name`, which must be one of `names`."""
        return self._living()[name]

    def records(self, name: str) -> Iterator[Record]:
        """Every record of the file `name` that opens, with its sequence; none where there is no such file."""
        file = self._living().get(name)
        return file.records() if file else iter(())

    def held(self, item: Item) -> bool:
        """Whether `item` lives on although it is to die."""
        return self._holds(item) is not None

    @contextmanager
    def change(self) -> Iterator[Change]:
        """As `KeyRing.change`: whatever dies in this block dies at once, when the outermost ends."""
        with self._ring.change() as change:
            if change is not self._change:
                self._settle()
                self._change, self._staged = change, {}
            yield change

    def lose(self, name: str, dies: Callable[[int, Item], bool]) -> list[int]:
        """Have those records of the file `name` die that `dies` says and no hold keeps; returns their sequences.

        A file without a survivor dies as a whole, also where no record of it opens. None where there is no such file.
        """
        with self.change() as change:
            file = self._after(change).get(name)
            return self._lose(change, file, file.records(), dies) if file else []

    def rewrite(self, name: str, payloads: Sequence[bytes]) -> None:
        """Make `payloads`, written now, all that the file `name` holds, under a new key.

        What it held dies, under a hold or not.
        """
        with self.change() as change:
            file = self._after(change)[name]
            times = [concerns.at for concerns in map(self._kind.describe, payloads) if concerns]
            moment = since(times, self._moment()) if times and len(times) == len(payloads) else file.info.moment
            self._replace(change, file, list(enumerate(payloads, file.first_free)), Info(name, moment))

    def revise(self, name: str, anew: Callable[[bytes], bytes | None]) -> None:
        """Make each record of the file `name` what `anew` makes of its payload (None: it dies), under a new key.

        Does nothing where all stay as they are, or there is no such file.
        """
        with self.change() as change:
            file = self._after(change).get(name)
            old = [(sequence, payload) for sequence, _, payload in file.records()] if file else []
            new = [(sequence, revised) for sequence, payload in old if (revised := anew(payload)) is not None]
            if file and new != old:
                self._replace(change, file, new, file.left_with(new, self._moment()))

    def expire(self, due: Callable[[Moment], bool]) -> int:
        """Have every file die that began at a moment that is `due`; returns how many records went."""
        with self.change() as change:
            files = [file for file in self._after(change).values() if due(file.info.moment)]
            return sum(len(self._lose(change, file, file.records(), lambda *_: True)) for file in files)

    def forget_unread(self) -> None:
        """Have every file die of which nothing opens: it is missing, or somebody else's.

        It does not say whom it concerns, so that every erasure may mean it; and nobody loses a record by it.
        """
        with self.change() as change:
            for file in self._after(change).values():
                if not file.opens():
                    self._replace(change, file, [], file.info)

    def redate(self, redated: Callable[[Moment], Moment]) -> None:
        """The time has become known: correct what the files of this boot say of their records."""
        now = self._moment().wall
        with self.change() as change:
            for file in self._after(change).values():
                if (moment := redated(file.info.moment)) != file.info.moment:
                    change.inform(file.entry.id, file.info.corrected(moment, now).to_bytes())

    def erase(self, scope: Scope, before: datetime) -> Erasure:
        """As `Store.erase`. What does not say whom it concerns dies too: see `forget_unread`."""
        found = 0
        kept: Counter[tuple[str, datetime]] = Counter()
        with self.change() as change:
            for file in self._after(change).values():
                if file.spared(scope) and file.opens():
                    continue
                records = list(file.records())
                meant = [item for _, item, _ in records if reached(scope, before, item)]
                holds = [hold for item in meant if (hold := self._holds(item))]
                found += len(meant)
                kept.update((str(hold.reason), hold.until) for hold in holds)
                if len(meant) > len(holds) or not records:
                    self._lose(change, file, records, lambda _sequence, item: reached(scope, before, item))
        exemptions = [Exemption(reason=reason, count=n, due=due) for (reason, due), n in sorted(kept.items())]
        return Erasure(found, found - kept.total(), kept.total(), exemptions=tuple(exemptions))

    def scan(self, scope: Scope, before: datetime, marks: Sequence[bytes] = ()) -> Iterator[int]:  # noqa: ARG002 - no marks
        """As `Store.scan`: a number for each file that lies there, opened with whichever key of this kind opens it.

        There are no marks: each record says by itself whom it concerns.
        """
        return (self._count_open(path, scope, before) for path in self._directory.logs())

    def _living(self) -> dict[str, SealedFile]:
        """Every file by its name, as the ring has it now: after a failure it alone knows what was committed."""
        entries = self._ring.entries(self._kind.name)
        if entries != self._entries:
            self._files = self._named(entries)
            self._entries = dict(entries)
        return self._files

    def _named(self, entries: Mapping[bytes, KeyEntry]) -> dict[str, SealedFile]:
        """The files of those entries, by name."""
        known = {file.entry: file for file in (*self._files.values(), *self._staged.values())}
        files: dict[str, SealedFile] = {}
        for entry in entries.values():
            file = known.get(entry) or SealedFile(self._directory.path_of(entry.id), self._ring, entry, self._kind)
            while file.name in files:
                file.name += "+"  # made twice, after a failure: both have to expire
            files[file.name] = file
        return files

    def _after(self, change: Change) -> dict[str, SealedFile]:
        """The files that live after `change`, as it stands now, by name."""
        return self._named(change.entries(self._kind.name))

    def _lose(
        self, change: Change, file: SealedFile, records: Iterable[Record], dies: Callable[[int, Item], bool]
    ) -> list[int]:
        """As `lose`, where `records` are all that the file holds."""
        gone: list[int] = []
        kept: list[tuple[int, bytes]] = []
        for sequence, item, payload in records:
            if dies(sequence, item) and not self.held(item):
                gone.append(sequence)
            else:
                kept.append((sequence, payload))
        if gone or not kept:
            self._replace(change, file, kept, file.left_with(kept, self._moment()) if kept else file.info)
        return gone

    def _replace(self, change: Change, file: SealedFile, kept: Sequence[tuple[int, bytes]], info: Info) -> None:
        """Stage the death of `file`, and the birth of another with what is `kept`, of which `info` tells."""
        if kept:
            entry = change.add(self._kind.name, info.to_bytes())
            staged = self._staged[entry.id] = SealedFile(
                self._directory.path_of(entry.id), self._ring, entry, self._kind
            )
            self._unsettled.add(staged.path)
            purpose = self._kind.name.encode()
            SealedLog.create(staged.path, self._ring.seal(entry), purpose, kept, file.first_free)
        change.forget(file.entry.id)
        self._unsettled.add(file.path)
        change.afterwards(self._settle)

    def _settle(self) -> None:
        """Unlink what died in the last change, or was written for one that failed."""
        self._directory.unlink(self._unsettled - {file.path for file in self._living().values()})
        self._unsettled = set()
        self._staged = {}

    def _unlink_dead(self) -> None:
        """Unlink what a crash left: files of ours that no entry names."""
        living = {file.path for file in self._living().values()}
        self._directory.unlink(path for path in self._directory.logs() if path not in living)
        self._directory.warn_of_strangers(living)

    def _count_open(self, path: Path, scope: Scope, before: datetime) -> int:
        opened = self._open_records(self._directory.read(path), self._directory.entry_id(path))
        return sum(reached(scope, before, item) for item in opened)

    def _open_records(self, data: bytes, own: bytes) -> list[Item]:
        """What the key of the entry `own` opens, or else any other key, if it opens one of the first records."""
        entries = self._ring.entries(self._kind.name)
        for entry in sorted(entries.values(), key=lambda entry: entry.id != own):
            records = records_in(data, self._ring.seal(entry), self._kind.name.encode())
            tried = records if entry.id == own else islice(records, TRIED)
            if any(payload is not None for _, payload, _ in tried):
                info = Info.of(entry)
                again = records_in(data, self._ring.seal(entry), self._kind.name.encode())
                return [self._kind.item("", payload, info) for _, payload, _ in again if payload is not None]
        return []
