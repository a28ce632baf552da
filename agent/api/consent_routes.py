"""A person's own consent, over the API. Nobody gives or withdraws it for another: not even the hand at the box."""

from typing import Final

from aiohttp import web

from agent.api.operation import operation
from agent.api.permission import caller_of
from agent.api.problems import NotPermitted, decode
from agent.api.route import as_json
from agent.consent.contract import ConsentBody, ConsentView
from agent.consent.desk import ConsentDesk
from privacy.consent_text import Kind

_KIND: Final = f"{{kind:{'|'.join(Kind)}}}"


def consent_routes(desk: ConsentDesk) -> list[web.RouteDef]:
    """What `asks.py` has under `/api/consents`."""

    @operation(
        "What is collected about the person who asks, on what ground, and what they agreed to",
        answer=tuple[ConsentView, ...],
    )
    async def mine(request: web.Request) -> web.Response:
        return as_json(await desk.of(caller_of(request).actor.person))

    @operation("Agree to a text, for oneself", body=ConsentBody, answer=ConsentView, status=201, refusals=(404, 409))
    async def give(request: web.Request) -> web.Response:
        body = await decode(request, ConsentBody)
        return as_json(await desk.give(body, _oneself(request)), status=201)

    @operation(
        "Withdraw, for oneself: it stops at once, and what was collected is erased", answer=ConsentView, refusals=(409,)
    )
    async def withdraw(request: web.Request) -> web.Response:
        return as_json(await desk.withdraw(Kind(request.match_info["kind"]), _oneself(request)))

    return [
        web.get("/api/consents", mine),
        web.post("/api/consents", give),
        web.delete(f"/api/consents/{_KIND}", withdraw),
    ]


def _oneself(request: web.Request) -> str:
    """Who asks, who must be a person of the house."""
    caller = caller_of(request)
    if caller.local:
        raise NotPermitted(
            "not_yourself", "Nobody consents for another: whoever it is about signs in and says so themselves."
        )
    return caller.actor.person
