"""What can be asked, each a few lines: decode, ask the house, encode."""

from typing import Final

import msgspec
from aiohttp import hdrs, web

from agent.api.contract import (
    AdoptBody,
    ClaimBody,
    CommandBody,
    EraseBody,
    HealthView,
    HoldBody,
    House,
    PersonBody,
    PersonChange,
    TagBody,
    TimeBody,
)
from agent.api.feed import Feed
from agent.api.problems import decode
from agent.api.sight import SightOf
from agent.errors import Refused

_ID: Final = r"{id:[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}}"
_ORDER: Final = r"{order:[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}}"


def _json(value: object, *, status: int = 200) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(value), content_type="application/json")


class Routes:
    """The requests of one kind of caller, carried out in the name of `actor`; `asks.py` says what each needs."""

    def __init__(self, house: House, feed: Feed, *, actor: str, sight_of: SightOf) -> None:
        self._house = house
        self._sight_of = sight_of
        self._feed = feed
        self._actor = actor

    def table(self) -> list[web.RouteDef]:
        return [
            web.get("/api/state", self.state),
            web.get("/api/ws", self._feed.listen, allow_head=False),
            web.get("/api/health", self.health),
            web.get("/api/inventory", self.inventory),
            web.get("/api/audit", self.audit),
            web.get("/api/audit/checkpoint", self.checkpoint),
            web.get("/metrics", self.metrics),
            web.post(f"/api/devices/{_ID}/commands", self.command),
            web.delete(f"/api/devices/{_ID}", self.remove),
            web.post(f"/api/found/{_ID}/adopt", self.adopt),
            web.get(f"/api/snapshots/{_ID}/{{size:image|thumbnail}}", self.picture, allow_head=False),
            web.post(f"/api/snapshots/{_ID}/subjects", self.tag),
            web.post("/api/claims", self.claim),
            web.post("/api/erase", self.erase),
            web.get("/api/people", self.people),
            web.post("/api/people", self.add_person),
            web.patch(f"/api/people/{_ID}", self.change_person),
            web.delete(f"/api/people/{_ID}", self.remove_person),
            web.get("/api/holds", self.holds),
            web.post("/api/holds", self.hold),
            web.delete(f"/api/holds/{_ID}", self.release),
            web.post("/api/time", self.confirm_time),
            web.get(f"/api/receipts/{_ORDER}/{{kind:erased|verified}}", self.receipt),
        ]

    async def state(self, request: web.Request) -> web.Response:
        return _json(self._sight_of(request).state())

    async def health(self, _request: web.Request) -> web.Response:
        """Say that we answer at all, and which services do not run; a camera that is away is no reason to restart."""
        state = self._house.state()
        troubled = tuple(service for service in state.services if service.problem)
        return _json(HealthView(ok=not troubled, version=state.version, problems=troubled))

    async def audit(self, _request: web.Request) -> web.Response:
        return _json(await self._house.audit())

    async def checkpoint(self, _request: web.Request) -> web.Response:
        return web.Response(text=await self._house.checkpoint(), content_type="application/jose")

    async def inventory(self, _request: web.Request) -> web.Response:
        return _json(await self._house.inventory())

    async def metrics(self, _request: web.Request) -> web.Response:
        text = await self._house.metrics()
        return web.Response(body=text.encode(), headers={hdrs.CONTENT_TYPE: "text/plain; version=0.0.4; charset=utf-8"})

    async def command(self, request: web.Request) -> web.Response:
        body = await decode(request, CommandBody)
        return _json(await self._house.command(request.match_info["id"], body, self._actor))

    async def remove(self, request: web.Request) -> web.Response:
        await self._house.remove(request.match_info["id"], self._actor)
        return web.Response(status=204)

    async def adopt(self, request: web.Request) -> web.Response:
        body = await decode(request, AdoptBody)
        return _json(await self._house.adopt(request.match_info["id"], body, self._actor), status=201)

    async def picture(self, request: web.Request) -> web.Response:
        thumbnail = request.match_info["size"] == "thumbnail"
        jpeg = await self._house.picture(request.match_info["id"], thumbnail=thumbnail, actor=self._actor)
        if jpeg is None:
            raise Refused("unknown_snapshot", "there is no such picture", hint="it may have gone at its time")
        return web.Response(body=jpeg, content_type="image/jpeg", headers={hdrs.CACHE_CONTROL: "no-store"})

    async def tag(self, request: web.Request) -> web.Response:
        body = await decode(request, TagBody)
        return _json(await self._house.tag(request.match_info["id"], body, self._actor), status=201)

    async def claim(self, request: web.Request) -> web.Response:
        return _json(await self._house.claim(await decode(request, ClaimBody), self._actor), status=201)

    async def erase(self, request: web.Request) -> web.Response:
        body = await decode(request, EraseBody)
        return _json(await self._house.erase(body.scope, self._actor), status=202)

    async def people(self, _request: web.Request) -> web.Response:
        return _json(await self._house.people())

    async def add_person(self, request: web.Request) -> web.Response:
        return _json(await self._house.add_person(await decode(request, PersonBody), self._actor), status=201)

    async def change_person(self, request: web.Request) -> web.Response:
        body = await decode(request, PersonChange)
        return _json(await self._house.change_person(request.match_info["id"], body, self._actor))

    async def remove_person(self, request: web.Request) -> web.Response:
        await self._house.remove_person(request.match_info["id"], self._actor)
        return web.Response(status=204)

    async def holds(self, _request: web.Request) -> web.Response:
        return _json(await self._house.holds())

    async def hold(self, request: web.Request) -> web.Response:
        return _json(await self._house.hold(await decode(request, HoldBody), self._actor), status=201)

    async def release(self, request: web.Request) -> web.Response:
        return _json(await self._house.release(request.match_info["id"], self._actor))

    async def confirm_time(self, request: web.Request) -> web.Response:
        return _json(await self._house.confirm_time(await decode(request, TimeBody), self._actor))

    async def receipt(self, request: web.Request) -> web.Response:
        order, kind = request.match_info["order"], request.match_info["kind"]
        for receipt in await self._house.audit():
            if (receipt.order, receipt.kind) == (order, kind):
                name = f"receipt-{order}-{kind}.jws".replace(":", "_")
                headers = {hdrs.CONTENT_DISPOSITION: f'attachment; filename="{name}"'}
                return web.Response(text=receipt.jws, headers=headers)
        raise Refused(
            "unknown_receipt", "there is no such receipt", hint="an order has receipts once it has been carried out"
        )
