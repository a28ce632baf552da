"""Room on the medium: how much the vault may take, and how much it leaves to others."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from privacy.errors import StoreBroken

RESERVE: Final = 64 * 1024 * 1024
"""Bytes that stay free: an erasure needs room for its pages and key tables, the logs for what they say about it."""


@dataclass(frozen=True, slots=True)
class Space:
    """What the vault under `root` may take."""

    root: Path
    quota: int | None = None
    """Bytes of the vault; None: as much as there is."""
    reserve: int = RESERVE
    """Bytes of the file system that stay free."""

    def short(self, used: int, needed: int) -> int:
        """How many bytes are missing before `needed` more can be written; 0 or less: none.

        Raises:
            StoreBroken: the medium refused.
        """
        try:
            system = os.statvfs(self.root)
        except OSError as error:
            raise StoreBroken(f"cannot measure the medium: {error.strerror}", hint="see `portvakt doctor`") from error
        missing = self.reserve + needed - system.f_bavail * system.f_frsize
        return missing if self.quota is None else max(missing, used + needed - self.quota)
