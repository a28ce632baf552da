"""Pages: the picture keys of those that survive where a segment is partly erased. Format: `privacy/FORMAT.md`."""

import contextlib
import itertools
import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from camera.vault.file import HEAD_BYTES, open_to_read, pack_head, read_at
from camera.vault.picture_keys import Halves
from privacy.errors import SealBroken, StoreBroken
from privacy.files import sync_directory, write_all
from privacy.seal import Cipher, Seal

PAGE_MAGIC: Final = b"PVPG"
ID_BYTES: Final = 16


class Page(msgspec.Struct, frozen=True, gc=False):
    """The picture keys of the survivors of one segment, as they lie in a page."""

    ids: bytes = b""
    """Their record ids, one after the other."""
    keys: Halves = (b"", b"")
    """Of `ids`, in their order."""

    def __repr__(self) -> str:
        return f"Page({len(self)} pictures)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("pictures", len(self))]

    def __len__(self) -> int:
        return len(self.ids) // ID_BYTES

    def record_ids(self) -> Sequence[bytes]:
        """Their record ids, in the order in which they were taken."""
        return _split(self.ids)

    def of(self, record_id: bytes) -> bytes | None:
        """The key of one; None where it does not survive."""
        at = self.ids.find(record_id)
        while at > 0 and at % ID_BYTES:  # begins in one id, and ends in the next
            at = self.ids.find(record_id, at + 1)
        if at < 0:
            return None
        return b"".join(half[at : at + ID_BYTES] for half in self.keys)

    def halves(self, ids: bytes) -> Halves:
        """The keys of those whose record ids are joined in `ids`, in that order; all of them survive."""
        split = _split(ids)
        first, second = (dict(zip(self.record_ids(), _split(half), strict=True)) for half in self.keys)
        return b"".join(map(first.__getitem__, split)), b"".join(map(second.__getitem__, split))


class NewPage(msgspec.Struct, frozen=True, gc=False):
    """The page of one segment, and what it is sealed with."""

    segment_id: bytes
    seal: Seal
    """Under the page key."""
    page: Page


def write_pages(folder: Path, file_id: bytes, cipher: Cipher, pages: Sequence[NewPage]) -> list[tuple[int, int]]:
    """Write the pages of one change as `folder/<file id in hex>`, durably; returns (offset, length) of each.

    One file, one write, one fsync, and one of the folder.

    Raises:
        StoreBroken: the medium refused, or the file is there already. Nothing is left of it.
    """
    sealed = [
        new.seal.close(b"".join((new.page.ids, *new.page.keys)), _bound(file_id, new.segment_id)) for new in pages
    ]
    ends = list(itertools.accumulate(map(len, sealed), initial=HEAD_BYTES))
    path = folder / file_id.hex()
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            write_all(handle, b"".join((pack_head(PAGE_MAGIC, cipher, file_id), *sealed)))
            os.fsync(handle)
            sync_directory(folder)
        except OSError:
            with contextlib.suppress(OSError):
                path.unlink()
            raise
        finally:
            os.close(handle)
    except OSError as error:
        raise StoreBroken(f"cannot write pages of keys: {error.strerror}", hint="see `portvakt doctor`") from error
    return [(begin, end - begin) for begin, end in itertools.pairwise(ends)]


def read_page(  # noqa: PLR0913, PLR0917 - what the key table's entry says of a page, and where it is
    path: Path, offset: int, length: int, segment_id: bytes, file_id: bytes, seal: Seal
) -> Page:
    """One page, opened.

    The file's head is not asked: the seal says more, bound as it is to file and segment.

    Raises:
        SealBroken: no such file, or the page is damaged, another's, or sealed under another key.
        StoreBroken: the medium refused, which says nothing about what the file holds.
    """
    handle = open_to_read(path)
    try:
        if offset + length > os.fstat(handle).st_size:
            raise SealBroken("a page ends behind its file")
        sealed = read_at(handle, length, offset)
    finally:
        os.close(handle)
    plain = seal.open(sealed, _bound(file_id, segment_id))
    half = len(plain) // 3
    return Page(plain[:half], (plain[half : 2 * half], plain[2 * half :]))


def _split(joined: bytes) -> Sequence[bytes]:
    """Ids, or halves of keys, that are 16 bytes long as well."""
    return struct.unpack("16s" * (len(joined) // ID_BYTES), joined)


def _bound(file_id: bytes, segment_id: bytes) -> bytes:
    return b"portvakt/v1/page" + file_id + segment_id
