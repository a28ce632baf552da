"""The gateway's own certificate authority, and the certificate that it shows on the LAN (`FORMAT.md`).

Phones install the authority once and trust the gateway by its name from then on. So the authority stays for as long as
the name does, and dies with it; the leaf that it signs is renewed while nobody looks.

**Time.** A phone judges a certificate by its own clock, which is right; a gateway may boot in 1970.

- The authority begins when no gateway had been made yet (`EARLIEST`), so no phone finds it too young.
- What is stored is renewed in known time alone. A clock that nobody vouches for changes nothing there.
- While time is not known, the stored leaf is shown as long as it can be valid. Where there is none, or the best guess
  is past its end (the box was off for a year), a *stand-in* is: made for the best guess, kept in memory alone, made
  anew when the guess moves. It serves the phone by which a person confirms the time; a guess that lies
  spoils the stand-in, and nothing that outlives it.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from privacy.certificates import (
    PrivateKey,
    certificate_from_bytes,
    key_from_bytes,
    key_to_bytes,
    key_to_pem,
    make_authority,
    make_leaf,
    new_key,
)
from privacy.errors import SealBroken, StoreBroken
from privacy.files import write_new
from privacy.moment import EARLIEST, Moment
from privacy.seal import RandomBytes, Seal

AUTHORITY_LIFE: Final = timedelta(days=20 * 365 + 5)
LEAF_LIFE: Final = timedelta(days=397)
"""Apple refuses more than 398 of public authorities and 825 of one's own; browsers may come to apply the first to all.
A day of it lies before the time of issue, for phones that are a little behind."""
SLOW_PHONE: Final = timedelta(days=1)
SERIAL_BYTES: Final = 16
"""Random; section 4.1.2.2 allows 20, and asks for a positive number."""


class Time(Protocol):
    """What is known of the time: a `TimeKeeper`."""

    @property
    def known(self) -> bool: ...

    def now(self) -> datetime: ...

    def moment(self) -> Moment: ...


@dataclass(frozen=True, slots=True)
class Leaf:
    """A certificate with its private key."""

    certificate: x509.Certificate
    key: PrivateKey = field(repr=False)

    @property
    def begins(self) -> datetime:
        return self.certificate.not_valid_before_utc

    @property
    def ends(self) -> datetime:
        return self.certificate.not_valid_after_utc

    def pem(self, password: bytes) -> bytes:
        """Certificate and key as PEM, the key encrypted under `password`.

        The authority is left out: whoever trusts it has it.
        """
        return self.certificate.public_bytes(Encoding.PEM) + key_to_pem(self.key, password)

    def due(self, now: datetime) -> bool:
        """Whether another should take its place: two thirds of its life are over, or it has not begun."""
        return not self.begins <= now < self.begins + (self.ends - self.begins) * 2 / 3


class _Record(msgspec.Struct, frozen=True, array_like=True):
    """What lies inside the seal, as MessagePack."""

    host: str
    key: bytes
    certificate: bytes
    leaf_key: bytes = b""
    """Empty, as `leaf`, while time has never been known."""
    leaf: bytes = b""
    handed: bool = False


@dataclass(frozen=True, slots=True)
class _Issuer:
    """Who signs: the authority itself."""

    host: str
    certificate: x509.Certificate
    key: PrivateKey = field(repr=False)

    @property
    def ends(self) -> datetime:
        return self.certificate.not_valid_after_utc

    def sign(self, now: datetime, serial: int) -> Leaf:
        """A leaf for somebody whose clock says about `now`."""
        begins = max(now - SLOW_PHONE, self.certificate.not_valid_before_utc)
        # The last second counts (RFC 5280, section 4.1.2.5).
        ends = min(begins + LEAF_LIFE - timedelta(seconds=1), self.ends)
        key = new_key()
        return Leaf(make_leaf(self.certificate, self.key, key, [self.host], begins, ends, serial), key)


class Authority:
    """The authority in a sealed file. Opening, `renew`, `reset` and `hand_out` write: on the `Disk` thread."""

    _issuer: _Issuer
    _leaf: Leaf | None
    """What is stored."""
    _shown: Leaf

    def __init__(self, path: Path, seal: Seal, time: Time, random_bytes: RandomBytes) -> None:
        """Nothing is read yet: use `open_or_create`."""
        self._path = path
        self._seal = seal
        self._time = time
        self._random_bytes = random_bytes
        self._handed = False

    @classmethod
    def open_or_create(
        cls, path: Path, seal: Seal, *, draw: Callable[[], str], time: Time, random_bytes: RandomBytes
    ) -> "Authority":
        """The authority in `path`; made there, for a name that `draw` draws, on the first start.

        Raises:
            StoreBroken: the file is there but does not open, or cannot be written.
        """
        opened = cls(path, seal, time, random_bytes)
        if path.exists():
            opened._read()
            with suppress(StoreBroken):  # what could not be written is shown all the same
                opened.renew()
        else:
            opened.reset(draw())
        return opened

    @property
    def host(self) -> str:
        """The DNS name that it vouches for, in lower case and without the last dot."""
        return self._issuer.host

    @property
    def handed(self) -> bool:
        """Whether somebody was given it: then the name is worth keeping."""
        return self._handed

    @property
    def certificate(self) -> bytes:
        """The authority's certificate, DER: for everybody."""
        return _der(self._issuer.certificate)

    @property
    def fingerprint(self) -> str:
        """Its SHA-256, as phones show it: 32 pairs of upper-case hex digits between colons."""
        return self._issuer.certificate.fingerprint(SHA256()).hex(":").upper()

    @property
    def leaf(self) -> Leaf:
        """What is to be shown now, as of the last `renew`."""
        return self._shown

    def renew(self) -> bool:
        """See what time it is; call it every minute. Returns whether another `leaf` is to be shown.

        Raises:
            StoreBroken: a new one could not be written. It is shown nevertheless, and the next start makes another.
        """
        before, now = self._shown, self._time.now()
        if not self._time.known:
            self._shown = self._guessed(self._issuer, self._leaf, self._shown)
        elif now >= self._issuer.ends:
            self.reset(self.host)
        elif self._leaf is None or self._leaf.due(now):
            self._leaf = self._shown = self._issuer.sign(now, self._serial())
            self._write(self._issuer, self._leaf, handed=self._handed)
        else:
            self._shown = self._leaf
        return self._shown is not before

    def reset(self, host: str) -> None:
        """Another authority, for `host`. Whoever trusted the one before has to be asked again.

        Raises:
            StoreBroken: it could not be written, and nothing has changed.
        """
        known, now = self._time.known, self._time.now()
        key = new_key()
        ends = (now if known else EARLIEST) + AUTHORITY_LIFE
        issuer = _Issuer(host, make_authority(key, host, EARLIEST, ends, self._serial()), key)
        leaf = issuer.sign(now, self._serial()) if known else None
        # First written: an authority that phones trust must be here at the next start.
        self._write(issuer, leaf, handed=False)
        self._issuer, self._leaf, self._handed = issuer, leaf, False
        self._shown = leaf or self._guessed(issuer, None, None)

    def hand_out(self) -> None:
        """Note that it is given to somebody.

        Raises:
            StoreBroken: that could not be written.
        """
        if not self._handed:
            self._write(self._issuer, self._leaf, handed=True)
            self._handed = True

    def _guessed(self, issuer: _Issuer, stored: Leaf | None, shown: Leaf | None) -> Leaf:
        """What to show while time is not known."""
        guess = max(self._time.now(), self._time.moment().wall)
        # What is stored was signed when time was known, so it is no earlier than that now, whatever a clock says.
        if stored is not None and guess <= stored.ends:
            return stored
        guess = min(guess, issuer.ends)
        if shown is None or shown is stored or shown.due(guess):
            return issuer.sign(guess, self._serial())
        return shown

    def _serial(self) -> int:
        return 1 << 8 * SERIAL_BYTES | int.from_bytes(self._random_bytes(SERIAL_BYTES))

    def _write(self, issuer: _Issuer, leaf: Leaf | None, *, handed: bool) -> None:
        record = _Record(
            issuer.host,
            key_to_bytes(issuer.key),
            _der(issuer.certificate),
            key_to_bytes(leaf.key) if leaf else b"",
            _der(leaf.certificate) if leaf else b"",
            handed,
        )
        write_new(self._path, self._seal.close(msgspec.msgpack.encode(record), self._path.name.encode()))

    def _read(self) -> None:
        try:
            plain = self._seal.open(self._path.read_bytes(), self._path.name.encode())
            record = msgspec.msgpack.decode(plain, type=_Record)
            self._issuer = _Issuer(record.host, certificate_from_bytes(record.certificate), key_from_bytes(record.key))
            self._leaf = (
                Leaf(certificate_from_bytes(record.leaf), key_from_bytes(record.leaf_key)) if record.leaf else None
            )
        except (SealBroken, OSError, ValueError) as error:
            raise StoreBroken(
                f"{self._path.name} does not open",
                hint="restore the state directory from a backup, or remove that file: then phones have to be given the"
                " gateway's certificate again",
            ) from error
        self._handed = record.handed
        self._shown = self._leaf or self._guessed(self._issuer, None, None)


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)
