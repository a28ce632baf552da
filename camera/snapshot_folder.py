"""The folder that snapshots lie in: two-hex-digit subfolders, in each the files of the ids that begin so.

Only regular files with a name that we give are ours. Everything else, links included, is left alone: a cleaner that
is mistaken about what is its own has cost others their files.
"""

import contextlib
import logging
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from privacy.errors import StoreBroken
from privacy.files import remove, sync_directory, write_new

log = logging.getLogger(__name__)

NAME: Final = re.compile(r"[0-9a-f]{32}")
SUBFOLDER: Final = re.compile(r"[0-9a-f]{2}")
UNFINISHED: Final = ".new"
"""What `write_new` appends while a file is not yet whole."""


class SnapshotFolder:
    """Files by record id (32 hex digits)."""

    def __init__(self, root: Path) -> None:
        """Make `root` where it is missing, and remove what a crash left unfinished.

        Raises:
            StoreBroken: the medium refuses.
        """
        self._root = root
        self._told = False
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreBroken(f"cannot make {root.name}: {error.strerror}", hint="see `portvakt doctor`") from error
        self._remove_unfinished()
        # A process killed between unlink and fsync leaves names that a power cut could still bring back.
        self._unsynced = {path for path in root.iterdir() if self._is_subfolder(path)}

    def ids(self) -> Iterator[str]:
        """The ids of all files that are ours, read from the directory itself."""
        foreign: list[str] = []
        for subfolder, entry in self._entries(foreign):
            if NAME.fullmatch(entry.name) and entry.name.startswith(subfolder):
                yield entry.name
            elif not entry.name.endswith(UNFINISHED):
                foreign.append(f"{subfolder}/{entry.name}")
        if foreign and not self._told:
            self._told = True
            log.warning("left alone, not ours: %s%s", ", ".join(foreign[:3]), " …" if len(foreign) > 3 else "")  # noqa: PLR2004 - enough to find them

    def write(self, record: str, data: bytes) -> None:
        """Write the file of `record`, whole or not at all.

        Raises:
            StoreBroken: the medium refused; nothing is left of it.
        """
        path = self.path(record)
        try:
            if not path.parent.is_dir():
                path.parent.mkdir(mode=0o700, exist_ok=True)
                sync_directory(self._root)
            write_new(path, data)
        except OSError as error:
            raise StoreBroken(f"cannot write a snapshot: {error.strerror}", hint="see `portvakt doctor`") from error
        except StoreBroken as error:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)  # it was the sync of the folder that failed
            # Not the name, which is another with each try: a full disk is one line in the log, not one a picture.
            why = error.__cause__.strerror if isinstance(error.__cause__, OSError) else "the medium refused"
            raise StoreBroken(f"cannot write a snapshot: {why}", hint=error.hint) from error

    def read(self, record: str, offset: int, length: int) -> bytes:
        """Up to `length` bytes of a file from `offset`. Links are not followed.

        Raises:
            FileNotFoundError: there is no such file.
            StoreBroken: the medium refused, which says nothing about what the file holds.
        """
        try:
            handle = os.open(self.path(record), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with os.fdopen(handle, "rb") as file:
                file.seek(offset)
                return file.read(length)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise StoreBroken(f"cannot read a snapshot: {error.strerror}", hint="see `portvakt doctor`") from error

    def size(self, record: str) -> int:
        """Bytes of a file.

        Raises:
            FileNotFoundError: there is no such file.
        """
        return self.path(record).lstat().st_size

    def remove(self, records: Iterable[str]) -> int:
        """Unlink files, durably, those of an earlier call that failed included; what was gone does not count.

        Raises:
            StoreBroken: the medium refused; what was unlinked stays so.
        """
        removed = 0
        try:
            for record in records:
                path = self.path(record)
                if os.path.lexists(path):
                    self._unsynced.add(path.parent)
                    remove(path)
                    removed += 1
            for folder in sorted(self._unsynced):
                sync_directory(folder)
                self._unsynced.discard(folder)
        except OSError as error:
            raise StoreBroken(f"cannot remove snapshots: {error.strerror}", hint="see `portvakt doctor`") from error
        return removed

    def path(self, record: str) -> Path:
        """Where the file of `record` lies."""
        if not NAME.fullmatch(record):
            raise FileNotFoundError("no snapshot has such an id")
        return self._root / record[:2] / record

    def _entries(self, foreign: list[str]) -> Iterator[tuple[str, "os.DirEntry[str]"]]:
        try:
            with os.scandir(self._root) as folders:
                for folder in folders:
                    if not self._is_subfolder(Path(folder.path)):
                        foreign.append(folder.name)
                        continue
                    with os.scandir(folder) as entries:
                        for entry in entries:
                            if entry.is_file(follow_symlinks=False):
                                yield folder.name, entry
                            else:
                                foreign.append(f"{folder.name}/{entry.name}")
        except OSError as error:
            raise StoreBroken(f"cannot list snapshots: {error.strerror}", hint="see `portvakt doctor`") from error

    @staticmethod
    def _is_subfolder(path: Path) -> bool:
        return bool(SUBFOLDER.fullmatch(path.name)) and path.is_dir() and not path.is_symlink()

    def _remove_unfinished(self) -> None:
        for _, entry in self._entries([]):
            stem = entry.name.removesuffix(UNFINISHED)
            if stem != entry.name and NAME.fullmatch(stem):
                remove(Path(entry.path))
