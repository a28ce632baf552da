"""The household of six behind its routes, in the middlewares that every request passes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from agent.api.asks import ENDS
from agent.api.contract import PersonChange, State, TimeView
from agent.api.permission import LOCAL, Caller, Permission, identified, permitted
from agent.api.problems import as_problems, decode
from agent.api.rights_routes import RightsRoutes
from agent.cli.outcome import carry_out
from agent.rights.actions import Need
from agent.rights.agreements import digest_of
from agent.rights.household import Household
from agent.rights.local import local_household
from tests.agent.rights.six import Six


class Asking:
    """Asks second persons, as the composition root does; nobody is told of anything."""

    def __init__(self, six: Six) -> None:
        self._six = six

    async def looked(self, asked: Any) -> None:
        pass

    async def agreed(self, request: web.Request, caller: Caller, question: Any) -> bool:
        person = caller.actor.person
        said, route = await request.read(), f"{request.method} {request.path_qs}"
        digest = digest_of(person, request.method, request.path_qs, said)
        action, target = question.action, question.target
        return bool(self._six.agreements.agreed(person, digest, action, target, request=route, said=said))


class People:
    """Of the house, what these routes ask."""

    def __init__(self, six: Six) -> None:
        self.people = six.people.all


@asynccontextmanager
async def served(six: Six) -> AsyncIterator[TestClient[Any, Any]]:
    """A client; the header `Who` says whose session its requests come in, none that they come from the socket."""
    async with TestClient(TestServer(application(six))) as client:
        yield client


@asynccontextmanager
async def at_the_box(six: Six, socket: Path, state: State) -> AsyncIterator[Callable[..., Awaitable[int]]]:
    """The command line, against a socket on which the same is served, and the house in this state."""

    async def show(_request: web.Request) -> web.Response:
        now = TimeView(now=six.clock.now(), known=True)
        return web.Response(body=msgspec.json.encode(msgspec.structs.replace(state, time=now)))

    async def run(*arguments: str) -> int:
        return await asyncio.to_thread(carry_out, [*arguments, "--socket", str(socket)])

    app = application(six)
    app.add_routes([web.get("/api/state", show)])
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.UnixSite(runner, str(socket)).start()
        yield run
    finally:
        await runner.cleanup()


def application(six: Six) -> web.Application:
    """All that passes the middlewares of `agent.api.server`."""

    async def identify(request: web.Request) -> Caller | None:
        who = request.headers.get("Who")
        return Caller(six.actor(who), frozenset({Need.PRESENCE}), session="s") if who else LOCAL

    def household(caller: Caller) -> Household:
        return local_household(()) if caller.local else six.household.current()

    permission = Permission(household, six.clock)
    checks = [as_problems, identified(identify), permitted(permission, People(six), Asking(six))]  # type: ignore[arg-type] # no more is asked
    app = web.Application(middlewares=checks)
    routes = RightsRoutes(grants=six.grants, tokens=six.tokens, agreements=six.agreements)
    app[ENDS] = routes.ends()

    async def remove(request: web.Request) -> web.Response:
        await six.people.remove(request.match_info["id"], "somebody")
        return web.Response(status=204)

    async def people(_request: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode(await six.people.all()))

    async def change(request: web.Request) -> web.Response:
        body = await decode(request, PersonChange)
        changed = await six.people.change(request.match_info["id"], body, "somebody")
        return web.Response(body=msgspec.json.encode(changed))

    one = "/api/people/{id}"
    people_routes = [web.get("/api/people", people), web.delete(one, remove), web.patch(one, change)]
    app.add_routes([*routes.table(), *routes.own(), *people_routes])
    return app
