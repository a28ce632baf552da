"""An authenticator in software, and the browser around it: makes passkeys, and answers as both would.

What a test wants to be wrong it says by name: the origin, the flags, the counter, or whatever it changes in the answer.
"""

import hashlib
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT, VERIFIED, ELIGIBLE, BACKED_UP, ATTESTED = 1, 4, 8, 16, 64
ES256, EDDSA, RS256 = -7, -8, -257

Json = dict[str, Any]


def encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "==")


def _number(value: int, length: int = 32) -> bytes:
    return value.to_bytes(length, "big")


def new_key(algorithm: int) -> Any:
    if algorithm == ES256:
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm == EDDSA:
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, 2048)


def cose(algorithm: int, key: Any) -> dict[int, Any]:
    """The public half as a COSE_Key."""
    public = key.public_key()
    if algorithm == EDDSA:
        return {1: 1, 3: algorithm, -1: 6, -2: public.public_bytes_raw()}
    numbers = public.public_numbers()
    if algorithm == ES256:
        return {1: 2, 3: algorithm, -1: 1, -2: _number(numbers.x), -3: _number(numbers.y)}
    return {1: 3, 3: algorithm, -1: _number(numbers.n, 256), -2: _number(numbers.e, 3)}


@dataclass
class Authenticator:
    """One passkey, and the browser's page it is used on."""

    origin: str = "https://portvakt.local"
    rp_id: str = "portvakt.local"
    """What the authenticator was told; a browser sees to it that it fits the origin."""
    algorithm: int = ES256
    flags: int = PRESENT | VERIFIED
    count: int = 0
    counts: bool = False
    """Whether it has a signature counter."""
    cross_origin: bool = False
    public: Any = None
    """A COSE_Key to show in place of its own."""
    statement: Json = field(default_factory=dict)
    fmt: Any = "none"

    def __post_init__(self) -> None:
        self.id = secrets.token_bytes(16)
        self.handle: bytes | None = None
        self.key = new_key(self.algorithm)

    def create(self, options: Json, **wrong: Any) -> Json:
        """As `navigator.credentials.create`, then `toJSON`."""
        self.handle = decoded(options["user"]["id"])
        client_data = self.client_data("webauthn.create", options["challenge"])
        data = self.data(attested=True)
        statement = dict(self.statement)
        if self.fmt == "packed":
            statement |= {
                "alg": self.algorithm,
                "sig": self.sign(data + hashlib.sha256(client_data).digest()),
            }
        attestation = cbor2.dumps({"fmt": self.fmt, "attStmt": statement, "authData": data})
        response = {"clientDataJSON": encoded(client_data), "attestationObject": encoded(attestation)}
        return self._answer({**response, "transports": ["internal", "hybrid", "new"]}, wrong)

    def get(self, options: Json, **wrong: Any) -> Json:
        """As `navigator.credentials.get`, then `toJSON`."""
        self.count += self.counts
        client_data, data = self.client_data("webauthn.get", options["challenge"]), self.data()
        response = {
            "clientDataJSON": encoded(client_data),
            "authenticatorData": encoded(data),
            "signature": encoded(self.sign(data + hashlib.sha256(client_data).digest())),
            "userHandle": None if self.handle is None else encoded(self.handle),
        }
        return self._answer(response, wrong)

    def client_data(self, kind: str, challenge: str) -> bytes:
        data = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": self.cross_origin}
        return json.dumps(data).encode()

    def data(self, *, attested: bool = False) -> bytes:
        """Authenticator data (WebAuthn, section 6.1)."""
        flags = self.flags | (ATTESTED if attested else 0)
        head = hashlib.sha256(self.rp_id.encode()).digest() + bytes((flags,)) + _number(self.count, 4)
        if not attested:
            return head
        public = cose(self.algorithm, self.key) if self.public is None else self.public
        return head + bytes(16) + _number(len(self.id), 2) + self.id + cbor2.dumps(public)

    def sign(self, data: bytes) -> bytes:
        if self.algorithm == ES256:
            return bytes(self.key.sign(data, ec.ECDSA(SHA256())))
        if self.algorithm == EDDSA:
            return bytes(self.key.sign(data))
        return bytes(self.key.sign(data, padding.PKCS1v15(), SHA256()))

    def _answer(self, response: Json, wrong: Json) -> Json:
        """The whole; names in `wrong` are members of it, or of its response."""
        answer: Json = {
            "id": encoded(self.id),
            "rawId": encoded(self.id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": response,
        }
        for name, value in wrong.items():
            (response if name in response else answer)[name] = value
        return answer
