"""An append-only file of sealed records: the journal, the operation log, the spool and the register are made of it.

Format (see `privacy/FORMAT.md`): a file header

    magic 8 | the lowest sequence a new record may take u64 | CRC-32 of those 16 bytes

then records of

    magic 4 | sequence u64 | length u32 | CRC-32 of those 16 bytes | sealed payload (nonce 12, ciphertext, tag 16)

all numbers big-endian. The payload is bound to the purpose of the log and its sequence, so that a record cannot be
moved. What does not open is passed over up to the next header that checks; only what nothing whole follows is a
torn tail, and is cut. A damaged file header costs no record. A file without a header in which no record opens is
somebody else's, and is left alone.
"""

import errno
import logging
import os
import stat
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from privacy.errors import SealBroken, StoreBroken
from privacy.files import sync_directory, write_all, write_new
from privacy.seal import Seal

log = logging.getLogger(__name__)

FILE_MAGIC = b"PVLOG1\r\n"
RECORD_MAGIC = b"\xd7pvR"
_HEADER = struct.Struct(">4sQI")
_CHECK = struct.Struct(">I")
_FILE = struct.Struct(">8sQ")
FILE_BYTES = _FILE.size + _CHECK.size
HEADER_BYTES = _HEADER.size + _CHECK.size
LARGEST_PAYLOAD = 16 * 1024 * 1024
SKIPPED: Final = 2**32
"""How many sequences are passed over where the header cannot say which were used: no file ever has as many records."""
_NO_FILE: Final = (errno.ELOOP, errno.ENXIO, errno.ENODEV)
"""A link, which we never made, or a socket or device without a file behind it."""


class NotALog(StoreBroken):
    """What lies there is no log of ours, or damaged from end to end: nothing in it opens. It is left alone."""


class SealedLog:
    """One such file. Every method blocks: call it on the `Disk` thread.

    Raises (all methods):
        NotALog: the file belongs to another program, or is no file.
        StoreBroken: the medium refused.
    """

    def __init__(self, path: Path, seal: Seal, purpose: bytes) -> None:
        self._path = path
        self._seal = seal
        self._purpose = purpose
        self._next = 0
        self._size = 0
        self._torn = False
        """What lies past `_size` is cut with the next append.

        An append failed and could not be cut off: it was never made, as far as we said. Or the log is `shut`.
        """
        self.shut = False
        """Whole records lie there, and none opens: another file's, or damage. They stay until something is appended."""
        self._open()

    @classmethod
    def create(
        cls, path: Path, seal: Seal, purpose: bytes, records: Iterable[tuple[int, bytes]], first_free: int
    ) -> "SealedLog":
        """Write a whole new log, durably: `records` with their sequences, increasing and below `first_free`."""
        sealed = [_sealed(path.name, seal, purpose, sequence, payload) for sequence, payload in records]
        write_new(path, b"".join([_file_header(first_free), *sealed]))
        return cls(path, seal, purpose)

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self._size

    @property
    def first_free(self) -> int:
        """The sequence that the next record takes."""
        return self._next

    def append(self, payloads: Sequence[bytes]) -> int:
        """Add `payloads` durably; returns the sequence of the first.

        Of what was cut short by a power cut, the next start finds as many as were whole on the medium: a prefix, in
        order. Where this raises, none of them is seen any more before the process ends, and at most such a prefix
        after it.
        """
        first = self._next
        data = b"".join(self._record(first + i, payload) for i, payload in enumerate(payloads))
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)
            try:
                if self._torn:
                    os.ftruncate(handle, self._size)
                write_all(handle, data)
                os.fdatasync(handle)
                self._torn = False
            except OSError:
                self._torn = True
                os.ftruncate(handle, self._size)
                self._torn = False
                raise
            finally:
                os.close(handle)
        except OSError as error:
            raise StoreBroken(
                f"cannot append to {self._path.name}: {error.strerror}", hint="see `portvakt doctor`"
            ) from error
        self._next = first + len(payloads)
        self._size += len(data)
        return first

    def replay(self) -> Iterator[tuple[int, bytes]]:
        """Every record that opens, with its sequence, oldest first."""
        for sequence, payload, _end in self._records(self._read()):
            if payload is not None:
                yield sequence, payload

    def rewrite(self, keep: Callable[[int, bytes], bytes | None]) -> int:
        """Write the log anew with what `keep` returns for each record (None drops it); returns how many were dropped.

        Sequences stay. The change is durable, or (StoreBroken) there is the old file or the new one, whole.
        """
        kept = [_file_header(self._next)]
        dropped = 0
        for sequence, payload in self.replay():
            new = keep(sequence, payload)
            if new is None:
                dropped += 1
            else:
                kept.append(self._record(sequence, new))
        data = b"".join(kept)
        before = self._inode()
        try:
            write_new(self._path, data)
        except StoreBroken:
            # That may have been the sync of the directory, with the new file in place.
            if self._inode() != before:
                self._size, self._torn = len(data), False
            raise
        self._size, self._torn = len(data), False
        return dropped

    def _open(self) -> None:
        data = read_log(self._path)
        if data is None:
            data = _file_header(0)
            write_new(self._path, data)
        found = [(sequence, payload is not None, end) for sequence, payload, end in self._records(data)]
        opened = [(sequence, end) for sequence, opens, end in found if opens]
        headed = begins_log(data)
        if not headed and not opened:
            raise _not_ours(self._path)
        self._next = max((sequence + 1 for sequence, _ in opened), default=0)
        if headed:
            # So that a sequence is never used again after the records that had it were dropped.
            self._next = max(self._next, _first_free(data))
        else:
            log.warning("%s: its head is damaged, which costs no record", self._path.name)
            self._next += SKIPPED
        end = max((end for _, end in opened), default=FILE_BYTES)
        if passed := sum(not opens and at < end for _, opens, at in found):
            log.warning("%s: %d records do not open and are passed over", self._path.name, passed)
        self.shut = not opened and any(end <= len(data) for _, _, end in _headers_in(data))
        if self.shut:
            log.warning("%s: no record opens; what lies there is passed over", self._path.name)
            self._torn = True
        elif end < len(data):
            log.warning("%s: cut a torn tail of %d bytes", self._path.name, len(data) - end)
            self._cut(end)
        self._size = end

    def _cut(self, size: int) -> None:
        try:
            os.truncate(self._path, size)
            sync_directory(self._path.parent)
        except OSError as error:
            raise StoreBroken(
                f"cannot cut {self._path.name}: {error.strerror}", hint="is the card read-only?"
            ) from error

    def _read(self) -> bytes:
        data = read_log(self._path)
        if data is None:
            raise _unreadable(self._path, os.strerror(errno.ENOENT))
        return data[: self._size] if self._torn else data

    def _inode(self) -> int:
        try:
            return self._path.stat().st_ino
        except OSError as error:
            raise _unreadable(self._path, error.strerror) from error

    def _record(self, sequence: int, payload: bytes) -> bytes:
        return _sealed(self._path.name, self._seal, self._purpose, sequence, payload)

    def _records(self, data: bytes) -> Iterator[tuple[int, bytes | None, int]]:
        return records_in(data, self._seal, self._purpose)


