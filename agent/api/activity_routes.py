"""The activity log, asked: what concerns oneself, what everybody did, and that none of it was changed."""

from datetime import datetime
from typing import Annotated, Final

from aiohttp import web
from msgspec import Meta

from agent.activity.contract import ActivityView
from agent.activity.desk import ActivityDesk
from agent.api.asks import Question
from agent.api.operation import operation
from agent.api.permission import Permission, caller_of
from agent.api.problems import NotPermitted
from agent.api.route import as_json
from agent.errors import Refused
from agent.rights.actions import Action
from agent.rights.decision import Denied
from privacy.activity_proof import ActivityGrowth, ActivityProof

MOST: Final = 200
"""Lines in one answer."""
_USUAL: Final = 100
_LAST: Final = 10**15
_NUMBER: Final = r"[0-9]{1,15}"
_PAGE: Final = {"before": Annotated[int, Meta(ge=1, le=_LAST)], "limit": Annotated[int, Meta(ge=1, le=MOST)]}
"""Lines with a sequence below `before`, and at most so many."""


class ActivityRoutes:
    """The requests, each carried out in the name of who asks; `asks.py` says what each needs."""

    def __init__(self, desk: ActivityDesk, permission: Permission) -> None:
        self._desk = desk
        self._permission = permission

    def table(self) -> list[web.RouteDef]:
        return [
            web.get("/api/activity", self.own),
            web.get("/api/activity/all", self.all),
            web.get("/api/activity/checkpoint", self.checkpoint),
            web.get(f"/api/activity/growth/{{size:{_NUMBER}}}", self.growth),
            web.get(f"/api/activity/{{sequence:{_NUMBER}}}/proof", self.proof),
            web.get(f"/api/activity/all/{{sequence:{_NUMBER}}}/proof", self.proof_of_any),
        ]

    @operation("What I did, and who looked at me; newest first", query=_PAGE, answer=tuple[ActivityView, ...])
    async def own(self, request: web.Request) -> web.Response:
        """Answer with at most `limit` (100; 200 at the most) lines with a sequence below `before`."""
        return as_json(await self._desk.own(_person(request), _before(request), _limit(request)))

    @operation("What everybody did; newest first", query=_PAGE, answer=tuple[ActivityView, ...])
    async def all(self, request: web.Request) -> web.Response:
        return as_json(await self._desk.all(_before(request), _limit(request), self._since(request)))

    @operation("The activity log as it stands now, signed", media="application/jose")
    async def checkpoint(self, _request: web.Request) -> web.Response:
        return web.Response(text=await self._desk.checkpoint(), content_type="application/jose")

    @operation("That the log grew out of what it once was", answer=ActivityGrowth, refusals=(422,))
    async def growth(self, request: web.Request) -> web.Response:
        return as_json(await self._desk.growth(int(request.match_info["size"])))

    @operation("That a line of mine is in the log", answer=ActivityProof, refusals=(404,))
    async def proof(self, request: web.Request) -> web.Response:
        return as_json(await self._desk.proof(int(request.match_info["sequence"]), _person(request)))

    @operation("That a line of anybody is in the log", answer=ActivityProof, refusals=(404,))
    async def proof_of_any(self, request: web.Request) -> web.Response:
        return as_json(await self._desk.proof(int(request.match_info["sequence"]), None, self._since(request)))

    def _since(self, request: web.Request) -> datetime | None:
        """From when on who asks may see what everybody did: a grant seldom shows what was before it.

        Raises:
            NotPermitted: they may not any more.
        """
        answer = self._permission.of(caller_of(request))(Question(Action.READ_ALL_ACTIVITY))
        if isinstance(answer, Denied):
            raise NotPermitted(answer.code, answer.why)
        return answer.history_from


def _person(request: web.Request) -> str:
    return caller_of(request).actor.person


def _before(request: web.Request) -> int | None:
    return _number(request, "before", _LAST)


def _limit(request: web.Request) -> int:
    return _number(request, "limit", MOST) or _USUAL


def _number(request: web.Request, name: str, most: int) -> int | None:
    """A number from 1 to `most` of the query; None where it is not said.

    Raises:
        Refused: `bad_range`.
    """
    text = request.query.get(name)
    if text is None:
        return None
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(most)) else 0
    if not 1 <= number <= most:
        raise Refused("bad_range", f"{name} is a number from 1 to {most}")
    return number
