"""One JPEG over HTTP(S): no login, Basic (RFC 7617) or Digest (RFC 7616), whichever the camera asks for.

What comes back is bytes that nobody has looked at: only the decoding worker opens them. No error text holds more of
the camera's address than scheme, host and port, because logins hide in user info, paths and queries alike.
"""

import asyncio
import os
import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Final, NoReturn

import aiohttp
from aiohttp.client_middleware_digest_auth import (
    CHALLENGE_FIELDS,
    SUPPORTED_ALGORITHMS,
    DigestAuthChallenge,
    parse_header_pairs,
)
from aiohttp.hdrs import AUTHORIZATION, LOCATION, WWW_AUTHENTICATE
from yarl import URL

from camera.errors import FetchFailed
from camera.login import Login

DEADLINE_SECONDS: Final = 10.0
"""For everything together, from the name look-up to the last byte: a byte now and then does not extend it."""
MAX_BYTES: Final = 8 * 1024 * 1024
MAX_REDIRECTS: Final = 3
CHUNK_BYTES: Final = 64 * 1024

_STREAM_HINT = "check that its address is that of a single picture, not of a stream"


def open_session() -> aiohttp.ClientSession:
    """A session fit for cameras: no cookies, no proxies, no unpacking. The caller closes it."""
    return aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        headers={"Accept": "image/jpeg", "Accept-Encoding": "identity", "User-Agent": "portvakt"},
        timeout=aiohttp.ClientTimeout(total=None),
    )


class HttpSnapshot:
    """One camera's snapshot address. Keep one object for each camera, for as long as the agent runs.

    It remembers how the camera wants its login, over failures of every kind too. A new one would forget that the
    camera has asked for Digest, and give the password in the clear to whoever asks for Basic in its place.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        login: Login | None = None,
        *,
        deadline: float = DEADLINE_SECONDS,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        """`url` may carry `user:password@`, which counts where `login` is None and never leaves this object.

        Raises:
            FetchFailed: `url` is no HTTP address.
        """
        self._session = session
        self._url, in_url = _parse(url)
        self._login = login or in_url
        self._deadline = deadline
        self._max_bytes = max_bytes
        self._digest = _Digest(self._login.user, self._login.password) if self._login else None
        self._speaks_basic = False

    def __repr__(self) -> str:
        return f"HttpSnapshot({self._place})"

    @property
    def _place(self) -> str:
        return str(self._url.origin())

    async def fetch(self) -> bytes:
        """What the camera sends now, unchecked.

        Raises:
            FetchFailed: unreachable, login refused, too slow, too much, or no HTTP.
        """
        try:
            async with asyncio.timeout(self._deadline):
                return await self._follow(self._url)
        except TimeoutError:
            message = f"camera at {self._place} did not deliver within {self._deadline:g} s"
            raise FetchFailed(message, hint=f"check its network; {_STREAM_HINT}") from None
        except aiohttp.ClientError as error:
            self._convert(error)
        except ValueError:
            # What aiohttp raises for header values and addresses that it cannot put on the wire.
            raise FetchFailed(
                f"camera at {self._place}: the request cannot be made", hint="check its address"
            ) from None

    async def _follow(self, url: URL) -> bytes:
        for _ in range(MAX_REDIRECTS + 1):
            async with await self._get(url) as response:
                if response.status in {301, 302, 303, 307, 308}:
                    url = self._redirected(url, response.headers.get(LOCATION, ""))
                    continue
                self._check_status(response)
                return await self._read(response)
        raise FetchFailed(f"camera at {self._place} redirects without end", hint="check its address")

    def _redirected(self, url: URL, location: str) -> URL:
        # A login must not be carried to wherever a camera points: only its own origin is followed.
        target = url.join(URL(location))
        if not location or not target.absolute or target.origin() != self._url.origin():
            message = f"camera at {self._place} redirects to another address"
            raise FetchFailed(message, hint="if that is right, configure the other address itself")
        return target.with_user(None)

    async def _get(self, url: URL) -> aiohttp.ClientResponse:
        response = await self._request(url)
        if response.status == HTTPStatus.UNAUTHORIZED and self._login and self._wants_basic(response):
            self._speaks_basic = True
            return await self._request(url)
        return response

    def _wants_basic(self, response: aiohttp.ClientResponse) -> bool:
        # A camera that has asked for Digest once is never given the password in the clear: who asks then is another.
        if self._speaks_basic or (self._digest and self._digest.challenged):
            return False
        return any(re.search(r"\bbasic\b", value, re.IGNORECASE) for value in _challenges(response))

    async def _request(self, url: URL) -> aiohttp.ClientResponse:
        headers = {}
        if self._login and self._speaks_basic:
            headers[AUTHORIZATION] = aiohttp.encode_basic_auth(self._login.user, self._login.password, "utf-8")
        digest = (self._digest,) if self._digest and not self._speaks_basic else ()
        return await self._session.get(url, headers=headers, allow_redirects=False, middlewares=digest)

    def _check_status(self, response: aiohttp.ClientResponse) -> None:
        status = response.status
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            given = "refused the login" if self._login else "asks for a login"
            raise FetchFailed(f"camera at {self._place} {given} (HTTP {status})", hint="check user name and password")
        if status == HTTPStatus.NOT_FOUND:
            raise FetchFailed(f"camera at {self._place} has no picture there (HTTP 404)", hint="check its path")
        if status != HTTPStatus.OK:
            raise FetchFailed(f"camera at {self._place} answered HTTP {status}", hint="restart it if this stays")

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        if (response.content_length or 0) <= self._max_bytes:
            async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                body += chunk
                if len(body) > self._max_bytes:
                    break
            else:
                return bytes(body)
        response.close()
        raise FetchFailed(f"camera at {self._place} sent more than {self._max_bytes} bytes", hint=_STREAM_HINT)

    def _convert(self, error: aiohttp.ClientError) -> NoReturn:
        # `from None`: the texts of foreign errors hold the whole address, login included.
        place = f"camera at {self._place}"
        match error:
            case aiohttp.ClientConnectorDNSError():
                raise FetchFailed(
                    f"{place}: its name cannot be found", hint="check its address, or use its number"
                ) from None
            case aiohttp.ClientConnectorCertificateError():
                raise FetchFailed(f"{place}: its certificate is not trusted", hint="install one that is") from None
            case aiohttp.ClientSSLError():
                raise FetchFailed(f"{place} does not speak TLS", hint="use http:// if it has no HTTPS") from None
            case aiohttp.ClientConnectorError():
                why = os.strerror(error.errno) if error.errno else "no connection"
                raise FetchFailed(f"{place} is unreachable: {why}", hint="check its power and network") from None
            case aiohttp.ClientResponseError():
                raise FetchFailed(
                    f"{place} does not speak HTTP as it should", hint="check its address and port"
                ) from None
            case aiohttp.ClientConnectionError() | aiohttp.ClientPayloadError():
                raise FetchFailed(f"{place} broke off the transfer", hint="check its network") from None
            case _:
                raise FetchFailed(f"{place}: its login or answer is malformed", hint="update its firmware") from None


class _Digest(aiohttp.DigestAuthMiddleware):
    """aiohttp's Digest, also where the camera offers something else before it: the original reads one header alone."""

    @property
    def challenged(self) -> bool:
        """Whether the camera has ever asked for Digest."""
        return bool(self._challenge)

    def _authenticate(self, response: aiohttp.ClientResponse) -> bool:
        if response.status != HTTPStatus.UNAUTHORIZED:
            return False
        response.release()  # nobody reads what a refusal has to say
        challenge = _digest_challenge(_challenges(response))
        if not challenge:
            return False
        self._challenge = challenge
        self._protection_space = [str(response.url.origin())]
        return True


