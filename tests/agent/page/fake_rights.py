"""Consents, copies, restriction and objection that exist only in memory, with the wire types of the real ones."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from aiohttp import web

from agent.api.contract import HoldView
from agent.consent.contract import ConsentBody, ConsentRecord, ConsentView, TextView
from agent.subject_rights.contract import ExportBody, ExportView, ObjectBody, ObjectionView, RestrictBody
from privacy.consent_text import Kind
from privacy.hold import Reason
from privacy.records import RecordClass, Scope

Heard = Callable[[web.Request, type[Any]], Awaitable[Any]]
ORDER = "0198c0de-0000-7000-8000-00000000000a"
COPY = "0198c0de-0000-7000-8000-00000000000b"
HOLD = "0198c0de-0000-7000-8000-00000000000c"


def consent(kind: Kind, title: str, *bases: str, **more: Any) -> ConsentView:
    """As nobody has answered it, unless `more` says so."""
    state = "never" if "consent" in bases else "not_asked"
    nb, en = (
        TextView(title=f"{title} {language}", what="What it is.", why="Why.", how_long="7.", withdraw="Here.")
        for language in ("nb", "en")
    )
    return ConsentView(**{"kind": kind, "bases": bases, "state": state, "version": 2, "nb": nb, "en": en, **more})


def reply(value: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(value), content_type="application/json")


@dataclass
class FakeRights:
    """A test reads and says how each stands; `heard` decodes a body and remembers it."""

    heard: Heard
    consents: list[ConsentView] = field(
        default_factory=lambda: [
            consent(Kind.CAMERA, "Camera", "consent", "contract"),
            consent(Kind.HISTORY, "History", "contract", "vital interest"),
        ]
    )
    copies: list[ExportView] = field(default_factory=list)
    ready: bool = True
    """Whether a copy is ready when it is looked at next."""

    def table(self) -> list[web.RouteDef]:
        return [
            web.get("/api/consents", self._consents),
            web.post("/api/consents", self._give),
            web.delete("/api/consents/{kind}", self._withdraw),
            web.get("/api/exports", self._copies),
            web.post("/api/exports", self._ask),
            web.get("/api/exports/{id}", self._fetch, allow_head=False),
            web.delete("/api/exports/{id}", self._drop),
            web.post("/api/restrict", self._restrict),
            web.post("/api/object", self._object),
        ]

    async def _consents(self, _request: web.Request) -> web.Response:
        return reply(self.consents)

    async def _give(self, request: web.Request) -> web.Response:
        body = await self.heard(request, ConsentBody)
        record = ConsentRecord(version=body.version, sha256="00", language=body.language, given=datetime.now(UTC))
        return self._now(body.kind, 201, state="given", records=(record,))

    async def _withdraw(self, request: web.Request) -> web.Response:
        kind = Kind(request.match_info["kind"])
        [view] = [each for each in self.consents if each.kind is kind]
        record = msgspec.structs.replace(view.records[-1], withdrawn=datetime.now(UTC), order=ORDER)
        return self._now(kind, 200, state="withdrawn", records=(record,))

    def _now(self, kind: Kind, status: int, **changes: Any) -> web.Response:
        [at] = [number for number, each in enumerate(self.consents) if each.kind is kind]
        self.consents[at] = msgspec.structs.replace(self.consents[at], **changes)
        return reply(self.consents[at], status)

    async def _copies(self, _request: web.Request) -> web.Response:
        shown, now = list(self.copies), datetime.now(UTC)
        if self.ready:
            self.copies = [
                msgspec.structs.replace(each, state="ready", ready=now, size=5_000) if each.state == "making" else each
                for each in self.copies
            ]
        return reply(shown)

    async def _ask(self, request: web.Request) -> web.Response:
        await self.heard(request, ExportBody)
        now = datetime.now(UTC)
        made = ExportView(
            id=COPY,
            person="pkari",
            scope=Scope(subjects=("pkari",)),
            state="making",
            asked=now,
            promised=now + timedelta(minutes=1),
            legal_deadline=now + timedelta(days=30),
            gone=now + timedelta(days=1),
        )
        self.copies = [made]
        return reply(made, 202)

    async def _fetch(self, _request: web.Request) -> web.Response:
        headers = {"Content-Disposition": 'attachment; filename="portvakt-export.zip"'}
        return web.Response(body=b"PK", content_type="application/zip", headers=headers)

    async def _drop(self, request: web.Request) -> web.Response:
        self.copies = [each for each in self.copies if each.id != request.match_info["id"]]
        return web.Response(status=204)

    async def _restrict(self, request: web.Request) -> web.Response:
        await self.heard(request, RestrictBody)
        now = datetime.now(UTC)
        return reply(hold_of("pkari", now), 201)

    async def _object(self, request: web.Request) -> web.Response:
        body = await self.heard(request, ObjectBody)
        now = datetime.now(UTC)
        refused = body.record_class is not RecordClass.SNAPSHOT
        answered = ObjectionView(
            record_class=body.record_class,
            asked=now,
            answered=now,
            legal_deadline=now + timedelta(days=30),
            outcome="refused" if refused else "withdrawn",
            basis=("legal duty",),
            nb="Det bygger på noe annet.",
            en="It rests on something else.",
        )
        return reply(answered)


def hold_of(person: str, made: datetime) -> HoldView:
    """A restriction at their own request."""
    scope = Scope(subjects=(person,))
    until = made + timedelta(days=30)
    return HoldView(id=HOLD, reason=Reason.PERSONS_REQUEST, scope=scope, by=person, made=made, until=until)
