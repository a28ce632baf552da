"""The desk at the door: who is here, how they get in, and how they leave. What its routes ask."""

import asyncio
from datetime import UTC, datetime
from typing import Final

from agent.errors import Refused
from agent.signin.ceremonies import Site
from agent.signin.contract import CeremonyView, PresenceBody, SessionView, Way, WhoView
from agent.signin.credentials import Credential
from agent.signin.links import Links
from agent.signin.lookup import Lookup
from agent.signin.own_ways import OwnWays
from agent.signin.parts import Happened, Parts, What, roles_of
from agent.signin.proofs import Proofs
from agent.signin.refusals import needs_presence, wrong_credentials
from agent.signin.sessions import OpenSession, Sessions
from agent.signin.ways_in import WaysIn
from privacy import entries
from privacy.records import Scope

_ALL: Final = Scope(everything=True)
_FOR_EVER: Final = datetime.max.replace(tzinfo=UTC)
TELLS: Final = 1.0
"""Seconds between two looks at what is still to be written down."""


class SignInDesk:
    """Made once; `ways_in`, `own` and `links` are its parts."""

    def __init__(self, parts: Parts) -> None:
        lookup = Lookup(parts.people, parts.credentials)
        self._parts = parts
        self._lookup = lookup
        self._proofs = Proofs(parts, lookup)
        self.ways_in = WaysIn(parts, self._proofs, lookup)
        self.own = OwnWays(parts, lookup)
        self.links = Links(parts, lookup)

    @property
    def sessions(self) -> Sessions:
        return self._parts.sessions

    def claimed(self) -> bool:
        """Whether the gateway belongs to somebody, or did: as long as not, nothing is served but the claim."""
        return self._parts.claim.claimed or self.ways_in.owned()

    def press_button(self) -> None:
        """The button on the box was pressed."""
        self._parts.button.press()

    async def who(self, session: OpenSession | None) -> WhoView:
        """Who has signed in, as they may see it themselves."""
        parts, claimed = self._parts, self.claimed()
        person = await parts.disk.run(self._lookup.person, session.person) if session else None
        if session is None or person is None:
            return WhoView(claimed=claimed)
        present = parts.sessions.present(session)
        return WhoView(
            claimed=claimed,
            gateway=parts.gateway,
            person=person.id,
            name=person.name,
            role=person.role,
            lives_here=person.lives_here,
            left=person.until is not None,
            language=person.language,
            way=session.session.way,
            last=session.session.before,
            ends=parts.sessions.wall(session.ends),
            present_until=parts.sessions.wall(session.present) if present else None,
            can_sign_in=await self.links.can_sign_in(person.id),
        )

    async def sign_out(self, session: OpenSession) -> None:
        """Raises: `StoreBroken`, as `Sessions.end`."""
        await self._end(session, session, "sign_out")

    def listed(self, session: OpenSession) -> list[SessionView]:
        """Everywhere where the person of `session` is signed in."""
        wall = self._parts.sessions.wall
        return [
            SessionView(
                id=one.id,
                made=wall(one.made),
                seen=wall(one.seen),
                ends=wall(one.ends),
                stay=one.session.stay,
                way=one.session.way,
                this=one is session,
            )
            for one in self._parts.sessions.of(session.person)
        ]

    async def end(self, session: OpenSession, id_: str) -> None:
        """End one of the person's own sessions, from another.

        Raises:
            Refused: `unknown_session`: of another's it is not said that it is there.
        """
        for one in self._parts.sessions.of(session.person):
            if one.id == id_:
                await self._end(one, session, "end_session")
                return
        raise Refused("unknown_session", "you are signed in nowhere by that id", hint="see the list")

    async def presence_question(self, session: OpenSession, site: Site) -> CeremonyView:
        """What a passkey of the person is to answer, to show that they are there."""
        credential = await self._parts.disk.run(self._parts.credentials.of, session.person)
        ceremony, options = self._parts.passkeys.question(site, credential or _nothing(session))
        return CeremonyView(ceremony=ceremony.id, options=options)

    async def show_presence(self, session: OpenSession, body: PresenceBody, site: Site | None) -> WhoView:
        """A fresh proof that the person is there. `site` is asked for with a passkey alone.

        Raises:
            Refused: `needs_presence`: neither was shown; and what a sign-in of the same kind raises.
        """
        if body.passkey is not None and site is not None:
            credential, refusal = await self._proofs.passkey(body.passkey, site, session.person)
        elif body.password is not None:
            credential, refusal = await self._proofs.again(session, body.password, body.second)
        else:
            raise needs_presence()
        if refusal or credential is None:
            way: Way = "passkey" if body.passkey else "password"
            raise self.ways_in.refuse(session.person, "show_presence", way, refusal or wrong_credentials())
        self._parts.sessions.prove(session)
        return await self.who(session)

    async def expel(self) -> None:
        """End the sessions of whoever is not what they were: call it when the household has changed.

        A request would find it out by itself; but who only listens asks nothing.
        """
        now, household = self._parts.clock.now(), self._parts.household()
        changed = [
            one for one in self._parts.sessions.all() if roles_of(household, one.person, now) != one.session.roles
        ]
        await self._parts.sessions.end(*changed)

    async def settle(self) -> None:
        """Who was made the owner at the box has claimed it as well, whatever becomes of them.

        Raises:
            StoreBroken: the medium refused; `run` tries again.
        """
        if self.ways_in.owned() and not self._parts.claim.settled:
            await self._parts.disk.run(self._parts.claim.settle)

    async def run(self) -> None:
        """A service of the supervisor: what need not be waited for, and what nobody asks.

        Raises:
            StoreBroken: the medium refused; nothing is lost, start it again.
        """
        seen = None
        while True:
            await self.ways_in.tell()
            await self.expel()
            if (household := self._parts.household()) is not seen:
                await self._parts.disk.run(self._forget_strangers)
                seen = household
            await self.settle()
            await asyncio.sleep(TELLS)

    def _forget_strangers(self) -> None:
        """Whoever is known here no more has no way in any more. On the `Disk` thread."""
        parts = self._parts
        kept = parts.credentials.find(_ALL, _FOR_EVER)
        for person in sorted(frozenset[str]().union(*(item.subjects for item in kept))):
            if not parts.people.has(person):
                parts.credentials.forget(person)

    async def _end(self, ended: OpenSession, session: OpenSession, what: What) -> None:
        now, person = self._parts.clock.now(), session.person
        await self._parts.sessions.end(ended)
        self._parts.record(entries.SignedOut(at=now, subject=person))
        await self._parts.note(Happened(at=now, what=what, person=person, by=person))


def _nothing(session: OpenSession) -> Credential:
    """Of who has no way in yet: there is no passkey that could answer."""
    return Credential(person=session.person, at=session.session.at)
