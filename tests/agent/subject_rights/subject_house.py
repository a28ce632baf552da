"""Kari, Ola and Anna live here, in a house of the composition root; each store has something of Kari, and of others."""

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from PIL import Image

from agent.api.permission import Caller, Permission
from agent.api.server import serve
from agent.api.subject_routes import SubjectRoutes
from agent.cli.outcome import carry_out
from agent.config.model import Camera
from agent.people.contact import Language
from agent.people.register import Person
from agent.rights.actions import Action, Need, Purpose
from agent.rights.grants import Actor, Grant, Reach, Token
from agent.rights.household import Household
from agent.rights.local import local_household
from agent.signin.credentials import Code, Credential, KnownBrowser, Passkey
from agent.signin.session_store import Session
from agent.subject_rights.contract import ExportView
from camera.picture import Picture
from privacy import entries
from privacy.activity_line import Deed
from privacy.consent_text import Kind
from privacy.consents import Consent
from privacy.hold import Role
from tests.agent.open_door import Silent, open_door
from tests.agent.served_house import ServedHouse, serving

KARI, OLA, ANNA = "p00000000000000a1", "p00000000000000b2", "p00000000000000c3"
OLAS_WORDS = (OLA, "Ola Dyrkorn", "Ola", "Dyrkorn", "ola@dyrkorn.example", "+4741414141", "41414141", "olas-login")
SECRETS = ("argon2-of-kari", "TOTP-seed-of-kari", "hash-of-a-code")


def jpeg(shade: int) -> bytes:
    out = io.BytesIO()
    Image.new("L", (64, 48), shade).save(out, "JPEG")
    return out.getvalue()


class SubjectHouse:
    """`session` is a page on which `who` is signed in."""

    def __init__(self, served: ServedHouse) -> None:
        self.served, self.storage, self.clock = served, served.storage, served.clock
        self.doorway = served.agent._doorway
        self.desk = self.doorway._exports
        self.disk = served.agent._disk
        self.who = KARI
        self.asked = Silent()
        self.session: aiohttp.ClientSession
        self.socket: Path

    def keep(self, camera: str, shade: int, *subjects: str) -> str:
        now = self.storage.time.now()
        picture = Picture(jpeg(shade), jpeg(shade), 64, 48)
        snapshot = self.storage.vault.append(camera, now, picture, frozenset(subjects))
        assert snapshot
        self.clock.move(seconds=1)
        return snapshot.id

    async def make(self) -> None:
        """What the service does in its round."""
        for head in await self.disk.run(self.storage.exports.unmade):
            await self.desk._make(head)

    async def exported(self, **body: Any) -> tuple[ExportView, bytes]:
        """Asked for, made, fetched."""
        async with self.session.post("/api/exports", json=body) as response:
            assert response.status == 202, await response.text()
        await self.make()
        [view] = await self.exports()
        async with self.session.get(f"/api/exports/{view.id}") as response:
            assert response.status == 200, await response.text()
            return view, await response.read()

    async def exports(self) -> tuple[ExportView, ...]:
        async with self.session.get("/api/exports") as response:
            assert response.status == 200
            return msgspec.json.decode(await response.read(), type=tuple[ExportView, ...])

    async def streamed(self, **body: Any) -> bytes:
        async with self.session.post("/api/exports/stream", json=body) as response:
            assert response.status == 200, await response.text()
            return await response.read()

    async def run(self, *arguments: str) -> int:
        """The command line, at the box."""
        return await asyncio.to_thread(carry_out, [*arguments, "--socket", str(self.socket)])


