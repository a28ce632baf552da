"""Pages: the picture keys of those that survive where a segment is partly erased. Format: `privacy/FORMAT.md`."""

import contextlib
import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from camera.vault.file import HEAD_BYTES, open_to_read, pack_head, read_at
from privacy.errors import SealBroken, StoreBroken
from privacy.files import sync_directory, write_all
from privacy.seal import KEY_BYTES, Cipher, Seal

PAGE_MAGIC: Final = b"PVPG"
ID_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class NewPage:
    """The survivors of one segment."""

    segment_id: bytes
    seal: Seal
    """Under the page key."""
    ids: Sequence[bytes]
    keys: Sequence[bytes] = field(repr=False)
    """Of `ids`, in their order."""


def write_pages(folder: Path, file_id: bytes, cipher: Cipher, pages: Sequence[NewPage]) -> list[tuple[int, int]]:
    """Write the pages of one change as `folder/<file id in hex>`, durably; returns (offset, length) of each.

    One file, one write, one fsync, and one of the folder.

    Raises:
        StoreBroken: the medium refused, or the file is there already. Nothing is left of it.
    """
    sealed = [page.seal.close(b"".join((*page.ids, *page.keys)), _bound(file_id, page.segment_id)) for page in pages]
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
) -> dict[bytes, bytes]:
    """The picture keys of one page by record id.

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
    count = len(plain) // (ID_BYTES + KEY_BYTES)
    keys_begin = count * ID_BYTES
    return {
        plain[n * ID_BYTES : (n + 1) * ID_BYTES]: plain[keys_begin + n * KEY_BYTES : keys_begin + (n + 1) * KEY_BYTES]
        for n in range(count)
    }


def _bound(file_id: bytes, segment_id: bytes) -> bytes:
    return b"portvakt/v1/page" + file_id + segment_id
