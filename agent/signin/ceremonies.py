"""The questions that passkeys answer: each for five minutes, once, for one purpose, at one place.

Nothing is kept of a question that was asked. Its challenge is a MAC, under a key of this run, over its id and all that
it was asked for, so that the answer shows by itself which question it answers. What is kept are the questions that were
answered *rightly*, until their time is over. So nobody makes the gateway forget somebody's question by asking for
thousands, and it costs no memory that they do.
"""

import hmac
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import ip_address
from typing import Final, Literal
from urllib.parse import urlsplit

from agent.errors import Refused
from privacy.clock import Clock
from privacy.seal import KEY_BYTES, RandomBytes

LIVES: Final = 300
"""Seconds."""
_NONCE: Final = 16
_UNTIL: Final = 8
"""Bytes of the id that say when its time is over, in milliseconds of the clock that cannot be set."""

Kind = Literal["register", "sign-in", "presence"]

_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Site:
    """Where a page runs, as a browser tells an authenticator (WebAuthn, Level 3: RP ID and origin)."""

    rp_id: str
    """The host name."""
    origin: str
    """Scheme, host name, and port where it is not the scheme's own."""

    @classmethod
    def of(cls, address: str) -> "Site":
        """The site of the page at `address`, such as `https://portvakt.local` or `http://localhost:8080`.

        Raises:
            Refused: `no_passkeys_here`: no browser has passkeys at an IP address, or without https but at localhost.
        """
        try:
            parts = urlsplit(address)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise _no_passkeys() from None
        secure = parts.scheme == "https" or (parts.scheme == "http" and host == "localhost")
        if not secure or not host or _is_address(host):
            raise _no_passkeys()
        own = port in {None, _PORTS[parts.scheme]}
        return cls(host, f"{parts.scheme}://{host}" + ("" if own else f":{port}"))


@dataclass(frozen=True, slots=True)
class Ceremony:
    """One question."""

    id: str
    kind: Kind
    site: Site
    person: str | None
    """Who is asked; None: whoever can answer."""
    challenge: bytes = field(repr=False)


class Ceremonies:
    """Asks, and knows its own questions again. For one thread: the event loop's."""

    def __init__(self, clock: Clock, random_bytes: RandomBytes) -> None:
        self._clock = clock
        self._random_bytes = random_bytes
        self._key = random_bytes(KEY_BYTES)
        self._answered: dict[str, int] = {}
        """Ids, with their `until`."""

    def ask(self, kind: Kind, site: Site, person: str | None = None) -> Ceremony:
        """A new question."""
        until = self._now() + LIVES * 1000
        return self._made((self._random_bytes(_NONCE) + until.to_bytes(_UNTIL, "big")).hex(), kind, site, person)

    def resumed(self, id_: str, kind: Kind, site: Site, person: str | None = None) -> Ceremony:
        """The question of that id, if it was asked of the same person, at the same site, for the same thing.

        Where it was not, the answer does not fit the challenge.

        Raises:
            Refused: `unknown_ceremony`: its time is over, it was answered, or it is none.
        """
        until = _until(id_)
        if not 0 < until - self._now() <= LIVES * 1000 or id_ in self._answered:
            raise _unknown()
        return self._made(id_, kind, site, person)

    def answered(self, ceremony: Ceremony) -> None:
        """It was answered rightly, which happens once.

        Raises:
            Refused: `unknown_ceremony`: it was answered before.
        """
        if ceremony.id in self._answered:
            raise _unknown()
        now = self._now()
        self._answered = {id_: until for id_, until in self._answered.items() if until > now}
        self._answered[ceremony.id] = _until(ceremony.id)

    def _made(self, id_: str, kind: Kind, site: Site, person: str | None) -> Ceremony:
        # None of these has a zero byte; the id is of a fixed length.
        said = "\0".join((id_, kind, site.rp_id, site.origin, person or ""))
        return Ceremony(id_, kind, site, person, hmac.digest(self._key, said.encode(), sha256))

    def _now(self) -> int:
        return int(self._clock.monotonic() * 1000)


def _until(id_: str) -> int:
    """When its time is over; 0: it is no id of ours. Ours are in small letters: no other writing is another id."""
    try:
        data = bytes.fromhex(id_)
    except ValueError:
        return 0
    return int.from_bytes(data[_NONCE:], "big") if len(data) == _NONCE + _UNTIL and data.hex() == id_ else 0


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _unknown() -> Refused:
    return Refused("unknown_ceremony", "this question was answered already, or too late", hint="begin again")


def _no_passkeys() -> Refused:
    hint = "open the page by its name, with https, or at localhost"
    return Refused("no_passkeys_here", "no browser has passkeys at this address", hint=hint)