def read_log(path: Path, most: int = -1) -> bytes | None:
    """The bytes of the file at `path`, `most` of them (-1: all); None where it is missing. Waits for nobody.

    Raises:
        NotALog: a link, a directory or a pipe has its name.
        StoreBroken: the medium refused.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise _not_ours(path)
            with os.fdopen(handle, "rb", closefd=False) as file:
                return file.read(most)
        finally:
            os.close(handle)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in _NO_FILE:
            raise _not_ours(path) from error
        raise _unreadable(path, error.strerror) from error


def begins_log(data: bytes) -> bool:
    """Whether the file that begins with `data`, `FILE_BYTES` of it or more, is a log of this program."""
    return data.startswith(FILE_MAGIC) and data[:FILE_BYTES] == _file_header(_first_free(data))


def resembles_log(data: bytes) -> bool:
    """Whether `data`, all of a file, may be a log of this program that is damaged, as far as one can say without a key.

    It begins as one, or the header of a record checks somewhere.
    """
    return data.startswith(FILE_MAGIC) or any(True for _ in _headers_in(data))


def records_in(data: bytes, seal: Seal, purpose: bytes) -> Iterator[tuple[int, bytes | None, int]]:
    """(sequence, payload, end offset) of each record in the bytes of a log, whatever it begins with.

    None for a payload that does not open, and the offset from which the next header was looked for.
    """
    at = 0
    while found := next(_headers_in(data, at), None):
        begin, sequence, end = found
        try:
            payload = seal.open(data[begin + HEADER_BYTES : end], _bound_to(purpose, sequence))
        except SealBroken:
            at = begin + 1
            yield sequence, None, at
        else:
            at = end
            yield sequence, payload, at


def _headers_in(data: bytes, at: int = 0) -> Iterator[tuple[int, int, int]]:
    """(offset, sequence, end of the record) of each header from `at` on that checks."""
    while (at := data.find(RECORD_MAGIC, at)) >= 0:
        header, check = data[at : at + _HEADER.size], data[at + _HEADER.size : at + HEADER_BYTES]
        if check == _CHECK.pack(zlib.crc32(header)):
            _, sequence, length = _HEADER.unpack(header)
            yield at, sequence, at + HEADER_BYTES + length
        at += 1


def _not_ours(path: Path) -> NotALog:
    return NotALog(f"{path} was not written by this program", hint="move it away, or restore it from a backup")


def _unreadable(path: Path, why: str | None) -> StoreBroken:
    return StoreBroken(f"cannot read {path.name}: {why}", hint="see `portvakt doctor`")


def _sealed(name: str, seal: Seal, purpose: bytes, sequence: int, payload: bytes) -> bytes:
    sealed = seal.close(payload, _bound_to(purpose, sequence))
    if len(sealed) > LARGEST_PAYLOAD:
        raise StoreBroken(f"a record of {len(payload)} bytes is too large for {name}")
    header = _HEADER.pack(RECORD_MAGIC, sequence, len(sealed))
    return header + _CHECK.pack(zlib.crc32(header)) + sealed


def _bound_to(purpose: bytes, sequence: int) -> bytes:
    return purpose + sequence.to_bytes(8)


def _file_header(first_free: int) -> bytes:
    header = _FILE.pack(FILE_MAGIC, first_free)
    return header + _CHECK.pack(zlib.crc32(header))


def _first_free(data: bytes) -> int:
    return int.from_bytes(data[len(FILE_MAGIC) : _FILE.size])
