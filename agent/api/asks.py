"""What each route asks before it is carried out: which action, of what. A route that is not here is not served."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from aiohttp import web

from agent.api.contract import ClaimBody, EraseBody, HoldBody, House, PersonChange, TagBody
from agent.api.problems import decode
from agent.errors import Refused
from agent.people.lent import GrantBody, TokenBody
from agent.processing.contract import DisclosureBody
from agent.rights.actions import Action
from agent.rights.lending import asked, in_group, target_of
from agent.rights.target import HOME, Target
from agent.subject_rights.claims_desk import restricted
from agent.subject_rights.contract import ExportBody, RestrictBody
from agent.subject_rights.export_desk import scope_of
from agent.support.contract import SupportBody
from privacy.records import Scope


class Question(NamedTuple):
    """May somebody do this, to that?"""

    action: Action
    target: Target = HOME


Ask = Callable[[web.Request, House, str], Awaitable[Sequence[Question]]]
"""What a request asks, in the name of a person; all of it must be allowed."""


def _always(action: Action) -> Ask:
    async def ask(_request: web.Request, _house: House, _person: str) -> Sequence[Question]:
        return [Question(action)]

    return ask


def _own(action: Action) -> Ask:
    """About whoever asks, and nobody else."""

    async def ask(_request: web.Request, _house: House, person: str) -> Sequence[Question]:
        return [Question(action, Target(subjects=(person,)))]

    return ask


def _device(action: Action) -> Ask:
    async def ask(request: web.Request, _house: House, _person: str) -> Sequence[Question]:
        return [Question(action, Target(devices=(request.match_info["id"],)))]

    return ask


async def _picture(request: web.Request, house: House, _person: str) -> Sequence[Question]:
    return [Question(Action.VIEW_PICTURES, await _of_snapshot(house, request.match_info["id"]))]


async def _tag(request: web.Request, house: House, _person: str) -> Sequence[Question]:
    body = await decode(request, TagBody)
    target = await _of_snapshot(house, request.match_info["id"], also=(body.subject,))
    return [Question(Action.TAG_PICTURE, target)]


async def _of_snapshot(house: House, snapshot: str, also: tuple[str, ...] = ()) -> Target:
    """The camera that took it, and when.

    Raises:
        Refused: `unknown_snapshot`; of whom it may be shown to, that says nothing.
    """
    taken = await house.taken(snapshot)
    if taken is None:
        raise Refused("unknown_snapshot", "there is no such picture", hint="it may have gone at its time")
    camera, at = taken
    return Target(cameras=(camera,), moment=at, also=also)


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


async def _export(request: web.Request, _house: House, person: str) -> Sequence[Question]:
    """Whose it is decides, however it is narrowed: nobody loses the right to what is theirs for naming a camera."""
    subjects = scope_of(await decode(request, ExportBody), person).subjects
    action = Action.EXPORT_OWN if subjects == (person,) else Action.EXPORT_OTHERS
    return [Question(action, Target(subjects=subjects))]


async def _restrict(request: web.Request, _house: House, person: str) -> Sequence[Question]:
    scope = restricted(await decode(request, RestrictBody), person)
    own = scope.subjects == (person,)
    return [Question(Action.RESTRICT_OWN if own else Action.PLACE_HOLD, Target(subjects=scope.subjects))]


async def _hold(request: web.Request, _house: House, _person: str) -> Sequence[Question]:
    return [Question(Action.PLACE_HOLD, Target.of((await decode(request, HoldBody)).scope))]


async def _release(request: web.Request, house: House, _person: str) -> Sequence[Question]:
    id_ = request.match_info["id"]
    # A hold that there is not was placed by nobody; the house says so to who may end such a one.
    placed = next((hold.by for hold in await house.holds() if hold.id == id_), id_)
    return [Question(Action.RELEASE_HOLD, Target(subjects=(placed,)))]


async def _change_person(request: web.Request, _house: House, person: str) -> Sequence[Question]:
    body, id_ = await decode(request, PersonChange), request.match_info["id"]
    # What somebody is to the home is not theirs to say: a minor does not grow up, and who has left does not come back.
    belongs = body.role is None and body.lives_here is None and body.minor is None and not body.returns
    own = id_ == person and belongs
    return [Question(Action.RECTIFY_OWN if own else Action.MANAGE_PEOPLE, Target(subjects=(id_,)))]


async def _give(request: web.Request, _house: House, person: str) -> Sequence[Question]:
    body = await decode(request, GrantBody)
    actions = frozenset(body.actions).union(*map(in_group, body.groups))
    return [Question(Action.MANAGE_GRANTS, asked(person, actions, body.reach, body.person))]


async def _make_token(request: web.Request, _house: House, _person: str) -> Sequence[Question]:
    return [Question(Action.MANAGE_GRANTS, target_of((await decode(request, TokenBody)).reach))]


async def _lent(_request: web.Request, _house: House, person: str) -> Sequence[Question]:
    """Everybody sees what they lent and were lent; whether they see more, the desk asks for each."""
    return [Question(Action.READ_PEOPLE, Target(subjects=(person,)))]


class Ends(NamedTuple):
    """What ending a grant or a token asks, by its id and who wants to: of the desks, which know whose they are."""

    grant: Callable[[str, str], Sequence[Question]]
    token: Callable[[str, str], Sequence[Question]]


ENDS: Final = web.AppKey("ends", Ends)


def _end(kind: Literal["grant", "token"]) -> Ask:
    async def ask(request: web.Request, _house: House, person: str) -> Sequence[Question]:
        if ENDS not in request.app:  # without the desks there is none, and this says as much as they would of it
            return [Question(Action.MANAGE_GRANTS)]
        ends = request.app[ENDS]
        return (ends.grant if kind == "grant" else ends.token)(request.match_info["id"], person)

    return ask


async def _open_support(request: web.Request, _house: House, person: str) -> Sequence[Question]:
    """To let somebody in, and to lend them what they shall see."""
    body = await decode(request, SupportBody)
    lent = asked(person, frozenset(body.actions), body.reach, body.person)
    return [Question(Action.OPEN_SUPPORT, Target(also=(body.person,))), Question(Action.MANAGE_GRANTS, lent)]


async def _disclose(request: web.Request, house: House, person: str) -> Sequence[Question]:
    """What is handed over: of a hold, all that it keeps."""
    body = await decode(request, DisclosureBody)
    # A hold that there is not keeps nobody's; the handler says so.
    nothing = Scope(subjects=(person,))
    scope = body.scope or next((hold.scope for hold in await house.holds() if hold.id == body.hold), nothing)
    return [Question(Action.DISCLOSE, Target.of(scope))]


async def _remove_person(request: web.Request, house: House, person: str) -> Sequence[Question]:
    id_ = request.match_info["id"]
    action = Action.REMOVE_PERSON
    if any(one.id == id_ and one.until is not None for one in await house.people()):
        # Who has left keeps the rights over what is kept of them; to forget them is to erase that.
        action = Action.ERASE_OWN if id_ == person else Action.ERASE_OTHERS
    return [Question(action, Target(subjects=(id_,)))]


async def _link(request: web.Request, house: House, _person: str) -> Sequence[Question]:
    """Whoever may add people may invite them; who has a way in already has lost it, or somebody says so."""
    id_ = request.match_info["id"]
    if await house.can_sign_in(id_):
        return [Question(Action.RECOVER_PERSON, Target(subjects=(id_,)))]
    return [Question(Action.MANAGE_PEOPLE, Target(also=(id_,)))]


ASKS: Final[Mapping[str, Ask]] = {
    # What these two show is chosen section by section: `sight.py`.
    "GET /api/state": _always(Action.READ_HEALTH),
    "GET /api/ws": _always(Action.READ_HEALTH),
    "GET /api/health": _always(Action.READ_DIAGNOSTICS),
    "GET /api/inventory": _always(Action.READ_INVENTORY),
    "GET /api/audit": _always(Action.READ_RECEIPTS),
    "GET /api/audit/checkpoint": _always(Action.READ_RECEIPTS),
    "GET /api/activity": _own(Action.READ_OWN_ACTIVITY),
    "GET /api/activity/all": _always(Action.READ_ALL_ACTIVITY),
    "GET /api/activity/checkpoint": _own(Action.READ_OWN_ACTIVITY),
    "GET /api/activity/growth/{size}": _own(Action.READ_OWN_ACTIVITY),
    "GET /api/activity/{sequence}/proof": _own(Action.READ_OWN_ACTIVITY),
    "GET /api/activity/all/{sequence}/proof": _always(Action.READ_ALL_ACTIVITY),
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
    "POST /api/people/{id}/link": _link,
    "GET /api/grants": _lent,
    "POST /api/grants": _give,
    "DELETE /api/grants/{id}": _end("grant"),
    "GET /api/tokens": _lent,
    "POST /api/tokens": _make_token,
    "DELETE /api/tokens/{id}": _end("token"),
    "GET /api/consents": _own(Action.CONSENT_OWN),
    "POST /api/consents": _own(Action.CONSENT_OWN),
    "DELETE /api/consents/{kind}": _own(Action.CONSENT_OWN),
    "GET /api/processing": _always(Action.READ_INVENTORY),
    "GET /api/processors": _always(Action.READ_INVENTORY),
    "POST /api/processors": _always(Action.CHANGE_SETTINGS),
    "DELETE /api/processors/{id}": _always(Action.CHANGE_SETTINGS),
    # Everybody sees what they disclosed or is about them; whether they see more, the handler asks.
    "GET /api/disclosures": _always(Action.READ_HEALTH),
    "POST /api/disclosures": _disclose,
    # Who may end a session sees it; the handler asks.
    "GET /api/support": _always(Action.READ_HEALTH),
    "POST /api/support": _open_support,
    "DELETE /api/support/{id}": _always(Action.END_SUPPORT),
    "GET /api/exports": _own(Action.EXPORT_OWN),
    "POST /api/exports": _export,
    "POST /api/exports/stream": _export,
    "GET /api/exports/{id}": _own(Action.EXPORT_OWN),
    "DELETE /api/exports/{id}": _own(Action.EXPORT_OWN),
    "POST /api/restrict": _restrict,
    "POST /api/object": _own(Action.OBJECT_OWN),
    "POST /api/time": _always(Action.CONFIRM_TIME),
}

PUBLIC: Final = frozenset(
    {
        "GET /",
        "GET /static/{path}",
        "GET /api/openapi.json",
        "GET /api/who",
        "POST /api/claim",
        "POST /api/sign-in/password",
        "POST /api/sign-in/passkey/options",
        "POST /api/sign-in/passkey",
        "POST /api/sign-in/code",
        "POST /api/sign-in/button",
    }
)
"""The page's own files, which are the same for everybody and say nothing of the house, and the ways in."""

OWN: Final = frozenset(
    {
        "DELETE /api/session",
        "GET /api/sessions",
        "DELETE /api/sessions/{id}",
        "POST /api/presence",
        "GET /api/ways",
        "PUT /api/ways/password",
        "POST /api/ways/passkeys/options",
        "POST /api/ways/passkeys",
        "DELETE /api/ways/passkeys/{id}",
        "POST /api/ways/second-factor",
        "POST /api/ways/second-factor/confirm",
        "DELETE /api/ways/second-factor",
        "POST /api/ways/recovery-codes",
        "GET /api/agreements",
        "POST /api/agreements/{id}",
        "DELETE /api/agreements/{id}",
    }
)
"""What a person who has signed in asks about themselves; the answer names nobody else."""

UNCLAIMED: Final = frozenset({"GET /", "GET /static/{path}", "GET /api/who", "POST /api/claim"})
"""What is served before the gateway belongs to somebody."""

LOCAL_ONLY: Final = frozenset({"POST /api/button", "POST /api/claim-code", "POST /api/trust", "DELETE /api/trust"})
"""Of the command line's socket alone: the hand at the box."""
