"""Grants, tokens and support sessions that exist only in memory, with the wire types of the real ones."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from aiohttp import web

from agent.errors import Refused
from agent.people.lent import GrantBody, GrantView, NewTokenView, TokenBody, TokenView
from agent.rights.actions import Action, Purpose
from agent.rights.grants import Reach
from agent.support.contract import SupportBody, SupportView
from privacy.hold import Role
from tests.agent.page.fake_rights import Heard, reply

SECRET = "pv_0123456789abcdefghjkmnpqrstvwxyz"


def grant(by: str, person: str, **more: Any) -> GrantView:
    """`by` lets `person` look at the devices of the home for a day."""
    now = datetime.now(UTC)
    fields = {
        "id": f"g-{by}-{person}",
        "role": Role.GUEST,
        "purpose": Purpose.VISIT,
        "actions": (Action.READ_DEVICES,),
        "reach": Reach(home=True),
        "start": now,
        "end": now + timedelta(days=1),
        "history_from": now,
        "made": now,
        **more,
    }
    return GrantView(by=by, person=person, **fields)


def session(person: str, by: str, **more: Any) -> SupportView:
    """`by` let `person` in for four hours, just now."""
    now = datetime.now(UTC)
    fields = {
        "id": "c1",
        "purpose": Purpose.SUPPORT,
        "actions": (Action.READ_DIAGNOSTICS, Action.READ_METRICS),
        "reach": Reach(home=True),
        "opened": now,
        "until": now + timedelta(hours=4),
        "lasts": True,
        "done": {},
        **more,
    }
    return SupportView(person=person, by=by, **fields)


@dataclass
class FakeLending:
    """A test reads and says what is lent; `heard` decodes a body and remembers it."""

    heard: Heard
    grants: list[GrantView] = field(default_factory=list)
    tokens: list[TokenView] = field(default_factory=list)
    support: list[SupportView] = field(default_factory=list)
    refusal: Refused | None = None
    """What whoever lends is told."""

    def table(self) -> list[web.RouteDef]:
        return [
            web.get("/api/grants", self._grants),
            web.post("/api/grants", self._give),
            web.delete("/api/grants/{id}", self._end_grant),
            web.get("/api/tokens", self._tokens),
            web.post("/api/tokens", self._make),
            web.delete("/api/tokens/{id}", self._end_token),
            web.get("/api/support", self._sessions),
            web.post("/api/support", self._open),
            web.delete("/api/support/{id}", self._end),
        ]

    async def _grants(self, _request: web.Request) -> web.Response:
        return reply(self.grants)

    async def _give(self, request: web.Request) -> web.Response:
        body = await self.heard(request, GrantBody)
        if self.refusal:
            raise self.refusal
        made = grant("pkari", body.person, actions=body.actions, reach=body.reach, purpose=body.purpose, end=body.end)
        self.grants.append(made)
        return reply(made, 201)

    async def _end_grant(self, request: web.Request) -> web.Response:
        self.grants = [each for each in self.grants if each.id != request.match_info["id"]]
        return web.Response(status=204)

    async def _tokens(self, _request: web.Request) -> web.Response:
        return reply(self.tokens)

    async def _make(self, request: web.Request) -> web.Response:
        body = await self.heard(request, TokenBody)
        now = datetime.now(UTC)
        made = TokenView(
            id="t1", person="pkari", name=body.name, actions=body.actions, reach=body.reach, start=now, end=body.end
        )
        self.tokens.append(made)
        return reply(NewTokenView(token=made, secret=SECRET), 201)

    async def _end_token(self, request: web.Request) -> web.Response:
        self.tokens = [each for each in self.tokens if each.id != request.match_info["id"]]
        return web.Response(status=204)

    async def _sessions(self, _request: web.Request) -> web.Response:
        return reply(self.support)

    async def _open(self, request: web.Request) -> web.Response:
        body = await self.heard(request, SupportBody)
        if self.refusal:
            raise self.refusal
        until = datetime.now(UTC) + timedelta(hours=body.hours)
        made = session(body.person, "pkari", actions=body.actions, until=until)
        self.support.append(made)
        return reply(made, 201)

    async def _end(self, request: web.Request) -> web.Response:
        ended = [each for each in self.support if each.id == request.match_info["id"]]
        self.support = [each for each in self.support if each not in ended]
        return reply(msgspec.structs.replace(ended[0], lasts=False, ended=datetime.now(UTC)))
