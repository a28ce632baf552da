"""What each route asks before it is carried out: which action, of what. A route that is not here is not served."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple, cast

from aiohttp import web

from agent.api.contract import ClaimBody, EraseBody, HoldBody, House, PersonChange, SnapshotView, TagBody
from agent.api.problems import decode
from agent.rights.actions import Action
from agent.rights.target import HOME, Target
from privacy.records import Scope


class Question(NamedTuple):
    """May somebody do this, to that?"""

    action: Action
    target: Target = HOME


_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)

Ask = Callable[[web.Request, House, str], Awaitable[Sequence[Question]]]
"""What a request asks, in the name of a person; all of it must be allowed."""


def _always(action: Action) -> Ask:
    async def ask(_request: web.Request, _house: House, _person: str) -> Sequence[Question]:
        return [Question(action)]

    return ask


def _device(action: Action) -> Ask:
    async def ask(request: web.Request, _house: House, _person: str) -> Sequence[Question]:
        return [Question(action, Target(devices=(request.match_info["id"],)))]

    return ask


async def _picture(request: web.Request, house: House, _person: str) -> Sequence[Question]:
    return [Question(Action.VIEW_PICTURES, _of_snapshot(house, request.match_info["id"]))]


async def _tag(request: web.Request, house: House, _person: str) -> Sequence[Question]:
    body = await decode(request, TagBody)
    target = _of_snapshot(house, request.match_info["id"], also=(body.subject,))
    return [Question(Action.TAG_PICTURE, target)]


def _of_snapshot(house: House, snapshot: str, also: tuple[str, ...] = ()) -> Target:
    """The camera that took it, and when; where that is not known here, any camera, and longer ago than anything."""
    for shown in cast("tuple[SnapshotView, ...]", house.section("snapshots")):
        if shown.id == snapshot:
            return Target(cameras=(shown.camera,), moment=shown.at, also=also)
    return Target(also=also, moment=_LONG_AGO)


async def _claim(request: web.Request, _house: House, _person: str) -> Sequence[Question]:
    body = await decode(request, ClaimBody)
    return [Question(Action.ACCEPT_CLAIM, Target(cameras=(body.camera,), also=(body.subject,)))]


async def _erase(request: web.Request, _house: House, person: str) -> Sequence[Question]:
    return of_erasure((await decode(request, EraseBody)).scope, person)


def of_erasure(scope: Scope, person: str) -> Sequence[Question]:
    """What an erasure of `scope` by `person` asks: of oneself, of others, of the home, of everything."""
    if scope == Scope(everything=True):
        return [Question(Action.ERASE_EVERYTHING)]
    if not scope.subjects:
        return [Question(Action.ERASE_HOME, Target.of(scope))]
    target = Target.of(scope)
    own = tuple(subject for subject in scope.subjects if subject == person)
    others = tuple(subject for subject in scope.subjects if subject != person)
    asked = [(Action.ERASE_OWN, own), (Action.ERASE_OTHERS, others)]
    return [Question(action, target.about(*subjects)) for action, subjects in asked if subjects]


async def _hold(request: web.Request, _house: House, _person: str) -> Sequence[Question]:
    return [Question(Action.PLACE_HOLD, Target.of((await decode(request, HoldBody)).scope))]


async def _release(request: web.Request, house: House, _person: str) -> Sequence[Question]:
    id_ = request.match_info["id"]
    # A hold that there is not was placed by nobody; the house says so to who may end such a one.
    placed = next((hold.by for hold in await house.holds() if hold.id == id_), id_)
    return [Question(Action.RELEASE_HOLD, Target(subjects=(placed,)))]


async def _change_person(request: web.Request, _house: House, person: str) -> Sequence[Question]:
    body, id_ = await decode(request, PersonChange), request.match_info["id"]
    own = id_ == person and body.role is None and body.lives_here is None
    return [Question(Action.RECTIFY_OWN if own else Action.MANAGE_PEOPLE, Target(subjects=(id_,)))]


async def _remove_person(request: web.Request, _house: House, _person: str) -> Sequence[Question]:
    return [Question(Action.REMOVE_PERSON, Target(subjects=(request.match_info["id"],)))]


ASKS: Final[Mapping[str, Ask]] = {
    # What these two show is chosen section by section: `sight.py`.
    "GET /api/state": _always(Action.READ_HEALTH),
    "GET /api/ws": _always(Action.READ_HEALTH),
    "GET /api/health": _always(Action.READ_DIAGNOSTICS),
    "GET /api/inventory": _always(Action.READ_INVENTORY),
    "GET /api/audit": _always(Action.READ_RECEIPTS),
    "GET /api/audit/checkpoint": _always(Action.READ_RECEIPTS),
    "GET /api/receipts/{order}/{kind}": _always(Action.READ_RECEIPTS),
    "GET /metrics": _always(Action.READ_METRICS),
    "POST /api/devices/{id}/commands": _device(Action.CONTROL_DEVICES),
    "DELETE /api/devices/{id}": _device(Action.MANAGE_DEVICES),
    "POST /api/found/{id}/adopt": _always(Action.MANAGE_DEVICES),
    "GET /api/snapshots/{id}/{size}": _picture,
    "POST /api/snapshots/{id}/subjects": _tag,
    "POST /api/claims": _claim,
    "POST /api/erase": _erase,
    "GET /api/holds": _always(Action.READ_HOLDS),
    "POST /api/holds": _hold,
    "DELETE /api/holds/{id}": _release,
    "GET /api/people": _always(Action.READ_PEOPLE),
    "POST /api/people": _always(Action.MANAGE_PEOPLE),
    "PATCH /api/people/{id}": _change_person,
    "DELETE /api/people/{id}": _remove_person,
    "POST /api/time": _always(Action.CONFIRM_TIME),
}

PUBLIC: Final = frozenset({"GET /", "GET /static/{path}"})
"""The page's own files, which are the same for everybody and say nothing of the house."""
