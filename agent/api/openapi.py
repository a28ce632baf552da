"""The API as an OpenAPI 3.1 document (spec.openapis.org/oas/v3.1.1), made of the types that validate it.

Served as `GET /api/openapi.json`, the same for everybody: it says nothing of the house.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from aiohttp import hdrs, web

from agent.api.asks import LOCAL_ONLY, OWN, PUBLIC
from agent.api.operation import Operation, operation, operation_of
from agent.api.problems import Problem

VERSION: Final = "1"
_TEMPLATE: Final = "#/components/schemas/{name}"
_ANY: Final = (400, 403, 413, 415, 422, 503)
"""What any request may be answered: malformed, not permitted, too large, no JSON, not possible, not now."""
_READING: Final = (403, 503)


def describe(app: web.Application) -> None:
    """Serve the document of all that `app` serves."""
    made: list[bytes] = []

    @operation("This document")
    async def described(_request: web.Request) -> web.Response:
        if not made:  # a few milliseconds, for who asks
            made.append(msgspec.json.encode(document(app.router.routes())))
        return web.Response(body=made[0], content_type="application/json")

    app.router.add_get("/api/openapi.json", described)


def document(routes: Iterable[web.AbstractRoute]) -> dict[str, Any]:
    """The document of these routes; those for pages and files are left out.

    Raises:
        LookupError: a route does not say what it takes and gives.
    """
    found = [route for route in routes if route.resource and route.resource.canonical.startswith(("/api", "/metrics"))]
    described = [
        (str(route.resource.canonical), route.method.lower(), operation_of(route.handler), _patterns(route))
        for route in found
        if route.method != hdrs.METH_HEAD and route.resource
    ]
    kinds = [kind for _, _, said, _ in described for kind in (said.body, said.answer) if kind is not None]
    schemas, components = msgspec.json.schema_components([*kinds, Problem], ref_template=_TEMPLATE)
    schema_of = {id(kind): schema for kind, schema in zip([*kinds, Problem], schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for path, method, said, patterns in described:
        paths.setdefault(path, {})[method] = _one(f"{method.upper()} {path}", said, patterns, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Portvakt, the gateway's local API", "version": VERSION},
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": components,
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": "portvakt"},
                "token": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _one(route: str, said: Operation, patterns: Mapping[str, str], schema_of: Mapping[int, Any]) -> dict[str, Any]:
    media = {"schema": schema_of[id(said.answer)]} if said.answer is not None else {}
    answered: dict[str, Any] = {"description": said.summary}
    if said.status != web.HTTPNoContent.status_code:
        answered["content"] = {said.media: media}
    problem = {"application/problem+json": {"schema": schema_of[id(Problem)]}}
    refusals = {*(_ANY if said.body is not None else _READING), *said.refusals}
    if patterns:
        refusals.add(404)
    if route not in PUBLIC:
        refusals.add(401)
    one: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", route).strip("_").lower(),
        "summary": said.summary,
        "security": _security(route),
        "responses": {
            str(said.status): answered,
            **{str(status): {"description": "refused", "content": problem} for status in sorted(refusals)},
        },
    }
    if said.body is not None:
        one["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema_of[id(said.body)]}}}
    if patterns:
        one["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "pattern": f"^({pattern})$"}}
            for name, pattern in patterns.items()
        ]
    return one


def _security(route: str) -> list[dict[str, list[str]]]:
    if route in PUBLIC:
        return []
    return [{"session": []}] if route in OWN | LOCAL_ONLY else [{"session": []}, {"token": []}]


def _patterns(route: web.AbstractRoute) -> dict[str, str]:
    """What each variable part of the path looks like."""
    info = route.resource.get_info() if route.resource else {}
    pattern = info.get("pattern")
    return {} if pattern is None else dict(re.findall(r"\(\?P<(\w+)>((?:[^()]|\([^()]*\))*)\)", pattern.pattern))
