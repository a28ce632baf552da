"""The API as an OpenAPI 3.1 document (spec.openapis.org/oas/v3.1.1), made of the types that validate it.

Served as `GET /api/openapi.json`, the same for everybody: it says nothing of the house.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import msgspec
from aiohttp import hdrs, web

from agent.api import cookies
from agent.api.asks import ASKS, PUBLIC
from agent.api.operation import Operation, operation, operation_of
from agent.api.permission import PURPOSE
from agent.api.problems import Problem
from agent.rights.actions import Purpose

VERSION: Final = "1"
_TEMPLATE: Final = "#/components/schemas/{name}"
_BODILESS: Final = frozenset({HTTPStatus.SWITCHING_PROTOCOLS, HTTPStatus.NO_CONTENT})

_ALWAYS: Final = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE})
"""What any request may be answered: not permitted, not now."""
_OF_BODIES: Final = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
_OVER_THE_NETWORK: Final = frozenset({HTTPStatus.MISDIRECTED_REQUEST, HTTPStatus.TOO_MANY_REQUESTS})

_HEADERS: Final[Mapping[int, Mapping[str, Any]]] = {
    HTTPStatus.UNAUTHORIZED: {
        hdrs.WWW_AUTHENTICATE: {
            "description": "How a program says who it is (RFC 9110, section 11.6.1)",
            "required": True,
            "schema": {"type": "string"},
        }
    },
    HTTPStatus.TOO_MANY_REQUESTS: {
        hdrs.RETRY_AFTER: {
            "description": "Seconds to wait",
            "required": True,
            "schema": {"type": "integer", "minimum": 1},
        }
    },
}
_DESCRIPTION: Final = """\
Of a person's home, for its page, for programs that a person lets act for them, and for the command line.

A page signs in and has a cookie. A program shows a token, `Authorization: Bearer …`, and does what the token is for.
What changes anything must say that it comes from the page itself: `Origin` is scheme, name and port of the address
that is asked. Who wants to see what is shown for a purpose alone says for which, in `Portvakt-Purpose`.

What cannot be done is answered with problem details (RFC 9457); `code` is stable, and `cure` says what a person can do.
A 422 whose code is `invalid` is of another form than is said here; any other code is of what has the right form and
cannot be. An unknown parameter of a query is ignored, an unknown member of a body is refused. An integer has no
fraction, not even one of zero.
"""


def describe(app: web.Application, *, local: bool) -> None:
    """Serve the document of all that `app` serves: on the command line's socket (`local`), or over the network."""
    made: dict[str, bytes] = {}

    @operation("This document")
    async def described(request: web.Request) -> web.Response:
        cookie = "" if local else cookies.name_of(cookies.SESSION, request)
        if cookie not in made:  # a few milliseconds, for who asks
            made[cookie] = msgspec.json.encode(document(app.router.routes(), cookie))
        return web.Response(body=made[cookie], content_type="application/json")

    app.router.add_get("/api/openapi.json", described)


@dataclass(frozen=True, slots=True)
class _Route:
    """One request, and where it is served."""

    method: str
    path: str
    patterns: Mapping[str, str]
    said: Operation

    @property
    def name(self) -> str:
        """As in `asks.py`."""
        return f"{self.method} {self.path}"


