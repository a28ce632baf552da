"""Grants, programs' tokens, and what waits for a second person; `asks.py` says what each needs."""

from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web

from agent.api.asks import Ends
from agent.api.operation import operation
from agent.api.permission import caller_of
from agent.api.problems import decode
from agent.api.route import ID, as_json
from agent.errors import Refused
from agent.people.grant_desk import GrantDesk
from agent.people.lent import GrantBody, GrantView, NewTokenView, TokenBody, TokenView
from agent.people.token_desk import TokenDesk
from agent.rights.agreements import Agreement, Agreements
from agent.rights.decision import Denied
from agent.rights.grants import Actor
from agent.signin.contract import AgreementView


def _actor(request: web.Request) -> Actor:
    return caller_of(request).actor


@dataclass(frozen=True, slots=True, kw_only=True)
class RightsRoutes:
    """The requests, each in the name of who asks."""

    grants: GrantDesk
    tokens: TokenDesk
    agreements: Agreements

    def table(self) -> list[web.RouteDef]:
        """For everybody: page, programs and command line."""
        return [
            web.get("/api/grants", self.list_grants),
            web.post("/api/grants", self.give),
            web.delete(f"/api/grants/{ID}", self.end_grant),
            web.get("/api/tokens", self.list_tokens),
            web.post("/api/tokens", self.make),
            web.delete(f"/api/tokens/{ID}", self.end_token),
        ]

    def ends(self) -> Ends:
        """For the application, under `ENDS`: what ending one of them asks."""
        return Ends(self.grants.asks_to_end, self.tokens.asks_to_end)

    def own(self) -> list[web.RouteDef]:
        """For who has signed in."""
        return [
            web.get("/api/agreements", self.list_agreements),
            web.post(f"/api/agreements/{ID}", self.agree),
            web.delete(f"/api/agreements/{ID}", self.withdraw),
        ]

    @operation("What one lent and was lent, and what is shared, where one may see it", answer=tuple[GrantView, ...])
    async def list_grants(self, request: web.Request) -> web.Response:
        return as_json(await self.grants.all(_actor(request)))

    @operation(
        "Lend somebody a part of what one may do", body=GrantBody, answer=GrantView, status=201, refusals=(404, 409)
    )
    async def give(self, request: web.Request) -> web.Response:
        return as_json(await self.grants.give(await decode(request, GrantBody), _actor(request)), status=201)

    @operation("Take back what was lent, or give it back", status=204, refusals=(409,))
    async def end_grant(self, request: web.Request) -> web.Response:
        await self.grants.end(request.match_info["id"], _actor(request))
        return web.Response(status=204)

    @operation("The programs that act for one", answer=tuple[TokenView, ...])
    async def list_tokens(self, request: web.Request) -> web.Response:
        return as_json(await self.tokens.all(_actor(request)))

    @operation("Let a program act for one", body=TokenBody, answer=NewTokenView, status=201, refusals=(404, 409))
    async def make(self, request: web.Request) -> web.Response:
        return as_json(await self.tokens.make(await decode(request, TokenBody), _actor(request)), status=201)

    @operation("Let a program act no more", status=204, refusals=(409,))
    async def end_token(self, request: web.Request) -> web.Response:
        await self.tokens.end(request.match_info["id"], _actor(request))
        return web.Response(status=204)

    @operation(
        "What waits for a second person, and may be answered by who asks, or was asked for",
        answer=tuple[AgreementView, ...],
    )
    async def list_agreements(self, request: web.Request) -> web.Response:
        return as_json(tuple(map(_view, self.agreements.of(_actor(request).person))))

    @operation("Agree to it", answer=AgreementView)
    async def agree(self, request: web.Request) -> web.Response:
        agreement = self.agreements.agree(request.match_info["id"], _actor(request).person)
        if isinstance(agreement, Denied):
            raise _unknown(agreement)
        return as_json(_view(agreement))

    @operation("Do not want it any more", status=204)
    async def withdraw(self, request: web.Request) -> web.Response:
        if denied := self.agreements.withdraw(request.match_info["id"], _actor(request).person):
            raise _unknown(denied)
        return web.Response(status=204)


def _unknown(denied: Denied) -> Refused:
    return Refused(denied.code, denied.why, hint="it may have ended: a quarter of an hour is all it has")


def _said(body: bytes) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(body, type=dict[str, Any]) if body else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # of a route that takes no body
        return None


def _view(agreement: Agreement) -> AgreementView:
    target = agreement.target
    return AgreementView(
        id=agreement.id,
        action=agreement.action,
        by=agreement.by,
        about=(*target.subjects, *target.also),
        places=(*target.rooms, *target.cameras, *target.devices),
        request=agreement.request,
        said=_said(agreement.said),
        made=agreement.made,
        until=agreement.until,
        agreed=agreement.agreed is not None,
    )