def _parse(text: str) -> tuple[URL, Login | None]:
    hint = "it looks like http://192.168.1.20/snapshot.jpg"
    try:
        url = URL(text)
        port = url.port
    except ValueError:
        raise FetchFailed("the camera's address cannot be read", hint=hint) from None
    if url.scheme not in {"http", "https"} or not url.host or not port:
        raise FetchFailed("the camera's address is no HTTP address", hint=hint)
    try:
        login = Login(url.user or "", url.password or "") if url.user or url.password else None
    except ValueError as error:
        raise FetchFailed(str(error)) from None
    return url.with_user(None), login


def _challenges(response: aiohttp.ClientResponse) -> list[str]:
    return response.headers.getall(WWW_AUTHENTICATE, [])


def _digest_challenge(challenges: Iterable[str]) -> DigestAuthChallenge | None:
    """The first Digest challenge whose algorithm is known; a camera orders them by its preference (RFC 7616, 3.7)."""
    for value in challenges:
        # Several challenges may share one header (RFC 9110, 11.6.1).
        for start in re.finditer(r"\bdigest\s+(?=\w+\s*=)", value, re.IGNORECASE):
            pairs = parse_header_pairs(value[start.end() :])
            if pairs.get("algorithm", "MD5").upper() in SUPPORTED_ALGORITHMS:
                challenge: DigestAuthChallenge = {}
                for name in CHALLENGE_FIELDS:
                    if name in pairs:
                        challenge[name] = pairs[name]
                return challenge
    return None
