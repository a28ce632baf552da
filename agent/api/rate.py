"""How much one caller may ask: more than any page or person does, and less than what keeps the house busy."""

from collections import OrderedDict
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from aiolimiter import AsyncLimiter

from agent.api.permission import caller_of
from agent.api.problems import NotSignedIn
from agent.errors import Refused

KNOWN_MOST: Final = 600
"""Requests of one session or token in `SPAN`; a page that opens asks for about 40."""
UNKNOWN_MOST: Final = 200
"""Requests of one address in `SPAN` before anybody has signed in there."""
SPAN: Final = 10.0
"""Seconds."""
CALLERS: Final = 1_024
"""Remembered at once; of more, whoever asked longest ago is new again."""


def limited() -> Middleware:
    """Refuse what comes faster: `too_many_requests`. What is asked for at once is spent as it drips away again."""
    seen: OrderedDict[str, AsyncLimiter] = OrderedDict()

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith("/api/"):
            name, most = _who(request)
            limiter = seen.setdefault(name, AsyncLimiter(most, SPAN))
            seen.move_to_end(name)
            if len(seen) > CALLERS:
                seen.popitem(last=False)
            if not limiter.has_capacity():
                raise Refused("too_many_requests", "more is asked than anybody can use", hint="wait some seconds")
            await limiter.acquire()  # does not wait: there is room
        return await handler(request)

    return check


def _who(request: web.Request) -> tuple[str, int]:
    try:
        caller = caller_of(request)
    except NotSignedIn:
        return f"address {request.remote}", UNKNOWN_MOST
    return f"{caller.actor.person} {caller.session or caller.actor.token}", KNOWN_MOST
