"""Durable files: what returns from here is on the medium, or raised.

temp, fsync, rename, fsync the directory: without the last, an unlinked file came back after a power cut and an
unsynced one was empty.
"""

import contextlib
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path

from privacy.errors import StoreBroken

log = logging.getLogger(__name__)

UNFINISHED = ".new"
"""What a file's name ends in while it is not yet whole."""
OURS = re.compile(
    r"root\.key(\.check)?|authority|(receipt|receipt-public|local-issuer)\.jwk|journal|keys/table\.[ab]"
    r"|(operation-log|spool|devices|people|credentials|sessions|grants|consents|activity|tags|holds)/[0-9a-f]{32}\.log"
    r"|spool/state|activity/hashes-[0-3]"
)
"""The files of a state directory that `write_new` writes, as `privacy/FORMAT.md` lists them."""


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
        StoreBroken: the medium refused (full, read-only, broken). The old file is untouched, unless it was the last
            step that failed, the sync of the directory: then the new one is there, and may be gone after a power cut.
    """
    temporary = path.with_name(path.name + UNFINISHED)
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            write_all(handle, data)
            os.fsync(handle)
        finally:
            os.close(handle)
        temporary.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()  # a full medium needs these bytes back, and no erasure looks for them here
        raise StoreBroken(f"cannot write {path.name}: {error.strerror}", hint="see `portvakt doctor`") from error


def write_all(handle: int, data: bytes) -> None:
    """Write all of `data`, however little the system takes at a time."""
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def remove(path: Path) -> None:
    """Unlink `path` if it is there; durable once the directory is synced (the caller batches that)."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreBroken(f"cannot remove {path.name}: {error.strerror}", hint="see `portvakt doctor`") from error


def sweep(state: Path) -> int:
    """Remove what a crash left unfinished in a state directory, durably; returns how many files that were.

    Call it before anything there is opened. Follows no link, and takes regular files alone whose name is one of
    `OURS` with `.new` behind it: everything else may be somebody's.

    Raises:
        StoreBroken: the medium refused.
    """
    try:
        unfinished = list(_unfinished(state))
        for path in unfinished:
            path.unlink()
        for folder in {path.parent for path in unfinished}:
            sync_directory(folder)
    except OSError as error:
        raise StoreBroken(
            f"cannot remove what is unfinished in {state}: {error.strerror}", hint="see `portvakt doctor`"
        ) from error
    if unfinished:
        log.info("removed %d files that were unfinished when the last run ended", len(unfinished))
    return len(unfinished)


def _unfinished(state: Path) -> Iterator[Path]:
    pending = [state]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                path = Path(entry.path)
                name = path.relative_to(state).as_posix()
                if entry.is_dir(follow_symlinks=False):
                    pending.append(path)
                elif (
                    entry.is_file(follow_symlinks=False)
                    and name.endswith(UNFINISHED)
                    and OURS.fullmatch(name.removesuffix(UNFINISHED))
                ):
                    yield path
