"""Durable files: what returns from here is on the medium, or raised.

temp, fsync, rename, fsync the directory: without the last, an unlinked file came back after a power cut and an
unsynced one was empty.
"""

import os
from pathlib import Path

from privacy.errors import StoreBroken


def sync_directory(path: Path) -> None:
    """Make the names in `path` durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_new(path: Path, data: bytes) -> None:
    """Write `data` as `path`, whole or not at all, readable by this user alone.

    Raises:
        StoreBroken: the medium refused (full, read-only, broken); the old file is untouched.
    """
    temporary = path.with_name(path.name + ".new")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        raise StoreBroken(f"cannot write {path.name}: {error.strerror}", hint="see `portvakt doctor`") from error


def remove(path: Path) -> None:
    """Unlink `path` if it is there; durable once the directory is synced (the caller batches that)."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreBroken(f"cannot remove {path.name}: {error.strerror}", hint="see `portvakt doctor`") from error
