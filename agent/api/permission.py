"""Every request is asked of `agent.rights` before the house is: who is this, and may they do that?"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from agent.api.asks import ASKS, LOCAL_ONLY, OWN, PUBLIC, Question
from agent.api.contract import House
from agent.api.problems import NotPermitted, NotSignedIn
from agent.errors import Refused
from agent.rights.actions import Need, Purpose
from agent.rights.decision import Allowed, Denied, decide
from agent.rights.grants import Actor
from agent.rights.household import Household
from agent.rights.local import LOCAL_OWNER
from agent.rights.table import TABLE, Refusal
from privacy.clock import Clock

PURPOSE: Final = "Portvakt-Purpose"
"""The header that says why, in a word of `Purpose`."""
_LACKING: Final[Mapping[Need, Refusal]] = {
    Need.SECOND_PERSON: Refusal.NEEDS_SECOND_PERSON,
    Need.PRESENCE: Refusal.NEEDS_PRESENCE,
    Need.PURPOSE: Refusal.NEEDS_PURPOSE,
}

Answer = Callable[[Question], Allowed | Denied]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks over a connection, and what they have shown besides."""

    actor: Actor
    shown: frozenset[Need] = frozenset()
    session: str | None = None
    """The id of the session that the request came in, if it came in one."""

    @property
    def local(self) -> bool:
        """Whether it is the hand at the box: who can use the command line's socket."""
        return self.actor == LOCAL_OWNER


_CALLER: Final = web.RequestKey("caller", Caller)
LOCAL: Final = Caller(LOCAL_OWNER, frozenset({Need.PRESENCE, Need.SECOND_PERSON}))
"""The socket's mode is the fence: whoever is inside it is the local owner, is there, and needs nobody else."""

Identify = Callable[[web.Request], Awaitable[Caller | None]]
"""Who a request is from; None: nobody who has signed in."""


