"""A gateway's front door with real parts, served on loopback; browsers that come to it; and people who live behind."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http.cookies import Morsel
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from agent.api.asks import Question
from agent.api.contract import PersonBody
from agent.api.door import only_when_claimed
from agent.api.identify import Identify
from agent.api.permission import Asked, Caller, Permission, caller_of, identified, identify_local, permitted
from agent.api.problems import as_problems
from agent.api.signin_routes import SignInRoutes
from agent.people.desk import PeopleDesk
from agent.people.household import HouseholdBook
from agent.people.register import PersonRegister
from agent.rights.book import GrantBook
from agent.rights.grants import Actor
from agent.rights.household import Household
from agent.rights.local import local_household
from agent.signin.brake import Brake
from agent.signin.button import Button
from agent.signin.ceremonies import Ceremonies
from agent.signin.claim import Claim
from agent.signin.credentials import Credential, Credentials
from agent.signin.desk import SignInDesk
from agent.signin.parts import Happened, Parts
from agent.signin.passkeys import Passkeys
from agent.signin.passwords import Cost, PasswordQueue, Passwords
from agent.signin.session_store import SessionStore
from agent.signin.sessions import Sessions
from privacy.entries import Entry
from privacy.hold import Role
from privacy.keyring import KeyRing
from privacy.records import Item, RecordClass, Scope
from privacy.store import Barrier, Disk
from privacy.timekeeping import TimeKeeper, Witness
from tests.suites.memory_slots import MemorySlots

PASSWORD = "korrekt hest batteri stift"
CHEAP = Cost(passes=1, memory=8)
TOKEN = "pv_secret"


class Told:
    """Fulfils `Witness`; what is allowed here is allowed by one person."""

    async def looked(self, asked: Asked) -> None:
        pass

    async def agreed(self, request: web.Request, caller: Caller, question: Question) -> bool:
        return False


class FrontDoor:
    """`open` it first. What it is made of lies in `folder`, and is opened anew by another one of the same folder."""

    def __init__(self, folder: Path, clock: Any, slots: MemorySlots | None = None) -> None:
        self.folder, self.clock, self.slots = folder, clock, slots or MemorySlots()
        keeper = TimeKeeper(clock, clock.boot_id(), lambda: True, lambda: None, lambda _note: None)
        keeper.witness(clock.now(), Witness.PERSON)
        self.ring = KeyRing.open(folder / "keys", self.slots, os.urandom)
        self.barrier, self.disk = Barrier(clock), Disk()
        on_ring = (self.ring, keeper.moment, self.barrier)
        self.people = PersonRegister(folder / "people", *on_ring)
        self.credentials = Credentials(folder / "credentials", *on_ring)
        self.store = SessionStore(folder / "sessions", *on_ring)
        grants = GrantBook(folder / "grants", *on_ring)
        self.book = HouseholdBook(register=self.people, book=grants, cameras=lambda: (), clock=clock)
        self.recorded: list[Entry] = []
        self.happened: list[Happened] = []
        self.button = Button(clock)
        self.brake = Brake(clock)
        self.passwords = Passwords(os.urandom, CHEAP)
        self.queue = PasswordQueue(self.passwords)
        self.sessions = Sessions(self.store, self.disk, clock, os.urandom)
        self.claim = Claim(self.ring, os.urandom)
        self.ended: list[str] = []
        self.sessions.follow_ends(self.ended.append)
        self.people_desk = PeopleDesk(
            register=self.people,
            disk=self.disk,
            clock=clock,
            random_bytes=os.urandom,
            record=self.recorded.append,
            on_change=self.book.refresh,
        )
        self.desk = SignInDesk(
            Parts(
                gateway="gw-1",
                credentials=self.credentials,
                sessions=self.sessions,
                people=self.people,
                add_person=self.people_desk.add,
                household=self.book.current,
                claim=self.claim,
                button=self.button,
                passwords=self.passwords,
                queue=self.queue,
                brake=self.brake,
                passkeys=Passkeys(Ceremonies(clock, os.urandom)),
                disk=self.disk,
                clock=clock,
                certain=clock,
                random_bytes=os.urandom,
                record=self.recorded.append,
                note=self._note,
                address=lambda: "https://portvakt.local",
            )
        )
        self.identify = Identify(
            sessions=self.sessions,
            household=self.book.current,
            admitted=lambda person: self.barrier.admits(
                Item(person, RecordClass.PERSON, None, subjects=frozenset({person}))
            ),
            token_of=lambda secret: Actor(self.programs_of, "t1") if secret == TOKEN else None,
            clock=clock,
        )
        self.programs_of = "nobody"

    async def _note(self, happened: Happened) -> None:
        self.happened.append(happened)

    async def can_sign_in(self, person: str) -> bool:
        """As `House`."""
        return await self.desk.links.can_sign_in(person)

    async def start(self) -> None:
        await self.disk.run(self.book.refresh)
        await self.sessions.load()

    def close(self) -> None:
        self.disk.close()
        self.queue.close()

    async def add(self, role: Role = Role.OWNER, **fields: Any) -> str:
        """Somebody of the house; returns their id."""
        body = {"name": "Kari Nordmann", "lives_here": role in {Role.OWNER, Role.RESIDENT}, **fields}
        person = await self.people_desk.add(PersonBody(role=role, **body), "test")
        self.clock.move(seconds=1)
        return person.id

    async def give_password(self, person: str, login: str = "", **more: Any) -> None:
        """They have one, without having been here."""
        known = {"login": login, "password": self.passwords.hashed(PASSWORD), "password_set": self.clock.now(), **more}
        credential = msgspec.structs.replace(await self.credential(person), **known)
        assert await self.disk.run(self.credentials.put, credential)

    async def credential(self, person: str) -> Credential:
        found = await self.disk.run(self.credentials.of, person)
        return found or Credential(person=person, at=self.clock.now())

    async def erase(self, person: str) -> None:
        """An order takes all there is of them."""
        scope = Scope(subjects=(person,))
        for store in (self.people, self.credentials, self.store):
            await self.disk.run(store.erase, scope, self.clock.now())
        await self.disk.run(self.book.refresh)

    def _app(self, routes: Sequence[web.RouteDef], *checks: Any, secure: bool = False) -> web.Application:
        def household(caller: Caller) -> Household:
            return local_household(()) if caller.local else self.book.current()

        @web.middleware
        async def over_tls(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await handler(request.clone(scheme="https") if secure else request)

        house: Any = self
        checks = (over_tls, as_problems, *checks, permitted(Permission(household, self.clock), house, Told()))
        app = web.Application(middlewares=checks)
        app.add_routes(routes)
        app.router.add_get("/api/state", self._state)
        return app

    async def _state(self, request: web.Request) -> web.Response:
        return web.Response(text=caller_of(request).actor.person)

    @asynccontextmanager
    async def served(self, *, secure: bool = False) -> AsyncIterator[str]:
        """Over the network; its address."""
        routes = SignInRoutes(self.desk)
        checks = (identified(self.identify), only_when_claimed(self.desk.claimed))
        app = self._app([*routes.table(), *routes.shared_table()], *checks, secure=secure)
        async with _running(app) as runner:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            yield f"http://localhost:{runner.addresses[0][1]}"

    @asynccontextmanager
    async def served_locally(self, socket: Path) -> AsyncIterator[None]:
        """On the command line's socket."""
        routes = SignInRoutes(self.desk)
        app = self._app([*routes.socket_table(), *routes.shared_table()], identified(identify_local))
        async with _running(app) as runner:
            await web.UnixSite(runner, str(socket)).start()
            yield


