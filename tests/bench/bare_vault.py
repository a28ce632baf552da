"""The floors: the steps that a vault cannot do without (`privacy/FORMAT.md`), and nothing around them."""

import fcntl
import mmap
import os
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

from camera.picture import Picture
from camera.vault.picture_keys import PictureKeys
from camera.vault.writing import UNSYNCED_BYTES
from privacy.cpu import quick_cipher
from privacy.seal import Seal

SLOT_BYTES, SLOT_STRIDE = 68 * 1024, 128 * 1024
HEADER = struct.Struct(">4s16s4I")
RECORD_MAGIC = b"PVSR"
FILE_HEAD_BYTES = 28

Survivors = Mapping[bytes, tuple[bytes, bytes]]
"""By segment id, its key and the record ids that survive in it, one after the other."""


def plain_files(folder: Path, pictures: int, shot: Picture) -> None:
    """A synced file a snapshot, as little as "durable" can mean: in the clear, no thumbnail, its folder not synced."""
    for number in range(pictures):
        handle = os.open(folder / f"{number}.jpg", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(handle, shot.image)
            os.fsync(handle)
        finally:
            os.close(handle)


def sealed_files(folder: Path, pictures: int, cameras: int, shot: Picture, metadata: bytes) -> None:
    """Three AEAD calls a picture under a fresh key, one write, and a sync of each camera's file after 4 MiB in all.

    Before the first sync the names are synced once, and two files that stand for the key tables.
    """
    cipher, nonces = quick_cipher(), [bytes(11) + bytes((part,)) for part in (1, 2, 3)]
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
    files = [os.open(folder / str(number), flags, 0o600) for number in range(cameras)]
    tables = [os.open(folder / name, flags, 0o600) for name in ("table.a", "table.b")]
    names = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    unsynced, named = 0, False
    try:
        for number in range(pictures):
            aead, header = cipher.aead(os.urandom(32)), os.urandom(36)
            parts = [
                aead.encrypt(nonce, plain, header + bytes(17))
                for nonce, plain in zip(nonces, (metadata, shot.thumbnail, shot.image), strict=True)
            ]
            unsynced += os.writev(files[number % cameras], [header, *parts])
            if unsynced >= UNSYNCED_BYTES or number == pictures - 1:
                if not named:
                    for table in tables:
                        os.write(table, os.urandom(200 * cameras))
                        os.fdatasync(table)
                    os.fsync(names)
                    named = True
                for file in files:
                    os.fdatasync(file)
                unsynced = 0
    finally:
        for handle in (*files, *tables, names):
            os.close(handle)


def walk(segments: Iterable[Path]) -> int:
    """Read the header of each record of each segment, one after the other; returns how many there are."""
    records = 0
    for path in segments:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_RANDOM)
            size, at = os.fstat(handle).st_size, FILE_HEAD_BYTES
            while at < size:
                magic, _, metadata, thumbnail, image, _ = HEADER.unpack(os.pread(handle, HEADER.size, at))
                if magic != RECORD_MAGIC:
                    break  # the footer
                at += HEADER.size + metadata + thumbnail + image
                records += 1
        finally:
            os.close(handle)
    return records


def sealed_pages(survivors: Survivors) -> bytes:
    """The pages of all `survivors`: their keys derived and sealed."""
    cipher = quick_cipher()
    return b"".join(
        Seal(os.urandom(32), os.urandom, cipher).close(b"".join((ids, *PictureKeys(key).halves(ids))), segment_id)
        for segment_id, (key, ids) in survivors.items()
    )


class BareKeys:
    """Two tables and two slots in `folder`, and the steps of a change of keys."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        for name, length in (("table.a", 0), ("table.b", 0), ("slots", 2 * SLOT_STRIDE)):
            (folder / name).write_bytes(bytes(length))
        self._pages = 0

    def change(self, table: bytes, pages: bytes) -> None:
        """Steps 1 to 5 of a change of keys: pages, table, slot, destruction, the other table."""
        if pages:
            self._pages += 1
            _written(self._folder / f"pages.{self._pages}", pages, os.O_CREAT | os.O_EXCL)
            handle = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        _written(self._folder / "table.a", table, 0)
        self._slot(0, os.urandom(SLOT_BYTES))
        self._slot(1, bytes(SLOT_BYTES))
        _written(self._folder / "table.b", table, 0)

    def _slot(self, number: int, content: bytes) -> None:
        """Overwrite a slot in place, sync, and read it back past the page cache."""
        handle = os.open(self._folder / "slots", os.O_RDWR)
        try:
            os.pwrite(handle, content, number * SLOT_STRIDE)
            os.fdatasync(handle)
            flags = fcntl.fcntl(handle, fcntl.F_GETFL)
            fcntl.fcntl(handle, fcntl.F_SETFL, flags | os.O_DIRECT)
            with mmap.mmap(-1, SLOT_BYTES) as pages:
                os.preadv(handle, [pages], number * SLOT_STRIDE)
                if pages[:] != content:
                    raise OSError("the medium reads back something else than was written")
        finally:
            os.close(handle)


def _written(path: Path, content: bytes, flags: int) -> None:
    handle = os.open(path, os.O_WRONLY | flags, 0o600)
    try:
        os.write(handle, content)
        os.ftruncate(handle, len(content))
        os.fsync(handle)
    finally:
        os.close(handle)
