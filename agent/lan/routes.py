"""What can be asked about the certificate for phones."""

from aiohttp import web

from agent.api.operation import operation
from agent.api.problems import decode
from agent.api.route import as_json
from agent.errors import Refused
from agent.lan.contract import TrustBody, TrustView
from agent.lan.trust import TrustDesk


def trust_routes(desk: TrustDesk | None) -> list[web.RouteDef]:
    """`POST /api/trust` and `DELETE /api/trust`; without a desk nobody is on the LAN, and that is said."""

    @operation("Hand the certificate out to phones, for a while", body=TrustBody, answer=TrustView, status=201)
    async def hand_out(request: web.Request) -> web.Response:
        body = await decode(request, TrustBody)
        view = await _there(desk).open(body)
        return as_json(view, status=201)

    @operation("Hand it out no more", status=204, refusals=(422,))
    async def close(_request: web.Request) -> web.Response:
        await _there(desk).close()
        return web.Response(status=204)

    return [web.post("/api/trust", hand_out), web.delete("/api/trust", close)]


def _there(desk: TrustDesk | None) -> TrustDesk:
    if desk is None:
        raise Refused("no_lan", "the gateway is not on the LAN", hint="add a [lan] section to its configuration")
    return desk
