"""The index of the vault can be thrown away, or be anything: it costs the time of reading, and changes nothing else."""

import random
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def gone(index: Path) -> None:
    index.unlink()


def empty(index: Path) -> None:
    index.write_bytes(b"")


def garbage(index: Path) -> None:
    index.write_bytes(random.Random(3).randbytes(8192))


def half(index: Path) -> None:
    data = index.read_bytes()
    index.write_bytes(data[: len(data) // 2])


def flipped(index: Path) -> None:
    """A bit of every hundredth byte, the head spared: it opens, and its rows are wrong."""
    data = bytearray(index.read_bytes())
    head = int.from_bytes(data[16:18], "big")
    for at in range(head + 50, len(data), 100):
        data[at] ^= 1
    index.write_bytes(data)


def foreign(index: Path) -> None:
    index.unlink()
    with sqlite3.connect(index) as database:
        database.execute("CREATE TABLE segments(anything TEXT)")
    database.close()


def emptied(index: Path) -> None:
    """Ours, and it knows nothing."""
    with sqlite3.connect(index) as database:
        database.execute("DELETE FROM segments")
    database.close()


def swapped(index: Path) -> None:
    """Each row says what another's should."""
    with sqlite3.connect(index) as database:
        rows = database.execute("SELECT id, bytes, ids, ids_crc, crc, places FROM segments").fetchall()
        own = "bytes = ?, ids = ?, ids_crc = ?, crc = ?, places = ?"
        for (segment, *_), (_, *other) in zip(rows, [*rows[1:], rows[0]], strict=True) if rows else ():
            database.execute(f"UPDATE segments SET {own} WHERE id = ?", (*other, segment))  # noqa: S608 - as above
    database.close()


def hot_journal(index: Path) -> None:
    """A killed process left it beside."""
    index.with_name("index-journal").write_bytes(random.Random(4).randbytes(2048))


@pytest.mark.parametrize("spoil", [gone, empty, garbage, half, flipped, foreign, emptied, swapped, hot_journal])
def test_an_index_that_is_lost_or_wrong_changes_nothing(street: Any, spoil: Callable[[Path], None]) -> None:
    assert street.uncut(lambda state: spoil(state / "vault" / "index")) == []
