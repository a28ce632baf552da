"""Who a request over the network is from: a browser's session, or a program's token. Asked anew each time."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from aiohttp import hdrs, web

from agent.api import cookies
from agent.api.permission import Caller
from agent.rights.actions import Need
from agent.rights.grants import Actor
from agent.rights.household import Household
from agent.signin.parts import roles_of
from agent.signin.sessions import Sessions
from privacy.clock import Clock
from privacy.errors import StoreBroken

_BEARER: Final = "bearer"


@dataclass(frozen=True, kw_only=True)
class Identify:
    """Fulfils `agent.api.permission.Identify`."""

    sessions: Sessions
    household: Callable[[], Household]
    admitted: Callable[[str], bool]
    """Whether no order to erase reaches this person. Quick: it is asked in the event loop."""
    token_of: Callable[[str], Actor | None]
    """Whose token a secret is."""
    clock: Clock

    async def __call__(self, request: web.Request) -> Caller | None:
        """The caller; None: nobody who is known.

        Who says that they are a program is none but that: a wrong token does not fall back to the cookie beside it.
        """
        if hdrs.AUTHORIZATION in request.headers:
            return self._program(request.headers[hdrs.AUTHORIZATION])
        secret = cookies.read(request, cookies.SESSION)
        return await self._person(secret) if secret else None

    def _program(self, authorization: str) -> Caller | None:
        scheme, _, secret = authorization.partition(" ")
        actor = self.token_of(secret.strip()) if scheme.lower() == _BEARER else None
        return Caller(actor) if actor and self.admitted(actor.person) else None

    async def _person(self, secret: str) -> Caller | None:
        session = await self.sessions.used(secret)
        if session is None:
            return None
        roles = roles_of(self.household(), session.person, self.clock.now())
        if roles != session.session.roles or not self.admitted(session.person):
            # Forgotten, gone, or something else to the home than when they signed in.
            with suppress(StoreBroken):  # it has ended; the sessions' own sweep tells the medium
                await self.sessions.end(session)
            return None
        shown = frozenset({Need.PRESENCE} if self.sessions.present(session) else ())
        return Caller(Actor(session.person), shown, session.id)
