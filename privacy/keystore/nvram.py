"""Root slots in battery-backed memory or FRAM, which holds what was written last and nothing else. Tier A."""

import errno
import os
import stat
from pathlib import Path
from typing import Final

from privacy.errors import StoreBroken
from privacy.keystore.in_place import InPlaceSlots, Layout
from privacy.keystore.slot_bytes import COMPACT
from privacy.records import Tier

LAYOUT: Final = Layout(COMPACT, stride=128, size=128 + COMPACT.length)
"""Fits the 236 bytes that a DS3232 clock keeps beside the time."""
SYSFS: Final = Path("/sys")


class Nvram(InPlaceSlots):
    """The slots in `path`: a character device, or a device's file in sysfs (`/sys/bus/nvmem/devices/…/nvmem`).

    An ordinary file is refused, and a block device too: what is overwritten there may stay on a medium below, and
    tier A would be a lie. `sysfs` is where sysfs is mounted.
    """

    tier = Tier.HARDWARE_SLOT

    def __init__(self, path: Path, *, sysfs: Path = SYSFS) -> None:
        super().__init__(str(path), LAYOUT)
        self._path = path
        self._sysfs = sysfs

    def _open(self, flags: int) -> int:
        path = self._path.resolve()  # /sys/bus/… is made of links
        mode = path.stat().st_mode
        if not stat.S_ISCHR(mode) and not (stat.S_ISREG(mode) and path.is_relative_to(self._sysfs.resolve())):
            raise StoreBroken(
                f"{self.where} is no NVRAM: neither a character device nor in {self._sysfs}",
                hint="for a file or a partition there is another kind of root",
            )
        return os.open(path, flags | os.O_NOFOLLOW)

    def _sync(self, handle: int) -> None:
        try:
            os.fsync(handle)
        except OSError as error:
            # Nothing to sync: a driver's write returns when the chip has the bytes, and sysfs then has no fsync.
            if error.errno != errno.EINVAL:
                raise

    def _read_back(self, handle: int, offset: int, length: int) -> bytes:
        """Neither kind of file has a page cache."""
        content = b""
        while len(content) < length and (part := os.pread(handle, length - len(content), offset + len(content))):
            content += part
        return content
