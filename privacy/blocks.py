"""AES-256 as a pseudo-random function of single 16-byte blocks: many keys at once from many distinct ids."""

from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import ECB

BLOCK_BYTES: Final = 16


class Blocks:
    """AES-256 under one key, for inputs that never repeat: their outputs are keys, and never ciphertext.

    Sound as RFC 8452, section 4, derives its keys: an attacker without the key cannot tell the outputs for distinct
    inputs from random ones, but that no two of them are the same (`privacy/FORMAT.md`, "Keys").
    """

    def __init__(self, key: bytes) -> None:
        # What ECB is weak at is a message: equal blocks show. Here each block is a message of its own, so there is no
        # mode at all, and this is the name of that.
        self._encrypt = Cipher(AES256(key), ECB()).encryptor().update  # noqa: S305 - see above

    def of(self, blocks: bytes) -> bytes:
        """The output for each of `blocks`, 16 bytes of input after the other, in their order.

        Raises:
            ValueError: that is no whole number of blocks, a mistake of the caller's: the rest would go into the next.
        """
        if len(blocks) % BLOCK_BYTES:
            raise ValueError(f"{len(blocks)} bytes are no whole blocks")
        return self._encrypt(blocks)