def unzipped(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


@asynccontextmanager
async def lived_in(folder: Path, clock: Any) -> AsyncIterator[SubjectHouse]:
    cameras = [Camera(id=id_, name=id_, url="http://192.0.2.9/", keep_seconds=86400) for id_ in ("hall", "karis")]
    async with serving(folder, clock, *cameras) as served:
        house = SubjectHouse(served)
        await served.agent._disk.run(plant, house)
        await served.agent._doorway.open()
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(behind_the_door(house, folder))
            yield house


@asynccontextmanager
async def behind_the_door(house: SubjectHouse, folder: Path) -> AsyncIterator[None]:
    book = house.doorway._book

    async def identify(_request: Any) -> Caller | None:
        return Caller(Actor(house.who), frozenset({Need.PRESENCE}), session="s1")

    def household(caller: Caller) -> Household:
        return local_household(()) if caller.local else book.current()

    door = open_door(
        house.served.house,
        witness=house.asked,
        identify=identify,
        permission=Permission(household, house.clock),
        routes=SubjectRoutes(house.doorway._exports, house.doorway._claims).table(),
    )
    house.socket = folder / "subjects.sock"
    async with (
        serve(house.served.house, clock=house.clock, door=door, port=0, socket_path=house.socket) as url,
        aiohttp.ClientSession(url, headers={"Origin": url}) as house.session,
    ):
        yield


def plant(house: SubjectHouse) -> None:
    storage, now = house.storage, house.clock.now()
    people = (
        Person(KARI, now, Role.OWNER, "Kari Nordmann", lives_here=True, email="kari@nordmann.example"),
        Person(
            OLA, now, Role.RESIDENT, "Ola Dyrkorn", lives_here=True, email="ola@dyrkorn.example", phone="+4741414141"
        ),
        Person(ANNA, now, Role.RESIDENT, "Anna Nordmann", lives_here=True, language=Language.ENGLISH),
    )
    for person in people:
        assert storage.people.put(person)
    _credentials(storage, now)
    _lent(storage, now)
    house.clock.move(seconds=1)
    for person_id in (KARI, OLA):
        for kind in (Kind.CAMERA, Kind.PRESENCE):
            consent = Consent(person=person_id, kind=kind, version=1, sha256="0" * 64, language="nb", at=now)
            assert storage.consents.give(consent)
    storage.activity.append([
        Deed(at=now, actor=OLA, role=Role.RESIDENT, action="view_pictures", concerns=frozenset({KARI}), camera="hall"),
        Deed(at=now, actor=KARI, role=Role.OWNER, action="rename", record=OLA),
        Deed(at=now, actor=OLA, role=Role.RESIDENT, action="secret-deed-of-the-other"),
    ])  # fmt: skip
    storage.operation_log.append([
        entries.PersonTagged(at=now, subject=KARI, actor=OLA),
        entries.DeviceAdopted(at=now, device="lamp", family="homekit", name="Olas lampe", actor=KARI),
        entries.SignedIn(at=now, subject=OLA, way="password"),
    ])  # fmt: skip
    pictures(house)


def pictures(house: SubjectHouse) -> None:
    """One by assignment, one tagged, one claimed, one of both, and one that is nobody's, one Ola's."""
    vault = house.storage.vault
    house.keep("karis", 10, KARI)
    tagged = house.keep("hall", 20)
    start = house.clock.now()
    house.keep("hall", 30)
    end = house.clock.now()
    house.keep("hall", 40, OLA)
    house.keep("hall", 50)
    both = house.keep("hall", 60)
    vault.flush()
    vault.tag(KARI, [tagged, both])
    vault.tag(OLA, [both])
    vault.claim(KARI, "hall", start, end)


def _credentials(storage: Any, now: Any) -> None:
    for person, login in ((KARI, "karis-login"), (OLA, "olas-login")):
        assert storage.credentials.put(
            Credential(
                person=person,
                at=now,
                login=login,
                password="argon2-of-kari",
                second="TOTP-seed-of-kari",
                recovery=(b"hash-of-a-code",),
                passkeys=(Passkey(id=b"cred", key=b"public", made=now, name="Karis mobil", for_name="localhost"),),
                codes=(Code(hash=b"hash-of-a-code", purpose="recovery", until=now),),
                browsers=(KnownBrowser(hash=b"hash-of-a-code", seen=now),),
            )
        )
    session = Session("s-of-kari", KARI, now, b"hash-of-a-code", now, (Role.OWNER,), "password", stay=True)
    storage.sessions.put(KARI, [session])


def _lent(storage: Any, now: Any) -> None:
    lent = {"actions": (Action.READ_DEVICES,), "reach": Reach(home=True), "start": now, "end": now.replace(year=2027)}
    grant = Grant(id="g1", person=OLA, by=KARI, role=Role.RESIDENT, purpose=Purpose.VISIT, **lent)
    assert storage.grants.give(grant, now)
    assert storage.grants.issue(Token(id="t1", person=KARI, **lent), "Karis graf", b"d" * 32, now)
