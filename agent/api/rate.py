"""How much one caller may ask: more than any page or person does, and less than what keeps the house busy.

Each session and each token has an allowance of its own, so that nobody's is used up by others. Whoever has not signed
in shares that of the address they come from. It bounds what a flood costs, and is no brake on guessing: that is
`agent.signin.brake`. Who comes from where a flood comes from gets in between, and a tenth of a second after its end.
"""

from collections import OrderedDict
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from aiolimiter import AsyncLimiter

from agent.api.permission import caller_of, name_of
from agent.api.problems import NotSignedIn
from agent.errors import NotNow

KNOWN_MOST: Final = 600
"""Requests of one session or token at once; a page that opens asks for about 40."""
UNKNOWN_MOST: Final = 200
"""Requests of one address at once before anybody has signed in there."""
SPAN: Final = 10.0
"""Seconds in which a whole allowance comes back, little by little."""
CALLERS: Final = 1_024
"""Remembered at once; of more, whoever asked longest ago is new again."""
FREE: Final = frozenset({"GET /", "GET /static/{path}"})
"""The page's own files, out of memory: whoever waits is to see why."""


def limited() -> Middleware:
    """Refuse what comes faster: `too_many_requests`, and when to come again."""
    seen: OrderedDict[str, AsyncLimiter] = OrderedDict()

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.match_info.http_exception is None and name_of(request) in FREE:
            return await handler(request)
        name, most = _who(request)
        limiter = seen.get(name) or AsyncLimiter(most, SPAN)
        seen[name] = limiter
        seen.move_to_end(name)
        if len(seen) > CALLERS:
            seen.popitem(last=False)
        if not limiter.has_capacity():
            raise NotNow(
                "too_many_requests",
                "more is asked than anybody can use",
                seconds=SPAN / most,
                hint="wait a second",
            )
        await limiter.acquire()  # does not wait: there is room
        return await handler(request)

    return check


def _who(request: web.Request) -> tuple[str, int]:
    try:
        caller = caller_of(request)
    except NotSignedIn:
        return f"address {request.remote}", UNKNOWN_MOST
    return f"{caller.actor.person} {caller.session or caller.actor.token}", KNOWN_MOST
