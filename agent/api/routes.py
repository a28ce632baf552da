"""What can be asked, each a few lines: decode, ask the house, encode."""

from aiohttp import hdrs, web

from agent.api.contract import (
    AdoptBody,
    AuditEntry,
    ClaimBody,
    CommandBody,
    DeviceView,
    EraseAnswer,
    EraseBody,
    HealthView,
    HoldBody,
    HoldView,
    House,
    InventoryRow,
    OutcomeView,
    PersonBody,
    PersonChange,
    PersonView,
    State,
    TagBody,
    TagView,
    TimeBody,
    TimeView,
)
from agent.api.feed import Feed
from agent.api.operation import operation
from agent.api.permission import caller_of
from agent.api.problems import decode
from agent.api.route import ID, ORDER, as_json
from agent.api.sight import SightOf
from agent.errors import Refused


def actor_of(request: web.Request) -> str:
    """The opaque id of who asks."""
    return caller_of(request).actor.person


class Routes:
    """The requests, each carried out in the name of who asks; `asks.py` says what each needs."""

    def __init__(self, house: House, feed: Feed, sight_of: SightOf) -> None:
        self._house = house
        self._sight_of = sight_of
        self._feed = feed

    def table(self) -> list[web.RouteDef]:
        return [
            web.get("/api/state", self.state),
            web.get("/api/ws", self._feed.listen, allow_head=False),
            web.get("/api/health", self.health),
            web.get("/api/inventory", self.inventory),
            web.get("/api/audit", self.audit),
            web.get("/api/audit/checkpoint", self.checkpoint),
            web.get("/metrics", self.metrics),
            web.post(f"/api/devices/{ID}/commands", self.command),
            web.delete(f"/api/devices/{ID}", self.remove),
            web.post(f"/api/found/{ID}/adopt", self.adopt),
            web.get(f"/api/snapshots/{ID}/{{size:image|thumbnail}}", self.picture, allow_head=False),
            web.post(f"/api/snapshots/{ID}/subjects", self.tag),
            web.post("/api/claims", self.claim),
            web.post("/api/erase", self.erase),
            web.get("/api/people", self.people),
            web.post("/api/people", self.add_person),
            web.patch(f"/api/people/{ID}", self.change_person),
            web.delete(f"/api/people/{ID}", self.remove_person),
            web.get("/api/holds", self.holds),
            web.post("/api/holds", self.hold),
            web.delete(f"/api/holds/{ID}", self.release),
            web.post("/api/time", self.confirm_time),
            web.get(f"/api/receipts/{ORDER}/{{kind:erased|verified}}", self.receipt),
        ]

    @operation("Everything that may be seen, now", answer=State)
    async def state(self, request: web.Request) -> web.Response:
        return as_json(self._sight_of(request).state())

    @operation("What does not run", answer=HealthView)
    async def health(self, _request: web.Request) -> web.Response:
        """Say that we answer at all, and which services do not run; a camera that is away is no reason to restart."""
        state = self._house.state()
        troubled = tuple(service for service in state.services if service.problem)
        return as_json(HealthView(ok=not troubled, version=state.version, problems=troubled))

    @operation("The whole log of receipts, oldest first", answer=tuple[AuditEntry, ...])
    async def audit(self, _request: web.Request) -> web.Response:
        return as_json(await self._house.audit())

    @operation("The log of receipts as it stands now, signed", media="application/jose")
    async def checkpoint(self, _request: web.Request) -> web.Response:
        return web.Response(text=await self._house.checkpoint(), content_type="application/jose")

    @operation("What is kept, how old it is, and when it goes", answer=tuple[InventoryRow, ...])
    async def inventory(self, _request: web.Request) -> web.Response:
        return as_json(await self._house.inventory())

    @operation("Figures, in the text format of Prometheus", media="text/plain")
    async def metrics(self, _request: web.Request) -> web.Response:
        text = await self._house.metrics()
        return web.Response(body=text.encode(), headers={hdrs.CONTENT_TYPE: "text/plain; version=0.0.4; charset=utf-8"})

    @operation("Set a capability of a device", body=CommandBody, answer=OutcomeView)
    async def command(self, request: web.Request) -> web.Response:
        body = await decode(request, CommandBody)
        return as_json(await self._house.command(request.match_info["id"], body, actor_of(request)))

    @operation("Forget an adopted device", status=204, refusals=(409,))
    async def remove(self, request: web.Request) -> web.Response:
        await self._house.remove(request.match_info["id"], actor_of(request))
        return web.Response(status=204)

    @operation("Adopt a device that was found", body=AdoptBody, answer=DeviceView, status=201)
    async def adopt(self, request: web.Request) -> web.Response:
        body = await decode(request, AdoptBody)
        return as_json(await self._house.adopt(request.match_info["id"], body, actor_of(request)), status=201)

    @operation("A picture, or its thumbnail", media="image/jpeg")
    async def picture(self, request: web.Request) -> web.Response:
        thumbnail = request.match_info["size"] == "thumbnail"
        jpeg = await self._house.picture(request.match_info["id"], thumbnail=thumbnail, actor=actor_of(request))
        if jpeg is None:
            raise Refused("unknown_snapshot", "there is no such picture", hint="it may have gone at its time")
        return web.Response(body=jpeg, content_type="image/jpeg", headers={hdrs.CACHE_CONTROL: "no-store"})

    @operation("Say that a person is on a picture", body=TagBody, answer=TagView, status=201)
    async def tag(self, request: web.Request) -> web.Response:
        body = await decode(request, TagBody)
        return as_json(await self._house.tag(request.match_info["id"], body, actor_of(request)), status=201)

    @operation(
        "Accept a person's claim to what a camera took", body=ClaimBody, answer=ClaimBody, status=201, refusals=(404,)
    )
    async def claim(self, request: web.Request) -> web.Response:
        return as_json(await self._house.claim(await decode(request, ClaimBody), actor_of(request)), status=201)

    @operation("Order an erasure", body=EraseBody, answer=EraseAnswer, status=202)
    async def erase(self, request: web.Request) -> web.Response:
        body = await decode(request, EraseBody)
        return as_json(await self._house.erase(body.scope, actor_of(request)), status=202)

    @operation("Who belongs to the home", answer=tuple[PersonView, ...])
    async def people(self, _request: web.Request) -> web.Response:
        return as_json(await self._house.people())

    @operation("Add somebody", body=PersonBody, answer=PersonView, status=201, refusals=(409,))
    async def add_person(self, request: web.Request) -> web.Response:
        return as_json(await self._house.add_person(await decode(request, PersonBody), actor_of(request)), status=201)

    @operation("Correct what is known of somebody", body=PersonChange, answer=PersonView, refusals=(409,))
    async def change_person(self, request: web.Request) -> web.Response:
        body = await decode(request, PersonChange)
        return as_json(await self._house.change_person(request.match_info["id"], body, actor_of(request)))

    @operation("End what somebody is to the home", status=204, refusals=(409, 422))
    async def remove_person(self, request: web.Request) -> web.Response:
        await self._house.remove_person(request.match_info["id"], actor_of(request))
        return web.Response(status=204)

    @operation("Every hold that is remembered", answer=tuple[HoldView, ...])
    async def holds(self, _request: web.Request) -> web.Response:
        return as_json(await self._house.holds())

    @operation("Keep something past its limit", body=HoldBody, answer=HoldView, status=201, refusals=(409,))
    async def hold(self, request: web.Request) -> web.Response:
        return as_json(await self._house.hold(await decode(request, HoldBody), actor_of(request)), status=201)

    @operation("End a hold", answer=HoldView, refusals=(409,))
    async def release(self, request: web.Request) -> web.Response:
        return as_json(await self._house.release(request.match_info["id"], actor_of(request)))

    @operation("Say what time it is", body=TimeBody, answer=TimeView)
    async def confirm_time(self, request: web.Request) -> web.Response:
        return as_json(await self._house.confirm_time(await decode(request, TimeBody), actor_of(request)))

    @operation("A receipt, as it was signed", media="text/plain")
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
