"""Who may ask over TCP: a page that we served ourselves. Nobody signs in yet, so this and loopback are the fence."""

from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from agent.errors import Refused

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


async def harden(_request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Put the headers on that keep other pages and injected content out (signal `on_response_prepare`)."""
    response.headers.update(_HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")


def same_origin(port: int) -> Middleware:
    """Let through only what names this machine itself on `port` and, where it acts, comes from our own page.

    Refused: `foreign_host` (a name that somebody pointed at 127.0.0.1, that is DNS rebinding) and `foreign_page`.
    """
    hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}
    if port == _HTTP_PORT:
        hosts |= {"127.0.0.1", "localhost", "[::1]"}
    own = " or ".join(f"http://{host}" for host in sorted(hosts))

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        host = request.headers.get(hdrs.HOST, "").lower()
        if host not in hosts:
            raise Refused("foreign_host", "this address is not served here", hint=f"open {own}")
        acts = request.method not in {hdrs.METH_GET, hdrs.METH_HEAD} or hdrs.UPGRADE in request.headers
        origin = request.headers.get(hdrs.ORIGIN)
        if (acts or origin is not None) and origin != f"http://{host}":
            raise Refused("foreign_page", "only the gateway's own page may ask this", hint=f"open {own}")
        # Browsers say where a request comes from even where they send no Origin (pictures, scripts).
        if request.path.startswith("/api/") and request.headers.get("Sec-Fetch-Site", "none") not in {
            "none",
            "same-origin",
        }:
            raise Refused("foreign_page", "only the gateway's own page may ask this", hint=f"open {own}")
        return await handler(request)

    return check
