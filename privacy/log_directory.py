"""The directory of a `SealedFolder`: which files there are ours, by name alone, and the dead ones' way out."""

import logging
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from privacy.errors import StoreBroken
from privacy.files import UNFINISHED

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
            return path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise StoreBroken(f"cannot read {path.name}: {error.strerror}", hint="see `portvakt doctor`") from error

    def unlink(self, dead: Iterable[Path]) -> None:
        """Take away files that nobody can open. What refuses is left for the next start: it tells nothing."""
        for path in dead:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                log.warning("%s is dead but cannot be unlinked yet: %s", path.name, error.strerror)

    def warn_of_strangers(self) -> None:
        """Say so where something lies here that is not ours; it is left alone."""
        ours = {path.name for path in self.logs()} | self._beside
        if strangers := sum(entry.name not in ours for entry in self._listed()):
            log.warning("%s: %d names there are not ours, and are left alone", self._path, strangers)

    def _listed(self) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self._path) as entries:
                return list(entries)
        except OSError as error:
            raise StoreBroken(f"cannot list {self._path}: {error.strerror}", hint="see `portvakt doctor`") from error
