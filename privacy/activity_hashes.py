"""The Merkle tree of the activity log on disk: its leaves, and the roots of every 256, 65,536, ... of them.

Format and crash points: `privacy/FORMAT.md`, "A record of the activity log". A proof reads a few hundred hashes of it,
so that it costs the same after ten million lines as after ten thousand.
"""

import logging
import os
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from privacy.errors import StoreBroken
from privacy.files import write_all, write_new
from privacy.merkle import EMPTY_ROOT, consistency_path, inclusion_path, leaf_hash, node_hash
from privacy.sealed_log import NotALog, read_log

log = logging.getLogger(__name__)

LEVELS: Final = 4
"""256⁴ leaves: one each second for 136 years."""
NAMES: Final = tuple(f"hashes-{level}" for level in range(LEVELS))
MAGIC: Final = b"PVHASH1\n"
NOTHING: Final = leaf_hash(b"")
"""The leaf in whose place nothing whole lies."""
MOST_AT_ONCE: Final = 1024
"""Leaves that are written before they are synced: so many at the end a power cut may have spoilt."""
_HASH: Final = 32
_SLOT: Final = _HASH + 4
_WIDTH_BITS: Final = 8
"""A level has one hash for 2⁸ of the level below."""
_WIDTH: Final = 1 << _WIDTH_BITS


