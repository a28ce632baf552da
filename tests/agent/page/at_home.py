"""The door for tests of the house: nobody has to sign in, so that the page shows it at once."""

from typing import Any

from aiohttp import web

from agent.api.door import Door
from tests.agent.open_door import open_door


def at_home(house: Any) -> Door:
    """Whoever opens the page is at the box."""

    async def who(_request: web.Request) -> web.Response:
        return web.json_response({"claimed": True, "person": "local-owner", "role": "owner", "can_sign_in": True})

    async def support(_request: web.Request) -> web.Response:
        return web.json_response([])

    return open_door(house, network_routes=[web.get("/api/who", who), web.get("/api/support", support)])
