"""Grants, tokens and agreements over the API, in the name of each role."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, make_mocked_request

from agent.api.asks import ASKS, ENDS, OWN, Question
from agent.api.rights_routes import RightsRoutes, _view
from agent.rights.actions import Action
from agent.rights.agreements import MOST_SAID
from agent.rights.target import Target
from privacy.errors import PrivacyError
from privacy.hold import Role
from tests.agent.rights.served_six import served
from tests.agent.rights.six import DAY, Six

Client = TestClient[Any, Any]


@pytest.fixture
async def client(six: Six) -> AsyncIterator[Client]:
    async with served(six) as made:
        yield made


def body(six: Six, to: str = "gro", **fields: Any) -> dict[str, Any]:
    usual = {"person": six.ids[to], "actions": ["read_devices"], "reach": {"home": True}, "purpose": "visit"}
    return {**usual, "end": (six.clock.now() + 3 * DAY).isoformat(), **fields}


def token(six: Six, **fields: Any) -> dict[str, Any]:
    usual = {"name": "Graphs", "actions": ["read_devices"], "reach": {"home": True}}
    return {**usual, "end": (six.clock.now() + 3 * DAY).isoformat(), **fields}


async def ask(client: Client, who: str, method: str, path: str, sent: Any = None) -> tuple[int, Any]:
    """As `who`, or where that is empty at the box: the status, and the answer or the code of the refusal."""
    headers = {"Who": who} if who else {}
    async with client.request(method, path, headers=headers, **({} if sent is None else {"json": sent})) as response:
        if response.status == 204:
            return 204, None
        answer = await response.json(content_type=None)
        return response.status, answer if response.ok else answer["code"]


async def test_a_grant_is_given_seen_and_ended(six: Six, client: Client) -> None:
    status, given = await ask(client, "olga", "POST", "/api/grants", body(six))
    assert (status, given["by"], given["actions"]) == (201, six.ids["olga"], ["read_devices"])
    for who in ("olga", "rune", "gro", ""):
        status, seen = await ask(client, who, "GET", "/api/grants")
        assert (status, [one["id"] for one in seen]) == (200, [given["id"]])
    assert await ask(client, "ivar", "GET", "/api/grants") == (200, [])
    assert await ask(client, "ivar", "DELETE", f"/api/grants/{given['id']}") == (403, "role_may_not")
    assert await ask(client, "ivar", "DELETE", "/api/grants/g0") == (403, "role_may_not"), "no telling what there is"
    assert await ask(client, "gro", "DELETE", f"/api/grants/{given['id']}") == (204, None)
    assert await ask(client, "olga", "DELETE", f"/api/grants/{given['id']}") == (404, "unknown_grant")


@pytest.mark.parametrize(
    ("who", "code"),
    [("gro", "role_may_not"), ("ivar", "role_may_not"), ("tiril", "minor")],
)
async def test_who_may_not_gives_none(six: Six, client: Client, who: str, code: str) -> None:
    to = "gro" if who != "gro" else "ivar"
    assert await ask(client, who, "POST", "/api/grants", body(six, to)) == (403, code)
    assert await ask(client, who, "POST", "/api/tokens", token(six)) == (403, code)
    assert six.book.all() == []


async def test_a_teenager_shows_where_she_is_and_lends_nothing_else_along(six: Six, client: Client) -> None:
    for named in ({"actions": ["view_presence"]}, {"actions": [], "groups": ["whereabouts"]}):
        assert (await ask(client, "tiril", "POST", "/api/grants", body(six, **named)))[0] == 201
    both = body(six, actions=["view_presence", "read_devices"])
    assert await ask(client, "tiril", "POST", "/api/grants", both) == (403, "minor")
    assert await ask(client, "tiril", "POST", "/api/grants", body(six, actions=[])) == (403, "minor")


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"end": "friday"}, 422, "invalid"),
        ({"end": "2026-06-05T12:00:00"}, 422, "invalid"),
        ({"actions": ["everything"]}, 422, "invalid"),
        ({"reach": {}}, 422, "empty_scope"),
        ({"reach": {"home": True, "attic": True}}, 422, "invalid"),
        ({"reach": {"cameras": ["../x"]}}, 422, "invalid"),
        ({"reach": {"cameras": ["attic"]}}, 404, "unknown_camera"),
        ({"reach": {"rooms": ["attic"]}}, 404, "unknown_room"),
        ({"person": "p0"}, 404, "unknown_person"),
        ({"person": "<b>"}, 422, "invalid"),
        ({"purpose": "because"}, 422, "invalid"),
        ({"actions": ["manage_people"]}, 403, "not_granted"),
        ({"note": "hello"}, 422, "invalid"),
    ],
)
async def test_what_is_no_grant_is_refused(
    six: Six, client: Client, fields: dict[str, Any], status: int, code: str
) -> None:
    assert await ask(client, "olga", "POST", "/api/grants", body(six, **fields)) == (status, code)
    assert six.book.all() == []


async def test_a_token_is_made_shown_once_and_ended(six: Six, client: Client) -> None:
    status, made = await ask(client, "olga", "POST", "/api/tokens", token(six))
    assert (status, made["token"]["name"]) == (201, "Graphs")
    status, listed = await ask(client, "olga", "GET", "/api/tokens")
    assert (status, listed) == (200, [made["token"]])
    assert await ask(client, "rune", "GET", "/api/tokens") == (200, [])
    assert await ask(client, "rune", "DELETE", f"/api/tokens/{made['token']['id']}") == (404, "unknown_token")
    assert await ask(client, "gro", "DELETE", f"/api/tokens/{made['token']['id']}") == (403, "role_may_not")
    assert await ask(client, "olga", "DELETE", f"/api/tokens/{made['token']['id']}") == (204, None)
    assert six.household.token_of(made["secret"]) is None


async def test_one_owner_puts_another_out_when_that_one_agrees(six: Six, client: Client) -> None:
    lars = f"/api/people/{await six.add('lars', Role.OWNER)}"
    assert await ask(client, "olga", "DELETE", lars) == (403, "needs_second_person")
    assert await ask(client, "rune", "GET", "/api/agreements") == (200, [])
    status, (waits,) = await ask(client, "lars", "GET", "/api/agreements")
    assert (status, waits["action"], waits["by"], waits["agreed"]) == (200, "remove_person", six.ids["olga"], False)
    assert waits["about"] == [six.ids["lars"]]
    path = f"/api/agreements/{waits['id']}"
    assert await ask(client, "rune", "POST", path, {}) == (404, "unknown_agreement")
    assert await ask(client, "olga", "POST", path, {}) == (404, "unknown_agreement")
    assert await ask(client, "rune", "DELETE", path) == (404, "unknown_agreement")
    status, agreed = await ask(client, "lars", "POST", path, {})
    assert (status, agreed["agreed"]) == (200, True)
    assert await ask(client, "olga", "DELETE", lars) == (204, None)
    assert six.household.current().people[six.ids["lars"]].memberships[0].until


async def test_whoever_agrees_is_shown_what_they_agree_to(six: Six, client: Client) -> None:
    """By action and person alone, a new name and a new role look the same."""
    lars = f"/api/people/{await six.add('lars', Role.OWNER)}"
    for body in ({"name": "Lars"}, {"role": "guest"}):
        assert await ask(client, "olga", "PATCH", lars, body) == (403, "needs_second_person")
    assert await ask(client, "olga", "DELETE", lars) == (403, "needs_second_person")
    _, waiting = await ask(client, "lars", "GET", "/api/agreements")
    shown = [(one["request"], one["said"]) for one in waiting]
    assert shown == [
        (f"PATCH {lars}", {"name": "Lars"}),
        (f"PATCH {lars}", {"role": "guest"}),
        (f"DELETE {lars}", None),
    ]


async def test_nobody_agrees_to_more_than_they_can_read(six: Six) -> None:
    lars = await six.add("lars", Role.OWNER)
    digest, target = bytes(32), Target(subjects=(lars,))
    with pytest.raises(PrivacyError, match="too long"):
        six.agreements.agreed(six.ids["olga"], digest, Action.MANAGE_PEOPLE, target, said=bytes(MOST_SAID + 1))
    assert not six.agreements.of(lars)
    six.agreements.agreed(six.ids["olga"], digest, Action.MANAGE_PEOPLE, target, said=b"[no JSON")
    assert [_view(one).said for one in six.agreements.of(lars)] == [None]


async def test_who_asked_takes_it_back(six: Six, client: Client) -> None:
    lars = f"/api/people/{await six.add('lars', Role.OWNER)}"
    await ask(client, "olga", "DELETE", lars)
    _, (waits,) = await ask(client, "olga", "GET", "/api/agreements")
    assert await ask(client, "olga", "DELETE", f"/api/agreements/{waits['id']}") == (204, None)
    assert await ask(client, "lars", "GET", "/api/agreements") == (200, [])


async def test_who_has_left_is_forgotten_by_themselves_and_at_the_box(six: Six, client: Client) -> None:
    for who in ("rune", "nils"):
        path = f"/api/people/{six.ids[who]}"
        assert await ask(client, "olga", "DELETE", path) == (204, None)
        assert await ask(client, "olga", "DELETE", path) == (403, "asks_themselves"), "their rights are not hers to end"
    assert await ask(client, "rune", "DELETE", f"/api/people/{six.ids['rune']}") == (204, None)
    assert await ask(client, "", "DELETE", f"/api/people/{six.ids['nils']}") == (204, None)
    assert not six.register.has(six.ids["rune"])
    assert not six.register.has(six.ids["nils"])


@pytest.mark.parametrize("change", [{"minor": False}, {"role": "owner"}, {"lives_here": False}, {"returns": True}])
async def test_what_somebody_is_to_the_home_is_not_theirs_to_say(
    six: Six, client: Client, change: dict[str, Any]
) -> None:
    tiril = f"/api/people/{six.ids['tiril']}"
    assert await ask(client, "tiril", "PATCH", tiril, change) == (403, "role_may_not")
    status, named = await ask(client, "tiril", "PATCH", tiril, {"name": "Tiril H"})
    assert (status, named["name"], named["minor"]) == (200, "Tiril H", True)


async def test_who_has_left_corrects_their_name_and_does_not_come_back(six: Six, client: Client) -> None:
    rune = f"/api/people/{six.ids['rune']}"
    assert await ask(client, "rune", "DELETE", rune) == (204, None)
    assert (await ask(client, "rune", "PATCH", rune, {"name": "Rune H"}))[0] == 200
    assert await ask(client, "rune", "PATCH", rune, {"returns": True}) == (403, "left")
    assert await ask(client, "olga", "PATCH", rune, {"role": "guest"}) == (409, "has_left")
    status, back = await ask(client, "olga", "PATCH", rune, {"returns": True})
    assert (status, back["until"]) == (200, None)


def test_each_route_has_its_place(six: Six) -> None:
    routes = RightsRoutes(grants=six.grants, tokens=six.tokens, agreements=six.agreements)
    named = {
        f"{one.method} {one.path.replace('{id:[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}}', '{id}')}" for one in routes.own()
    }
    assert named <= OWN
    named = {f"{one.method} {one.path.partition('{')[0]}" for one in routes.table()}
    assert named == {route.partition("{")[0] for route in ASKS if "/grants" in route or "/tokens" in route}


async def test_without_the_desks_an_end_asks_as_much() -> None:
    request = make_mocked_request("DELETE", "/api/grants/g1", app=web.Application())
    assert ENDS not in request.app
    assert await ASKS["DELETE /api/grants/{id}"](request, None, "olga") == [Question(Action.MANAGE_GRANTS)]  # type: ignore[arg-type]
