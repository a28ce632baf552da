"""Houses that are deliberately wrong, one for each guarantee. A suite that does not catch them proves nothing."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from camera.vault.catalogue import Catalogue
from camera.vault.erasing import Erasing
from camera.vault.pictures import Pictures
from camera.vault.vault import Vault
from privacy.erasure import Eraser
from privacy.holds import Holds
from privacy.journal import Journal
from privacy.key_root import Root
from privacy.key_table import KeyTable
from privacy.keyring import KeyRing
from privacy.records import Item, RecordClass, Scope
from privacy.store import Erasure, Store
from tests.crash.life import PERSONS, SCOPE, House


@dataclass(frozen=True)
class Variant:
    """What of a house is wrong."""

    house: type[House] = House
    install: Callable[[], None] = lambda: None
    """Makes the product wrong, in this process."""
    deaf: str = ""
    """As `fate.Fate` has it: what is never synced."""


class _ErasesAtTheScan:
    """A store that says that it erased, and does so at the scan."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.name, self.classes, self.tier = store.name, store.classes, store.tier
        self.find, self.count, self.export, self.oldest = store.find, store.count, store.export, store.oldest

    def erase(self, scope: Scope, before: datetime) -> Erasure:
        found = self._store.count(scope, before)
        return Erasure(found, found, 0)

    def scan(self, scope: Scope, before: datetime, marks: Sequence[bytes] = ()) -> Iterator[int]:
        self._store.erase(scope, before)
        yield from self._store.scan(scope, before, marks)


class _ReceiptFirst(House):
    def make_eraser(self, **_: Any) -> Eraser:
        return super().make_eraser(stores=[_ErasesAtTheScan(store) for store in self.storage.stores])


class _ReceiptBeforeTheCommit(House):
    """Everything is staged, then comes the receipt, and only then does the change commit."""

    def make_eraser(self, **_: Any) -> Eraser:
        self._open = ExitStack()

        @contextmanager
        def change() -> Iterator[object]:
            self._open.close()
            yield self._open.enter_context(self.storage.ring.change())

        return super().make_eraser(change=change)

    async def observe(self, *_: object) -> None:
        await self.disk.run(self._open.close)


class _SkipsTheSpool(House):
    def make_eraser(self, **_: Any) -> Eraser:
        return super().make_eraser(stores=[store for store in self.storage.stores if store is not self.storage.spool])


class _AcknowledgesFirst(House):
    async def carry_out(self) -> None:
        self.tell("acknowledged")
        await super().carry_out()


class _EndsTheHoldUnasked(House):
    async def expire(self) -> None:
        for hold in self.storage.holds.active():
            self.storage.holds.release(hold.id, hold.by)
        await super().expire()


def _does_not_count() -> None:
    Journal.counted = lambda *_: None  # type: ignore[method-assign]


def _leaves_the_old_slot() -> None:
    Root.destroy_other = lambda *_: None  # type: ignore[method-assign]


def _copies_before_it_destroys() -> None:
    """The table goes over both files before the older slot is destroyed: a new slot that is torn then costs all."""

    def commit(ring: Any, staged: Any) -> None:
        table = KeyTable(ring.generation + 1, ring.cipher, staged.survivors(), dict(ring._table.notes))
        held, key = ring._root.next_secret(table.generation)
        data = key.close(table)
        first = (table.generation - 1) % 2
        with ring._writing():
            ring._files.overwrite(first, data)
            ring._root.commit(held)
            ring._files.overwrite(1 - first, data)
            ring._root.destroy_other(held.generation)
        table.size = len(data)
        ring._adopt(table, key)

    KeyRing._commit = commit  # type: ignore[method-assign]


def _destroys_before_it_commits() -> None:
    commit = Root.commit

    def destroy_first(root: Root, held: Any) -> None:
        root.destroy_other(held.generation)
        commit(root, held)

    Root.commit = destroy_first  # type: ignore[method-assign]


def _flushes_no_keys() -> None:
    KeyRing.sync = lambda _ring: None  # type: ignore[method-assign]


def _takes_the_whole_hour() -> None:
    Erasing._part = lambda *_: None  # type: ignore[method-assign]


def _takes_no_parts() -> None:
    """Of an hour that is erased in part nothing goes, and nobody is told."""
    part = Erasing._part

    def none_die(erasing: Any, doomed: Any) -> Any:
        survivors = part(erasing, doomed)
        pictures = Pictures(erasing._catalogue, doomed.segment, None)
        return survivors and replace(survivors, page=pictures.survivors(b"".join(pictures.ids)), dying=[])

    Erasing._part = none_die  # type: ignore[method-assign]


def _takes_what_was_said_alone() -> None:
    """Who was tagged, and what was claimed, dies; those pictures stay, and nobody knows any more whose they are."""

    def stage(erasing: Any, change: Any, _whole: Any, parts: Any = (), dies: Any = lambda _record: False) -> None:
        meant = [one.segment for one in parts]
        for segment in meant:
            if not set(PERSONS.subjects).isdisjoint(segment.info.subjects):
                change.forget(segment.id)
        erasing._tags.erase({segment.id: None for segment in meant}, dies)

    Erasing.stage = stage  # type: ignore[method-assign]