class HashTree:
    """Grows by leaves, and proves that one is in it, or that it grew. Every method blocks: call it on `Disk`'s thread.

    Raises (all methods):
        NotALog: one of the files belongs to another program, or is no file.
        StoreBroken: the medium refused; or a leaf is damaged that a proof needs.
    """

    def __init__(self, directory: Path) -> None:
        """Open the tree in `directory`, which is there, or make it; settle what a crash left."""
        self._paths = [directory / name for name in NAMES]
        self.size = 0
        """How many leaves there are."""
        self._open()

    def append(self, leaves: Sequence[bytes]) -> int:
        """Add `leaves` durably; returns the number of the first. Where this raises, some may be there, and stay."""
        first = self.size
        for at in range(0, len(leaves), MOST_AT_ONCE):
            batch = leaves[at : at + MOST_AT_ONCE]
            self._put(0, self.size, batch)
            self.size += len(batch)
        self._complete()
        return first

    def leaf(self, number: int) -> bytes:
        """The leaf of that number.

        Raises:
            IndexError: there is none.
        """
        if not 0 <= number < self.size:
            raise IndexError(f"there is no leaf {number} among {self.size}")
        return self._hashes(0, number, 1)[0]

    def root(self) -> bytes:
        """The tree hash over all leaves."""
        return self._root_of(0, self.size) if self.size else EMPTY_ROOT

    def inclusion(self, number: int) -> list[bytes]:
        """What shows that this leaf is among all of now, as `privacy.merkle.inclusion_proof`."""
        return inclusion_path(number, self.size, self._root_of)

    def consistency(self, first: int) -> list[bytes]:
        """What shows that the tree of `first` leaves grew into that of now, as `privacy.merkle.consistency_proof`."""
        return consistency_path(first, self.size, self._root_of)

    def _root_of(self, start: int, end: int) -> bytes:
        """Over the leaves from `start` up to `end`, where RFC 9162 splits a tree: what is whole stands at its place."""
        count = end - start
        height = count.bit_length() - 1
        if count != 1 << height:
            middle = start + (1 << height)
            return node_hash(self._root_of(start, middle), self._root_of(middle, end))
        level = min(height // _WIDTH_BITS, LEVELS - 1)
        bits = level * _WIDTH_BITS
        return _folded(self._hashes(level, start >> bits, count >> bits))

    def _hashes(self, level: int, first: int, count: int) -> list[bytes]:
        """Those of a level; of a higher one what does not check is computed from the one below, and put right."""
        data = self._read(level, first, count)
        hashes = []
        for number in range(first, first + count):
            found = _opened(level, number, data[(number - first) * _SLOT : (number - first + 1) * _SLOT])
            if found is None and level == 0:
                hint = "see `portvakt doctor`; lines whose proofs do not need it are as good as before"
                raise StoreBroken(f"leaf {number} of the activity log is damaged", hint=hint)
            if found is None:
                found = _folded(self._hashes(level - 1, number << _WIDTH_BITS, _WIDTH))
                with suppress(StoreBroken):  # the answer is right all the same
                    self._put(level, number, [found])
            hashes.append(found)
        return hashes

    def _complete(self) -> None:
        """Write the roots of what has become whole."""
        for level in range(1, LEVELS):
            there = self._slots(level)
            for number in range(there, self.size >> (level * _WIDTH_BITS)):
                try:
                    self._put(level, number, [_folded(self._hashes(level - 1, number << _WIDTH_BITS, _WIDTH))])
                except StoreBroken as error:
                    # The leaves are on the disk, and from them each proof can be computed.
                    log.warning("a root of the activity log could not be written yet: %s", error)
                    return

    # -- the files

    def _open(self) -> None:
        for level, path in enumerate(self._paths):
            head = read_log(path, _SLOT)
            if head is None:
                write_new(path, _head(level))
            elif head != _head(level):
                if not self._opens_anywhere(level):
                    raise NotALog(
                        f"{path} was not written by this program", hint="move it away, or restore it from a backup"
                    )
                log.warning("%s: its head is damaged, which costs no hash", path.name)
        self._settle_end()
        for level in range(1, LEVELS):
            self._cut(level, min(self._slots(level), self.size >> (level * _WIDTH_BITS)))
        self._complete()

    def _opens_anywhere(self, level: int) -> bool:
        data = (read_log(self._paths[level]) or b"")[_SLOT:]
        return any(_opened(level, at, data[at * _SLOT : (at + 1) * _SLOT]) for at in range(len(data) // _SLOT))

    def _settle_end(self) -> None:
        """Cut what a power cut tore off, and fill what it left out: no number that was given is given again."""
        slots = self._slots(0)
        first = max(slots - MOST_AT_ONCE, 0)
        data = self._read(0, first, slots - first)
        whole = [_opened(0, n, data[(n - first) * _SLOT : (n - first + 1) * _SLOT]) for n in range(first, slots)]
        while whole and whole[-1] is None:
            whole.pop()
        self.size = first + len(whole)
        self._cut(0, self.size)
        for at, found in enumerate(whole):
            if found is None:
                log.warning("leaf %d of the activity log did not get onto the disk, or is damaged", first + at)
                self._put(0, first + at, [NOTHING])

    def _slots(self, level: int) -> int:
        """How many whole slots the file has behind its head."""
        try:
            return max(self._paths[level].stat().st_size // _SLOT - 1, 0)
        except OSError as error:
            raise _broken("read", self._paths[level], error) from error

    def _read(self, level: int, first: int, count: int) -> bytes:
        """`count` slots, or as many as there are."""
        try:
            handle = os.open(self._paths[level], os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                return os.pread(handle, count * _SLOT, (first + 1) * _SLOT)
            finally:
                os.close(handle)
        except OSError as error:
            raise _broken("read", self._paths[level], error) from error

    def _put(self, level: int, first: int, hashes: Sequence[bytes]) -> None:
        """Write `hashes` in their places; durably in level 0, where what fails gives its bytes back if it can."""
        path = self._paths[level]
        data = b"".join(_slot(level, number, each) for number, each in enumerate(hashes, first))
        try:
            handle = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                os.lseek(handle, (first + 1) * _SLOT, os.SEEK_SET)
                write_all(handle, data)
                if level == 0:
                    os.fdatasync(handle)
            except OSError:
                if level == 0:
                    with suppress(OSError):  # what stays there is written over, or is a leaf without a line
                        os.ftruncate(handle, (self.size + 1) * _SLOT)
                raise
            finally:
                os.close(handle)
        except OSError as error:
            raise _broken("write", path, error) from error

    def _cut(self, level: int, slots: int) -> None:
        path = self._paths[level]
        try:
            if path.stat().st_size > (slots + 1) * _SLOT:
                log.warning("%s: cut a torn tail", path.name)
                os.truncate(path, (slots + 1) * _SLOT)
        except OSError as error:
            raise _broken("cut", path, error) from error


def _folded(hashes: Sequence[bytes]) -> bytes:
    """The root over a power of two of hashes."""
    level = list(hashes)
    while len(level) > 1:
        level = [node_hash(level[at], level[at + 1]) for at in range(0, len(level), 2)]
    return level[0]


def _slot(level: int, number: int, value: bytes) -> bytes:
    return value + zlib.crc32(bytes((level,)) + number.to_bytes(8) + value).to_bytes(4)


def _opened(level: int, number: int, slot: bytes) -> bytes | None:
    """The hash in a slot; None where it does not check."""
    value = slot[:_HASH]
    return value if slot == _slot(level, number, value) and len(slot) == _SLOT else None


def _head(level: int) -> bytes:
    head = (MAGIC + bytes((level,))).ljust(_HASH, b"\0")
    return head + zlib.crc32(head).to_bytes(4)


def _broken(verb: str, path: Path, error: OSError) -> StoreBroken:
    return StoreBroken(f"cannot {verb} {path.name} of the activity log: {error.strerror}", hint="see `portvakt doctor`")
