"""Codes that people carry from one screen to another: typed by hand, or inside a link.

The alphabet is Crockford's base32 (https://www.crockford.com/base32.html): no letter that looks like a digit, and what
is typed all the same is read as what was meant. Of a code only its SHA-256 is kept. That is safe without salt and
without slowness, as every code has 80 random bits or more: nobody tries them all.
"""

import hashlib
import hmac
from collections.abc import Collection
from typing import Final

from privacy.seal import RandomBytes

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_BYTES: Final = 15
"""Of a single-use code: 120 bits, 24 characters."""
_GROUP: Final = 4
_LONGEST: Final = 64
"""Characters that are looked at, with hyphens and spaces: more are no code."""
_READ_AS: Final = str.maketrans("ILO", "110", "- \t\u2010\u2011\u2013")


def new_code(random_bytes: RandomBytes) -> str:
    """A single-use code for an invitation, a claim or a way back in, as `8F3K-…`: 120 random bits."""
    return written(random_bytes(CODE_BYTES))


def written(data: bytes) -> str:
    """`data`, of a multiple of five bytes, as characters in groups of four."""
    number, length = int.from_bytes(data, "big"), len(data) * 8 // 5
    text = "".join(ALPHABET[number >> 5 * place & 31] for place in reversed(range(length)))
    return "-".join(text[start : start + _GROUP] for start in range(0, length, _GROUP))


def folded(typed: str) -> str:
    """What was meant: without hyphens and spaces, in capitals, I and L as 1, O as 0. Empty: this is no code."""
    code = typed[: _LONGEST + 1].upper().translate(_READ_AS)
    return code if len(typed) <= _LONGEST and code and set(code) <= set(ALPHABET) else ""


def code_hash(typed: str) -> bytes:
    """What is kept of a code. What cannot be a code has a hash too, which nothing that is kept can equal."""
    return hashlib.sha256(b"portvakt/code/" + folded(typed).encode()).digest()


def find(hashes: Collection[bytes], typed: str) -> bytes | None:
    """Which of `hashes` is that of what was typed; None where none is. Looks at all of them, always."""
    sought, found = code_hash(typed), None
    for one in hashes:
        if hmac.compare_digest(one, sought):
            found = one
    return found
