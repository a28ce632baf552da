"""Who may ask over TCP: a page that we served ourselves. Who it is that asks comes after."""

from typing import Final, Protocol

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from agent.errors import Refused
from agent.lan.lan import HSTS

_HTTP_PORT: Final = 80
_CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


async def harden(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Put the headers on that keep other pages and injected content out (signal `on_response_prepare`)."""
    response.headers.update(_HEADERS)
    if request.secure:
        response.headers["Strict-Transport-Security"] = HSTS
    response.headers.setdefault("Cache-Control", "no-store")


class Site(Protocol):
    """What the LAN knows the page by (`agent.lan.Lan`)."""

    @property
    def hosts(self) -> frozenset[str]:
        """What `Host` may say over TLS, in lower case."""


def same_origin(port: int, site: Site | None = None) -> Middleware:
    """Let through only what names this machine itself and, where it acts, comes from our own page.

    That is loopback on `port`, and over TLS the names of `site`.

    Refused: `foreign_host` (a name that somebody pointed at us, that is DNS rebinding) and `foreign_page`.
    """
    loopback = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}
    if port == _HTTP_PORT:
        loopback |= {"127.0.0.1", "localhost", "[::1]"}

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        hosts = (site.hosts if site else frozenset()) if request.secure else loopback
        own = " or ".join(f"{request.scheme}://{host}" for host in sorted(hosts))
        host = request.headers.get(hdrs.HOST, "").lower()
        if host not in hosts:
            raise Refused("foreign_host", "this address is not served here", hint=f"open {own}")
        acts = request.method not in {hdrs.METH_GET, hdrs.METH_HEAD} or hdrs.UPGRADE in request.headers
        origin = request.headers.get(hdrs.ORIGIN)
        if (acts or origin is not None) and origin != f"{request.scheme}://{host}":
            raise Refused("foreign_page", "only the gateway's own page may ask this", hint=f"open {own}")
        # Browsers say where a request comes from even where they send no Origin (pictures, scripts).
        if request.path.startswith("/api/") and request.headers.get("Sec-Fetch-Site", "none") not in {
            "none",
            "same-origin",
        }:
            raise Refused("foreign_page", "only the gateway's own page may ask this", hint=f"open {own}")
        return await handler(request)

    return check
