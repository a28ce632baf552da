"""The ways in: claim, password, passkey, code. Each ends in a session, or in a refusal that says nothing of others."""

import asyncio
import logging
import re
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import msgspec

from agent.allowances import Allowances
from agent.api.contract import PersonBody
from agent.errors import Refused
from agent.signin.button import WINDOW
from agent.signin.ceremonies import Site
from agent.signin.claim import already_claimed
from agent.signin.contract import ButtonBody, CeremonyView, ClaimHomeBody, CodeBody, PasskeyBody, PasswordBody, Way
from agent.signin.credentials import CodePurpose, Credential
from agent.signin.lookup import Lookup, login_of
from agent.signin.parts import Happened, Parts, What, owned, roles_of
from agent.signin.proofs import Proofs
from agent.signin.refusals import wrong_code, wrong_credentials
from agent.signin.sessions import OpenSession
from privacy import entries
from privacy.errors import StoreBroken
from privacy.hold import Role

log = logging.getLogger(__name__)

RECOVERING: Final = 900.0
"""Seconds: who comes by a recovery is held to be there for as long, to make a new way in without the old."""
_UNTOLD: Final = 1000
"""Of what is still to be written down; the brake lets through far fewer in a second."""
REFUSALS: Final = 120
"""Refusals of one kind that the operation log is told of at once, and again in each hour: whoever tries codes all day
would else fill it, and the spool behind it."""
REFUSALS_SPAN: Final = 3600.0
_BROWSER: Final = re.compile(r"[0-9a-f]{32}")
_BROWSER_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session, and what the browser is to keep."""

    session: OpenSession
    secret: str = field(repr=False)
    browser: str = field(repr=False)
    """By which the browser is known from now on."""


@dataclass(frozen=True, slots=True)
class Browser:
    """What a browser that wants to sign in says of itself. None of it is believed."""

    known: str | None = None
    """By which it says that it is known."""
    session: OpenSession | None = None
    """In which it is signed in already; that one ends."""
    address: str = ""
    """Where it is, as the network says."""

    @property
    def mark(self) -> str | None:
        """`known`, where it can be one of ours."""
        return self.known if self.known and _BROWSER.fullmatch(self.known) else None


class WaysIn:
    """Every method but the questions ends in a session, or raises `Refused`."""

    def __init__(self, parts: Parts, proofs: Proofs, lookup: Lookup) -> None:
        self._parts = parts
        self._proofs = proofs
        self._lookup = lookup
        self._claiming = asyncio.Lock()
        self._untold: deque[Happened] = deque(maxlen=_UNTOLD)
        self._refusals = Allowances(parts.clock, REFUSALS, REFUSALS_SPAN)

    async def claim(self, body: ClaimHomeBody, browser: Browser) -> SignedIn:
        """Make the gateway somebody's.

        Raises:
            Refused: `claimed`, `wrong_code`, `bad_name`.
        """
        parts, now = self._parts, self._parts.clock.now()
        async with self._claiming:
            if self.owned():
                raise already_claimed()
            await parts.disk.run(parts.claim.check, body.code, now)
            owner = PersonBody(role=Role.OWNER, name=body.name, lives_here=body.lives_here, language=body.language)
            person = (await parts.add_person(owner, "claim")).id
            await parts.disk.run(parts.claim.settle)
        parts.record(entries.HomeClaimed(at=now, subject=person))
        await self._note(Happened(at=now, what="claim", person=person, by=person))
        return await self._begun(person, "code", browser, stay=False)

    async def by_password(self, body: PasswordBody, browser: Browser) -> SignedIn:
        """Raises: `Refused`: `wrong_credentials`, `second_factor`, `wrong_code`, `too_many_guesses`, `busy`."""
        login = await login_of(body.login)
        credential, refusal = await self._proofs.login(login, body.password, body.second, browser.mark)
        if refusal or credential is None:
            raise self._refused(credential, "password", refusal or wrong_credentials())
        return await self._begun(credential.person, "password", browser, stay=body.stay)

    def question(self, site: Site) -> CeremonyView:
        """What a passkey is to answer, whosever it is."""
        ceremony, options = self._parts.passkeys.question(site)
        return CeremonyView(ceremony=ceremony.id, options=options)

    async def by_passkey(self, body: PasskeyBody, site: Site, browser: Browser) -> SignedIn:
        """Raises: `Refused`: `wrong_passkey`, `unknown_ceremony`, `cloned_passkey`."""
        credential, refusal = await self._proofs.passkey(body, site)
        if refusal or credential is None:
            raise self._refused(credential, "passkey", refusal or wrong_credentials())
        return await self._begun(credential.person, "passkey", browser, stay=body.stay)

    async def by_code(self, body: CodeBody, browser: Browser) -> SignedIn:
        """Raises: `Refused`: `wrong_code`."""
        with self._proofs.turn():
            spent = await self._parts.disk.run(self._spend_code, body.code)
        if spent is None:
            raise self._refused(None, "code", wrong_code())
        person, purpose = spent
        if purpose == "recovery":
            # What was lost may be signed in somewhere.
            await self._parts.sessions.end_all(person)
        begun = await self._begun(person, "code", browser, stay=body.stay)
        if purpose == "recovery":
            self._parts.sessions.prove(begun.session, RECOVERING)
        return begun

    async def by_button(self, body: ButtonBody, browser: Browser) -> SignedIn:
        """Let in who has just pressed the button on the box, and says who they are.

        Raises:
            Refused: `button_not_pressed`; `others_ask`; `wrong_credentials`: nobody, or more than one, is called that.
        """
        button, login = self._parts.button, await login_of(body.who)
        pressed, contested = button.open, button.contested(browser.address)
        if pressed and contested:
            raise Refused(
                "others_ask",
                "somebody asked before it was pressed, or from elsewhere as well",
                hint=f"let nobody ask for {WINDOW / 60:.0f} minutes, then press it again",
            )
        if not pressed:
            raise Refused(
                "button_not_pressed",
                "nobody pressed the button on the box just now",
                hint=f"press it, and say who you are within {WINDOW / 60:.0f} minutes",
            )
        with self._proofs.turn():
            person = await self._parts.disk.run(self._lookup.named, login, body.who)
        if person is None:
            button.missed()
            raise self._refused(None, "button", wrong_credentials())
        if not button.use():  # somebody else was quicker
            raise self._refused(None, "button", wrong_credentials())
        # What was lost may be signed in somewhere.
        await self._parts.sessions.end_all(person.id)
        begun = await self._begun(person.id, "button", browser, stay=body.stay)
        self._parts.sessions.prove(begun.session, RECOVERING)
        return begun

    def owned(self) -> bool:
        """Whether it belongs to somebody now."""
        return owned(self._parts.household(), self._parts.clock.now())

    async def tell(self) -> None:
        """Write down who was refused: not before the answer, or its time would tell who exists.

        Raises:
            StoreBroken: the medium refused; the next call tries again.
        """
        while self._untold:
            first = self._untold[0]
            await self._parts.note(first)
            if self._untold[0] is first:
                self._untold.popleft()

    def refuse(self, person: str, what: What, way: Way, refusal: Refused) -> Refused:
        """`refusal`, which is written down soon."""
        now = self._parts.clock.now()
        if self._refusals.take(f"{way} {refusal.code}"):
            self._parts.record(entries.SignInRefused(at=now, way=way, code=refusal.code))
        if person:
            self._untold.append(Happened(at=now, what=what, person=person, by=person, code=refusal.code, way=way))
        return refusal

    def _refused(self, credential: Credential | None, way: Way, refusal: Refused) -> Refused:
        return self.refuse(credential.person if credential else "", "sign_in", way, refusal)

    async def _begun(self, person: str, way: Way, browser: Browser, *, stay: bool) -> SignedIn:
        """Sign somebody in. The browser gets a new secret each time, and what it had ends."""
        parts, now = self._parts, self._parts.clock.now()
        roles = roles_of(parts.household(), person, now)
        mark = browser.mark or parts.random_bytes(_BROWSER_BYTES).hex()
        before = await parts.disk.run(self._signed_in, person, now, way, mark) if roles is not None else None
        if roles is None or before is None:
            raise wrong_credentials()
        if browser.session:
            await parts.sessions.end(browser.session)
        begun = await parts.sessions.begin(person, roles, way, stay=stay, before=before.last)
        if begun is None:
            raise wrong_credentials()
        parts.record(entries.SignedIn(at=now, subject=person, way=way))
        await self._note(Happened(at=now, what="sign_in", person=person, by=person, way=way))
        return SignedIn(*begun, mark)

    async def _note(self, happened: Happened) -> None:
        """Write it down; later, where the medium refuses: who signs in may come to make room on it."""
        try:
            await self._parts.note(happened)
        except StoreBroken as error:
            log.warning("a sign-in is to be written down later: %s", error)
            self._untold.append(happened)

    # -- on the `Disk` thread

    def _signed_in(self, person: str, now: datetime, way: Way, mark: str) -> Credential | None:
        """Remember it; what was remembered before. None: an order reaches them."""
        credentials = self._parts.credentials
        before = credentials.of(person) or Credential(person=person, at=now)
        after = msgspec.structs.replace(before.with_browser(mark, now), last=now, last_way=way)
        try:
            return before if credentials.put(after) else None
        except StoreBroken as error:
            log.warning("that somebody has signed in could not be written down: %s", error)
            return before

    def _spend_code(self, typed: str) -> tuple[str, CodePurpose] | None:
        """For whom the code was made, and why. It is used up, whatever comes of it."""
        credentials = self._parts.credentials
        found = credentials.by_code(typed, self._parts.certain.now())
        if found is None or self._lookup.person(found[0].person) is None:
            return None
        credential, code = found
        return (credential.person, code.purpose) if credentials.put(credential.without_code(code)) else None
