"""Root slots in a file, or in a raw partition. Tier B: overwritten in place, as well as the medium does that."""

import contextlib
import errno
import fcntl
import mmap
import os
import stat
from pathlib import Path
from typing import Final

from privacy.errors import StoreBroken
from privacy.files import sync_directory
from privacy.keystore.in_place import InPlaceSlots, Layout
from privacy.keystore.slot_bytes import SlotFormat
from privacy.records import Tier

PAGE: Final = 4096
"""Bytes. A multiple of every medium's sector, as O_DIRECT wants it."""
LAYOUT: Final = Layout(
    SlotFormat(secret_bytes=64 * 1024, secret_at=PAGE),
    # Apart, so that no erase block of a usual card holds both: writing one does not move the other.
    stride=128 * 1024,
    size=2 * 128 * 1024,
)


class SlotFile(InPlaceSlots):
    """The slots in `path`: a regular file of our own, or a block device, of which the first 256 KiB are ours.

    The file is made here, where `create` says so and there is none. A block device, also behind a link such as
    /dev/disk/by-partlabel/…, must be unused, and blank or ours. What is read comes from the medium (O_DIRECT), or on a
    file system that has no such thing from a cache that was asked to drop it (posix_fadvise).

    Raises:
        StoreBroken: the file could not be made. It is gone again, or a start finishes it.
    """

    tier = Tier.OVERWRITTEN_IN_PLACE

    def __init__(self, path: Path, *, create: bool = False) -> None:
        super().__init__(str(path), LAYOUT)
        self._path = path
        if create:
            self._create()

    def _create(self) -> None:
        """Make the file, or finish one that a power cut left short.

        Of zeros, not of a hole: a slot has its place on the medium before there is a secret in it, and stays there.
        """
        unfinished = False
        try:
            if self._path.is_block_device():
                return
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            try:
                length = os.fstat(handle).st_size
                unfinished = length < LAYOUT.size and os.pread(handle, length, 0) == bytes(length)
                if unfinished:
                    self._overwrite(handle, 0, bytes(LAYOUT.size))
                    os.fsync(handle)  # its length too
            finally:
                os.close(handle)
            sync_directory(self._path.parent)
        except OSError as error:
            if unfinished:
                # What did not reach the medium would be taken for written the next time.
                with contextlib.suppress(OSError):
                    self._path.unlink()
            raise self._broken("make", error) from error

    def _open(self, flags: int) -> int:
        mode = self._path.stat().st_mode
        if stat.S_ISREG(mode):
            return os.open(self._path, flags | os.O_NOFOLLOW)
        if stat.S_ISBLK(mode):
            return os.open(self._path.resolve(), flags | os.O_EXCL)  # EBUSY while it is mounted
        raise StoreBroken(f"{self.where} is neither a file nor a partition", hint="is the path right?")

    def _sync(self, handle: int) -> None:
        os.fdatasync(handle)

    def _read_back(self, handle: int, offset: int, length: int) -> bytes:
        flags = fcntl.fcntl(handle, fcntl.F_GETFL)
        try:
            fcntl.fcntl(handle, fcntl.F_SETFL, flags | os.O_DIRECT)
            return _read_pages(handle, offset, length)
        except OSError as error:
            if error.errno != errno.EINVAL:  # no O_DIRECT here
                raise
        finally:
            fcntl.fcntl(handle, fcntl.F_SETFL, flags)
        os.posix_fadvise(handle, offset, length, os.POSIX_FADV_DONTNEED)
        return _read_pages(handle, offset, length)


def _read_pages(handle: int, offset: int, length: int) -> bytes:
    """Read whole pages into memory that begins at one, and return what was asked for of them."""
    begin = offset // PAGE * PAGE
    end = -(-(offset + length) // PAGE) * PAGE
    with mmap.mmap(-1, end - begin) as pages:
        done = 0
        while done < end - begin:
            with memoryview(pages) as all_of_it, all_of_it[done:] as rest:
                read = os.preadv(handle, [rest], begin + done)
            if not read:
                break
            done += read
        return pages[offset - begin : min(offset - begin + length, done)]
