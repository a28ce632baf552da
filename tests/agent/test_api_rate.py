"""How much one caller may ask."""

import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from aiolimiter import AsyncLimiter

from agent.api import rate
from agent.api.permission import Caller, identified
from agent.api.problems import as_problems
from agent.api.rate import limited
from agent.api.server import serve
from agent.rights.grants import Actor
from privacy.clock import SystemClock
from tests.agent.open_door import open_door

House = Any


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five for who is known, three for who is not; nothing comes back while a test lasts."""
    monkeypatch.setattr(rate, "KNOWN_MOST", 5)
    monkeypatch.setattr(rate, "UNKNOWN_MOST", 3)
    monkeypatch.setattr(rate, "SPAN", 3600.0)
    monkeypatch.setattr(rate, "CALLERS", 4)


async def _ok(_request: web.Request) -> web.Response:
    return web.Response()


@asynccontextmanager
async def client() -> AsyncIterator[Callable[..., Any]]:
    """Asks; the header `Who` says in whose session, none that nobody has signed in."""

    async def identify(request: web.Request) -> Caller | None:
        who, _, token = request.headers.get("Who", "").partition("/")
        return Caller(Actor(who, token or None), session=None if token else f"s-{who}") if who else None

    app = web.Application(middlewares=[as_problems, identified(identify), limited()])
    app.router.add_get("/api/state", _ok)
    app.router.add_get("/", _ok)
    app.router.add_get("/static/{path}", _ok)
    async with TestClient(TestServer(app)) as made:

        async def ask(who: str = "", path: str = "/api/state") -> aiohttp.ClientResponse:
            return await made.get(path, headers={"Who": who} if who else {})

        yield ask


async def refused(response: aiohttp.ClientResponse) -> bool:
    """Whether it is too much; then it is said when to come again."""
    if response.status == 200:
        return False
    assert response.status == 429
    assert int(response.headers["Retry-After"]) >= 1
    assert (await response.json(content_type="application/problem+json"))["code"] == "too_many_requests"
    return True


async def test_a_burst_is_answered_and_what_is_beyond_is_not() -> None:
    async with client() as ask:
        assert [await refused(await ask("kari")) for _ in range(7)] == [False] * 5 + [True] * 2


async def test_who_is_unknown_has_less_and_paths_that_are_not_there_count() -> None:
    async with client() as ask:
        assert (await ask(path="/api/nothing")).status == 404
        assert (await ask(path="/nothing")).status == 404
        assert [await refused(await ask()) for _ in range(2)] == [False, True]
        assert (await ask(path="/nothing")).status == 429


async def test_each_has_their_own() -> None:
    async with client() as ask:
        for _ in range(6):
            last = await ask("kari")
        assert await refused(last)
        for other in ("ola", "kari/t1", ""):
            assert not await refused(await ask(other))


async def test_the_pages_own_files_are_free() -> None:
    async with client() as ask:
        while not await refused(await ask()):
            pass
        assert (await ask(path="/")).status == 200
        assert (await ask(path="/static/app.js")).status == 200


async def test_it_comes_back_little_by_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate, "SPAN", 0.05)
    async with client() as ask:
        while not await refused(await ask()):
            pass
        while await refused(await ask()):
            pass


async def test_of_many_callers_the_last_are_remembered() -> None:
    def allowances() -> int:
        gc.collect()
        return sum(isinstance(one, AsyncLimiter) for one in gc.get_objects())

    others = allowances()
    async with client() as ask:
        for _ in range(6):
            await ask("kari")
        for number in range(20):
            await ask(f"p{number}")
        assert allowances() - others <= rate.CALLERS
        assert not await refused(await ask("kari")), "who was forgotten is new again"


async def test_the_network_is_limited_and_the_socket_is_not(api_house: House, tmp_path: Path) -> None:
    socket = tmp_path / "api.sock"
    async with (
        serve(api_house, door=open_door(api_house), clock=SystemClock(), port=0, socket_path=socket) as url,
        aiohttp.ClientSession(url) as page,
        aiohttp.ClientSession("http://x", connector=aiohttp.UnixConnector(str(socket))) as hand,
    ):
        assert [(await page.get("/api/health")).status for _ in range(6)] == [200] * 5 + [429]
        assert (await page.get("/metrics")).status == 429
        assert [(await hand.get("/api/health")).status for _ in range(6)] == [200] * 6