def _scans_without_marks() -> None:
    """As before, and the scan goes by what is still said."""
    _takes_what_was_said_alone()
    scan = Vault.scan
    Vault.scan = lambda vault, scope, before, _marks=(): scan(vault, scope, before)  # type: ignore[method-assign]


def _notes_nothing_of_the_dying() -> None:
    Journal.dying = lambda *_: None  # type: ignore[method-assign]


def _notes_the_dying_too_late() -> None:
    """Once they are dead."""
    erase_all, dying = Eraser._erase_all, Journal.dying
    noted: list[Any] = []

    def erase_then_note(eraser: Any, order: Any, reach: datetime) -> Any:
        done = erase_all(eraser, order, reach)
        while noted:
            dying(*noted.pop())
        return done

    Journal.dying = lambda *what: noted.append(what)  # type: ignore[method-assign]
    Eraser._erase_all = erase_then_note  # type: ignore[method-assign]


def _forgets_orders() -> None:
    """What stands in the journal is not taken up at a start."""
    admit, unfinished = Journal.admit, Journal.unfinished
    admitted = set()

    def noted(journal: Journal, order: Any) -> bool:
        admitted.add(order.id)
        return admit(journal, order)

    Journal.admit = noted  # type: ignore[method-assign]
    Journal.unfinished = lambda journal: [one for one in unfinished(journal) if one.id in admitted]  # type: ignore[method-assign]


def _never_unlinks() -> None:
    Vault.reclaim = lambda *_: 0  # type: ignore[method-assign]


def _unlinks_too_much() -> None:
    """Whoever is not in the index is dead."""
    dead = Catalogue.dead

    def too_many(catalogue: Catalogue) -> Any:
        _, pages = dead(catalogue)
        known = catalogue.index.sizes()
        return [one for one in catalogue.segments.ids() if one not in known], pages

    Catalogue.dead = too_many  # type: ignore[method-assign]


def _knows_no_holds() -> None:
    Holds.active = lambda _holds: ()  # type: ignore[method-assign]


def _finds_by_class_alone() -> None:
    """An order takes whatever is of its classes, whenever it was."""
    covers = Scope.covers

    def covers_all(scope: Scope, item: Item) -> bool:
        if scope == SCOPE and item.record_class is RecordClass.OP_LOG:
            return True
        return covers(scope, item)

    Scope.covers = covers_all  # type: ignore[method-assign]


VARIANTS = {
    # Each with what it breaks; the tests say which cuts catch it.
    "receipt before erasing": Variant(house=_ReceiptFirst),
    "receipt before the commit": Variant(house=_ReceiptBeforeTheCommit),
    "skips the spool": Variant(house=_SkipsTheSpool),
    "acknowledges before it journals": Variant(house=_AcknowledgesFirst),
    "does not journal what it found": Variant(install=_does_not_count),
    "leaves the old slot": Variant(install=_leaves_the_old_slot),
    "copies the table before the old slot is destroyed": Variant(install=_copies_before_it_destroys),
    "destroys the old slot before it commits": Variant(install=_destroys_before_it_commits),
    "takes the whole hour": Variant(install=_takes_the_whole_hour),
    "takes no part of an hour": Variant(install=_takes_no_parts),
    "takes whatever is of the class": Variant(install=_finds_by_class_alone),
    "forgets its orders": Variant(install=_forgets_orders),
    "takes what was said of pictures, and leaves them": Variant(install=_takes_what_was_said_alone),
    "the same, and scans without marks": Variant(install=_scans_without_marks),
    "notes nothing of the dying": Variant(install=_notes_nothing_of_the_dying),
    "notes the dying once they are dead": Variant(install=_notes_the_dying_too_late),
    "never unlinks": Variant(install=_never_unlinks),
    "unlinks what the index does not know": Variant(install=_unlinks_too_much),
    "knows no holds": Variant(install=_knows_no_holds),
    "ends a hold unasked": Variant(house=_EndsTheHoldUnasked),
    "flushes no keys": Variant(install=_flushes_no_keys),
    "never syncs the journal": Variant(deaf=r"/journal(\.new)?$"),
    "never syncs the key tables": Variant(deaf=r"/table\."),
    "never syncs the slots": Variant(deaf=r"/slots$"),
    "never syncs pages": Variant(deaf=r"/pages"),
    "never syncs segments": Variant(deaf=r"/segments"),
    "never syncs a log that it rewrites": Variant(deaf=r"\.log\.new$"),
    "never syncs the logs": Variant(deaf=r"\.log$"),
    "never syncs folders of logs": Variant(deaf=r"/(operation-log|spool|tags|holds|devices)$"),
}
