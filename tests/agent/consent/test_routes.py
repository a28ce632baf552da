"""Over the API everybody speaks for themselves alone; over the socket nobody speaks for anybody."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from agent.api.consent_routes import consent_routes
from agent.api.permission import Caller, Permission
from agent.api.server import serve
from agent.cli.outcome import carry_out
from agent.consent.contract import ConsentView
from agent.rights.grants import Actor
from agent.rights.household import Household, Membership, Person, household
from agent.rights.local import local_household
from privacy.clock import SystemClock
from privacy.consent import No, Yes
from privacy.consent_text import Kind
from privacy.hold import Role
from tests.agent.consent.consent_house import TEXTS, ConsentHouse
from tests.agent.open_door import open_door

Served = Callable[[str], AbstractAsyncContextManager[aiohttp.ClientSession]]
CLOCK = SystemClock()
AGREED = {"kind": "camera", "version": 1, "language": "nb"}


def home() -> Household:
    since = CLOCK.now() - timedelta(days=1)
    member = Membership(role=Role.RESIDENT, since=since, lives_here=True)
    left = Membership(role=Role.RESIDENT, since=since, lives_here=True, until=since + timedelta(hours=1))
    return household(
        [
            Person(id="kari", memberships=(member,), minor=True),
            Person(id="ola", memberships=(left,)),
            Person(id="anna", memberships=(member,)),
        ],
        [],
    )


@pytest.fixture
def served(house: ConsentHouse, api_house: Any, tmp_path: Path) -> Served:
    """A page on which somebody is signed in, by id; the socket beside it."""

    @asynccontextmanager
    async def made(person: str) -> AsyncIterator[aiohttp.ClientSession]:
        caller = Caller(Actor(person), session="s1")
        permission = Permission(lambda who: local_household(()) if who.local else home(), CLOCK)
        door = open_door(api_house, caller=caller, permission=permission, routes=consent_routes(house.desk))
        async with (
            serve(api_house, clock=CLOCK, door=door, port=0, socket_path=tmp_path / "api.sock") as url,
            aiohttp.ClientSession(url, headers={"Origin": url}) as session,
        ):
            yield session

    return made


async def problem(response: aiohttp.ClientResponse, status: int, code: str) -> str:
    told = await response.json(content_type="application/problem+json")
    assert (response.status, told["code"]) == (status, code), told
    return str(told["detail"])


async def test_somebody_gives_reads_and_withdraws_their_own(house: ConsentHouse, served: Served) -> None:
    gate = house.gates.gate(Kind.CAMERA, ["kari"])
    async with served("kari") as session:
        response = await session.post("/api/consents", json=AGREED)
        assert response.status == 201
        given = msgspec.json.decode(await response.read(), type=ConsentView)
        assert (given.kind, given.state, len(given.records)) == (Kind.CAMERA, "given", 1)
        assert gate.verdict == Yes("consent")
        response = await session.get("/api/consents")
        views = msgspec.json.decode(await response.read(), type=tuple[ConsentView, ...])
        assert [view.kind for view in views] == list(Kind)
        assert views[0] == given
        response = await session.delete("/api/consents/camera")
        assert response.status == 200
        withdrawn = msgspec.json.decode(await response.read(), type=ConsentView)
        assert (withdrawn.state, withdrawn.records[0].order) == ("withdrawn", house.orders()[0].id)
        assert isinstance(gate.verdict, No)


async def test_who_has_left_withdraws_as_easily(house: ConsentHouse, served: Served) -> None:
    async with served("ola") as session:
        assert (await session.post("/api/consents", json=AGREED)).status == 201
        assert (await session.delete("/api/consents/camera")).status == 200
    [order] = house.orders()
    assert order.scope.subjects == ("ola",)


async def test_the_words_that_are_shown_are_those_that_are_recorded(house: ConsentHouse, served: Served) -> None:
    async with served("kari") as session:
        response = await session.post("/api/consents", json={**AGREED, "language": "en"})
        view = msgspec.json.decode(await response.read(), type=ConsentView)
    assert view.records[0].sha256 == TEXTS[Kind.CAMERA].sha256(1, "en")
    assert msgspec.to_builtins(view.en) == msgspec.to_builtins(TEXTS[Kind.CAMERA].newest.en)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({**AGREED, "kind": "history"}, 409, "not_consent"),
        ({**AGREED, "version": 2}, 409, "old_text"),
        ({**AGREED, "version": 0}, 422, "invalid"),
        ({**AGREED, "version": "1"}, 422, "invalid"),
        ({**AGREED, "kind": "face"}, 422, "invalid"),
        ({**AGREED, "language": "sv"}, 422, "invalid"),
        ({**AGREED, "person": "ola"}, 422, "invalid"),
        ({"kind": "camera"}, 422, "invalid"),
        ([], 422, "invalid"),
    ],
)
async def test_what_cannot_be_agreed_to_is_refused(
    house: ConsentHouse, served: Served, body: Any, status: int, code: str
) -> None:
    async with served("kari") as session:
        await problem(await session.post("/api/consents", json=body), status, code)
    assert house.recorded == []


async def test_only_consent_can_be_withdrawn_and_the_ground_is_said(house: ConsentHouse, served: Served) -> None:
    async with served("kari") as session:
        said = await problem(await session.delete("/api/consents/history"), 409, "not_consent")
        assert said == "readings over time rest on another ground than consent: contract"
        await problem(await session.delete("/api/consents/face"), 404, "unknown_path")


async def test_whom_the_register_does_not_know_consents_to_nothing(house: ConsentHouse, served: Served) -> None:
    async with served("anna") as session:
        await problem(await session.post("/api/consents", json=AGREED), 404, "unknown_person")


async def test_a_stranger_is_not_asked(house: ConsentHouse, served: Served) -> None:
    async with served("stranger") as session:
        for response in (
            await session.get("/api/consents"),
            await session.post("/api/consents", json=AGREED),
            await session.delete("/api/consents/camera"),
        ):
            await problem(response, 403, "not_a_member")


async def test_the_hand_at_the_box_consents_for_nobody(house: ConsentHouse, served: Served, tmp_path: Path) -> None:
    async with (
        served("kari"),
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(tmp_path / "api.sock"))) as socket,
    ):
        for response in (
            await socket.post("http://portvakt/api/consents", json=AGREED),
            await socket.delete("http://portvakt/api/consents/camera"),
        ):
            said = await problem(response, 403, "not_yourself")
            assert "Nobody consents for another" in said
        response = await socket.get("http://portvakt/api/consents")
        views = msgspec.json.decode(await response.read(), type=tuple[ConsentView, ...])
        assert {view.state for view in views} == {"never", "not_asked"}
    assert house.recorded == []


class TestCommandLine:
    @pytest.fixture
    def run(self, served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
        async def run(*words: str, code: int = 0) -> str:
            async with served("kari"):
                capsys.readouterr()
                line = ["consent", *words, "--socket", str(tmp_path / "api.sock")]
                assert await asyncio.to_thread(carry_out, line) == code
                out, err = capsys.readouterr()
                return out + err

        return run

    async def test_list_says_what_rests_on_what(self, run: Any) -> None:
        rows = [line.split("\t") for line in (await run("list")).splitlines()]
        assert rows[0] == ["kind", "ground", "who is asked", "text", "title"]
        assert {row[0]: row[1:3] for row in rows[1:]} == {
            "camera": ["consent / contract", "whom it concerns"],
            "presence": ["consent", "whom it concerns"],
            "position": ["consent", "whom it concerns"],
            "history": ["contract", "nobody"],
        }
        views = msgspec.json.decode(await run("list", "--json"), type=tuple[ConsentView, ...])
        assert [view.kind for view in views] == list(Kind)

    async def test_texts_are_printed_in_both_languages(self, run: Any) -> None:
        assert (await run("texts", "camera")).splitlines()[0] == TEXTS[Kind.CAMERA].newest.en.title
        nb = (await run("texts", "camera", "--language", "nb")).splitlines()
        text = TEXTS[Kind.CAMERA].newest.nb
        assert nb == [text.title, text.what, text.why, text.how_long, text.withdraw]
        assert (
            msgspec.json.decode(await run("texts", "camera", "--json"))["title"] == TEXTS[Kind.CAMERA].newest.en.title
        )

    async def test_what_there_is_not_is_bad_usage(self, run: Any) -> None:
        assert "one of: camera, presence, position, history" in await run("texts", "face", code=2)
        assert "--language is nb or en" in await run("texts", "camera", "--language", "sv", code=2)
