"""A way in that exists only in memory, behind the real server: people, codes, passwords, sessions, and real passkeys.

A test says who there is and what waits, and reads what was asked.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from itertools import count
from typing import Any

import msgspec
import webauthn
from aiohttp import web
from webauthn.helpers import structs

from agent.activity.contract import ActivityView
from agent.api.contract import PersonBody, PersonChange, PersonView
from agent.api.door import Door
from agent.api.permission import Asked, Caller, Permission
from agent.api.problems import NotPermitted, NotSignedIn, answer, decode
from agent.errors import Refused
from agent.people.contact import Language
from agent.rights.actions import Need
from agent.rights.grants import Actor
from agent.rights.household import DWELLS, Camera, Household, Membership, Person, household
from agent.signin import contract
from privacy.clock import SystemClock
from privacy.hold import Role
from tests.agent.page.fake_lending import FakeLending
from tests.agent.page.fake_people import DIGITS, LONG_AGO, NOW, PASSWORD, RECOVERY, SITE, SVG, Session, Somebody
from tests.agent.page.fake_rights import FakeRights


class FakeDoor:
    """Whom it lets in, and how."""

    def __init__(self, house: Any) -> None:
        self.claim_code: str | None = None
        """Set: the gateway belongs to nobody yet."""
        self.somebody: dict[str, Somebody] = {}
        self.codes: dict[str, str] = {}
        """The person of each single-use code."""
        self.sessions: dict[str, Session] = {}
        self.agreements: list[contract.AgreementView] = []
        self.deeds: tuple[ActivityView, ...] = ()
        self.pressed = False
        """Whether somebody pressed the button on the box."""
        self.wait = 0
        """Seconds that every try to sign in is told to wait."""
        self.refusal: Refused | None = None
        """What whoever looks after their ways to sign in is told."""
        self.asked: list[tuple[str, Any]] = []
        self._numbers = count(1)
        self._challenges: dict[str, bytes] = {}
        self._told: Callable[[str], None] = lambda _session: None
        self.rights = FakeRights(self._heard)
        self.lending = FakeLending(self._heard)
        for name in ("people", "add_person", "change_person", "remove_person", "can_sign_in"):
            setattr(house, name, getattr(self, name))

    def add(self, name: str, role: Role = Role.OWNER, *, lives_here: bool = True, **more: Any) -> Somebody:
        """Somebody belongs to the home, who signs in as their name in small letters, with `PASSWORD`."""
        id_ = f"p{name.lower()}"
        fields = {"language": Language.ENGLISH, "added": LONG_AGO, **more}
        view = PersonView(id=id_, role=role, name=name, lives_here=lives_here, **fields)
        self.somebody[id_] = Somebody(view, login=name.lower(), password=PASSWORD)
        return self.somebody[id_]

    def sign_in(self, person: str, way: contract.Way = "password") -> dict[str, Any]:
        """A session of `person`, as the cookie that a browser has of it."""
        session = self._open(person, way, stay=False)
        return {"name": "portvakt", "value": session, "domain": SITE, "path": "/"}

    def end(self, person: str) -> None:
        """Every session of `person` ends, as when their password was changed elsewhere."""
        for secret, session in list(self.sessions.items()):
            if session.person == person:
                del self.sessions[secret]
                self._told(session.id)

    def door(self) -> Door:
        return Door(
            identify=self._identify,
            claimed=lambda: self.claim_code is None,
            permission=Permission(lambda _caller: self._household(), SystemClock()),
            witness=self,
            follow_ends=self._follow_ends,
            routes=[
                web.post("/api/people/{id}/link", self._link),
                web.get("/api/activity", self._activity),
                *self.rights.table(),
                *self.lending.table(),
            ],
            network_routes=[
                web.get("/api/who", self._who),
                web.post("/api/claim", self._claim),
                web.post("/api/sign-in/password", self._by_password),
                web.post("/api/sign-in/passkey/options", self._question),
                web.post("/api/sign-in/passkey", self._by_passkey),
                web.post("/api/sign-in/code", self._by_code),
                web.post("/api/sign-in/button", self._by_button),
                web.delete("/api/session", self._sign_out),
                web.get("/api/sessions", self._list_sessions),
                web.delete("/api/sessions/{id}", self._end_session),
                web.post("/api/presence/options", self._question),
                web.post("/api/presence", self._show_presence),
                web.get("/api/ways", self._ways),
                web.put("/api/ways/password", self._set_password),
                web.post("/api/ways/passkeys/options", self._new_passkey),
                web.post("/api/ways/passkeys", self._add_passkey),
                web.delete("/api/ways/passkeys/{id}", self._remove_passkey),
                web.post("/api/ways/second-factor", self._begin_second),
                web.post("/api/ways/second-factor/confirm", self._confirm_second),
                web.delete("/api/ways/second-factor", self._remove_second),
                web.post("/api/ways/recovery-codes", self._recovery_codes),
                web.get("/api/agreements", self._list_agreements),
                web.post("/api/agreements/{id}", self._agree),
                web.delete("/api/agreements/{id}", self._withdraw),
            ],
        )

    # -- who asks, and what they may do

    async def _identify(self, request: web.Request) -> Caller | None:
        session = self.sessions.get(request.cookies.get("portvakt", ""))
        if session is None:
            return None
        shown = frozenset({Need.PRESENCE}) if session.present else frozenset()
        return Caller(Actor(session.person), shown, session.id)

    def _household(self) -> Household:
        def membership(view: PersonView) -> Membership:
            lives_here = view.lives_here and view.role in DWELLS
            return Membership(role=view.role, since=LONG_AGO, until=view.until, lives_here=lives_here)

        views = [each.view for each in self.somebody.values()]
        return household(
            [Person(id=view.id, memberships=(membership(view),), minor=view.minor) for view in views],
            [Camera(id="door")],
        )

    def _follow_ends(self, told: Callable[[str], None]) -> None:
        self._told = told

    async def looked(self, asked: Asked) -> None:
        pass

    async def agreed(self, request: web.Request, caller: Caller, question: Any) -> bool:
        about = tuple(sorted(question.target.subjects))
        for waiting in self.agreements:
            if (waiting.action, waiting.by, waiting.about) == (question.action, caller.actor.person, about):
                if waiting.agreed:
                    self.agreements.remove(waiting)
                return waiting.agreed
        self.agreements.append(self.waiting(question.action, caller.actor.person, *about))
        return False

    def waiting(self, action: str, by: str, *about: str) -> contract.AgreementView:
        until = datetime.now(UTC) + timedelta(minutes=15)
        id_ = f"a{next(self._numbers)}"
        return contract.AgreementView(id=id_, action=action, by=by, about=about, made=NOW, until=until, agreed=False)

    # -- signing in

    async def _who(self, request: web.Request) -> web.Response:
        return _json(self._view(self.sessions.get(request.cookies.get("portvakt", ""))))

    def _view(self, session: Session | None) -> contract.WhoView:
        if session is None:
            return contract.WhoView(claimed=self.claim_code is None)
        somebody = self.somebody[session.person]
        view = somebody.view
        return contract.WhoView(
            claimed=True,
            gateway="Gateway-4f2a",
            person=view.id,
            name=view.name,
            role=view.role,
            lives_here=view.lives_here,
            left=view.until is not None,
            language=view.language,
            way=session.way,
            last=somebody.last,
            ends=NOW + timedelta(hours=12),
            can_sign_in=somebody.can_sign_in,
            present_until=datetime.now(UTC) + timedelta(minutes=15) if session.way == "button" else None,
        )

    def _open(self, person: str, way: contract.Way, *, stay: bool) -> str:
        secret, id_ = f"secret-{next(self._numbers)}", f"w{next(self._numbers)}"
        self.sessions[secret] = Session(id_, person, way, stay)
        return secret

    def _entered(self, person: str, way: contract.Way, *, stay: bool) -> web.Response:
        secret = self._open(person, way, stay=stay)
        response = _json(self._view(self.sessions[secret]))
        response.set_cookie("portvakt", secret, httponly=True, samesite="Strict")
        return response

    async def _heard(self, request: web.Request, kind: type[Any]) -> Any:
        body = await decode(request, kind)
        self.asked.append((f"{request.method} {request.path}", body))
        return body

    async def _claim(self, request: web.Request) -> web.Response:
        body = await self._heard(request, contract.ClaimHomeBody)
        if body.code != self.claim_code:
            raise NotSignedIn("wrong_code", "this code does not open anything", hint="ask for another")
        if not body.name.strip():
            raise Refused("bad_name", "a name has 1 to 80 characters", hint="say what this person is called")
        self.claim_code = None
        owner = self.add(body.name, lives_here=body.lives_here, language=body.language)
        owner.password = None
        return self._entered(owner.view.id, "code", stay=False)

    async def _by_password(self, request: web.Request) -> web.Response:
        body = await self._heard(request, contract.PasswordBody)
        if self.wait:
            response = answer(
                HTTPStatus.TOO_MANY_REQUESTS, "too_many_guesses", "there were too many wrong tries", "wait"
            )
            response.headers["Retry-After"] = str(self.wait)
            return response
        found = [each for each in self.somebody.values() if each.login == body.login and each.password]
        person = found[0] if found else None
        if person is None or person.password != body.password:
            raise NotSignedIn("wrong_credentials", "nobody signs in like this", hint="look at both")
        self._second(person, body.second)
        return self._entered(person.view.id, "password", stay=body.stay)

    def _second(self, person: Somebody, second: str) -> None:
        if person.second and not second:
            raise NotSignedIn("second_factor", "a second factor is asked for", hint="six digits, or a recovery code")
        if person.second and second not in {DIGITS, RECOVERY}:
            raise NotSignedIn("wrong_code", "this code does not open anything", hint="a code is good once")

    async def _by_code(self, request: web.Request) -> web.Response:
        body = await self._heard(request, contract.CodeBody)
        person = self.codes.pop(body.code, None)
        if person is None:
            raise NotSignedIn("wrong_code", "this code does not open anything", hint="ask for another")
        return self._entered(person, "code", stay=body.stay)

    async def _by_button(self, request: web.Request) -> web.Response:
        body = await self._heard(request, contract.ButtonBody)
        if not self.pressed:
            raise Refused("button_not_pressed", "nobody pressed the button", hint="press it")
        named = [each.view for each in self.somebody.values() if body.who in {each.login, each.view.name}]
        if len(named) != 1:
            raise NotSignedIn("wrong_credentials", "nobody signs in like this", hint="look at both")
        self.pressed = False
        return self._entered(named[0].id, "button", stay=body.stay)

    async def _question(self, request: web.Request) -> web.Response:
        options = webauthn.generate_authentication_options(
            rp_id=SITE, user_verification=structs.UserVerificationRequirement.REQUIRED
        )
        return self._asks(options)

    def _asks(self, options: Any) -> web.Response:
        ceremony = f"c{next(self._numbers)}"
        self._challenges[ceremony] = options.challenge
        as_json = webauthn.helpers.options_to_json_dict(options)
        return _json(contract.CeremonyView(ceremony=ceremony, options=as_json))

    async def _by_passkey(self, request: web.Request) -> web.Response:
        body = await self._heard(request, contract.PasskeyBody)
        return self._entered(self._answered(request, body), "passkey", stay=body.stay)

    def _answered(self, request: web.Request, body: contract.PasskeyBody) -> str:
        """The person whose passkey it is that answered."""
        id_ = webauthn.helpers.parse_authentication_credential_json(body.credential).raw_id
        for person in self.somebody.values():
            if id_ in person.passkeys:
                webauthn.verify_authentication_response(
                    credential=body.credential,
                    expected_challenge=self._challenges.pop(body.ceremony),
                    expected_rp_id=SITE,
                    expected_origin=request.headers["Origin"],
                    credential_public_key=person.passkeys[id_][1],
                    credential_current_sign_count=0,
                    require_user_verification=True,
                )
                return person.view.id
        raise NotSignedIn("wrong_passkey", "this passkey is not known here", hint="sign in another way")

    # -- one's own account

    def _of(self, request: web.Request) -> tuple[Session, Somebody]:
        session = self.sessions[request.cookies["portvakt"]]
        return session, self.somebody[session.person]

    def _there(self, request: web.Request) -> Somebody:
        """Who asks, if they have just shown that they are there, or have nothing yet to show it by."""
        session, somebody = self._of(request)
        if self.refusal:
            raise self.refusal
        if not session.present and somebody.can_sign_in:
            raise NotPermitted("needs_presence", "This takes a fresh proof that the person is there.")
        return somebody

    async def _sign_out(self, request: web.Request) -> web.Response:
        session = self.sessions.pop(request.cookies["portvakt"])
        self._told(session.id)
        response = web.Response(status=204)
        response.del_cookie("portvakt")
        return response

    async def _list_sessions(self, request: web.Request) -> web.Response:
        this, _ = self._of(request)
        return _json([
            contract.SessionView(
                id=each.id,
                made=NOW - timedelta(hours=3),
                seen=NOW,
                ends=NOW + timedelta(hours=12),
                stay=each.stay,
                way=each.way,
                this=each is this,
            )
            for each in self.sessions.values()
            if each.person == this.person
        ])  # fmt: skip

    async def _end_session(self, request: web.Request) -> web.Response:
        for secret, session in list(self.sessions.items()):
            if session.id == request.match_info["id"]:
                del self.sessions[secret]
                self._told(session.id)
                return web.Response(status=204)
        raise Refused("unknown_session", "there is no such session")

    async def _show_presence(self, request: web.Request) -> web.Response:
        body = await self._heard(request, contract.PresenceBody)
        session, somebody = self._of(request)
        if body.passkey:
            assert self._answered(request, body.passkey) == session.person
        elif body.password != somebody.password:
            raise NotSignedIn("wrong_credentials", "nobody signs in like this", hint="look at both")
        else:
            self._second(somebody, body.second)
        session.present = True
        return _json(self._view(session))

    async def _ways(self, request: web.Request) -> web.Response:
        return _json(self._of(request)[1].ways())

    async def _set_password(self, request: web.Request) -> web.Response:
        somebody = self._there(request)
        body = await self._heard(request, contract.NewPasswordBody)
        if len(body.new) < 10:
            raise Refused("bad_password", "this password is too easy to guess", hint="add another word or two")
        somebody.login, somebody.password = body.login, body.new
        return _json(somebody.ways())

    async def _new_passkey(self, request: web.Request) -> web.Response:
        view = self._there(request).view
        return self._asks(
            webauthn.generate_registration_options(
                rp_id=SITE,
                rp_name="Portvakt",
                user_name=view.name,
                user_id=view.id.encode(),
                authenticator_selection=structs.AuthenticatorSelectionCriteria(
                    resident_key=structs.ResidentKeyRequirement.REQUIRED,
                    user_verification=structs.UserVerificationRequirement.REQUIRED,
                ),
            )
        )

    async def _add_passkey(self, request: web.Request) -> web.Response:
        body = await self._heard(request, contract.PasskeyBody)
        made = webauthn.verify_registration_response(
            credential=body.credential,
            expected_challenge=self._challenges.pop(body.ceremony),
            expected_rp_id=SITE,
            expected_origin=request.headers["Origin"],
            require_user_verification=True,
        )
        _, somebody = self._of(request)
        view = contract.PasskeyView(id=f"k{next(self._numbers)}", name=body.name, made=NOW, used=None, for_name=SITE)
        somebody.passkeys[made.credential_id] = (view, made.credential_public_key)
        return _json(somebody.ways())

    async def _remove_passkey(self, request: web.Request) -> web.Response:
        somebody = self._there(request)
        if len(somebody.passkeys) == 1 and not somebody.password:
            raise Refused("last_way", "it is the last way to sign in", hint="make another first")
        id_ = request.match_info["id"]
        somebody.passkeys = {key: each for key, each in somebody.passkeys.items() if each[0].id != id_}
        return _json(somebody.ways())

    async def _begin_second(self, request: web.Request) -> web.Response:
        self._there(request)
        secret = "JBSWY3DPEHPK3PXP"
        uri = f"otpauth://totp/Portvakt?secret={secret}"
        return _json(contract.SecondFactorView(secret=secret, uri=uri, qr=SVG))

    async def _confirm_second(self, request: web.Request) -> web.Response:
        body = await self._heard(request, contract.ConfirmBody)
        if body.code != DIGITS:
            raise NotSignedIn("wrong_code", "this code does not open anything", hint="wait for the next")
        _, somebody = self._of(request)
        somebody.second = True
        return _json(somebody.ways())

    async def _remove_second(self, request: web.Request) -> web.Response:
        somebody = self._there(request)
        somebody.second = False
        return _json(somebody.ways())

    async def _recovery_codes(self, request: web.Request) -> web.Response:
        somebody = self._there(request)
        somebody.recovery = 10
        codes = tuple(f"{number:04}-M4XR-9TVA-P3QK" for number in range(10))
        return _json(contract.RecoveryCodesView(codes=codes))

    # -- people, and what concerns them

    async def people(self) -> tuple[PersonView, ...]:
        return tuple(each.view for each in self.somebody.values())

    async def add_person(self, body: PersonBody, actor: str) -> PersonView:
        self.asked.append(("add_person", body))
        if body.email and "@" not in body.email:
            raise Refused("bad_email", "this is no e-mail address", hint="such as kari@example.org")
        person = self.add(body.name, body.role, lives_here=body.lives_here, email=body.email or None, minor=body.minor)
        person.password = None
        return person.view

    async def change_person(self, person: str, body: PersonChange, actor: str) -> PersonView:
        self.asked.append(("change_person", body))
        changes = {name: value for name, value in msgspec.structs.asdict(body).items() if value is not None}
        if changes.pop("returns"):
            changes["until"] = None
        somebody = self.somebody[person]
        somebody.view = msgspec.structs.replace(somebody.view, **changes)
        return somebody.view

    async def remove_person(self, person: str, actor: str) -> None:
        somebody = self.somebody[person]
        if somebody.view.until:
            del self.somebody[person]
        else:
            somebody.view = msgspec.structs.replace(somebody.view, until=datetime.now(UTC))

    async def can_sign_in(self, person: str) -> bool:
        return self.somebody[person].can_sign_in

    async def _link(self, request: web.Request) -> web.Response:
        code = f"LINK{next(self._numbers)}"
        self.codes[code] = request.match_info["id"]
        url, until = f"http://{request.host}/#in={code}", datetime.now(UTC) + timedelta(days=1)
        return _json(contract.WayInView(code=code, url=url, qr=SVG, until=until))

    async def _list_agreements(self, request: web.Request) -> web.Response:
        return _json(self.agreements)

    async def _agree(self, request: web.Request) -> web.Response:
        return _json(self._replaced(request, agreed=True))

    async def _withdraw(self, request: web.Request) -> web.Response:
        self._replaced(request, agreed=None)
        return web.Response(status=204)

    def _replaced(self, request: web.Request, *, agreed: bool | None) -> contract.AgreementView:
        [found] = [each for each in self.agreements if each.id == request.match_info["id"]]
        self.agreements.remove(found)
        if agreed is not None:
            found = msgspec.structs.replace(found, agreed=agreed)
            self.agreements.append(found)
        return found

    async def _activity(self, request: web.Request) -> web.Response:
        limit, before = int(request.query["limit"]), int(request.query.get("before", 10**9))
        newest = sorted((each for each in self.deeds if each.sequence < before), key=lambda each: -each.sequence)
        return _json(newest[:limit])


def _json(value: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")
