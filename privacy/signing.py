"""Ed25519 keys as JWKs, and compact JWS as this project uses it: one algorithm, no options.

RFC 7515 (JWS), RFC 8037 (OKP keys), RFC 9864 (`alg: Ed25519`). `typ` separates the domains: a receipt can never be
taken for an order, whoever signed it.
"""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from privacy import strict_json
from privacy.errors import SealBroken, StoreBroken
from privacy.files import write_new
from privacy.seal import Seal

ALGORITHM = "Ed25519"
LARGEST_JWS = 8 * 1024
_KEY_IN_HEADER = frozenset({"jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256"})


class SignatureError(ValueError):
    """Why a JWS is refused; `code` is stable: size, form, algorithm, header, type, key, signature."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class SigningKey:
    """A private Ed25519 key with its key id."""

    def __init__(self, key: OKPKey, kid: str) -> None:
        self._key = key
        self.kid = kid

    @classmethod
    def generate(cls) -> "SigningKey":
        """A new key; its id is the RFC 7638 thumbprint."""
        key = OKPKey.generate_key("Ed25519", private=True)
        return cls(key, key.thumbprint())

    @classmethod
    def open_or_create(cls, path: Path, seal: Seal) -> "SigningKey":
        """The key in `path`, sealed there; made on the first start.

        Raises:
            StoreBroken: the file is there but does not open.
        """
        bound_to = path.name.encode()
        if not path.exists():
            key = cls.generate()
            write_new(path, seal.close(msgspec.json.encode(key.to_jwk()), bound_to))
        try:
            return cls.from_jwk(msgspec.json.decode(seal.open(path.read_bytes(), bound_to)))
        except (SealBroken, msgspec.DecodeError) as error:
            raise StoreBroken(f"{path.name} does not open", hint="restore the state directory from a backup") from error

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, Any]) -> "SigningKey":
        """From a private JWK."""
        key = OKPKey.import_key(dict(jwk))
        return cls(key, str(jwk.get("kid") or key.thumbprint()))

    def to_jwk(self) -> dict[str, Any]:
        """The private JWK: for a file of mode 0600, or sealed; for nowhere else."""
        return {**self._key.as_dict(private=True), "kid": self.kid}

    def public_jwk(self) -> dict[str, Any]:
        """The public half as a JWK with `kid`, `alg` and `use`."""
        return {**self._key.as_dict(private=False), "kid": self.kid, "alg": ALGORITHM, "use": "sig"}

    def sign(self, typ: str, payload: bytes) -> str:
        """A compact JWS over `payload`."""
        header = {"alg": ALGORITHM, "kid": self.kid, "typ": typ}
        return jws.serialize_compact(header, payload, self._key, algorithms=[ALGORITHM])


@dataclass(frozen=True)
class Issuer:
    """Somebody whose orders count: a name, and the public key it signs with."""

    name: str
    kid: str
    key: OKPKey = field(repr=False)


class Trust:
    """The issuers that are believed, by key id."""

    def __init__(self, issuers: Mapping[str, Issuer]) -> None:
        self._issuers = dict(issuers)

    @classmethod
    def from_jwks(cls, jwks: Mapping[str, Any]) -> "Trust":
        """From a JWK Set whose keys carry `kid` and, as a member of ours, `issuer`.

        Raises:
            ValueError: not such a set; the message says which key is wrong and how.
        """
        keys = jwks.get("keys")
        if not isinstance(keys, list) or not keys:
            raise ValueError('a JWK Set looks like {"keys": [...]} with at least one key')
        issuers = {}
        for number, jwk in enumerate(keys, 1):
            if not isinstance(jwk, dict) or jwk.get("kty") != "OKP" or jwk.get("crv") != "Ed25519":
                raise ValueError(f"key {number} is no Ed25519 key (kty OKP, crv Ed25519)")
            if "d" in jwk:
                raise ValueError(f"key {number} is a private key; only public keys belong here")
            kid, name = jwk.get("kid"), jwk.get("issuer")
            if not isinstance(kid, str) or not isinstance(name, str) or not kid or not name:
                raise ValueError(f"key {number} lacks `kid` or `issuer`")
            if kid in issuers:
                raise ValueError(f"key id {kid} stands twice")
            issuers[kid] = issuer(name, jwk)
        return cls(issuers)

    def with_issuer(self, added: Issuer) -> "Trust":
        """This, and one more."""
        return Trust({**self._issuers, added.kid: added})

    def get(self, kid: str) -> Issuer | None:
        """The issuer with this key id."""
        return self._issuers.get(kid)

    def __iter__(self) -> Iterator[Issuer]:
        return iter(self._issuers.values())


def issuer(name: str, public_jwk: Mapping[str, Any]) -> Issuer:
    """An issuer from its public JWK.

    Raises:
        ValueError: the JWK is none.
    """
    try:
        key = OKPKey.import_key({k: v for k, v in public_jwk.items() if k in {"kty", "crv", "x"}})
    except (JoseError, ValueError, KeyError) as error:
        raise ValueError("not an Ed25519 public key") from error
    return Issuer(name, str(public_jwk.get("kid") or key.thumbprint()), key)


def verify(compact: bytes, typ: str, trust: Trust, largest: int = LARGEST_JWS) -> tuple[Issuer, dict[str, Any]]:
    """Who signed `compact`, and its claims, parsed strictly.

    Raises:
        SignatureError: anything at all is not as it must be.
    """
    if len(compact) > largest:
        raise SignatureError("size", f"{len(compact)} bytes, at most {largest} are read")
    try:
        header = jws.extract_compact(compact).headers()
        strict_header = strict_json.loads(_decoded(compact.split(b".")[0]))
    except (JoseError, ValueError) as error:
        raise SignatureError("form", "not a compact JWS") from error
    if header != strict_header:
        raise SignatureError("form", "its header can be read in two ways")
    if header.get("alg") != ALGORITHM:
        raise SignatureError("algorithm", f"signed with another algorithm than {ALGORITHM}")
    if _KEY_IN_HEADER & header.keys() or "crit" in header or "b64" in header:
        raise SignatureError("header", "carries key material or critical extensions in its header")
    if header.get("typ") != typ:
        raise SignatureError("type", f"its typ is not {typ}")
    signer = trust.get(kid) if isinstance(kid := header.get("kid"), str) else None
    if signer is None:
        raise SignatureError("key", "signed with a key that is not trusted here")
    try:
        payload = jws.deserialize_compact(compact, signer.key, algorithms=[ALGORITHM]).payload
    except (JoseError, ValueError) as error:
        raise SignatureError("signature", "the signature is wrong") from error
    try:
        return signer, strict_json.loads(payload)
    except ValueError as error:
        raise SignatureError("form", f"its claims are not strict JSON: {error}") from error


def unverified_type(compact: bytes) -> object:
    """The `typ` in the header of a JWS, before anybody looks at its signature.

    Raises:
        ValueError: it is no JWS.
    """
    header, _, _ = compact.split(b".")
    return strict_json.loads(_decoded(header)).get("typ")


def unverified_claims(compact: bytes) -> dict[str, Any]:
    """The claims of a JWS whose signature somebody checked before. For our own sealed journal only."""
    return strict_json.loads(_decoded(compact.split(b".")[1]))


def _decoded(part: bytes) -> bytes:
    return base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
