"""Whatever is sent to the routes of signing in, by whoever: a clear refusal, and never a bug."""

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.api.asks import OWN, PUBLIC
from agent.api.signin_routes import SignInRoutes
from tests.agent.signin.front_door import PASSWORD, Browser, FrontDoor

Browsers = Callable[[], Browser]

MEMBERS: Final = (
    *("code", "name", "lives_here", "language", "login", "password", "second", "stay", "ceremony", "credential", "new"),
    *("passkey", "id", "rawId", "type", "response", "clientDataJSON", "authenticatorData", "signature", "userHandle"),
)
BODIES: Final = (
    ("POST", "/api/claim"),
    ("POST", "/api/sign-in/password"),
    ("POST", "/api/sign-in/passkey/options"),
    ("POST", "/api/sign-in/passkey"),
    ("POST", "/api/sign-in/code"),
    ("POST", "/api/presence"),
    ("PUT", "/api/ways/password"),
    ("POST", "/api/ways/passkeys"),
    ("POST", "/api/ways/second-factor/confirm"),
)
leaves = st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=40) | st.sampled_from([PASSWORD, "kari"])
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=6),
    max_leaves=12,
)


def test_each_route_of_signing_in_is_somebodys() -> None:
    """And each that the contract names is served."""
    routes = SignInRoutes(None)  # type: ignore[arg-type] # only its table is looked at
    served = {f"{route.method} {re.sub(r':.*}', '}', route.path)}" for route in routes.table()}
    ours = {route for route in PUBLIC | OWN if not route.startswith(("GET /static", "GET / ")) and route != "GET /"}
    assert served <= ours
    assert {route for route in ours if "/sign-in/" in route or "/ways" in route or "session" in route} <= served


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=st.tuples(st.sampled_from(BODIES), values, st.booleans()))
async def test_bodies_of_any_shape(
    door: FrontDoor, browser: Browsers, caplog: pytest.LogCaptureFixture, asked: tuple[tuple[str, str], Any, bool]
) -> None:
    route, body, signed_in = asked
    if not door.people.owners():
        await door.give_password(await door.add(), "kari")
    door.brake._buckets.clear()
    page = browser()
    if signed_in:
        await page.sign_in("kari")
        await page.show_presence()
    with caplog.at_level(logging.ERROR):
        said = await page.ask(*route, body)
    assert page.status < 500, said
    assert not caplog.records


@pytest.mark.parametrize(("method", "path"), BODIES)
@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[]", b'{"login": "\\ud800", "password": "x"}', b"[" * 5000])
async def test_what_is_no_json(door: FrontDoor, browser: Browsers, method: str, path: str, text: bytes) -> None:
    await door.give_password(await door.add(), "kari")
    page = browser()
    await page.sign_in("kari")
    headers = {"Content-Type": "application/json", "Cookie": f"portvakt={page.cookies['portvakt']}"}
    async with page._session.request(method, page.url + path, data=text, headers=headers) as answer:
        assert answer.status in ({200} if path.endswith("options") else {400, 422})


@pytest.mark.parametrize("id_", ["..", "%2e%2e", "x" * 65, "a/b", "%00", "'", "æ", "-x", " "])
async def test_ids_that_are_none(door: FrontDoor, browser: Browsers, id_: str) -> None:
    await door.give_password(await door.add(), "kari")
    page = browser()
    await page.sign_in("kari")
    for path in ("/api/sessions/", "/api/ways/passkeys/"):
        assert await page.ask("DELETE", path + id_) in {"unknown_path", "wrong_method"}


BOTTOMLESS: Final = b'{"ceremony":"a","credential":{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}}"


@pytest.mark.parametrize(
    "sent",
    [
        ("GET /api/who", b"", b"portvakt=\xff\xfe"),
        ("GET /api/state", b"", b"portvakt=\xff"),
        ("POST /api/sign-in/password", b'{"login":"a","password":"b"}', b"portvakt-known=\xff; portvakt=\xff"),
        ("POST /api/sign-in/passkey", BOTTOMLESS, b""),
    ],
)
async def test_bytes_that_are_no_text_and_bottomless_json(
    door: FrontDoor, browser: Browsers, caplog: pytest.LogCaptureFixture, sent: tuple[str, bytes, bytes]
) -> None:
    """Written by hand: no client would send them."""
    asked, body, cookie = sent
    await door.add()
    head = f"{asked} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", int(browser().url.rpartition(":")[2]))
    writer.write(head.encode() + b"Connection: close\r\nCookie: " + cookie + b"\r\n\r\n" + body)
    answer = await reader.read()
    writer.close()
    assert int(answer.split()[1]) in {200, 400, 401}, answer[:200]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
