"""Support access, over the API: who is let in, and what they did; `asks.py` says what each request needs."""

from typing import Final

import msgspec
from aiohttp import web

from agent.api.asks import Question
from agent.api.operation import operation
from agent.api.permission import Permission, caller_of
from agent.api.problems import decode
from agent.rights.actions import Action
from agent.rights.decision import Allowed
from agent.support.contract import SupportBody, SupportView
from agent.support.desk import SupportDesk

_ID: Final = r"{id:[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}}"


def support_routes(desk: SupportDesk, permission: Permission) -> list[web.RouteDef]:
    """What `asks.py` has under `/api/support`."""

    @operation(
        "Support cases, for who may end one; to who comes from support, their own", answer=tuple[SupportView, ...]
    )
    async def listed(request: web.Request) -> web.Response:
        caller = caller_of(request)
        sees = isinstance(permission.of(caller)(Question(Action.END_SUPPORT)), Allowed)
        return _json(await desk.all(caller.actor, sees=sees))

    @operation(
        "Let somebody from support in, for some hours",
        body=SupportBody,
        answer=SupportView,
        status=201,
        refusals=(404, 409),
    )
    async def open_(request: web.Request) -> web.Response:
        return _json(await desk.open(await decode(request, SupportBody), caller_of(request).actor), status=201)

    @operation("End a support session", answer=SupportView, refusals=(404, 409))
    async def end(request: web.Request) -> web.Response:
        return _json(await desk.end(request.match_info["id"], caller_of(request).actor))

    return [
        web.get("/api/support", listed),
        web.post("/api/support", open_),
        web.delete(f"/api/support/{_ID}", end),
    ]


def _json(value: object, *, status: int = 200) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(value), content_type="application/json")
