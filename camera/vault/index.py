"""The index of the vault: it saves a start from reading every segment, and can be thrown away. `privacy/FORMAT.md`.

Everything in it can be read from the segments again, and every row is checked before it is believed. So it is never
synced (`synchronous=OFF`): a power cut that damages it costs the time of reading them, and nothing else. The rollback
journal (`journal_mode=DELETE`) spares that time after a mere kill, and is gone with each commit; a WAL would lie
beside the index for good. What both hold are random ids, offsets and lengths: no name, no time, no camera.
"""

import contextlib
import logging
import os
import sqlite3
import stat
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar

from camera.vault.metadata import ID_BYTES
from camera.vault.record import Placed
from privacy.errors import StoreBroken

log = logging.getLogger(__name__)

R = TypeVar("R")

VERSION: Final = 2
_COLUMNS: Final = "id BLOB PRIMARY KEY, bytes INTEGER, ids BLOB, ids_crc INTEGER, crc INTEGER, places BLOB"
"""Ids and places apart, each with its check: whoever asks for ids copies, checks and takes apart no more."""
_TABLE: Final = f"CREATE TABLE segments({_COLUMNS})"
_NEW: Final = f"BEGIN; {_TABLE}; PRAGMA user_version = {VERSION}; COMMIT"
_PAGE_BYTES: Final = 16_384
"""An hour's row lies in one page of that size, and not in a chain of smaller ones: a quarter less time to look up."""
_SETTINGS: Final = (
    f"PRAGMA page_size = {_PAGE_BYTES}; PRAGMA synchronous = OFF; PRAGMA journal_mode = DELETE; "
    "PRAGMA temp_store = MEMORY"
)
_PLACE: Final = struct.Struct(">Q3I")
_UNUSABLE: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_SCHEMA}
"""What SQLite says of a file that is no database, or not ours, or damaged. All else is the medium's."""
_WRITE_VERSION_AT: Final = 18
"""Byte of a database."""
_PRIMARY: Final = 0xFF
"""The bits of an extended result code that hold the primary one."""


@dataclass(slots=True)
class _Row:
    """What the index says of one segment, checked."""

    segment_id: bytes
    size: int
    ids: Sequence[bytes]
    places: bytes | None = None
    """Once somebody has asked for them."""


