"""A person's rights over what is kept of them, over the API: export, restriction, objection.

Erasure is `POST /api/erase`, rectification `PATCH /api/people/{id}`.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from aiohttp import hdrs, web

from agent.api.contract import HoldView
from agent.api.operation import operation
from agent.api.permission import caller_of
from agent.api.problems import NotPermitted, decode
from agent.api.route import as_json
from agent.errors import Refused
from agent.subject_rights.claims_desk import ClaimsDesk
from agent.subject_rights.contract import ExportBody, ExportView, ObjectBody, ObjectionView, RestrictBody
from agent.subject_rights.export_desk import ExportDesk
from privacy.export import ExportStopped

WRITE_SECONDS: Final = 50.0
"""Whoever takes no byte for so long is left: `Archive.chunks` wants to be pulled every minute."""
_ID: Final = "{id:[0-9a-f-]{36}}"


class SubjectRoutes:
    """The requests, each carried out in the name of who asks; `asks.py` says what each needs."""

    def __init__(self, exports: ExportDesk, claims: ClaimsDesk) -> None:
        self._exports = exports
        self._claims = claims

    def table(self) -> list[web.RouteDef]:
        return [
            web.get("/api/exports", self.mine),
            web.post("/api/exports", self.ask),
            web.post("/api/exports/stream", self.stream),
            web.get(f"/api/exports/{_ID}", self.fetch, allow_head=False),
            web.delete(f"/api/exports/{_ID}", self.drop),
            web.post("/api/restrict", self.restrict),
            web.post("/api/object", self.object),
        ]

    @operation("My exports, and their deadlines", answer=tuple[ExportView, ...])
    async def mine(self, request: web.Request) -> web.Response:
        return as_json(await self._exports.of(_person(request)))

    @operation(
        "Have all that is kept of a person exported; it waits here for a day",
        body=ExportBody,
        answer=ExportView,
        status=202,
        refusals=(409, 507),
    )
    async def ask(self, request: web.Request) -> web.Response:
        return as_json(await self._exports.ask(await decode(request, ExportBody), _person(request)), status=202)

    @operation(
        "Get an export at once, and have it kept nowhere", body=ExportBody, media="application/zip", refusals=(409,)
    )
    async def stream(self, request: web.Request) -> web.StreamResponse:
        body = await decode(request, ExportBody)
        return await _sent(request, self._exports.stream(body, _person(request)))

    @operation("Fetch an export", media="application/zip", refusals=(404, 409))
    async def fetch(self, request: web.Request) -> web.StreamResponse:
        head = await self._exports.head(_person(request), request.match_info["id"])
        return await _sent(request, self._exports.read(head), head.size)

    @operation("Have an export gone at once", status=204, refusals=(404,))
    async def drop(self, request: web.Request) -> web.Response:
        await self._exports.drop(_person(request), request.match_info["id"])
        return web.Response(status=204)

    @operation(
        "Have what is kept of a person kept, and neither shown nor uploaded",
        body=RestrictBody,
        answer=HoldView,
        status=201,
        refusals=(409,),
    )
    async def restrict(self, request: web.Request) -> web.Response:
        return as_json(await self._claims.restrict(await decode(request, RestrictBody), _person(request)), status=201)

    @operation("Object to what is kept of oneself, of one kind", body=ObjectBody, answer=ObjectionView)
    async def object(self, request: web.Request) -> web.Response:
        body = await decode(request, ObjectBody)
        if caller_of(request).local:
            raise NotPermitted("not_yourself", "Nobody objects for another: whoever it is about signs in and does.")
        return as_json(await self._claims.object(body, _person(request)))


async def _sent(
    request: web.Request, chunks: AsyncGenerator[bytes, None], size: int | None = None
) -> web.StreamResponse:
    """An archive as an answer, which is cut off where it cannot be finished: nobody takes a part for the whole."""
    response = web.StreamResponse(
        headers={
            hdrs.CONTENT_TYPE: "application/zip",
            hdrs.CONTENT_DISPOSITION: 'attachment; filename="portvakt-export.zip"',
            hdrs.CACHE_CONTROL: "no-store",
        }
    )
    response.content_length = size
    async with aclosing(chunks) as pieces:
        try:
            # A refusal comes before the first piece, and is answered as such.
            first = await anext(pieces, b"")
            await response.prepare(request)
            await _write(response, first)
            async for piece in pieces:
                await _write(response, piece)
            await response.write_eof()
        except ExportStopped as error:
            if not response.prepared:
                raise Refused("export_stopped", error.args[0], hint=error.hint) from error
            _cut_off(request)
        except TimeoutError:
            _cut_off(request)
    return response


def _cut_off(request: web.Request) -> None:
    if request.transport:  # else whoever asked has gone by themselves
        request.transport.abort()


async def _write(response: web.StreamResponse, piece: bytes) -> None:
    async with asyncio.timeout(WRITE_SECONDS):
        await response.write(piece)


def _person(request: web.Request) -> str:
    return caller_of(request).actor.person
