"""The two cookies of a browser: the session, and by what it is known (RFC 6265bis)."""

from typing import Final

from aiohttp import web

SESSION: Final = "portvakt"
KNOWN: Final = "portvakt-known"
_HOST: Final = "__Host-"
"""With this prefix a browser takes a cookie over https alone, from this host alone, for all of it (4.1.3.2)."""
STAYS: Final = 400 * 24 * 3600
"""Seconds; no browser keeps one longer (5.5). When a session ends that stays, its own idle time says."""
KNOWN_STAYS: Final = 365 * 24 * 3600


def name_of(cookie: str, request: web.BaseRequest) -> str:
    """What a cookie is called on the connection of `request`."""
    return f"{_HOST}{cookie}" if request.secure else cookie


def read(request: web.BaseRequest, cookie: str) -> str | None:
    return request.cookies.get(name_of(cookie, request)) or None


def write(response: web.StreamResponse, request: web.BaseRequest, cookie: str, value: str, stays: int | None) -> None:
    """Have the browser keep `value`: for `stays` seconds, or until it is closed."""
    response.set_cookie(
        name_of(cookie, request),
        value,
        max_age=stays,
        path="/",
        secure=request.secure,
        httponly=True,
        samesite="Strict",
    )


def forget(response: web.StreamResponse, request: web.BaseRequest, cookie: str) -> None:
    response.del_cookie(name_of(cookie, request), path="/", secure=request.secure, httponly=True, samesite="Strict")