class Index:
    """What is known of closed segments. Every method blocks.

    Damaged, foreign, or of another version, it is removed and made anew, with a line in the log; then it knows nothing,
    and answers so.

    Raises (all methods):
        StoreBroken: the medium refused.
    """

    def __init__(self, path: Path) -> None:
        """Open the index at `path`, or make it."""
        self._path = path
        self._last: _Row | None = None
        """The row that was asked for last: it is asked for again and again."""
        self._ahead: Mapping[bytes, _Row] = {}
        """Those that were looked up with it."""
        self._doubted = False
        self._database = self._connected()
        if not self._trying(self._is_ours, instead=True):
            self._renew("is of another version, or another program's")

    def put(self, segment_id: bytes, size: int, placed: Sequence[Placed]) -> None:
        """Remember a closed segment: the bytes of its file, and its records in order."""
        ids = b"".join(record.id for record in placed)
        places = b"".join(_PLACE.pack(record.offset, *record.lengths) for record in placed)
        ids_crc = _ids_crc(segment_id, size, ids)
        self._forget()
        row = (segment_id, size, ids, ids_crc, zlib.crc32(places, ids_crc), places)
        self._rows("INSERT OR REPLACE INTO segments VALUES (?, ?, ?, ?, ?, ?)", row)

    @contextlib.contextmanager
    def batch(self) -> Iterator[None]:
        """Every `put` and `drop` in this block is written at its end, together; none of them after an exception.

        An inner batch joins the outer one.
        """
        if self._in_batch():
            yield
            return
        self._rows("BEGIN")
        try:
            yield
            if self._in_batch():  # not so where the index was made anew meanwhile
                self._rows("COMMIT")
        finally:
            if self._in_batch():
                self._forget()  # what was read may say what is not going to be
                self._rows("ROLLBACK")

    def get(self, segment_id: bytes) -> tuple[int, list[Placed]] | None:
        """Size and records of a segment; None where it is not known, or its row is damaged."""
        row = self._whole(segment_id)
        if row is None:
            return None
        places = _PLACE.iter_unpack(row.places or b"")
        return row.size, [
            Placed(record_id, offset, (metadata, thumbnail, image))
            for record_id, (offset, metadata, thumbnail, image) in zip(row.ids, places, strict=True)
        ]

    def record_ids(self, segment_id: bytes) -> Sequence[bytes] | None:
        """The ids of its records alone, in order, as fast as can be; None as for `get`.

        So a segment that is not known is never taken for one without pictures.
        """
        row = self._row(segment_id)
        return row.ids if row else None

    def read_ahead(self, segment_ids: Sequence[bytes]) -> None:
        """Look up the record ids of these in one go, as they are going to be asked for: at most some dozens."""
        asked = ",".join("?" * len(segment_ids))
        query = f"SELECT id, bytes, ids, ids_crc FROM segments WHERE id IN ({asked})"  # noqa: S608 - question marks
        checked = map(self._checked, self._rows(query, segment_ids))
        self._ahead = {row.segment_id: row for row in checked if row}

    def record(self, segment_id: bytes, position: int) -> Placed | None:
        """One of its records; None where the segment is not known, or has not so many."""
        row = self._whole(segment_id)
        if row is None or row.places is None or not 0 <= position < len(row.ids):
            return None
        offset, metadata, thumbnail, image = _PLACE.unpack_from(row.places, position * _PLACE.size)
        return Placed(row.ids[position], offset, (metadata, thumbnail, image))

    def counts(self) -> dict[bytes, int]:
        """How many records each segment has. Reads no records, so it trusts rows that `get` would not."""
        return self._numbers(f"SELECT id, length(ids) / {ID_BYTES} FROM segments")  # noqa: S608 - a constant

    def sizes(self) -> dict[bytes, int]:
        """The bytes of each segment's file, trusting likewise: to be compared with the files."""
        return self._numbers("SELECT id, bytes FROM segments")

    def drop(self, ids: Iterable[bytes]) -> None:
        """Forget segments, known or not."""
        self._forget()
        with self.batch():
            for segment_id in ids:
                self._rows("DELETE FROM segments WHERE id = ?", (segment_id,))

    def ids(self) -> list[bytes]:
        """The segments that are known."""
        return list(self.sizes())

    def close(self) -> None:
        """Close the file. Nothing is wrong where it is closed already."""
        self._database.close()

    def _in_batch(self) -> bool:
        return self._database.in_transaction

    def _row(self, segment_id: bytes) -> _Row | None:
        """Without its places, unless they are known already."""
        if self._last and self._last.segment_id == segment_id:
            return self._last
        if segment_id not in self._ahead:
            self.read_ahead((segment_id,))
        self._last = self._ahead.get(segment_id)
        return self._last

    def _whole(self, segment_id: bytes) -> _Row | None:
        """With its places."""
        if self._last and self._last.segment_id == segment_id and self._last.places is not None:
            return self._last
        query = "SELECT id, bytes, ids, ids_crc, crc, places FROM segments WHERE id = ?"
        self._last = next(map(self._checked, self._rows(query, (segment_id,))), None)
        return self._last

    def _checked(self, columns: tuple[Any, ...]) -> _Row | None:
        """A row, if it is sound: id, bytes, ids, their CRC, and perhaps the CRC of all, and the places."""
        segment_id, size, ids, ids_crc, *rest = columns
        # Where a key is damaged, SQLite may find the row and still return another key.
        sound = isinstance(segment_id, bytes) and isinstance(size, int) and isinstance(ids, bytes)
        if sound and size >= 0 and not len(ids) % ID_BYTES:
            row = _Row(segment_id, size, _split(len(ids) // ID_BYTES).unpack(ids))
            if ids_crc == _ids_crc(segment_id, size, ids) and (not rest or _take_places(row, ids_crc, *rest)):
                return row
        if not self._doubted:  # once: it may be wrong about thousands
            log.warning("the index of the vault is wrong; what it is wrong about is read anew")
            self._doubted = True
        return None

    def _forget(self) -> None:
        self._last, self._ahead = None, {}

    def _numbers(self, query: str) -> dict[bytes, int]:
        return {
            segment_id: number
            for segment_id, number in self._rows(query)
            if isinstance(segment_id, bytes) and len(segment_id) == ID_BYTES and isinstance(number, int)
        }

    def _rows(self, statement: str, values: Sequence[object] = ()) -> list[Any]:
        return self._trying(lambda: self._database.execute(statement, values).fetchall(), instead=[])

    def _trying(self, call: Callable[[], R], instead: R) -> R:
        """What `call` returns; `instead`, of an index made anew, where the file turns out to be unusable."""
        try:
            return call()
        except sqlite3.DatabaseError as error:
            code = error.sqlite_errorcode
            if code & _PRIMARY not in _UNUSABLE and code != sqlite3.SQLITE_READONLY_DBMOVED:
                raise _refused(error.sqlite_errorname) from error
        except UnicodeDecodeError:  # what SQLite says quotes the damage, which is no text
            pass
        self._renew("is damaged or gone")
        return instead

    def _connected(self) -> sqlite3.Connection:
        try:
            if not self._is_file():
                self._path.unlink(missing_ok=True)  # a link would lead the database out of the vault
                os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise _refused(error.strerror) from error
        try:
            # Autocommit, and threads are the caller's to keep apart.
            database = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise _refused(str(error)) from error
        database.text_factory = bytes  # a foreign file may hold text that is none
        return database

    def _is_file(self) -> bool:
        try:
            return stat.S_ISREG(self._path.lstat().st_mode)
        except FileNotFoundError:
            return False

    def _is_ours(self) -> bool:
        """Whether the file has our table and nothing else; an empty file is given it."""
        if not self._may_be_written():
            return False
        self._database.executescript(_SETTINGS)
        ((version,),) = self._database.execute("PRAGMA user_version").fetchall()
        statements = self._database.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
        if not version and not statements:
            self._database.executescript(_NEW)
            return True
        return bool(version == VERSION and statements == [(_TABLE.encode(),)])

    def _may_be_written(self) -> bool:
        """Whether its head names a version that this SQLite writes (SQLite's file format, section 1.3.3)."""
        try:
            with self._path.open("rb") as file:
                return file.read(_WRITE_VERSION_AT + 1)[_WRITE_VERSION_AT:] in {b"", b"\x01", b"\x02"}
        except OSError as error:
            raise _refused(error.strerror) from error

    def _renew(self, why: str) -> None:
        log.warning("the index of the vault %s: it is made anew", why)
        self._forget()
        self._database.close()
        try:
            for beside in ("", "-journal", "-wal", "-shm"):
                self._path.with_name(self._path.name + beside).unlink(missing_ok=True)
        except OSError as error:
            raise _refused(error.strerror) from error
        self._database = self._connected()
        try:
            self._is_ours()
        except sqlite3.DatabaseError as error:
            raise _refused(error.sqlite_errorname) from error


@lru_cache(maxsize=64)
def _split(count: int) -> struct.Struct:
    """Takes `count` ids apart."""
    return struct.Struct(f"{ID_BYTES}s" * count)


def _ids_crc(segment_id: bytes, size: int, ids: bytes) -> int:
    return zlib.crc32(ids, zlib.crc32(segment_id + size.to_bytes(8, "big")))


def _take_places(row: _Row, ids_crc: int, crc: object, places: object) -> bool:
    """Whether they are sound; then `row` has them."""
    if not isinstance(places, bytes) or len(places) != len(row.ids) * _PLACE.size:
        return False
    if zlib.crc32(places, ids_crc) != crc:
        return False
    row.places = places
    return True


def _refused(why: str | None) -> StoreBroken:
    return StoreBroken(f"cannot use the index of the vault: {why}", hint="see `portvakt doctor`")
