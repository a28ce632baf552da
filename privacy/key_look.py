"""A look at root slots and key tables that settles nothing: for who asks what is wrong while an agent may be running.

The rule is that of every start (`privacy/key_root.py`); what a start would mend is only told here. Nothing is written,
made or locked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from privacy.key_files import NAMES, KeyFiles
from privacy.key_root import Root
from privacy.key_table import KeyEntry, KeyTable, TableKey, generation_of
from privacy.keystore.contract import SLOTS, KeyStore
from privacy.records import Tier
from privacy.seal import Cipher, Seal


class TableState(StrEnum):
    """How one of the two key tables is."""

    WHOLE = "whole"
    BEHIND = "behind its twin"
    """It opens, and lacks lines, or has a torn tail."""
    OTHER_GENERATION = "of another generation"
    DAMAGED = "damaged"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class KeyLook:
    """What root and tables say. The keys in it belong in no log."""

    where: str
    """The root, for people."""
    tier: Tier
    generation: int
    """The one that counts."""
    slots: tuple[int | None, ...]
    """The generation that each slot holds; None: empty, torn or damaged."""
    tables: Mapping[str, TableState]
    cipher: Cipher
    entries: Mapping[bytes, KeyEntry] = field(repr=False)
    """Every living entry, by id."""

    @property
    def settled(self) -> bool:
        """Whether a start would find nothing to mend."""
        return set(self.tables.values()) == {TableState.WHOLE} and sum(held is not None for held in self.slots) == 1

    def seal(self, entry: KeyEntry) -> Seal:
        """Opens what is sealed under the key of `entry`; closes nothing."""
        return Seal(entry.key, _no_randomness, self.cipher)


def look_at_keys(directory: Path, store: KeyStore) -> KeyLook | None:
    """What stands in `directory` under the root in `store`; None before a first start. Blocks.

    While an agent changes keys, one look may see the half of it: look again before you believe in damage.

    Raises:
        StoreBroken: the medium refused; or slots and tables do not belong together, and why.
    """
    files = KeyFiles(directory)
    slots = [store.read(slot) for slot in SLOTS]
    data = [files.read(number) for number in range(len(NAMES))]
    for held in sorted(filter(None, slots), key=lambda held: held.generation, reverse=True):
        key = TableKey(held, _no_randomness)
        opened = [key.open(each) if each is not None else None for each in data]
        if best := max(filter(None, opened), key=lambda table: table.lines, default=None):
            states = {name: _state(each, table, best) for name, each, table in zip(NAMES, data, opened, strict=True)}
            generations = tuple(each.generation if each else None for each in slots)
            where, tier = store.where, store.tier
            return KeyLook(where, tier, best.generation, generations, states, best.cipher, best.entries)
    Root(store, files, _no_randomness).find()  # raises, and says why; else this is before a first start
    return None


def _state(data: bytes | None, table: KeyTable | None, best: KeyTable) -> TableState:
    if data is None:
        return TableState.MISSING
    if table:
        whole = table.lines == best.lines and table.size == len(data)
        return TableState.WHOLE if whole else TableState.BEHIND
    generation = generation_of(data)
    return TableState.DAMAGED if generation in {None, best.generation} else TableState.OTHER_GENERATION


def _no_randomness(_length: int) -> bytes:
    raise AssertionError("a look seals nothing")
