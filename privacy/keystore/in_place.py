"""Slots that are overwritten where they lie: what a slot file and an NVRAM have in common."""

import errno
import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from privacy.errors import StoreBroken
from privacy.keystore.contract import SLOTS, Held, Slot
from privacy.keystore.slot_bytes import SlotFormat
from privacy.records import Tier

LABEL: Final = b"PVSLOTS\n"
"""Stands before slot 1 from the first write on, and says that the medium is ours whatever its slots look like.

Without it a torn slot could not be told from somebody else's data: the one is empty, the other must not be touched.
"""
_HINTS: Final = {
    errno.ENOENT: "is the device connected, the disk mounted, the path right?",
    errno.EACCES: "this user may not open it",
    errno.EPERM: "this user may not open it",
    errno.EBUSY: "something else uses it: unmount it first",
    errno.ELOOP: "it is a link, and a file of keys is none: name the file itself",
    errno.EROFS: "it is read-only: a worn card makes itself so, and wants to be replaced",
    errno.ENOSPC: "the medium is full",
    errno.EIO: "the medium is broken, or badly connected",
}


@dataclass(frozen=True, slots=True)
class Layout:
    """Where on a medium the slots lie: slot n begins at n times `stride`, and none of ours beyond `size`. In bytes."""

    slot: SlotFormat
    stride: int
    size: int

    @property
    def label_at(self) -> int:
        """The last bytes before slot 1."""
        return self.stride - len(LABEL)


class InPlaceSlots(ABC):
    """A KeyStore on a medium that is read and written by offset. Opened for each call, and closed after it.

    Every OSError leaves here as a StoreBroken.
    """

    tier: Tier

    def __init__(self, where: str, layout: Layout) -> None:
        self.where = where
        self.secret_bytes = layout.slot.secret_bytes
        self._layout = layout

    def read(self, slot: Slot) -> Held | None:
        """As the contract says."""
        with self._opened(os.O_RDONLY, "read") as handle:
            self._recognise(handle)
            return self._slot(handle, slot)

    def write(self, slot: Slot, held: Held) -> None:
        """As the contract says. Takes a blank medium for ours.

        Raises:
            ValueError: the secret is of another length.
            StoreBroken: as the contract says.
        """
        content = self._layout.slot.encode(held)
        with self._opened(os.O_RDWR, "write") as handle:
            if not self._recognise(handle):
                self._overwrite(handle, self._layout.label_at, LABEL)
            self._overwrite(handle, slot * self._layout.stride, content)

    def destroy(self, slot: Slot) -> None:
        """As the contract says: zeros over head and secret. An empty slot too: a torn one looks like that."""
        with self._opened(os.O_RDWR, "destroy") as handle:
            self._recognise(handle)
            self._overwrite(handle, slot * self._layout.stride, bytes(self._layout.slot.length))

    def provision(self) -> None:
        """Take a medium whatever it holds: that is overwritten. One that is ours already stays as it is.

        Raises:
            StoreBroken: the medium refused; call again.
        """
        with self._opened(os.O_RDWR, "provision") as handle:
            if not self._is_ours(handle):
                self._overwrite(handle, 0, bytes(self._layout.size))
                self._overwrite(handle, self._layout.label_at, LABEL)

    @abstractmethod
    def _open(self, flags: int) -> int:
        """Open the medium; StoreBroken where it is none of the right kind."""

    @abstractmethod
    def _sync(self, handle: int) -> None:
        """Make durable what was written."""

    @abstractmethod
    def _read_back(self, handle: int, offset: int, length: int) -> bytes:
        """Read past every cache that can be passed; fewer bytes at the end of the medium."""

    @contextmanager
    def _opened(self, flags: int, doing: str) -> Iterator[int]:
        try:
            handle = self._open(flags)
            try:
                info = os.fstat(handle)
                if stat.S_ISREG(info.st_mode) and info.st_size < self._layout.size:
                    raise self._too_small()
                yield handle
            finally:
                os.close(handle)
        except OSError as error:
            raise self._broken(doing, error) from error

    def _too_small(self) -> StoreBroken:
        return StoreBroken(
            f"{self.where} is too small for root slots: they take {self._layout.size} bytes",
            hint="was it cut short? is the path right?",
        )

    def _broken(self, doing: str, error: OSError) -> StoreBroken:
        hint = _HINTS.get(error.errno or 0, "the medium does not do what a root of keys needs: use another")
        return StoreBroken(f"cannot {doing} the root slots in {self.where}: {error.strerror}", hint=hint)

    def _recognise(self, handle: int) -> bool:
        """Whether the medium is ours: True; or blank: False. StoreBroken where it is neither."""
        if self._is_ours(handle):
            return True
        content = self._whole(handle, 0, self._layout.size)
        # A power cut may leave a part of the label, and nothing else yet.
        label = content[self._layout.label_at : self._layout.stride]
        rest = content[: self._layout.label_at] + content[self._layout.stride :]
        if rest == bytes(len(rest)) and all(found in {0, ours} for found, ours in zip(label, LABEL, strict=True)):
            return False
        raise StoreBroken(
            f"{self.where} holds something that is not ours",
            hint="is the path right? if nobody needs what is there, fill it with zeros",
        )

    def _is_ours(self, handle: int) -> bool:
        label = self._whole(handle, self._layout.label_at, len(LABEL))
        # A damaged label must not cost what can be read.
        return label == LABEL or any(self._slot(handle, slot) for slot in SLOTS)

    def _slot(self, handle: int, slot: Slot) -> Held | None:
        return self._layout.slot.decode(self._whole(handle, slot * self._layout.stride, self._layout.slot.length))

    def _whole(self, handle: int, offset: int, length: int) -> bytes:
        content = self._read_back(handle, offset, length)
        if len(content) < length:
            raise self._too_small()
        return content

    def _overwrite(self, handle: int, offset: int, content: bytes) -> None:
        view, at = memoryview(content), offset
        while view:
            written = os.pwrite(handle, view, at)
            if not written:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            view, at = view[written:], at + written
        self._sync(handle)
        if self._whole(handle, offset, len(content)) != content:
            raise StoreBroken(
                f"{self.where} reads back something else than was written",
                hint="the medium is worn, or cannot be overwritten in place: replace it",
            )
