"""Every request is asked of the rights before the house is: each route, each section, and each refusal."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import aiohttp
import msgspec
import pytest
from aiohttp.test_utils import make_mocked_request

from agent.api.asks import ASKS, LOCAL_ONLY, OWN, PUBLIC, UNCLAIMED, Question, of_erasure
from agent.api.contract import HoldBody, Section, State
from agent.api.feed import Feed
from agent.api.permission import Caller, Permission, caller_of
from agent.api.problems import NotPermitted, NotSignedIn
from agent.api.routes import Routes
from agent.api.server import serve
from agent.api.sight import SECTIONS, Sight
from agent.errors import Refused
from agent.rights.actions import Action, Need
from agent.rights.grants import Actor, Reach
from agent.rights.household import Camera, Household, Membership, Person
from agent.rights.local import LOCAL_OWNER, local_household
from agent.rights.target import Target
from privacy.clock import SystemClock
from privacy.hold import Role
from privacy.records import RecordClass, Scope
from tests.agent.open_door import Silent, open_door
from tests.agent.rights.home import DAY, NOW, grant, home
from tests.agent.served_house import serving

House = Any
CLOCK = SystemClock()
BEGINNING = datetime.min.replace(tzinfo=UTC)
AT = "2026-03-01T12:00:00Z"
HOLD = {"scope": {"cameras": ["door"]}, "reason": "dispute"}
REQUESTS: dict[str, Any] = {
    "GET /api/state": None,
    "GET /api/ws": None,
    "GET /api/health": None,
    "GET /api/inventory": None,
    "GET /api/audit": None,
    "GET /api/audit/checkpoint": None,
    "GET /api/receipts/{order}/{kind}": None,
    "GET /metrics": None,
    "POST /api/devices/{id}/commands": {"capability": "OnOff.OnOff", "value": True},
    "DELETE /api/devices/{id}": None,
    "POST /api/found/{id}/adopt": {"family": "homekit"},
    "GET /api/snapshots/{id}/{size}": None,
    "POST /api/snapshots/{id}/subjects": {"subject": "anna"},
    "POST /api/claims": {"camera": "door", "subject": "anna", "start": AT, "end": "2026-03-01T13:00:00Z"},
    "POST /api/erase": {"scope": {"everything": True}},
    "GET /api/holds": None,
    "POST /api/holds": HOLD,
    "DELETE /api/holds/{id}": None,
    "GET /api/people": None,
    "POST /api/people": {"role": "owner", "name": "Anna", "lives_here": True},
    "PATCH /api/people/{id}": {"name": "Anna"},
    "DELETE /api/people/{id}": None,
    "POST /api/time": {"at": AT},
}
"""Of each route of the house itself, a body that it would take."""
PARTS = {"{id}": "s0", "{order}": "o", "{kind}": "erased", "{size}": "image"}


def only(role: Role, **fields: Any) -> Callable[[], Household]:
    """A household in which whoever is inside the fence is this."""

    def made() -> Household:
        member = Person(id=LOCAL_OWNER.person, memberships=(Membership(role=role, since=BEGINNING, **fields),))
        return Household(people={member.id: member}, cameras={camera: Camera(id=camera) for camera in ("door", "yard")})

    return made


@asynccontextmanager
async def served(house: House, **door: Any) -> AsyncIterator[aiohttp.ClientSession]:
    async with (
        serve(house, door=open_door(house, **door), clock=CLOCK, port=0, socket_path=None) as url,
        aiohttp.ClientSession(url, headers={"Origin": url}) as session,
    ):
        yield session


async def send(session: aiohttp.ClientSession, route: str) -> aiohttp.ClientResponse:
    method, path = route.split()
    for part, value in PARTS.items():
        path = path.replace(part, value)
    body = REQUESTS[route]
    return await session.request(method, path, **({} if body is None else {"json": body}))


async def code_of(response: aiohttp.ClientResponse, status: int) -> str:
    problem = await response.json(content_type="application/problem+json")
    assert (response.status, problem["status"]) == (status, status), problem
    assert problem["detail"].endswith(".")
    return str(problem["code"])


async def test_every_route_says_what_it_asks(tmp_path: Path, clock: Any) -> None:
    async with serving(tmp_path, clock) as whole:
        network, local = (
            {f"{r.method} {r.resource.canonical}" for r in app.router.routes() if r.method != "HEAD" and r.resource}
            for app in whole.applications()
        )
    assert network == ASKS.keys() | PUBLIC | OWN, "a route without an action, or an action without a route"
    assert local == ASKS.keys() | LOCAL_ONLY | {"GET /api/openapi.json"}
    every = (*ASKS, *PUBLIC, *OWN, *LOCAL_ONLY)
    assert len(every) == len(set(every))
    assert UNCLAIMED <= PUBLIC


def test_each_route_of_the_house_itself_is_tried_below(api_house: House) -> None:
    table = Routes(api_house, Feed(Any, CLOCK), Any).table()  # type: ignore[arg-type] # not asked here
    assert {f"{route.method} {re.sub(':[^/]*}', '}', route.path)}" for route in table} == set(REQUESTS)


@pytest.mark.parametrize("route", sorted(set(REQUESTS) - {"GET /api/state", "GET /api/ws"}))
async def test_who_may_not_reaches_no_house(
    api_house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, route: str
) -> None:
    caplog.set_level(0)
    async with served(api_house, household=only(Role.SUPPORT)) as session:
        response = await send(session, route)
        assert await code_of(response, 403) in {"role_may_not", "no_session", "not_granted", "not_own"}
    assert api_house.asked == []
    assert "s0" not in caplog.text


@pytest.mark.parametrize("route", sorted(REQUESTS))
async def test_who_does_not_belong_there_gets_nothing_at_all(
    api_house: House, monkeypatch: pytest.MonkeyPatch, route: str
) -> None:
    async with served(api_house, household=home) as session:
        assert await code_of(await send(session, route), 403) == "not_a_member"
    assert api_house.asked == []


@pytest.mark.parametrize("route", sorted(set(REQUESTS) - {"GET /api/ws"}))
async def test_the_local_owner_may_do_all_of_it(api_house: House, route: str) -> None:
    async with served(api_house) as session:
        response = await send(session, route)
        assert response.status != 403, await response.text()


async def test_head_is_asked_as_get_is(api_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(api_house, household=only(Role.SUPPORT)) as session:
        assert (await session.head("/api/inventory")).status == 403
        assert (await session.head("/api/state")).status == 200


async def test_the_page_itself_and_what_is_not_there_are_the_same_for_everybody(
    api_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(api_house, household=home) as session:
        assert (await session.get("/")).status == 200
        assert (await session.get("/static/app.js")).status == 200
        assert (await session.get("/api/nothing")).status == 404
        assert (await session.put("/api/erase")).status == 405


async def test_a_route_that_asks_nothing_is_not_served(api_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    without = {route: ask for route, ask in ASKS.items() if route != "GET /api/inventory"}
    monkeypatch.setattr("agent.api.permission.ASKS", without)
    async with served(api_house) as session:
        response = await session.get("/api/inventory")
        assert (response.status, (await response.json(content_type=None))["code"]) == (500, "bug")


async def test_somebody_elses_hold_is_not_ended(api_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    placed = await api_house.hold(msgspec.convert(HOLD, HoldBody), "rune")
    api_house.asked.clear()
    async with served(api_house, household=only(Role.RESIDENT, lives_here=True)) as session:
        assert await code_of(await session.delete(f"/api/holds/{placed.id}"), 403) == "not_own"
    assert api_house.asked == []


@pytest.mark.parametrize(
    ("person", "change", "action"),
    [
        (LOCAL_OWNER.person, {"phone": "+4722334455"}, Action.RECTIFY_OWN),
        (LOCAL_OWNER.person, {"role": "owner"}, Action.MANAGE_PEOPLE),
        (LOCAL_OWNER.person, {"lives_here": True}, Action.MANAGE_PEOPLE),
        ("anna", {"phone": "+4722334455"}, Action.MANAGE_PEOPLE),
    ],
)
async def test_one_corrects_oneself_but_not_what_one_is(
    api_house: House, person: str, change: dict[str, object], action: Action
) -> None:
    silent = Silent()
    async with served(api_house, witness=silent) as session:
        await session.patch(f"/api/people/{person}", json=change)
    asked = [each.question for each in silent.asked]
    assert asked == [Question(action, Target(subjects=(person,)))]


async def test_a_presence_that_was_not_shown_is_asked_for(api_house: House) -> None:
    async with served(api_house, caller=Caller(LOCAL_OWNER)) as session:
        assert await code_of(await send(session, "POST /api/erase"), 403) == "needs_presence"
    assert api_house.asked == []


class TestAPicture:
    async def test_is_of_its_camera_at_its_time(self, api_house: House) -> None:
        shown = api_house.state().snapshots[0]
        silent = Silent()
        async with served(api_house, witness=silent) as session:
            await session.get(f"/api/snapshots/{shown.id}/image")
        [asked] = silent.asked
        assert asked.question == Question(Action.VIEW_PICTURES, Target(cameras=(shown.camera,), moment=shown.at))
        assert (asked.record, asked.changes) == (shown.id, False)

    @pytest.mark.parametrize("role", [Role.OWNER, Role.SUPPORT])
    async def test_that_is_not_there_is_not_there_for_anybody(self, api_house: House, role: Role) -> None:
        async with served(api_house, household=only(role)) as session:
            assert (await session.get("/api/snapshots/older/image")).status == 404
            assert (await session.post("/api/snapshots/older/subjects", json={"subject": "anna"})).status == 404

    async def test_is_refused_to_who_came_later(self, api_house: House) -> None:
        stay = Membership(role=Role.OWNER, since=NOW + 10_000 * DAY, lives_here=True)
        newly = Membership(role=Role.OWNER, since=CLOCK.now(), lives_here=True)
        camera = api_house.state().snapshots[0].camera
        for membership, code in ((stay, "not_yet"), (newly, "before_access")):
            person = Person(id=LOCAL_OWNER.person, memberships=(membership,))
            household = Household(people={person.id: person}, cameras={camera: Camera(id=camera)})
            async with served(api_house, household=lambda household=household: household) as session:
                assert await code_of(await session.get("/api/snapshots/s0/image"), 403) == code
        assert api_house.asked == []


ME, ANNA = LOCAL_OWNER.person, "anna"


@pytest.mark.parametrize(
    ("scope", "asked"),
    [
        (Scope(everything=True), [Question(Action.ERASE_EVERYTHING)]),
        (
            Scope(everything=True, cameras=("door",)),
            [Question(Action.ERASE_HOME, Target(cameras=("door",)))],
        ),
        (
            Scope(classes=(RecordClass.PRESENCE,)),
            [Question(Action.ERASE_HOME, Target(classes=(RecordClass.PRESENCE,)))],
        ),
        (Scope(), [Question(Action.ERASE_HOME)]),
        (Scope(subjects=(ME,)), [Question(Action.ERASE_OWN, Target(subjects=(ME,)))]),
        (Scope(subjects=(ANNA,)), [Question(Action.ERASE_OTHERS, Target(subjects=(ANNA,)))]),
        (
            Scope(everything=True, subjects=(ANNA, ME), cameras=("door",)),
            [
                Question(Action.ERASE_OWN, Target(subjects=(ME,), cameras=("door",))),
                Question(Action.ERASE_OTHERS, Target(subjects=(ANNA,), cameras=("door",))),
            ],
        ),
    ],
)
def test_an_erasure_asks_for_all_that_it_reaches(scope: Scope, asked: list[Question]) -> None:
    assert list(of_erasure(scope, ME)) == asked


class TestSight:
    def sight(self, house: House, household: Household, person: str = ME) -> Sight:
        return Sight(house, Permission(lambda _caller: household, CLOCK), Caller(Actor(person)))

    def test_every_section_has_an_action(self) -> None:
        assert set(SECTIONS) == set(get_args(Section)) <= set(State.__struct_fields__)

    def test_the_local_owner_sees_everything(self, api_house: House) -> None:
        cameras = tuple(camera.id for camera in api_house.state().cameras)
        assert self.sight(api_house, local_household(cameras)).state() == api_house.state()

    def test_a_guest_sees_that_it_is_there(self, api_house: House) -> None:
        sight = self.sight(api_house, only(Role.GUEST)())
        state = sight.state()
        assert (state.gateway, state.time) == (api_house.state().gateway, api_house.state().time)
        for section in SECTIONS.keys() - {"time", "link"}:
            assert getattr(state, section) == sight.section(section) == ()

    def test_a_camera_that_is_anothers_is_left_out_and_its_pictures(self, api_house: House) -> None:
        [camera, *_] = {shot.camera for shot in api_house.state().snapshots}
        household = home(cameras={camera: Camera(id=camera, people=frozenset({"rune"}))})
        for person, sees in (("rune", True), ("olga", False)):
            sight = self.sight(api_house, household, person)
            for section in ("cameras", "snapshots"):
                assert bool(sight.section(section)) is sees  # type: ignore[arg-type] # one of the two, by name
            assert sight.section("devices") == api_house.state().devices

    def test_a_guest_sees_the_devices_that_were_granted(self, api_house: House) -> None:
        lent = grant("gro", Role.GUEST, Action.READ_DEVICES, reach=Reach(devices=("lamp",)))
        lent = msgspec.structs.replace(lent, start=NOW - 1000 * DAY, end=NOW + 10_000 * DAY)  # by the clock of today
        seen = self.sight(api_house, home(grants=(lent,)), "gro").state().devices
        assert [device.id for device in seen] == ["lamp"]

    async def test_the_feed_shows_no_more(self, api_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        async with (
            served(api_house, household=only(Role.GUEST)) as session,
            session.ws_connect("/api/ws") as feed,
        ):
            assert (await feed.receive_json(timeout=5))["state"]["devices"] == []
            api_house.set_device("lamp", reachable=False)
            change = await feed.receive_json(timeout=5)
            assert (change["section"], change["value"]) == ("devices", [])


def test_what_a_caller_has_not_shown_is_said(api_house: House) -> None:
    permission = Permission(lambda _caller: home(), CLOCK)
    with pytest.raises(NotPermitted) as refusal:
        permission.ask(Caller(Actor("olga")), [Question(Action.ERASE_EVERYTHING)])
    assert refusal.value.code == "needs_presence"
    permission.ask(Caller(Actor("olga"), frozenset({Need.PRESENCE})), [Question(Action.ERASE_EVERYTHING)])
    with pytest.raises(NotPermitted, match="Another person"):
        permission.ask(Caller(Actor("lars")), [Question(Action.REMOVE_PERSON, Target(subjects=("rune",)))])


def test_a_request_of_nobody_is_told_to_sign_in() -> None:
    with pytest.raises(NotSignedIn) as refusal:
        caller_of(make_mocked_request("GET", "/api/state"))
    assert refusal.value.code == "not_signed_in"


async def test_what_the_house_refused_is_not_left_standing_as_done(
    api_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line is written before, so that no power cut hides a change; the one behind it says that there was none."""

    async def remove(_device: str, _actor: str) -> None:
        raise Refused("unknown_device", "there is none")

    monkeypatch.setattr(api_house, "remove", remove)
    silent = Silent()
    async with served(api_house, witness=silent) as session, session.delete("/api/devices/nope") as response:
        assert response.status == 404
    assert [getattr(each.answer, "code", "allowed") for each in silent.asked] == ["allowed", "unknown_device"]
