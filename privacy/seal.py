"""Sealing: bytes in, `SealedBytes` out. An AEAD with a random 96-bit nonce before the ciphertext.

Random nonces are safe here while one key seals fewer than 2^32 records (NIST SP 800-38D, 8.3).
"""

import hashlib
import os
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import NewType

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from privacy.errors import SealBroken, StoreBroken
from privacy.files import write_new

SealedBytes = NewType("SealedBytes", bytes)
RandomBytes = Callable[[int], bytes]

_RESTORE = "restore the whole state directory from a backup; nothing was changed"
NONCE_BYTES = 12
KEY_BYTES = 32
TAG_BYTES = 16
_PART_NONCES = [bytes(NONCE_BYTES - 1) + bytes((part,)) for part in range(256)]


class Cipher(IntEnum):
    """An AEAD, by the number that the disk knows it by. Both: key 32, nonce 12, tag 16 bytes."""

    AES_256_GCM = 1
    CHACHA20_POLY1305 = 2
    """RFC 8439: where the CPU has no AES instructions."""

    def aead(self, key: bytes) -> AESGCM | ChaCha20Poly1305:
        """This cipher under `key`."""
        return AESGCM(key) if self is Cipher.AES_256_GCM else ChaCha20Poly1305(key)


class Seal:
    """Seals and opens under one key."""

    def __init__(self, key: bytes, random_bytes: RandomBytes, cipher: Cipher = Cipher.AES_256_GCM) -> None:
        self._aead = cipher.aead(key)
        self._random_bytes = random_bytes

    def close(self, plain: bytes, bound_to: bytes) -> SealedBytes:
        """Seal `plain`; it opens only together with the same `bound_to` (associated data)."""
        nonce = self._random_bytes(NONCE_BYTES)
        return SealedBytes(nonce + self._aead.encrypt(nonce, plain, bound_to))

    def open(self, sealed: bytes, bound_to: bytes) -> bytes:
        """Open what `close` sealed.

        Raises:
            SealBroken: damaged, foreign, or sealed under another key.
        """
        try:
            return self._aead.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound_to)
        except (InvalidTag, ValueError) as error:
            raise SealBroken("sealed bytes do not open") from error


class OnceSeal:
    """Seals the numbered parts of one thing, each once, under a key that is used for that one thing alone.

    The nonce is eleven zero bytes and the part's number. Both ciphers ask that no nonce comes twice under one key (NIST
    SP 800-38D, 8; RFC 8439, 4), and it does not: a key is derived from a random 128-bit id that is drawn anew for each
    try, so it has one thing to seal, and each part of that has its own number. A fixed nonce needs no bytes on the disk
    and no randomness, and there is nothing to count and to lose.
    """

    def __init__(self, key: bytes, cipher: Cipher) -> None:
        self._aead = cipher.aead(key)
        self._closed: set[int] = set()

    def close(self, part: int, plain: bytes, bound_to: bytes) -> bytes:
        """Seal part number `part` (0 to 255): ciphertext and tag.

        Raises:
            ValueError: it was sealed already, a mistake of the caller's that would repeat a nonce.
        """
        if part in self._closed:
            raise ValueError(f"part {part} was sealed already")
        self._closed.add(part)
        return self._aead.encrypt(_PART_NONCES[part], plain, bound_to)

    def open(self, part: int, sealed: bytes, bound_to: bytes) -> bytes:
        """Open what `close` sealed.

        Raises:
            SealBroken: damaged, foreign, another part, or sealed under another key.
        """
        try:
            return self._aead.decrypt(_PART_NONCES[part], sealed, bound_to)
        except (InvalidTag, ValueError) as error:
            raise SealBroken("sealed bytes do not open") from error


class Keys:
    """The gateway's root key in a file, and the keys derived from it by purpose.

    The root lies in a file of mode 0600 and cannot be exchanged, so what is erased is erased by unlinking (tier C).
    """

    def __init__(self, root: bytes, random_bytes: RandomBytes = os.urandom) -> None:
        self._root = root
        self.random_bytes = random_bytes

    @classmethod
    def open_or_create(cls, path: Path, random_bytes: RandomBytes = os.urandom) -> "Keys":
        """Read the root key, or make it on the first start.

        Beside it lies `<path>.check`, sealed under it: with another key, or none, everything that is stored would look
        damaged, and damaged records expire. So neither is ever taken for a first start.

        Raises:
            StoreBroken: the file is no key, is not the key of what is stored here, or is missing.
        """
        check = path.with_name(path.name + ".check")
        if not path.exists():
            if check.exists():
                raise StoreBroken(f"{path} is missing, and what is stored here was sealed under it", hint=_RESTORE)
            write_new(path, random_bytes(KEY_BYTES))
        root = path.read_bytes()
        if len(root) != KEY_BYTES:
            raise StoreBroken(f"{path} holds {len(root)} bytes, a root key has {KEY_BYTES}", hint=_RESTORE)
        keys = cls(root, random_bytes)
        if not check.exists():
            write_new(check, keys.seal("root-check").close(b"", b"root-check"))
        try:
            keys.seal("root-check").open(check.read_bytes(), b"root-check")
        except SealBroken as error:
            raise StoreBroken(
                f"{path} is not the key that what is stored here was sealed under", hint=_RESTORE
            ) from error
        return keys

    def derive(self, purpose: str) -> bytes:
        """The 32-byte key for `purpose`, as `expand`."""
        return expand(self._root, purpose.encode())

    def seal(self, purpose: str) -> Seal:
        """A seal under the key for `purpose`."""
        return Seal(self.derive(purpose), self.random_bytes)


def expand(key: bytes, purpose: bytes, length: int = KEY_BYTES) -> bytes:
    """`length` bytes for `purpose` under `key` (HKDF-Expand, RFC 5869; `key` is uniformly random, so no extract)."""
    return HKDFExpand(algorithm=SHA256(), length=length, info=b"portvakt/v1/" + purpose).derive(key)


def sha256_hex(data: bytes) -> str:
    """SHA-256 as 64 hex digits."""
    return hashlib.sha256(data).hexdigest()
