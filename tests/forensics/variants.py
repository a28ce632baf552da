"""Houses that are deliberately wrong, each in one thing that a guarantee rests on. The tests must catch every one."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from privacy import key_change, keyring
from privacy.key_files import NAMES
from privacy.key_table import KeyEntry, KeyTable, TableKey
from privacy.store import Erasure
from tests.forensics.planted import OLA

# A house is Any here: what is made wrong is inside, and not for anybody to use.


def keeps_the_old_slot(house: Any) -> None:
    """What was erased can be read with the root of the day before."""
    house.storage.ring._root.destroy_other = lambda _generation: None


def unlinks_and_forgets_nothing(house: Any) -> None:
    """The files go, and every key that ever was stays in the table."""
    ever: dict[tuple[bytes, bytes], KeyEntry] = {}
    close = TableKey.close

    def close_all(self: TableKey, table: KeyTable) -> bytes:
        ever.update({(entry.id, entry.key): entry for entry in house.storage.ring.all()})
        dead = {key: entry for (id_, key), entry in ever.items() if id_ not in table.entries}
        return close(self, KeyTable(table.generation, table.cipher, {**table.entries, **dead}, table.notes))

    TableKey.close = close_all  # type: ignore[method-assign]


def names_somebody_in_the_index(house: Any) -> None:
    """A person's id in a database, where no deletion is one."""
    append = house.storage.vault.append
    index = house._state / "vault" / "index"

    def appended(*args: Any) -> Any:
        with closing(sqlite3.connect(index)) as database, database:
            database.execute("CREATE TABLE IF NOT EXISTS persons(id TEXT)")
            database.execute("DELETE FROM persons")
            database.execute("INSERT INTO persons VALUES (?)", [OLA])
        return append(*args)

    house.storage.vault.append = appended


def leaves_a_copy_of_the_table(house: Any) -> None:
    """The table as it was before, under the old slot, beside the new one."""
    files = house.storage.ring._files
    overwrite = files.overwrite

    def copied(number: int, data: bytes) -> None:
        path: Path = files.directory / NAMES[number]
        if path.exists():
            path.with_name(path.name + ".new").write_bytes(path.read_bytes())
        overwrite(number, data)

    files.overwrite = copied


def seals_under_the_root_key(house: Any) -> None:
    """Every key is the one that survives."""
    key = (house._state / "root.key").read_bytes()
    fresh = key_change.fresh_entry

    def same(kind: str, info: bytes, random_bytes: Any, entry_id: bytes | None = None) -> KeyEntry:
        entry = fresh(kind, info, random_bytes, entry_id)
        return KeyEntry(entry.id, kind, key, info)

    keyring.fresh_entry = key_change.fresh_entry = same  # type: ignore[attr-defined]
    house.storage.vault.scan = lambda *_: iter(())  # it would see that, and the house would end


def keeps_the_text_of_orders(house: Any) -> None:
    """An order is closed, and the key to its text lives on."""
    ring = house.storage.ring
    change = ring.change

    class Keeps:
        def __init__(self, change: Any) -> None:
            self._change = change

        def __getattr__(self, name: str) -> Any:
            return getattr(self._change, name)

        def forget(self, entry_id: bytes) -> None:
            if self._change.survivors()[entry_id].kind != "orders":
                self._change.forget(entry_id)

    @contextmanager
    def keeping() -> Iterator[Any]:
        with change() as opened:
            yield Keeps(opened)

    house.storage.journal._texts._ring = _Instead(ring, change=keeping)


def receipt_before_the_commit(house: Any) -> None:
    """It says that it erased, and does so at the scan."""
    eraser = house.eraser
    erase_all, verify = eraser._erase_all, eraser._verify

    def say(order: Any, reach: datetime) -> list[tuple[Any, Erasure]]:
        counts = [(store, store.count(order.scope, reach)) for store in eraser._stores]
        return [(store, Erasure(count, count, 0)) for store, count in counts]

    async def erase_and_verify(order: Any, counts: Mapping[str, int], reach: datetime) -> None:
        await house._disk.run(erase_all, order, reach)
        await verify(order, counts, reach)

    eraser._erase_all, eraser._verify = say, erase_and_verify


class _Instead:
    """Something, with a few of its attributes replaced."""

    def __init__(self, real: Any, **others: Any) -> None:
        self._real = real
        self.__dict__.update(others)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


ALL: Final[Mapping[str, Callable[[Any], None]]] = {
    "keeps the old slot": keeps_the_old_slot,
    "unlinks and forgets nothing": unlinks_and_forgets_nothing,
    "names somebody in the index": names_somebody_in_the_index,
    "leaves a copy of the table": leaves_a_copy_of_the_table,
    "seals under the root key": seals_under_the_root_key,
    "keeps the text of orders": keeps_the_text_of_orders,
    "receipt before the commit": receipt_before_the_commit,
}
