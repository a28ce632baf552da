"""The document of the API is valid, whole, and says what the handlers take and give."""

import json
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from openapi_spec_validator import OpenAPIV31SpecValidator

from agent.api.asks import ASKS, LOCAL_ONLY, OWN, PUBLIC
from agent.api.openapi import document
from agent.api.operation import operation, operation_of
from agent.rights.actions import Purpose
from tests.agent.served_house import serving

NETWORK, LOCAL = 0, 1
METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(params=[NETWORK, LOCAL], ids=["network", "socket"])
async def application(request: pytest.FixtureRequest, tmp_path: Path, clock: Any) -> AsyncIterator[web.Application]:
    async with serving(tmp_path, clock) as house:
        await _owned(house)
        yield house.applications()[request.param]


@pytest.fixture
def described(application: web.Application) -> Any:
    """The document, as it is read."""
    return json.loads(json.dumps(document(application.router.routes(), _cookie(application))))


def _cookie(application: web.Application) -> str:
    return "portvakt" if "/api/who" in {route.resource.canonical for route in application.router.routes()} else ""  # type: ignore[union-attr] # each has one


def operations(described: Any) -> dict[str, Any]:
    """By method and path, as in `asks.py`."""
    return {
        f"{method.upper()} {path}": one
        for path, methods in described["paths"].items()
        for method, one in methods.items()
        if method in METHODS
    }


def test_it_is_openapi(described: Any) -> None:
    OpenAPIV31SpecValidator(described).validate()
    ids = [one["operationId"] for one in operations(described).values()]
    assert len(ids) == len(set(ids))


def test_what_is_served_stands_in_it_and_the_reverse(application: web.Application, described: Any) -> None:
    served = {
        f"{route.method} {route.resource.canonical}"
        for route in application.router.routes()
        if route.resource and route.method != "HEAD" and route.resource.canonical.startswith(("/api", "/metrics"))
    }
    assert served == operations(described).keys()


def test_its_types_have_short_names(described: Any) -> None:
    """Two types of one name would have the names of their modules."""
    told = [name for name in described["components"]["schemas"] if "." in name or "_" in name]
    assert not told


def test_who_must_sign_in_is_said(described: Any) -> None:
    for route, one in operations(described).items():
        schemes = [name for each in one["security"] for name in each]
        if "securitySchemes" not in described["components"]:
            assert (schemes, "401" in one["responses"], "429" in one["responses"]) == ([], False, False)
        elif route in PUBLIC:
            assert not schemes
        else:
            assert schemes == (["session", "token"] if route in ASKS else ["session"]), route
            assert route in ASKS.keys() | OWN | LOCAL_ONLY
            assert "401" in one["responses"]


def test_parameters_are_said(described: Any) -> None:
    every = operations(described)
    for route, one in every.items():
        parameters = {each["name"]: each for each in one.get("parameters", ())}
        assert ("Portvakt-Purpose" in parameters) == (route in ASKS)
        assert {name for name, each in parameters.items() if each["in"] == "path"} == {
            part[1:-1] for part in route.split("/") if part.startswith("{")
        }
    purposes = described["components"]["schemas"]["Purpose"]["enum"]
    assert set(purposes) == set(Purpose)
    page = {each["name"]: each["schema"] for each in every["GET /api/activity"]["parameters"] if each["in"] == "query"}
    assert page["limit"] == {"type": "integer", "minimum": 1, "maximum": 200}
    size = next(each for each in every["GET /api/snapshots/{id}/{size}"]["parameters"] if each["name"] == "size")
    assert size["schema"]["pattern"] == "^(image|thumbnail)$"


def test_every_status_that_is_said_has_its_headers(described: Any) -> None:
    for route, one in operations(described).items():
        for status, answer in one["responses"].items():
            headers = set(answer.get("headers", ()))
            expected = {"401": {"WWW-Authenticate"}, "429": {"Retry-After"}}.get(status, set())
            assert headers == expected, (route, status)
            assert HTTPStatus(int(status))


async def test_it_is_served_to_everybody(application: web.Application) -> None:
    async with TestClient(TestServer(application)) as client:
        for _ in range(2):  # the second is out of memory
            answer = await client.get("/api/openapi.json", headers={"Host": f"127.0.0.1:{client.port}"})
            said = await answer.json()
            assert (answer.status, said["openapi"]) == (200, "3.1.0")
            assert ("securitySchemes" in said["components"]) == (_cookie(application) != "")


async def test_over_tls_the_cookie_has_another_name(tmp_path: Path, clock: Any) -> None:
    async with serving(tmp_path, clock) as house:
        app = house.applications()[NETWORK]
        schemes = document(app.router.routes(), "__Host-portvakt")["components"]["securitySchemes"]
    assert schemes["session"] == {"type": "apiKey", "in": "cookie", "name": "__Host-portvakt"}


def test_a_handler_that_says_nothing_is_told_of() -> None:
    async def silent(_request: web.Request) -> web.Response:
        return web.Response()

    with pytest.raises(LookupError, match="does not say"):
        operation_of(silent)
    assert operation_of(operation("Something")(silent)).summary == "Something"


async def test_who_is_not_signed_in_is_told_how_a_program_is(tmp_path: Path, clock: Any) -> None:
    async with serving(tmp_path, clock) as house, TestClient(TestServer(house.applications()[NETWORK])) as client:
        answer: aiohttp.ClientResponse = await client.get("/api/sessions")
        assert (answer.status, (await answer.json(content_type=None))["code"]) == (403, "unclaimed")
        await _owned(house)
        answer = await client.get("/api/sessions")
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="portvakt"')


async def _owned(house: Any) -> None:
    await house.run("people", "add", "--role", "owner", "--name", "Kari Nordmann", "--lives-here")
    await house.agent._doorway.look_again()