async def identify_local(_request: web.Request) -> Caller | None:
    """Everybody who can use the socket."""
    return LOCAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody was allowed or refused, for the log that shows it to whom it concerns."""

    caller: Caller
    route: str
    question: Question
    answer: Allowed | Denied
    purpose: Purpose | None
    changes: bool
    """Whether the request changes something, or else looks at it."""
    record: str | None = None
    """The id that the path names, such as that of a picture."""


class Witness(Protocol):
    """Who is told of what is asked, and asks others about it."""

    async def looked(self, asked: Asked) -> None:
        """Write it down before it is shown.

        Raises:
            StoreBroken: it could not be; then nothing is shown.
        """

    async def agreed(self, request: web.Request, caller: Caller, question: Question) -> bool:
        """Whether a second person has said yes to just this; where nobody has, they are asked from now on."""


class Permission:
    """Asks the one function in the name of a caller, of the household as it is now."""

    def __init__(self, household: Callable[[Caller], Household], clock: Clock) -> None:
        self._household = household
        self._clock = clock

    def of(self, caller: Caller) -> Answer:
        """What `caller` may do, as things are now. What they have not shown is not there."""
        household, at = self._household(caller), self._clock.now()

        def answer(question: Question) -> Allowed | Denied:
            decision = decide(household, caller.actor, question.action, question.target, at)
            lacking = sorted(decision.needs - caller.shown) if isinstance(decision, Allowed) else ()
            if lacking:
                refusal = _LACKING[lacking[0]]
                return Denied(refusal, TABLE.refusals[refusal])
            return decision

        return answer

    def ask(self, caller: Caller, questions: Iterable[Question]) -> None:
        """Do nothing, where `caller` may do all of it.

        Raises:
            NotPermitted: and why.
        """
        answer = self.of(caller)
        for question in questions:
            if isinstance(denied := answer(question), Denied):
                raise NotPermitted(denied.code, denied.why)


def identified(identify: Identify) -> Middleware:
    """Find out who asks, for all that comes after."""

    @web.middleware
    async def find_out(request: web.Request, handler: Handler) -> web.StreamResponse:
        if caller := await identify(request):
            request[_CALLER] = caller
        return await handler(request)

    return find_out


def caller_of(request: web.Request) -> Caller:
    """Who asks.

    Raises:
        NotSignedIn: nobody who is known.
    """
    if _CALLER not in request:
        raise NotSignedIn
    return request[_CALLER]


def permitted(permission: Permission, house: House, witness: Witness) -> Middleware:
    """Let through only what the caller may do; a route that asks nothing is not served."""
    desk = _Desk(permission, house, witness)

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        route = name_of(request)
        if request.match_info.http_exception is not None or route in PUBLIC:
            return await handler(request)
        caller = caller_of(request)
        if route in OWN:
            _require_person(caller)
            return await handler(request)
        if route in LOCAL_ONLY and caller.local:
            return await handler(request)
        allowed = await desk.allowed(request, caller)
        try:
            return await handler(request)
        except Refused as refusal:
            await desk.undone(allowed, refusal)
            raise

    return check


@dataclass(frozen=True, slots=True)
class _Desk:
    """Decides about a request, and has it written down."""

    permission: Permission
    house: House
    witness: Witness

    async def allowed(self, request: web.Request, caller: Caller) -> list[Asked]:
        """What the request asks; all of it is allowed, and the witness knows.

        Raises:
            NotPermitted: something of it is not, and why.
        """
        route, purpose = name_of(request), _purpose(request)
        if purpose:
            caller = replace(caller, shown=caller.shown | {Need.PURPOSE})
        allowed = []
        for question in await ASKS[route](request, self.house, caller.actor.person):
            answer = self.permission.of(caller)(question)
            if _lacks_second(answer) and await self.witness.agreed(request, caller, question):
                answer = self.permission.of(replace(caller, shown=caller.shown | {Need.SECOND_PERSON}))(question)
            asked = Asked(
                caller=caller,
                route=route,
                question=question,
                answer=answer,
                purpose=purpose,
                changes=request.method not in {hdrs.METH_GET, hdrs.METH_HEAD},
                record=request.match_info.get("id"),
            )
            await self.witness.looked(asked)
            if isinstance(answer, Denied):
                raise NotPermitted(answer.code, answer.why)
            allowed.append(asked)
        return allowed

    async def undone(self, allowed: Iterable[Asked], refusal: Refused) -> None:
        """The house refused what was allowed.

        A change is written down before it is made, so that no power cut hides one; now none was made, and that is
        written down as well.
        """
        for asked in allowed:
            if asked.changes:
                await self.witness.looked(replace(asked, answer=Denied(refusal.code, refusal.args[0])))


def name_of(request: web.Request) -> str:
    """The method and the pattern that matched, such as `GET /api/devices/{id}`."""
    resource = request.match_info.route.resource
    method = hdrs.METH_GET if request.method == hdrs.METH_HEAD else request.method
    return f"{method} {resource.canonical if resource else ''}"


def _lacks_second(answer: Allowed | Denied) -> bool:
    return isinstance(answer, Denied) and answer.code == Refusal.NEEDS_SECOND_PERSON


def _require_person(caller: Caller) -> None:
    """What is about oneself alone is for a person who has signed in, and no program, nor the hand at the box."""
    if caller.actor.token is not None:
        raise NotPermitted(Refusal.PROGRAMS_MAY_NOT, TABLE.refusals[Refusal.PROGRAMS_MAY_NOT])
    if caller.session is None:
        raise NotPermitted("not_signed_in", "The command line is nobody who signs in.")


def _purpose(request: web.Request) -> Purpose | None:
    stated = request.headers.get(PURPOSE)
    if stated is None:
        return None
    try:
        return Purpose(stated)
    except ValueError:
        raise Refused("bad_purpose", "that is no purpose", hint=f"one of: {', '.join(Purpose)}") from None
