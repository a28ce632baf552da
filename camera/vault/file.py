"""What every file of the vault has: a head that says what it is, and one way to be opened. `privacy/FORMAT.md`."""

import errno
import os
import stat
import struct
import zlib
from pathlib import Path
from typing import Final

from privacy.errors import SealBroken, StoreBroken
from privacy.seal import Cipher

VERSION: Final = 1
_HEAD: Final = struct.Struct(">4sBB2x16s")
_CHECK: Final = struct.Struct(">I")
_CIPHERS: Final = frozenset(Cipher)
HEAD_BYTES: Final = _HEAD.size + _CHECK.size
_GONE: Final = (errno.ENOENT, errno.ELOOP)
"""Not there, or a link in its place, which we never made."""


class FileUnreadable(StoreBroken):
    """The medium refused to read one file of the vault. That says nothing about any other, nor about what it holds."""


def pack_head(magic: bytes, cipher: Cipher, file_id: bytes) -> bytes:
    """The 28 bytes that a file begins with."""
    head = _HEAD.pack(magic, VERSION, cipher, file_id)
    return head + _CHECK.pack(zlib.crc32(head))


def head_checks(head: bytes) -> bool:
    """Whether `head` is as it was written; what it says is another matter."""
    return len(head) == HEAD_BYTES and _CHECK.pack(zlib.crc32(head[: _HEAD.size])) == head[_HEAD.size :]


def id_of(head: bytes) -> bytes:
    """The file that a head names which checks."""
    its_id: bytes = _HEAD.unpack(head[: _HEAD.size])[3]
    return its_id


def cipher_of(head: bytes, magic: bytes, file_id: bytes) -> Cipher:
    """The cipher that a head names which checks.

    Raises:
        SealBroken: it is of another kind, of another version, or another file's.
    """
    found, version, cipher, its_id = _HEAD.unpack(head[: _HEAD.size])
    if found != magic or version != VERSION or its_id != file_id or cipher not in _CIPHERS:
        raise SealBroken("a file of the vault is of another kind, of another version, or has another's name")
    return Cipher(cipher)


def open_to_read(path: Path) -> int:
    """A handle for `read_at`; follows no link and waits for nobody.

    Raises:
        SealBroken: there is no such file, or it is none that we made.
        FileUnreadable: the medium refused.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in _GONE:
            raise SealBroken("a file of the vault is missing") from error
        raise _refused("open", error) from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise SealBroken("what has the name of a file of the vault is none")
    return handle


def read_at(handle: int, length: int, offset: int) -> bytes:
    """Up to `length` bytes from `offset`; fewer at the end of the file alone.

    Raises:
        FileUnreadable: the medium refused.
    """
    try:
        return os.pread(handle, length, offset)
    except OSError as error:
        raise _refused("read", error) from error


def _refused(what: str, error: OSError) -> FileUnreadable:
    return FileUnreadable(f"cannot {what} a file of the vault: {error.strerror}", hint="see `portvakt doctor`")
