"""UUID version 7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, the rest random."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID


def uuid7(now: datetime, random_bytes: Callable[[int], bytes]) -> str:
    """A new id, in the canonical lower-case form. Time and randomness are arguments, as everywhere."""
    value = int(now.timestamp() * 1000) << 80 | int.from_bytes(random_bytes(10))
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(UUID(int=value))