@asynccontextmanager
async def _running(app: web.Application) -> AsyncIterator[web.AppRunner]:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        yield runner
    finally:
        await runner.cleanup()


def written(folder: Path) -> bytes:
    """All that lies on the disk there."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


class Browser:
    """Keeps cookies as a browser does, and shows what the last answer set."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self.url = session, url
        self.cookies: dict[str, str] = {}
        self.set: dict[str, Morsel[str]] = {}
        self.headers: Any = {}
        self.status = 0

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The answer's JSON; of a refusal, its code."""
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent = {} if body is None else {"json": body}
        async with self._session.request(method, self.url + path, headers=headers, **sent) as response:
            self.status, self.set, self.headers = response.status, dict(response.cookies), response.headers
            for name, morsel in self.set.items():
                if morsel["max-age"] == "0" or not morsel.value:
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
            data = await response.read()
        if not response.ok:
            return msgspec.json.decode(data)["code"]
        try:
            return msgspec.json.decode(data) if data else None
        except msgspec.DecodeError:
            return data.decode()

    async def sign_in(self, login: str, password: str = PASSWORD, **more: Any) -> Any:
        return await self.ask("POST", "/api/sign-in/password", {"login": login, "password": password, **more})

    async def show_presence(self, password: str = PASSWORD) -> Any:
        return await self.ask("POST", "/api/presence", {"password": password})

    async def signed_in(self) -> bool:
        return (await self.ask("GET", "/api/who")).get("person") is not None


@asynccontextmanager
async def browsing(url: str) -> AsyncIterator[Any]:
    """Makes browsers."""
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(cookie_jar=jar, connector=aiohttp.TCPConnector(limit=0)) as session:
        yield lambda: Browser(session, url)
