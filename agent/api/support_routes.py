"""Support access, over the API: who is let in, and what they did; `asks.py` says what each request needs."""

from aiohttp import web

from agent.api.asks import Question
from agent.api.operation import operation
from agent.api.permission import Permission, caller_of
from agent.api.problems import decode
from agent.api.route import ID, as_json
from agent.rights.actions import Action
from agent.rights.decision import Allowed
from agent.support.contract import SupportBody, SupportView
from agent.support.desk import SupportDesk


def support_routes(desk: SupportDesk, permission: Permission) -> list[web.RouteDef]:
    """What `asks.py` has under `/api/support`."""

    @operation(
        "Support cases, for who may end one; to who comes from support, their own", answer=tuple[SupportView, ...]
    )
    async def listed(request: web.Request) -> web.Response:
        caller = caller_of(request)
        sees = isinstance(permission.of(caller)(Question(Action.END_SUPPORT)), Allowed)
        return as_json(await desk.all(caller.actor, sees=sees))

    @operation(
        "Let somebody from support in, for some hours",
        body=SupportBody,
        answer=SupportView,
        status=201,
        refusals=(404, 409),
    )
    async def open_(request: web.Request) -> web.Response:
        return as_json(await desk.open(await decode(request, SupportBody), caller_of(request).actor), status=201)

    @operation("End a support session", answer=SupportView, refusals=(404, 409))
    async def end(request: web.Request) -> web.Response:
        return as_json(await desk.end(request.match_info["id"], caller_of(request).actor))

    return [
        web.get("/api/support", listed),
        web.post("/api/support", open_),
        web.delete(f"/api/support/{ID}", end),
    ]
