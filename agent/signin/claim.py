"""Whose the gateway is: its first owner claims it with a single-use code, and nobody else ever does.

That it was claimed is remembered apart from its people: where the owner was erased it is open to nobody, and only who
can use the command line's socket has another code made.
"""

from datetime import datetime, timedelta
from typing import Final

import msgspec

from agent.errors import Refused
from agent.signin import codes
from agent.signin.refusals import wrong_code
from privacy.errors import StoreBroken
from privacy.keyring import KeyRing
from privacy.moment import EARLIEST, Utc
from privacy.seal import RandomBytes

LIVES: Final = timedelta(days=3650)
"""How long a code opens: a gateway may stand in a shop for years, and nobody guesses 120 bits meanwhile."""
TRIES: Final = 10
"""Wrong codes in a row, of this run; then the code is dead, and the hand at the box makes another."""
_NOTE: Final = "claim"


class _Noted(msgspec.Struct, frozen=True, array_like=True):
    """What the key ring remembers, under its own seal; no erasure reaches it, and it names nobody."""

    claimed: bool = False
    code: bytes = b""
    """The hash of the code that opens; empty: none does."""
    until: Utc | None = None


class Claim:
    """Every method but `claimed` blocks: call it on the `Disk` thread."""

    def __init__(self, ring: KeyRing, random_bytes: RandomBytes) -> None:
        self._ring = ring
        self._random_bytes = random_bytes
        self._wrong = 0
        self._noted = _read(ring.noted(_NOTE))

    @property
    def claimed(self) -> bool:
        """Whether it ever belonged to somebody."""
        return self._noted.claimed

    @property
    def settled(self) -> bool:
        """Whether it is claimed, and no code opens it."""
        return self._noted == _Noted(claimed=True)

    def new_code(self, now: datetime) -> tuple[str, datetime]:
        """A new code, and up to when it opens; any other is dead.

        Raises:
            StoreBroken: the medium refused.
        """
        code = codes.new_code(self._random_bytes)
        until = max(now, EARLIEST) + LIVES  # a box that boots in 1970 is claimed once it knows better
        self._write(msgspec.structs.replace(self._noted, code=codes.code_hash(code), until=until))
        self._wrong = 0
        return code, until

    def check(self, typed: str, now: datetime) -> None:
        """Do nothing, if `typed` is the code.

        Raises:
            Refused: `claimed`, it belongs to somebody and no code was made since; `wrong_code`.
            StoreBroken: the medium refused.
        """
        noted = self._noted
        if noted.claimed and not noted.code:
            raise already_claimed()
        if noted.until and now < noted.until and codes.find([noted.code], typed):
            return
        self._wrong += 1
        if self._wrong >= TRIES and noted.code:
            self._write(msgspec.structs.replace(noted, code=b"", until=None))
        raise wrong_code("have another made at the box: portvakt claim")

    def settle(self) -> None:
        """It belongs to somebody now, and no code opens it any more; does nothing where that is so already.

        Raises:
            StoreBroken: the medium refused.
        """
        if not self.settled:
            self._write(_Noted(claimed=True))
        self._wrong = 0

    def _write(self, noted: _Noted) -> None:
        self._ring.note(_NOTE, msgspec.msgpack.encode(noted))
        self._ring.sync()
        self._noted = noted


def already_claimed() -> Refused:
    return Refused("claimed", "this gateway belongs to somebody", hint="sign in, or ask the owner for an invitation")


def _read(note: bytes | None) -> _Noted:
    try:
        return msgspec.msgpack.decode(note, type=_Noted) if note else _Noted()
    except (msgspec.DecodeError, ValueError) as error:
        raise StoreBroken(
            "whose this gateway is cannot be read", hint="was it noted by a later version? install that again"
        ) from error
