"""Every request is asked of `agent.rights` before the house is: may this caller do that?"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from agent.api.asks import ASKS, PUBLIC, Question
from agent.api.contract import House
from agent.api.problems import NotPermitted
from agent.rights.actions import Need
from agent.rights.decision import Allowed, Denied, decide
from agent.rights.grants import Actor
from agent.rights.household import Household
from agent.rights.local import LOCAL_OWNER
from agent.rights.table import TABLE, Refusal
from privacy.clock import Clock

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


def caller_of(_request: web.BaseRequest) -> Caller:
    """The caller of this connection; where people sign in, this says who it is.

    Nobody does yet. Loopback and the socket's mode are the fence, so whoever is inside it is the owner, and is there.
    """
    return Caller(LOCAL_OWNER, frozenset({Need.PRESENCE}))


class Permission:
    """Asks the one function in the name of a caller, of the household as it is now."""

    def __init__(self, household: Callable[[], Household], clock: Clock) -> None:
        self._household = household
        self._clock = clock

    def of(self, caller: Caller) -> Answer:
        """What `caller` may do, as things are now. What they have not shown is not there."""
        household, at = self._household(), self._clock.now()

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


def permitted(permission: Permission, house: House) -> Middleware:
    """Let through only what the caller may do; a route that asks nothing is not served."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.match_info.http_exception is None:
            route = name_of(request)
            if route not in PUBLIC:
                caller = caller_of(request)
                permission.ask(caller, await ASKS[route](request, house, caller.actor.person))
        return await handler(request)

    return check


def name_of(request: web.Request) -> str:
    """The method and the pattern that matched, such as `GET /api/devices/{id}`."""
    resource = request.match_info.route.resource
    method = hdrs.METH_GET if request.method == hdrs.METH_HEAD else request.method
    return f"{method} {resource.canonical if resource else ''}"
