"""Sealing: bytes in, `SealedBytes` out. AES-256-GCM with a random 96-bit nonce before the ciphertext.

Random nonces are safe here while one key seals fewer than 2^32 records (NIST SP 800-38D, 8.3).
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import NewType

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from privacy.errors import SealBroken, StoreBroken
from privacy.files import write_new

SealedBytes = NewType("SealedBytes", bytes)
RandomBytes = Callable[[int], bytes]

_RESTORE = "restore the whole state directory from a backup; nothing was changed"
NONCE_BYTES = 12
KEY_BYTES = 32


class Seal:
    """Seals and opens under one key."""

    def __init__(self, key: bytes, random_bytes: RandomBytes) -> None:
        self._aead = AESGCM(key)
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
        """The 32-byte key for `purpose` (HKDF-Expand, RFC 5869; the root is uniformly random, so no extract)."""
        return HKDFExpand(algorithm=SHA256(), length=KEY_BYTES, info=b"portvakt/v1/" + purpose.encode()).derive(
            self._root
        )

    def seal(self, purpose: str) -> Seal:
        """A seal under the key for `purpose`."""
        return Seal(self.derive(purpose), self.random_bytes)


def sha256_hex(data: bytes) -> str:
    """SHA-256 as 64 hex digits."""
    return hashlib.sha256(data).hexdigest()
