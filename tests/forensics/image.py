"""A medium of its own: an ext4 file system in a file, mounted, and copied as a power cut would leave it.

A copy is read from the file behind the loop device. There lies what the file system has handed to the device, synced or
not; what it still held in memory is lost, as it is when the power goes.

A child holds the mount in a mount namespace of its own and ends with this process, whatever becomes of it: with the
namespace the mount goes, and with that the loop device.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

MEGABYTE: Final = 1 << 20
# The inode tables are made at once: what is filled in later would change copies in the background.
MKFS: Final = "mkfs.ext4 -q -F -b 4096 -m 0 -J size=4 -E lazy_itable_init=0,lazy_journal_init=0"
HOLD: Final = 'mount -t ext4 -o loop "$1" "$2" && echo mounted && read -r _; umount "$2"'
TRIES: Final = 100


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
