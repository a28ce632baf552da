"""Recovery codes: what is left when the telephone is. Ten on paper, each good once, in place of the second factor."""

from typing import Final

from agent.signin import codes
from privacy.seal import RandomBytes

COUNT: Final = 10
_BYTES: Final = 10
"""Of each: 80 bits, 16 characters to type."""


def new_codes(random_bytes: RandomBytes) -> tuple[str, ...]:
    """Ten of them, to be shown once."""
    return tuple(codes.written(random_bytes(_BYTES)) for _ in range(COUNT))


def hashes_of(shown: tuple[str, ...]) -> tuple[bytes, ...]:
    """What is kept of them."""
    return tuple(map(codes.code_hash, shown))


def spent(hashes: tuple[bytes, ...], typed: str) -> tuple[bytes, ...] | None:
    """What is left of `hashes` once the code that was typed is used; None where it is none of them."""
    used = codes.find(hashes, typed)
    return None if used is None else tuple(one for one in hashes if one != used)
