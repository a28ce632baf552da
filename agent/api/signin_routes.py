"""Signing in over HTTP, each a few lines: decode, ask the desk, encode; and the cookies."""

from typing import Final

from aiohttp import web

from agent.api import cookies
from agent.api.operation import operation
from agent.api.permission import caller_of
from agent.api.problems import NotSignedIn, decode
from agent.api.route import ID, as_json
from agent.signin.ceremonies import Site
from agent.signin.contract import (
    ButtonBody,
    CeremonyView,
    ClaimHomeBody,
    CodeBody,
    ConfirmBody,
    NewPasswordBody,
    PasskeyBody,
    PasswordBody,
    PresenceBody,
    RecoveryCodesView,
    SecondFactorView,
    SessionView,
    WayInView,
    WaysView,
    WhoView,
)
from agent.signin.desk import SignInDesk
from agent.signin.sessions import OpenSession
from agent.signin.ways_in import Browser, SignedIn

_PASSKEY: Final = r"{id:[0-9a-f]{32}}"
"""As `agent.signin.own_ways.shown_id` makes it; `options` is none."""


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
            web.delete(f"/api/sessions/{ID}", self.end_session),
            web.post("/api/presence", self.show_presence),
            web.get("/api/ways", self.ways),
            web.put("/api/ways/password", self.set_password),
            web.post("/api/ways/passkeys/options", self.new_passkey_question),
            web.post("/api/ways/passkeys", self.add_passkey),
            web.delete(f"/api/ways/passkeys/{_PASSKEY}", self.remove_passkey),
            web.post("/api/ways/second-factor", self.begin_second_factor),
            web.post("/api/ways/second-factor/confirm", self.confirm_second_factor),
            web.delete("/api/ways/second-factor", self.remove_second_factor),
            web.post("/api/ways/recovery-codes", self.new_recovery_codes),
        ]

    def shared_table(self) -> list[web.RouteDef]:
        """What takes a right."""
        return [web.post(f"/api/people/{ID}/link", self.link)]

    def socket_table(self) -> list[web.RouteDef]:
        return [web.post("/api/button", self.press_button), web.post("/api/claim-code", self.claim_code)]

    # -- the ways in

    @operation("Who asks", answer=WhoView)
    async def who(self, request: web.Request) -> web.Response:
        return as_json(await self._desk.who(self._known(request)))

    @operation(
        "Take a gateway that belongs to nobody, with the code that came with it",
        body=ClaimHomeBody,
        answer=WhoView,
        refusals=(401, 404),
    )
    async def claim(self, request: web.Request) -> web.Response:
        body = await decode(request, ClaimHomeBody)
        return await self._let_in(request, await self._desk.ways_in.claim(body, self._browser(request)))

    @operation("Sign in with a password", body=PasswordBody, answer=WhoView, refusals=(401,))
    async def by_password(self, request: web.Request) -> web.Response:
        body = await decode(request, PasswordBody)
        return await self._let_in(request, await self._desk.ways_in.by_password(body, self._browser(request)))

    @operation(
        "What a passkey is to answer: to sign in, or to show that one is there", answer=CeremonyView, refusals=(422,)
    )
    async def passkey_question(self, request: web.Request) -> web.Response:
        """To whoever comes; or, to who has signed in, whether they are there."""
        site, session = _site(request), self._known(request)
        if session:
            return as_json(await self._desk.presence_question(session, site))
        return as_json(self._desk.ways_in.question(site))

    @operation("Sign in with a passkey", body=PasskeyBody, answer=WhoView, refusals=(401, 409))
    async def by_passkey(self, request: web.Request) -> web.Response:
        body = await decode(request, PasskeyBody)
        signed_in = await self._desk.ways_in.by_passkey(body, _site(request), self._browser(request))
        return await self._let_in(request, signed_in)

    @operation("Sign in with a single-use code", body=CodeBody, answer=WhoView, refusals=(401,))
    async def by_code(self, request: web.Request) -> web.Response:
        body = await decode(request, CodeBody)
        return await self._let_in(request, await self._desk.ways_in.by_code(body, self._browser(request)))

    @operation("Sign in after pressing the button on the box", body=ButtonBody, answer=WhoView, refusals=(401, 409))
    async def by_button(self, request: web.Request) -> web.Response:
        body = await decode(request, ButtonBody)
        return await self._let_in(request, await self._desk.ways_in.by_button(body, self._browser(request)))

    # -- sessions

    @operation("Sign out", status=204)
    async def sign_out(self, request: web.Request) -> web.Response:
        await self._desk.sign_out(self._session(request))
        response = web.Response(status=204)
        cookies.forget(response, request, cookies.SESSION)
        return response

    @operation("Where one is signed in", answer=tuple[SessionView, ...])
    async def sessions(self, request: web.Request) -> web.Response:
        return as_json(self._desk.listed(self._session(request)))

    @operation("Sign out somewhere else", status=204)
    async def end_session(self, request: web.Request) -> web.Response:
        await self._desk.end(self._session(request), request.match_info["id"])
        return web.Response(status=204)

    @operation("Show that one is there", body=PresenceBody, answer=WhoView, refusals=(409,))
    async def show_presence(self, request: web.Request) -> web.Response:
        body = await decode(request, PresenceBody)
        site = _site(request) if body.passkey else None
        return as_json(await self._desk.show_presence(self._session(request), body, site))

    # -- how somebody signs in

    @operation("How one can sign in", answer=WaysView)
    async def ways(self, request: web.Request) -> web.Response:
        return as_json(await self._desk.own.view(self._session(request)))

    @operation("Set a password; sessions elsewhere end", body=NewPasswordBody, answer=WaysView, refusals=(409,))
    async def set_password(self, request: web.Request) -> web.Response:
        body = await decode(request, NewPasswordBody)
        return as_json(await self._desk.own.set_password(self._session(request), body))

    @operation("What a new passkey is to answer", answer=CeremonyView, refusals=(409, 422))
    async def new_passkey_question(self, request: web.Request) -> web.Response:
        return as_json(await self._desk.own.passkey_question(self._session(request), _site(request)))

    @operation("Add a passkey", body=PasskeyBody, answer=WaysView, refusals=(409,))
    async def add_passkey(self, request: web.Request) -> web.Response:
        body = await decode(request, PasskeyBody)
        return as_json(await self._desk.own.add_passkey(self._session(request), body, _site(request)))

    @operation("Forget a passkey; sessions elsewhere end", answer=WaysView, refusals=(409,))
    async def remove_passkey(self, request: web.Request) -> web.Response:
        return as_json(await self._desk.own.remove_passkey(self._session(request), request.match_info["id"]))

    @operation("Begin to set up an authenticator", answer=SecondFactorView, refusals=(409, 422))
    async def begin_second_factor(self, request: web.Request) -> web.Response:
        return as_json(await self._desk.own.begin_second_factor(self._session(request)))

    @operation(
        "Show that the authenticator works; from now on it is asked for",
        body=ConfirmBody,
        answer=WaysView,
        refusals=(409,),
    )
    async def confirm_second_factor(self, request: web.Request) -> web.Response:
        body = await decode(request, ConfirmBody)
        return as_json(await self._desk.own.confirm_second_factor(self._session(request), body.code))

    @operation("Ask for no second factor any more", answer=WaysView, refusals=(409,))
    async def remove_second_factor(self, request: web.Request) -> web.Response:
        return as_json(await self._desk.own.remove_second_factor(self._session(request)))

    @operation("Ten new recovery codes; those before are dead", answer=RecoveryCodesView, refusals=(409,))
    async def new_recovery_codes(self, request: web.Request) -> web.Response:
        return as_json(await self._desk.own.new_recovery_codes(self._session(request)))

    # -- for others

    @operation("A link that lets somebody in, once", answer=WayInView, refusals=(409,))
    async def link(self, request: web.Request) -> web.Response:
        return as_json(await self._desk.links.make(request.match_info["id"], caller_of(request).actor.person))

    @operation("A link by which somebody takes the gateway, once", answer=WayInView, refusals=(404,))
    async def claim_code(self, _request: web.Request) -> web.Response:
        return as_json(await self._desk.links.claim())

    @operation("Press the button on the box", status=204)
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
        return Browser(cookies.read(request, cookies.KNOWN), self._known(request), request.remote or "")

    async def _let_in(self, request: web.Request, signed_in: SignedIn) -> web.Response:
        response = as_json(await self._desk.who(signed_in.session))
        stays = cookies.STAYS if signed_in.session.session.stay else None
        cookies.write(response, request, cookies.SESSION, signed_in.secret, stays)
        cookies.write(response, request, cookies.KNOWN, signed_in.browser, cookies.KNOWN_STAYS)
        return response


def _site(request: web.Request) -> Site:
    """Where the page runs. The name was checked to be one of ours before anything else was."""
    return Site.of(f"{'https' if request.secure else 'http'}://{request.host}")
