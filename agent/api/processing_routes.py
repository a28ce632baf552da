"""The record of processing, agreements with processors, and disclosures; `asks.py` says what each request needs."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from agent.api.asks import Question
from agent.api.operation import operation
from agent.api.permission import Permission, caller_of
from agent.api.problems import decode
from agent.api.route import ID, as_json
from agent.processing.contract import (
    AgreementBody,
    DisclosureBody,
    DisclosureView,
    ProcessorAgreementView,
    RecordOfProcessing,
)
from agent.processing.desk import RegistersDesk
from agent.rights.actions import Action
from agent.rights.decision import Allowed


class ProcessingRoutes:
    """The requests; `record` makes the record of processing."""

    def __init__(
        self, desk: RegistersDesk, permission: Permission, record: Callable[[], Awaitable[RecordOfProcessing]]
    ) -> None:
        self._desk = desk
        self._permission = permission
        self._made = record

    def table(self) -> list[web.RouteDef]:
        return [
            web.get("/api/processing", self.record),
            web.get("/api/processors", self.agreements),
            web.post("/api/processors", self.agree),
            web.delete(f"/api/processors/{ID}", self.end),
            web.get("/api/disclosures", self.disclosures),
            web.post("/api/disclosures", self.disclose),
        ]

    @operation("The record of processing activities, as things are now", answer=RecordOfProcessing)
    async def record(self, _request: web.Request) -> web.Response:
        return as_json(await self._made())

    @operation("Agreements with those outside who process data for the home", answer=tuple[ProcessorAgreementView, ...])
    async def agreements(self, _request: web.Request) -> web.Response:
        return as_json(await self._desk.agreements())

    @operation(
        "Register such an agreement", body=AgreementBody, answer=ProcessorAgreementView, status=201, refusals=(409,)
    )
    async def agree(self, request: web.Request) -> web.Response:
        body = await decode(request, AgreementBody)
        return as_json(await self._desk.agree(body, caller_of(request).actor), status=201)

    @operation("End it: they get nothing by it any more", answer=ProcessorAgreementView, refusals=(404, 409))
    async def end(self, request: web.Request) -> web.Response:
        return as_json(await self._desk.end(request.match_info["id"]))

    @operation(
        "What was disclosed: by who asks or about them, and what the home disclosed", answer=tuple[DisclosureView, ...]
    )
    async def disclosures(self, request: web.Request) -> web.Response:
        caller = caller_of(request)
        sees = isinstance(self._permission.of(caller)(Question(Action.READ_INVENTORY)), Allowed)
        return as_json(await self._desk.disclosures(caller.actor, sees=sees))

    @operation(
        "Record that something was handed over",
        body=DisclosureBody,
        answer=DisclosureView,
        status=201,
        refusals=(404, 409, 422),
    )
    async def disclose(self, request: web.Request) -> web.Response:
        body = await decode(request, DisclosureBody)
        return as_json(await self._desk.disclose(body, caller_of(request).actor), status=201)
