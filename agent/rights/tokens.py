"""The secret of a program's token: made once, shown once, kept as a hash."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Final

from privacy.seal import RandomBytes

PREFIX: Final = "pv_"
"""So that a scanner of sources and of logs can tell one."""
_BYTES: Final = 20
_LETTERS: Final = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32, in small letters: 5 bits each, so that 160 bits are 32 letters."""
_SECRET: Final = re.compile(rf"{PREFIX}[{_LETTERS}]{{32}}")
_NOBODYS: Final = bytes(32)


def new_secret(random_bytes: RandomBytes) -> str:
    """`pv_` and 160 random bits."""
    number = int.from_bytes(random_bytes(_BYTES))
    return PREFIX + "".join(_LETTERS[number >> 5 * place & 31] for place in range(32))


def digest_of(secret: str) -> bytes:
    """What is kept of a secret: its SHA-256. With 160 random bits it needs neither salt nor work."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


def looked_up(secret: str, known: Mapping[bytes, str]) -> str | None:
    """The id of the token whose digest is that of `secret`, in work that does not follow how much of it is right.

    One hash, one look into a table by that hash (whose timing tells of the hash, from which nobody works back), and
    one comparison in constant time, whether there is such a token or none.
    """
    digest = digest_of(secret)
    found = known.get(digest)
    same = hmac.compare_digest(digest, digest if found is not None else _NOBODYS)
    return found if same and _SECRET.fullmatch(secret) else None
