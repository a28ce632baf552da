"""The directory of a `SealedFolder`: which files there may be ours, by their names, and the dead ones' way out."""

import logging
import os
import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

from privacy.errors import StoreBroken
from privacy.files import UNFINISHED
from privacy.sealed_log import FILE_BYTES, NotALog, read_log, resembles_log

log = logging.getLogger(__name__)

_ID_DIGITS: Final = 32
_OURS: Final = re.compile(rf"[0-9a-f]{{{_ID_DIGITS}}}\.log({re.escape(UNFINISHED)})?")


class LogDirectory:
    """Made where it is not there. `beside` are the names of other files of ours in it.

    Raises (all methods):
        StoreBroken: the medium refused.
    """

    def __init__(self, path: Path, beside: frozenset[str]) -> None:
        self._path = path
        self._beside = beside | {name + UNFINISHED for name in beside}
        self._left: set[str] = set()
        """Names of ours under which something lay that is not."""
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StoreBroken(f"cannot use {path}: {error.strerror}", hint="see `portvakt doctor`") from error

    def path_of(self, entry_id: bytes) -> Path:
        """Where the log lies whose key is in that entry."""
        return self._path / f"{entry_id.hex()}.log"

    def entry_id(self, path: Path) -> bytes:
        """Of the entry in which the key of the log at `path` is or was."""
        return bytes.fromhex(path.name[:_ID_DIGITS])

    def logs(self) -> list[Path]:
        """The regular files that have a name of ours, unfinished ones too."""
        return [Path(e.path) for e in self._listed() if _OURS.fullmatch(e.name) and e.is_file(follow_symlinks=False)]

    def read(self, path: Path) -> bytes:
        """The bytes of one of `logs`; none where it was dead, and has been unlinked since."""
        try:
            return read_log(path) or b""
        except NotALog:
            return b""

    def unlink(self, dead: Iterable[Path]) -> None:
        """Take away files that nobody can open. What refuses is left for the next start: it tells nothing.

        What has the name of such a file and is none is left alone.
        """
        for path in dead:
            try:
                if _was_ours(path):
                    path.unlink(missing_ok=True)
                else:
                    self._left.add(path.name)
            except OSError as error:
                log.warning("%s is dead but cannot be unlinked yet: %s", path.name, error.strerror)
            except StoreBroken as error:
                log.warning("%s is dead but cannot be unlinked yet: %s", path.name, error)

    def warn_of_strangers(self, living: Collection[Path]) -> None:
        """Say so where something lies here that is not ours; it is left alone.

        What lies in the place of one that is `living` is for whoever reads that.
        """
        ours = {path.name for path in self.logs()} - self._left | self._beside | {path.name for path in living}
        if strangers := sum(entry.name not in ours for entry in self._listed()):
            log.warning("%s: %d names there are not ours, and are left alone", self._path, strangers)

    def _listed(self) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self._path) as entries:
                return list(entries)
        except OSError as error:
            raise StoreBroken(f"cannot list {self._path}: {error.strerror}", hint="see `portvakt doctor`") from error


def _was_ours(path: Path) -> bool:
    """Whether the file at `path`, which has a name of ours, is a log that lived, or one that was never finished."""
    if path.name.endswith(UNFINISHED):
        return True
    try:
        return resembles_log(read_log(path, FILE_BYTES) or b"") or resembles_log(read_log(path) or b"")
    except NotALog:
        return False
