"""Signing in over HTTP, each a few lines: decode, ask the desk, encode; and the cookies."""

from typing import Final

import msgspec
from aiohttp import hdrs, web

from agent.api import cookies
from agent.api.permission import caller_of
from agent.api.problems import STATUS, NotSignedIn, answer, decode
from agent.signin.ceremonies import Site
from agent.signin.contract import (
    ButtonBody,
    ClaimHomeBody,
    CodeBody,
    ConfirmBody,
    NewPasswordBody,
    PasskeyBody,
    PasswordBody,
    PresenceBody,
)
from agent.signin.desk import SignInDesk
from agent.signin.refusals import TooManyGuesses
from agent.signin.sessions import OpenSession
from agent.signin.ways_in import Browser, SignedIn

_ID: Final = r"{id:[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}}"


def _json(value: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")


class SignInRoutes:
    """`table` is of the network, `socket_table` of the command line's socket, `shared_table` of both."""

    def __init__(self, desk: SignInDesk) -> None:
        self._desk = desk

    def table(self) -> list[web.RouteDef]:
        return [
            web.get("/api/who", self.who),
            web.post("/api/claim", self.claim),
            web.post("/api/sign-in/password", self.by_password),
            web.post("/api/sign-in/passkey/options", self.passkey_question),
            web.post("/api/sign-in/passkey", self.by_passkey),
            web.post("/api/sign-in/code", self.by_code),
            web.post("/api/sign-in/button", self.by_button),
            web.delete("/api/session", self.sign_out),
            web.get("/api/sessions", self.sessions),
            web.delete(f"/api/sessions/{_ID}", self.end_session),
            web.post("/api/presence", self.show_presence),
            web.get("/api/ways", self.ways),
            web.put("/api/ways/password", self.set_password),
            web.post("/api/ways/passkeys/options", self.new_passkey_question),
            web.post("/api/ways/passkeys", self.add_passkey),
            web.delete(f"/api/ways/passkeys/{_ID}", self.remove_passkey),
            web.post("/api/ways/second-factor", self.begin_second_factor),
            web.post("/api/ways/second-factor/confirm", self.confirm_second_factor),
            web.delete("/api/ways/second-factor", self.remove_second_factor),
            web.post("/api/ways/recovery-codes", self.new_recovery_codes),
        ]

    def shared_table(self) -> list[web.RouteDef]:
        """What takes a right."""
        return [web.post(f"/api/people/{_ID}/link", self.link)]

    def socket_table(self) -> list[web.RouteDef]:
        return [web.post("/api/button", self.press_button), web.post("/api/claim-code", self.claim_code)]

    # -- the ways in

    async def who(self, request: web.Request) -> web.Response:
        return _json(await self._desk.who(self._known(request)))

    async def claim(self, request: web.Request) -> web.Response:
        body = await decode(request, ClaimHomeBody)
        return await self._let_in(request, await self._desk.ways_in.claim(body, self._browser(request)))

    async def by_password(self, request: web.Request) -> web.Response:
        body = await decode(request, PasswordBody)
        try:
            signed_in = await self._desk.ways_in.by_password(body, self._browser(request))
        except TooManyGuesses as refusal:
            return _later(refusal)
        return await self._let_in(request, signed_in)

    async def passkey_question(self, request: web.Request) -> web.Response:
        """To whoever comes; or, to who has signed in, whether they are there."""
        site, session = _site(request), self._known(request)
        if session:
            return _json(await self._desk.presence_question(session, site))
        return _json(self._desk.ways_in.question(site))

    async def by_passkey(self, request: web.Request) -> web.Response:
        body = await decode(request, PasskeyBody)
        signed_in = await self._desk.ways_in.by_passkey(body, _site(request), self._browser(request))
        return await self._let_in(request, signed_in)

    async def by_code(self, request: web.Request) -> web.Response:
        body = await decode(request, CodeBody)
        return await self._let_in(request, await self._desk.ways_in.by_code(body, self._browser(request)))

    async def by_button(self, request: web.Request) -> web.Response:
        body = await decode(request, ButtonBody)
        return await self._let_in(request, await self._desk.ways_in.by_button(body, self._browser(request)))

    # -- sessions

    async def sign_out(self, request: web.Request) -> web.Response:
        await self._desk.sign_out(self._session(request))
        response = web.Response(status=204)
        cookies.forget(response, request, cookies.SESSION)
        return response

    async def sessions(self, request: web.Request) -> web.Response:
        return _json(self._desk.listed(self._session(request)))

    async def end_session(self, request: web.Request) -> web.Response:
        await self._desk.end(self._session(request), request.match_info["id"])
        return web.Response(status=204)

    async def show_presence(self, request: web.Request) -> web.Response:
        body = await decode(request, PresenceBody)
        site = _site(request) if body.passkey else None
        try:
            return _json(await self._desk.show_presence(self._session(request), body, site))
        except TooManyGuesses as refusal:
            return _later(refusal)

    # -- how somebody signs in

    async def ways(self, request: web.Request) -> web.Response:
        return _json(await self._desk.own.view(self._session(request)))

    async def set_password(self, request: web.Request) -> web.Response:
        body = await decode(request, NewPasswordBody)
        return _json(await self._desk.own.set_password(self._session(request), body))

    async def new_passkey_question(self, request: web.Request) -> web.Response:
        return _json(await self._desk.own.passkey_question(self._session(request), _site(request)))

    async def add_passkey(self, request: web.Request) -> web.Response:
        body = await decode(request, PasskeyBody)
        return _json(await self._desk.own.add_passkey(self._session(request), body, _site(request)))

    async def remove_passkey(self, request: web.Request) -> web.Response:
        return _json(await self._desk.own.remove_passkey(self._session(request), request.match_info["id"]))

    async def begin_second_factor(self, request: web.Request) -> web.Response:
        return _json(await self._desk.own.begin_second_factor(self._session(request)))

    async def confirm_second_factor(self, request: web.Request) -> web.Response:
        body = await decode(request, ConfirmBody)
        return _json(await self._desk.own.confirm_second_factor(self._session(request), body.code))

    async def remove_second_factor(self, request: web.Request) -> web.Response:
        return _json(await self._desk.own.remove_second_factor(self._session(request)))

    async def new_recovery_codes(self, request: web.Request) -> web.Response:
        return _json(await self._desk.own.new_recovery_codes(self._session(request)))

    # -- for others

    async def link(self, request: web.Request) -> web.Response:
        return _json(await self._desk.links.make(request.match_info["id"], caller_of(request).actor.person))

    async def claim_code(self, _request: web.Request) -> web.Response:
        return _json(await self._desk.links.claim())

    async def press_button(self, _request: web.Request) -> web.Response:
        self._desk.press_button()
        return web.Response(status=204)

    def _known(self, request: web.Request) -> OpenSession | None:
        """The session that `request` came in; None: in none."""
        try:
            caller = caller_of(request)
        except NotSignedIn:
            return None
        return self._desk.sessions.find(caller.session) if caller.session else None

    def _session(self, request: web.Request) -> OpenSession:
        """The same. Raises: `NotSignedIn`: it has ended since it was asked."""
        session = self._known(request)
        if session is None:
            raise NotSignedIn
        return session

    def _browser(self, request: web.Request) -> Browser:
        return Browser(cookies.read(request, cookies.KNOWN), self._known(request))

    async def _let_in(self, request: web.Request, signed_in: SignedIn) -> web.Response:
        response = _json(await self._desk.who(signed_in.session))
        stays = cookies.STAYS if signed_in.session.session.stay else None
        cookies.write(response, request, cookies.SESSION, signed_in.secret, stays)
        cookies.write(response, request, cookies.KNOWN, signed_in.browser, cookies.KNOWN_STAYS)
        return response


def _site(request: web.Request) -> Site:
    """Where the page runs. The name was checked to be one of ours before anything else was."""
    return Site.of(f"{'https' if request.secure else 'http'}://{request.host}")


def _later(refusal: TooManyGuesses) -> web.Response:
    response = answer(STATUS[refusal.code], refusal.code, refusal.args[0], refusal.hint)
    response.headers[hdrs.RETRY_AFTER] = str(refusal.seconds)
    return response
