"""A folder of the vault: files that are named by an id (32 hex digits), and nothing else that is ours."""

import contextlib
import logging
import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from privacy.errors import StoreBroken
from privacy.files import sync_directory

log = logging.getLogger(__name__)

NAME: Final = re.compile(r"[0-9a-f]{32}")
_NAMED_AT_MOST: Final = 3
"""Foreign names in one warning: enough to find them."""


class VaultFolder:
    """`vault/segments` or `vault/pages`. Every method blocks.

    Only regular files with a name that we give are ours. Everything else, links and subfolders included, is left
    alone, and named in one warning: a cleaner that is mistaken about what is its own has cost others their files.

    Raises (all methods):
        StoreBroken: the medium refused.
    """

    def __init__(self, path: Path) -> None:
        """Make the folder where it is missing, durably: what is synced in it must not hang in the air."""
        self._path = path
        self._told = False
        with self._medium("make"):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for above in (path.parent, path.parent.parent):
                sync_directory(above)

    @property
    def path(self) -> Path:
        """The folder itself."""
        return self._path

    def file(self, file_id: bytes) -> Path:
        """Where the file of `file_id` lies, or would."""
        return self._path / file_id.hex()

    def ids(self) -> list[bytes]:
        """The ids of all files that are ours, read from the directory itself, in the order of their names."""
        return sorted(bytes.fromhex(entry.name) for entry in self._ours())

    def sizes(self) -> dict[bytes, int]:
        """The bytes of each of them, by id."""
        with self._medium("measure"):
            return {bytes.fromhex(entry.name): entry.stat(follow_symlinks=False).st_size for entry in self._ours()}

    def total(self) -> int:
        """The bytes of all of them."""
        return sum(self.sizes().values())

    def sync(self) -> None:
        """Make the names of files durable that were made."""
        with self._medium("sync"):
            sync_directory(self._path)

    def remove(self, ids: Iterable[bytes]) -> int:
        """Unlink files, durably, and return how many were there; how many are given bounds how long this takes."""
        removed = 0
        with self._medium("remove files of"):
            for file_id in ids:
                path = self.file(file_id)
                with contextlib.suppress(FileNotFoundError):
                    if stat.S_ISREG(path.lstat().st_mode):
                        path.unlink()
                        removed += 1
            if removed:
                sync_directory(self._path)
        return removed

    def _ours(self) -> list["os.DirEntry[str]"]:
        ours: list[os.DirEntry[str]] = []
        foreign: list[os.DirEntry[str]] = []
        with self._medium("list"), os.scandir(self._path) as entries:
            for entry in entries:
                mine = NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)
                (ours if mine else foreign).append(entry)
        if foreign and not self._told:
            self._told = True
            names = ", ".join(sorted(entry.name for entry in foreign)[:_NAMED_AT_MOST])
            more = " …" if len(foreign) > _NAMED_AT_MOST else ""
            log.warning("left alone in %s, not ours: %s%s", self._path.name, names, more)
        return ours

    @contextlib.contextmanager
    def _medium(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreBroken(
                f"cannot {what} {self._path.name}: {error.strerror}", hint="see `portvakt doctor`"
            ) from error
