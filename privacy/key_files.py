"""The two files of the key tables: read past the cache, overwritten in place, lines appended to both.

Whoever calls keeps to one rule: of the two, one is whole on the medium at any time. So the second is not touched before
the first is synced.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from privacy.errors import StoreBroken
from privacy.files import sync_directory, write_all, write_new

NAMES: Final = ("table.a", "table.b")


class KeyFiles:
    """`table.a` and `table.b` in one directory, by their number, 0 and 1. Every method blocks.

    Raises (all methods):
        StoreBroken: the medium refused.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._paths = tuple(directory / name for name in NAMES)

    def make_directory(self) -> None:
        """Make the directory, if it is not there; durable."""
        try:
            self.directory.mkdir(mode=0o700, exist_ok=True)
            sync_directory(self.directory.parent)
        except OSError as error:
            raise _refused("make", self.directory, error) from error

    def read(self, number: int) -> bytes | None:
        """What the medium holds; None where there is no such file.

        The medium, not the cache: after a sync that failed the cache shows what never reached the medium, as if it
        were clean, and after a killed process what may not get there.
        """
        path = self._paths[number]
        try:
            with self._opened(path, os.O_RDONLY) as handle:
                os.fsync(handle)
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
                return b"".join(iter(lambda: os.read(handle, 1 << 20), b""))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _refused("read", path, error) from error

    def overwrite(self, number: int, data: bytes) -> None:
        """Make `data` all of the file, in place, durably.

        In place: where nothing is added it needs no room, so that a full medium stops no erasure. Not truncated first:
        the blocks would be given back, and might not be had again. A missing file is made, whole or not at all.
        """
        path = self._paths[number]
        try:
            with self._opened(path, os.O_WRONLY) as handle:
                write_all(handle, data)
                os.ftruncate(handle, len(data))
                os.fsync(handle)
        except FileNotFoundError:
            write_new(path, data)
        except OSError as error:
            raise _refused("write", path, error) from error

    def append(self, at: int, data: bytes) -> None:
        """Write `data` into both files from byte `at` on, where both end; not durable yet."""
        for path in self._paths:
            try:
                with self._opened(path, os.O_WRONLY) as handle:
                    os.lseek(handle, at, os.SEEK_SET)
                    write_all(handle, data)
            except OSError as error:
                raise _refused("append to", path, error) from error

    def sync(self) -> None:
        """Make durable what was appended."""
        for path in self._paths:
            try:
                with self._opened(path, os.O_WRONLY) as handle:
                    os.fdatasync(handle)
            except OSError as error:
                raise _refused("sync", path, error) from error

    @contextmanager
    def _opened(self, path: Path, flags: int) -> Iterator[int]:
        handle = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            yield handle
        finally:
            os.close(handle)


def _refused(verb: str, path: Path, error: OSError) -> StoreBroken:
    return StoreBroken(f"cannot {verb} {path.name}: {error.strerror}", hint="see `portvakt doctor`")
