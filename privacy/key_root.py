"""Which generation of keys counts: the two slots of the root, and the two tables, read together.

The rule of every start, and of what follows a failure: `privacy/FORMAT.md`, "Crash points of a change of keys".
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from privacy.errors import StoreBroken
from privacy.key_files import NAMES, KeyFiles
from privacy.key_table import KeyTable, TableKey, generation_of
from privacy.keystore.contract import SLOTS, Held, KeyStore, Slot
from privacy.seal import Cipher, RandomBytes

log = logging.getLogger(__name__)

_RESTORE = "restore the whole state directory from a backup; nothing was changed"
_PUT_BACK = "put back the root that belongs to these tables; without it nothing here can be read; nothing was changed"


@dataclass(slots=True)
class Found:
    """The generation that counts."""

    held: Held
    key: TableKey
    table: KeyTable
    number: int
    """Of the file that says so."""
    both_whole: bool
    """Both files hold this table, to the byte, and nothing behind it."""
    older_slot: bool
    """The generation before still has its slot."""


class Root:
    """The slots of a `KeyStore`, as the key ring uses them. Every method blocks.

    Raises (all methods):
        StoreBroken: the medium refused.
    """

    def __init__(self, store: KeyStore, files: KeyFiles, random_bytes: RandomBytes) -> None:
        self.tier = store.tier
        self._store = store
        self._files = files
        self._random_bytes = random_bytes

    def find(self) -> Found | None:
        """The highest generation whose slot and table open; None before a first start, or in the middle of one.

        Changes nothing.

        Raises:
            StoreBroken: also where slots and tables do not belong together.
        """
        slots = [held for slot in SLOTS if (held := self._read(slot))]
        files = [self._files.read(number) for number in range(len(NAMES))]
        for held in sorted(slots, key=_generation, reverse=True):
            key = TableKey(held, self._random_bytes)
            tables = {n: table for n, data in enumerate(files) if data is not None and (table := key.open(data))}
            if tables:
                number = max(tables, key=lambda n: tables[n].lines)
                whole = files[0] == files[1] and tables[number].size == len(files[number] or b"")
                if not whole:
                    log.warning("the key tables differ or are torn: both are written as %s says", NAMES[number])
                older = any(other.generation < held.generation for other in slots)
                return Found(held, key, tables[number], number, both_whole=whole, older_slot=older)
        if files == [None, None] and [held.generation for held in slots] in ([], [1]):
            return None
        raise self._refusal(slots, [data for data in files if data is not None])

    def find_again(self) -> Found:
        """As `find`, when there was a generation before."""
        if found := self.find():
            return found
        raise StoreBroken(f"the key tables in {self._files.directory} are gone", hint=_RESTORE)

    def begin(self, cipher: Cipher) -> Found:
        """Start generation 1, or go on with a first start that was interrupted. The caller writes the tables."""
        self._files.make_directory()
        held = self._read(_slot(1)) or self._drawn(1)
        self.commit(held)  # one that was read is written again: a killed process may have left it in a cache alone
        key = TableKey(held, self._random_bytes)
        return Found(held, key, KeyTable(1, cipher, {}, {}), 0, both_whole=False, older_slot=False)

    def next_secret(self, generation: int) -> tuple[Held, TableKey]:
        """A fresh secret for `generation`, and its key. Nothing is written."""
        held = self._drawn(generation)
        return held, TableKey(held, self._random_bytes)

    def commit(self, held: Held) -> None:
        """From here on its generation counts. Its table is durable already."""
        self._store.write(_slot(held.generation), held)

    def destroy_other(self, generation: int) -> None:
        """Destroy the slot that `generation` does not live in, whatever it holds: torn ones read as empty."""
        self._store.destroy(_slot(generation + 1))

    def settle_slots(self, found: Found) -> None:
        """Leave the slot of what counts, alone."""
        if found.older_slot:
            # It can be read, but its write was cut off or failed, and may be in a cache alone. If this write is
            # torn, the older slot still counts, and its table is there: it goes only after that slot.
            self.commit(found.held)
        self.destroy_other(found.held.generation)

    def _drawn(self, generation: int) -> Held:
        return Held(generation, self._random_bytes(self._store.secret_bytes))

    def _read(self, slot: Slot) -> Held | None:
        held = self._store.read(slot)
        if held and _slot(held.generation) != slot:
            raise StoreBroken(
                f"{self._store.where}: slot {slot} holds generation {held.generation}, which lives in the other",
                hint=_RESTORE,
            )
        return held

    def _refusal(self, slots: Sequence[Held], files: Sequence[bytes]) -> StoreBroken:
        where, directory = self._store.where, self._files.directory
        if not slots:
            return StoreBroken(f"{where} holds no root, but there are key tables in {directory}", hint=_PUT_BACK)
        living = max(map(_generation, slots))
        if not files:
            return StoreBroken(f"{where} is at generation {living}, but no key table is in {directory}", hint=_RESTORE)
        generations = sorted({generation for data in files if (generation := generation_of(data)) is not None})
        if not generations:
            return StoreBroken(f"no key table in {directory} is whole", hint=_RESTORE)
        if living not in generations:
            return StoreBroken(
                f"{where} is at generation {living}, but the key tables in {directory} are at {generations[-1]}",
                hint=_PUT_BACK,
            )
        return StoreBroken(f"the root in {where} does not open the key tables in {directory}", hint=_PUT_BACK)


def _generation(held: Held) -> int:
    return held.generation


def _slot(generation: int) -> Slot:
    return SLOTS[generation % 2]