def document(routes: Iterable[web.AbstractRoute], cookie: str) -> dict[str, Any]:
    """The document of these routes; those for pages and files are left out.

    `cookie` is the name of the session's; empty: nobody signs in, since who can use the socket is the local owner.

    Raises:
        LookupError: a route does not say what it takes and gives.
    """
    described = list(_described(routes))
    kinds: list[Any] = [Problem, Purpose]
    for each in described:
        said = each.said
        kinds += [kind for kind in (said.body, said.answer, *said.query.values()) if kind is not None]
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_TEMPLATE)
    schema_of = {id(kind): schema for kind, schema in zip(kinds, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for each in described:
        paths.setdefault(each.path, {})[each.method.lower()] = _one(each, schema_of, over_network=bool(cookie))
    schemes = {
        "session": {"type": "apiKey", "in": "cookie", "name": cookie},
        "token": {"type": "http", "scheme": "bearer"},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Portvakt, the gateway's local API", "version": VERSION, "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": components} | ({"securitySchemes": schemes} if cookie else {}),
    }


def _described(routes: Iterable[web.AbstractRoute]) -> Iterable[_Route]:
    for route in routes:
        path = route.resource.canonical if route.resource else ""
        # Of what GET gives, HEAD gives the headers: RFC 9110, section 9.3.2.
        if path.startswith(("/api", "/metrics")) and route.method != hdrs.METH_HEAD:
            yield _Route(route.method, path, _patterns(route), operation_of(route.handler))


def _one(route: _Route, schema_of: Mapping[int, Any], *, over_network: bool) -> dict[str, Any]:
    said = route.said
    answered: dict[str, Any] = {"description": said.summary}
    if said.status not in _BODILESS:
        answered["content"] = {said.media: _content(said, schema_of)}
    one: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", route.name).strip("_").lower(),
        "summary": said.summary,
        "security": _security(route.name) if over_network else [],
        "responses": {
            str(said.status): answered,
            **{
                str(int(status)): _refusal(status, schema_of)
                for status in sorted(_refusals(route, over_network=over_network))
            },
        },
    }
    if said.body is not None:
        one["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema_of[id(said.body)]}}}
    if parameters := list(_parameters(route, schema_of)):
        one["parameters"] = parameters
    return one


def _content(said: Operation, schema_of: Mapping[int, Any]) -> dict[str, Any]:
    if said.answer is not None:
        return {"schema": schema_of[id(said.answer)]}
    if said.media.startswith(("text/", "application/jose")):
        return {"schema": {"type": "string"}}
    return {}


def _refusals(route: _Route, *, over_network: bool) -> set[int]:
    said = route.said
    refusals: set[int] = {*_ALWAYS, *said.refusals}
    if said.body is not None:
        refusals |= _OF_BODIES
    if said.query or route.name in ASKS:  # a number out of its range; no purpose
        refusals.add(HTTPStatus.UNPROCESSABLE_ENTITY)
    if route.patterns:
        refusals.add(HTTPStatus.NOT_FOUND)
    if over_network:
        refusals |= _OVER_THE_NETWORK
        if route.name not in PUBLIC:
            refusals.add(HTTPStatus.UNAUTHORIZED)
    return refusals


def _refusal(status: int, schema_of: Mapping[int, Any]) -> dict[str, Any]:
    one = {
        "description": HTTPStatus(status).phrase,
        "content": {"application/problem+json": {"schema": schema_of[id(Problem)]}},
    }
    return one | ({"headers": _HEADERS[status]} if status in _HEADERS else {})


def _parameters(route: _Route, schema_of: Mapping[int, Any]) -> Iterable[dict[str, Any]]:
    for name, pattern in route.patterns.items():
        schema = {"type": "string", "pattern": f"^({pattern})$"}
        yield {"name": name, "in": "path", "required": True, "schema": schema}
    for name, kind in route.said.query.items():
        yield {"name": name, "in": "query", "schema": schema_of[id(kind)]}
    if route.name in ASKS:
        yield {"name": PURPOSE, "in": "header", "schema": schema_of[id(Purpose)]}


def _security(route: str) -> list[dict[str, list[str]]]:
    if route in PUBLIC:
        return []
    return [{"session": []}, {"token": []}] if route in ASKS else [{"session": []}]


def _patterns(route: web.AbstractRoute) -> dict[str, str]:
    """What each variable part of the path looks like."""
    info = route.resource.get_info() if route.resource else {}
    pattern = info.get("pattern")
    return {} if pattern is None else dict(re.findall(r"\(\?P<(\w+)>((?:[^()]|\([^()]*\))*)\)", pattern.pattern))
