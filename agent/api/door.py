"""What the API needs of whoever knows the people: who asks, what the household is, who else is asked and told."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from agent.api.asks import UNCLAIMED, Ends
from agent.api.permission import Identify, Permission, Witness, name_of
from agent.api.problems import NotPermitted


@dataclass(frozen=True, kw_only=True)
class Door:
    """The way in over the network, and what comes with the people who use it."""

    identify: Identify
    claimed: Callable[[], bool]
    """Whether the gateway has an owner; until then nothing is served but the claim."""
    permission: Permission
    witness: Witness
    follow_ends: Callable[[Callable[[str], None]], None]
    """Have somebody told, by its id, of each session that ends."""
    ends: Ends | None = None
    """What ending a grant or a token asks."""
    routes: Sequence[web.RouteDef] = ()
    """Of everybody."""
    network_routes: Sequence[web.RouteDef] = ()
    """Of who comes over the network: signing in, and what is about oneself."""
    local_routes: Sequence[web.RouteDef] = ()
    """Of the socket alone."""


def only_when_claimed(claimed: Callable[[], bool]) -> Middleware:
    """Serve nothing but the claim as long as the gateway belongs to nobody."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not claimed() and request.match_info.http_exception is None and name_of(request) not in UNCLAIMED:
            raise NotPermitted("unclaimed", "This gateway belongs to nobody yet: claim it first.")
        return await handler(request)

    return check
