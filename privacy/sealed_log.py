"""An append-only file of sealed records: the journal, the operation log, the spool and the register are made of it.

Format (see `privacy/FORMAT.md`): a file header

    magic 8 | the lowest sequence a new record may take u64 | CRC-32 of those 16 bytes

then records of

    magic 4 | sequence u64 | length u32 | CRC-32 of those 16 bytes | sealed payload (nonce 12, ciphertext, tag 16)

all numbers big-endian. The payload is bound to the purpose of the log and its sequence, so that a record cannot be
moved. What does not open is passed over up to the next header that checks; only what nothing whole follows is a
torn tail, and is cut.
"""

import logging
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

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


class SealedLog:
    """One such file. Every method blocks: call it on the `Disk` thread.

    Raises (all methods):
        StoreBroken: the medium refused, or the file belongs to another program.
    """

    def __init__(self, path: Path, seal: Seal, purpose: bytes) -> None:
        self._path = path
        self._seal = seal
        self._purpose = purpose
        self._next = 0
        self._size = 0
        self._torn = False
        """An append failed and could not be cut off: what lies past `_size` was never written, as far as we said."""
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
        try:
            missing = not self._path.exists()
        except OSError as error:
            raise self._unreadable(error) from error
        if missing:
            write_new(self._path, _file_header(0))
        data = self._read()
        if not begins_log(data):
            raise StoreBroken(
                f"{self._path} was not written by this program",
                hint="move it away, or restore it from a backup",
            )
        # From the header, so that a sequence is never used again after the records that had it were dropped.
        self._next = _first_free(data)
        end = FILE_BYTES
        for sequence, _, after in self._records(data):
            self._next = max(self._next, sequence + 1)
            end = after
        if end < len(data):
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
        try:
            data = self._path.read_bytes()
        except OSError as error:
            raise self._unreadable(error) from error
        return data[: self._size] if self._torn else data

    def _inode(self) -> int:
        try:
            return self._path.stat().st_ino
        except OSError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: OSError) -> StoreBroken:
        return StoreBroken(f"cannot read {self._path.name}: {error.strerror}", hint="see `portvakt doctor`")

    def _record(self, sequence: int, payload: bytes) -> bytes:
        return _sealed(self._path.name, self._seal, self._purpose, sequence, payload)

    def _records(self, data: bytes) -> Iterator[tuple[int, bytes, int]]:
        """(sequence, payload, end offset) of each record that opens."""
        for sequence, payload, end in records_in(data, self._seal, self._purpose):
            if payload is None:
                log.warning("%s: record %d does not open and is passed over", self._path.name, sequence)
            else:
                yield sequence, payload, end


def begins_log(data: bytes) -> bool:
    """Whether the file that begins with `data`, `FILE_BYTES` of it or more, is a log of this program."""
    return data.startswith(FILE_MAGIC) and data[:FILE_BYTES] == _file_header(_first_free(data))


def records_in(data: bytes, seal: Seal, purpose: bytes) -> Iterator[tuple[int, bytes | None, int]]:
    """(sequence, payload, end offset) of each record in the bytes of a log; None for a payload that does not open."""
    at = FILE_BYTES
    while (at := data.find(RECORD_MAGIC, at)) >= 0:
        sealed_at = at + HEADER_BYTES
        header = data[at : at + _HEADER.size]
        if sealed_at > len(data) or data[at + _HEADER.size : sealed_at] != _CHECK.pack(zlib.crc32(header)):
            at += 1
            continue
        _, sequence, length = _HEADER.unpack(header)
        end = sealed_at + length
        try:
            payload = seal.open(data[sealed_at:end], _bound_to(purpose, sequence))
        except SealBroken:
            at += 1
            yield sequence, None, at
        else:
            at = end
            yield sequence, payload, at


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
