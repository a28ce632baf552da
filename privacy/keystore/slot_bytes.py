"""The bytes of one slot: a head that names the generation and proves the secret, then the secret.

Bytes: `privacy/FORMAT.md`, "Root slots".
"""

import hashlib
from dataclasses import dataclass
from typing import Final

from privacy.keystore.contract import Held

MAGIC: Final = b"PVSLOT1\n"
DIGEST_AT: Final = len(MAGIC) + 8
HEAD_BYTES: Final = DIGEST_AT + 32


@dataclass(frozen=True, slots=True)
class SlotFormat:
    """How long the secret of a slot is, and where it begins; what is between it and the head is padding."""

    secret_bytes: int
    secret_at: int = HEAD_BYTES

    @property
    def length(self) -> int:
        """Bytes of a whole slot."""
        return self.secret_at + self.secret_bytes

    def encode(self, held: Held) -> bytes:
        """The slot's bytes.

        Raises:
            ValueError: the secret is of another length.
        """
        if len(held.secret) != self.secret_bytes:
            raise ValueError(f"this slot takes a secret of {self.secret_bytes} bytes, not of {len(held.secret)}")
        generation = held.generation.to_bytes(8, "big")
        head = MAGIC + generation + _digest(generation, held.secret)
        return head.ljust(self.secret_at, b"\0") + held.secret

    def decode(self, data: bytes) -> Held | None:
        """What a slot of these bytes holds: None where it is empty, torn or damaged.

        The digest covers generation and secret, so half a write never reads as another secret.
        """
        generation, digest = data[len(MAGIC) : DIGEST_AT], data[DIGEST_AT:HEAD_BYTES]
        secret = data[self.secret_at :]
        if not data.startswith(MAGIC) or len(data) != self.length or _digest(generation, secret) != digest:
            return None
        return Held(int.from_bytes(generation, "big"), secret)


COMPACT: Final = SlotFormat(secret_bytes=32)
"""For media that forget what is overwritten or undefined."""


def _digest(generation: bytes, secret: bytes) -> bytes:
    return hashlib.sha256(b"portvakt/v1/slot" + generation + secret).digest()
