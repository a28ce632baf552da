"""What somebody who has signed in does about how they do: password, passkeys, second factor, recovery codes.

Whoever can sign in already shows first that they are there: a browser left open gives nobody a way of their own.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime

from msgspec.structs import replace

from agent.errors import Refused
from agent.people.register import Person
from agent.signin import qr, recovery_codes
from agent.signin import second_factor as factor
from agent.signin.ceremonies import Site
from agent.signin.contract import (
    CeremonyView,
    NewPasswordBody,
    PasskeyBody,
    PasskeyView,
    RecoveryCodesView,
    SecondFactorView,
    WaysView,
)
from agent.signin.credentials import Credential, Passkey
from agent.signin.lookup import Lookup, user_name
from agent.signin.parts import Happened, Parts, What
from agent.signin.refusals import needs_presence, reached, wrong_code
from agent.signin.sessions import OpenSession
from privacy import entries

ISSUER = "Portvakt"
"""What an authenticator calls the house."""


class OwnWays:
    """Every method is about the person of `session`, and of nobody else.

    Raises (all that change something):
        Refused: `needs_presence`; `ordered`: an order to erase reaches this person.
    """

    def __init__(self, parts: Parts, lookup: Lookup) -> None:
        self._parts = parts
        self._lookup = lookup
        self._pending: dict[str, str] = {}
        """Secrets of second factors that are being set up, by session."""
        parts.sessions.follow_ends(self._forget)

    async def view(self, session: OpenSession) -> WaysView:
        return _view(await self._of(session))

    async def set_password(self, session: OpenSession, body: NewPasswordBody) -> WaysView:
        """Set or change it; every other session of theirs ends.

        Raises:
            Refused: `bad_password`, `bad_login`, `login_taken`, `no_login`, `busy`.
        """
        parts = self._parts
        credential, person = await self._proven(session), await self._person(session)
        login = user_name(body.login) if body.login else credential.login
        if not (login or person.email or person.phone):
            raise Refused("no_login", "there is nothing to sign in with yet", hint="choose a user name")
        about = [text for text in (person.name, person.email, person.phone, login, ISSUER) if text]
        await parts.queue.check(body.new, about)
        hashed = await parts.queue.hashed(body.new)

        def changed(current: Credential, now: datetime) -> Credential:
            if self._lookup.clashes(login, person):
                raise Refused("login_taken", "somebody else signs in with this", hint="choose another user name")
            return replace(current, login=login, password=hashed, password_set=now, codes=())

        return await self._changed(session, "set_password", changed, end_others=True)

    async def passkey_question(self, session: OpenSession, site: Site) -> CeremonyView:
        """What a new passkey is to answer. Raises: `Refused`: `too_many`."""
        credential, person = await self._proven(session), await self._person(session)
        account = credential.login or person.email or person.phone or person.name
        ceremony, options = self._parts.passkeys.registration(site, session.person, account, credential.passkeys)
        return CeremonyView(ceremony=ceremony.id, options=options)

    async def add_passkey(self, session: OpenSession, body: PasskeyBody, site: Site) -> WaysView:
        """Raises: `Refused`: `wrong_passkey`, `unknown_ceremony`, `known_passkey`."""
        await self._proven(session)
        made = self._parts.passkeys.registered(
            body.ceremony,
            body.credential,
            site=site,
            person=session.person,
            name=" ".join(body.name.split()),
            at=self._parts.clock.now(),
        )

        def changed(current: Credential, _now: datetime) -> Credential:
            if self._parts.credentials.by_passkey(made.id):
                raise Refused("known_passkey", "this passkey is known here already", hint="make a new one")
            return replace(current.with_passkey(made), codes=())

        return await self._changed(session, "add_passkey", changed)

    async def remove_passkey(self, session: OpenSession, id_: str) -> WaysView:
        """Forget one; every other session of theirs ends, as what it was on may be lost.

        Raises:
            Refused: `unknown_passkey`, `last_way`.
        """
        await self._proven(session)

        def changed(current: Credential, _now: datetime) -> Credential:
            left = replace(current, passkeys=tuple(one for one in current.passkeys if shown_id(one) != id_))
            if left == current:
                raise Refused("unknown_passkey", "you have no such passkey", hint="see the list")
            if current.has_way and not left.has_way:
                raise Refused("last_way", "it is your last way to sign in", hint="make another one first")
            return left

        return await self._changed(session, "remove_passkey", changed, end_others=True)

    async def begin_second_factor(self, session: OpenSession) -> SecondFactorView:
        """A secret for an authenticator; it counts once a code of it was confirmed.

        Raises:
            Refused: `no_password`: a passkey is two factors by itself.
        """
        credential, person = await self._proven(session), await self._person(session)
        if credential.password is None:
            raise Refused("no_password", "a second factor is asked for with a password", hint="set a password first")
        secret = self._pending[session.id] = factor.new_secret(self._parts.random_bytes)
        account = credential.login or person.email or person.phone or person.name
        uri = factor.uri(secret, account, ISSUER)
        return SecondFactorView(secret=secret, uri=uri, qr=qr.svg(uri))

    async def confirm_second_factor(self, session: OpenSession, code: str) -> WaysView:
        """Raises: `Refused`: `wrong_code`, `no_second_factor`: none was begun in this session."""
        await self._proven(session)
        secret = self._pending.get(session.id)
        if secret is None:
            raise Refused("no_second_factor", "no second factor is being set up here", hint="begin again")
        step = factor.step_of(secret, code, self._parts.clock.now())
        if step is None:
            raise wrong_code("is the authenticator's clock right, and the gateway's?")
        ways = await self._changed(
            session,
            "set_second_factor",
            lambda current, now: replace(current, second=secret, second_set=now, second_step=step),
        )
        self._pending.pop(session.id, None)
        return ways

    async def remove_second_factor(self, session: OpenSession) -> WaysView:
        """Forget it; recovery codes stand in for it, and go with it."""
        await self._proven(session)
        return await self._changed(
            session,
            "remove_second_factor",
            lambda current, _now: replace(current, second=None, second_set=None, second_step=-1, recovery=()),
        )

    async def new_recovery_codes(self, session: OpenSession) -> RecoveryCodesView:
        """Ten new ones; those before are dead."""
        await self._proven(session)
        shown = recovery_codes.new_codes(self._parts.random_bytes)
        hashes = recovery_codes.hashes_of(shown)
        await self._changed(session, "make_recovery_codes", lambda current, _now: replace(current, recovery=hashes))
        return RecoveryCodesView(codes=shown)

    def _forget(self, session: str) -> None:
        self._pending.pop(session, None)

    async def _of(self, session: OpenSession) -> Credential:
        return await self._parts.disk.run(self._current, session.person)

    async def _person(self, session: OpenSession) -> Person:
        person = await self._parts.disk.run(self._lookup.person, session.person)
        if person is None:
            raise reached()
        return person

    async def _proven(self, session: OpenSession) -> Credential:
        """How they sign in; who can do so already has to be there."""
        credential = await self._of(session)
        if credential.has_way and not self._parts.sessions.present(session):
            raise needs_presence()
        return credential

    async def _changed(
        self,
        session: OpenSession,
        what: What,
        changed: Callable[[Credential, datetime], Credential],
        *,
        end_others: bool = False,
    ) -> WaysView:
        now, parts = self._parts.clock.now(), self._parts
        ways = await parts.disk.run(self._write, session.person, changed)
        if end_others:
            await parts.sessions.end_all(session.person, but=session)
        parts.record(entries.WayChanged(at=now, subject=session.person, what=what))
        await parts.note(Happened(at=now, what=what, person=session.person, by=session.person))
        return ways

    # -- on the `Disk` thread

    def _current(self, person: str) -> Credential:
        return self._parts.credentials.of(person) or Credential(person=person, at=self._parts.clock.now())

    def _write(self, person: str, changed: Callable[[Credential, datetime], Credential]) -> WaysView:
        new = changed(self._current(person), self._parts.clock.now())
        if not self._parts.credentials.put(new):
            raise reached()
        return _view(new)


def shown_id(passkey: Passkey) -> str:
    """By which its person names it; a credential id may be long, and is none of a page's business."""
    return hashlib.sha256(passkey.id).hexdigest()[:32]


def _view(credential: Credential) -> WaysView:
    return WaysView(
        login=credential.login,
        password=credential.password_set,
        second_factor=credential.second_set,
        passkeys=tuple(
            PasskeyView(id=shown_id(one), name=one.name, made=one.made, used=one.used, for_name=one.for_name)
            for one in credential.passkeys
        ),
        recovery_codes=len(credential.recovery),
    )
