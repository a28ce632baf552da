"""The server's side of HTTP Digest (RFC 7616) for simulated devices: qop=auth, counted nonces, no replay."""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from aiohttp.client_middleware_digest_auth import parse_header_pairs

Algorithm = Literal["MD5", "SHA-256"]
HASHES: Final[Mapping[Algorithm, Callable[[bytes], "hashlib._Hash"]]] = {
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False),
    "SHA-256": hashlib.sha256,
}
NONCE_SECONDS: Final = 300.0
NONCES_AT_MOST: Final = 1000
FIELDS: Final = frozenset({"username", "realm", "nonce", "uri", "response", "qop", "nc", "cnonce"})


@dataclass(slots=True)
class _Nonce:
    born: float
    count: int = 0


class DigestGate:
    """Lets in who knows the password."""

    def __init__(
        self,
        user: str,
        password: str,
        algorithm: Algorithm,
        monotonic: Callable[[], float],
        random_hex: Callable[[], str],
    ) -> None:
        self._user = user
        self._password = password
        self._algorithm = algorithm
        self._hash = HASHES[algorithm]
        self._monotonic = monotonic
        self._random_hex = random_hex
        self._nonces: dict[str, _Nonce] = {}
        self.realm = "camera"

    def challenge(self, *, stale: bool = False) -> str:
        """A `WWW-Authenticate` header with a fresh nonce."""
        nonce = self._random_hex()
        while len(self._nonces) >= NONCES_AT_MOST:
            del self._nonces[next(iter(self._nonces))]
        self._nonces[nonce] = _Nonce(self._monotonic())
        extra = ", stale=true" if stale else ""
        return f'Digest realm="{self.realm}", qop="auth", algorithm={self._algorithm}, nonce="{nonce}"{extra}'

    def refusal(self, method: str, target: str, authorization: str | None) -> str | None:
        """None for a request that may pass, else the challenge to refuse it with. `target` is as on the wire."""
        scheme, _, rest = (authorization or "").partition(" ")
        given = parse_header_pairs(rest) if scheme.lower() == "digest" else {}
        if not given.keys() >= FIELDS or given["uri"] != target or given["qop"] != "auth":
            return self.challenge()
        if not hmac.compare_digest(self._response(method, given), given["response"].encode()):
            return self.challenge()
        # The password is right from here on; what can still be wrong is the nonce's age, or a replay.
        nonce = self._nonces.get(given["nonce"])
        count = int(given["nc"], 16) if len(given["nc"]) == 8 and given["nc"].isalnum() else 0  # noqa: PLR2004 - RFC 7616, 3.4
        if nonce is None or self._monotonic() - nonce.born > NONCE_SECONDS or count <= nonce.count:
            return self.challenge(stale=True)
        nonce.count = count
        return None

    def _response(self, method: str, given: Mapping[str, str]) -> bytes:
        # RFC 7616, 3.4.1. The user and realm are ours, so that a request for another's cannot match.
        secret = self._hex(f"{self._user}:{self.realm}:{self._password}")
        request = self._hex(f"{method}:{given['uri']}")
        proof = (secret, given["nonce"], given["nc"], given["cnonce"], given["qop"], request)
        return self._hex(":".join(proof)).encode()

    def _hex(self, text: str) -> str:
        return self._hash(text.encode()).hexdigest()
