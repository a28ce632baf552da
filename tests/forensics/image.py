"""A medium of its own: an ext4 file system in a file, mounted, and copied as a power cut would leave it.

A copy is read from the file behind the loop device. There lies what the file system has handed to the device, synced or
not; what it still held in memory is lost, as it is when the power goes.

A child holds the mount in a mount namespace of its own and ends with this process, whatever becomes of it: with the
namespace the mount goes, and with that the loop device.
"""

import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

MEGABYTE: Final = 1 << 20
BLOCK: Final = 4096
"""Bytes, of the file system."""
# The inode tables are made at once: what is filled in later would change copies in the background.
MKFS: Final = f"mkfs.ext4 -q -F -b {BLOCK} -m 0 -J size=4 -E lazy_itable_init=0,lazy_journal_init=0"
HOLD: Final = 'mount -t ext4 -o loop "$1" "$2" && echo mounted && read -r _; umount "$2"'
TRIES: Final = 100
FIEMAP: Final = 0xC020660B
FIEMAP_HEAD: Final = struct.Struct("=QQIIII")
FIEMAP_EXTENT: Final = struct.Struct("=QQQ16xI12x")
"""`linux/fiemap.h`: where in the file, where on the device, how long, flags."""
MOST_EXTENTS: Final = 256
NO_PLACE_YET: Final = 0x2 | 0x4
"""FIEMAP_EXTENT_UNKNOWN and _DELALLOC: it is in memory alone."""


class NoMedium(Exception):
    """The medium cannot be made or mounted; says why."""


class Medium:
    """A mounted image.

    `root` is where this process sees its files, through a link that only the kernel can follow: what resolves paths by
    itself, as SQLite does, has to join `namespace`, and sees them at `point`.
    """

    def __init__(self, file: Path, holder: subprocess.Popen[str], point: Path) -> None:
        self._file = file
        self.point = point
        self.namespace = Path(f"/proc/{holder.pid}/ns/mnt")
        self._holder = holder
        self.root = Path(f"/proc/{holder.pid}/root{point}")

    def cut(self) -> bytes:
        """The medium as it is now, if the power went."""
        before = self._file.read_bytes()
        for _ in range(TRIES):
            # Of two readings that agree, the image held all of it at once between them.
            after = self._file.read_bytes()
            if after == before:
                return after
            before = after
        raise NoMedium("the medium does not come to rest")

    def scattered(self, cut: bytes) -> bytes:
        """The files of which `cut` holds the bytes in several pieces, each put together, from the bytes of `cut` alone.

        What runs over from one block into another that lies elsewhere is in no place of `cut` as a whole.
        """
        files = (path for path in sorted(self.root.rglob("*")) if path.is_file() and not path.is_symlink())
        return b"".join(b"".join(pieces) for pieces in (_pieces(path, cut) for path in files) if len(pieces) > 1)


@contextmanager
def blank(folder: Path, *, megabytes: int = 16) -> Iterator[Medium]:
    """A new, empty file system, mounted; unmounted and gone at the end."""
    image = folder / "blank.img"
    with image.open("wb") as file:
        file.truncate(megabytes * MEGABYTE)
    _run([*MKFS.split(), str(image)])
    with _mounted(image) as medium:
        yield medium


@contextmanager
def after_a_cut(folder: Path, copy: bytes) -> Iterator[Medium]:
    """`copy` mounted, as when the power comes back: the file system replays its own journal."""
    image = folder / "copy.img"
    image.write_bytes(copy)
    with _mounted(image) as medium:
        yield medium


@contextmanager
def _mounted(image: Path) -> Iterator[Medium]:
    point = image.with_suffix(".mounted")
    point.mkdir()
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", HOLD, "sh", str(image), str(point)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True) as holder:
        assert holder.stdin
        assert holder.stdout
        try:
            said = holder.stdout.readline().strip()
            if said != "mounted":
                raise NoMedium(f"an image cannot be mounted here: {said or holder.wait()}")
            yield Medium(image, holder, point)
        finally:
            holder.stdin.close()
            holder.wait(30)
            point.rmdir()
            image.unlink()


def _pieces(path: Path, cut: bytes) -> list[bytes]:
    """What `cut` holds of a file, without a break in each; whole blocks."""
    fd = os.open(path, os.O_RDONLY)
    try:
        # Not FIBMAP, nor with the flag to sync: to look must not write anything.
        asked = bytearray(FIEMAP_HEAD.size + MOST_EXTENTS * FIEMAP_EXTENT.size)
        FIEMAP_HEAD.pack_into(asked, 0, 0, 2**64 - 1, 0, 0, MOST_EXTENTS, 0)
        fcntl.ioctl(fd, FIEMAP, asked)
    finally:
        os.close(fd)
    mapped = FIEMAP_HEAD.unpack_from(asked)[3]
    assert mapped < MOST_EXTENTS
    pieces: list[bytes] = []
    after = -1
    for number in range(mapped):
        _, begins, length, flags = FIEMAP_EXTENT.unpack_from(asked, FIEMAP_HEAD.size + number * FIEMAP_EXTENT.size)
        if not flags & NO_PLACE_YET:
            piece = cut[begins : begins + length]
            pieces = [*pieces[:-1], pieces[-1] + piece] if begins == after else [*pieces, piece]
            after = begins + length
    return pieces


def _run(command: list[str]) -> None:
    if not shutil.which(command[0]):
        raise NoMedium(f"{command[0]} is not there; .setup/install-system test installs it")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoMedium(f"{command[0]}: {done.stderr.strip()}")


def sync(path: Path) -> None:
    """Make a file, or what a folder lists, durable."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
