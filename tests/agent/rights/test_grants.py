"""Grants, tokens and households are read strictly."""

from datetime import UTC, datetime

import msgspec
import pytest

from agent.rights.actions import Action
from agent.rights.grants import Grant, Token, read
from agent.rights.household import Camera, Household, Membership, Person
from privacy.errors import PrivacyError
from privacy.hold import Role
from tests.agent.rights.home import DAY, GRO, LONG_AGO, NOW, OLGA, RUNE, TIRIL, grant, home, person

GRANT = {
    "id": "g1",
    "person": "gro",
    "role": "guest",
    "actions": ["control_devices"],
    "groups": ["devices"],
    "reach": {"rooms": ["hall"]},
    "by": "olga",
    "purpose": "visit",
    "start": "2026-06-01T12:00:00Z",
    "end": "2026-06-05T18:00:00+02:00",
    "history_from": "2026-06-01T12:00:00Z",
}
TOKEN = {name: GRANT[name] for name in ("id", "person", "actions", "reach", "start", "end")}


def test_a_grant_comes_back_as_it_was() -> None:
    one = read(Grant, msgspec.json.encode(GRANT))
    assert read(Grant, msgspec.json.encode(one)) == one
    assert one.end == datetime(2026, 6, 5, 16, tzinfo=UTC)
    assert read(Token, msgspec.json.encode(TOKEN)).actions == (Action.CONTROL_DEVICES,)


def test_a_grant_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        read(Grant, msgspec.json.encode(GRANT)).end = NOW  # type: ignore[misc]


@pytest.mark.parametrize("left_out", sorted(GRANT.keys() - {"actions", "groups", "history_from"}))
def test_what_is_left_out_is_missed(left_out: str) -> None:
    with pytest.raises(PrivacyError, match=f"not a grant.*{left_out}"):
        read(Grant, msgspec.json.encode({name: value for name, value in GRANT.items() if name != left_out}))


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": ""},
        {"id": "x" * 65},
        {"person": "<script>"},
        {"person": "gro\n"},
        {"role": "landlord"},
        {"actions": ["control_everything"]},
        {"actions": "control_devices"},
        {"actions": [], "groups": []},
        {"groups": ["everything"]},
        {"reach": {"house": True}},
        {"reach": {"cameras": "door"}},
        {"reach": {"classes": ["secrets"]}},
        {"reach": None},
        {"by": None},
        {"purpose": "curiosity"},
        {"start": "2026-06-01T12:00:00"},
        {"start": "soon"},
        {"start": 0},
        {"end": "2026-06-01T12:00:00Z"},
        {"end": None},
        {"history_from": "2026-06-01T12:00:00"},
        {"note": "she is ill"},
    ],
)
def test_what_is_wrong_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(PrivacyError, match="not a grant"):
        read(Grant, msgspec.json.encode({**GRANT, **wrong}))


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b"\xff", b'"grant"'])
def test_what_is_no_grant_at_all(text: bytes) -> None:
    with pytest.raises(PrivacyError, match="not a token"):
        read(Token, text)


def test_a_membership_that_cannot_be() -> None:
    with pytest.raises(PrivacyError, match="does not live here"):
        Membership(role=Role.GUEST, since=NOW, lives_here=True)


def test_people_who_cannot_be() -> None:
    with pytest.raises(PrivacyError, match="or was"):
        Person(id="nobody", memberships=())
    with pytest.raises(PrivacyError, match="minor does not own"):
        person("child", Role.OWNER, minor=True)


def test_who_lives_there_is_known_for_each_moment() -> None:
    moves_out = person(RUNE, Role.RESIDENT, here=True, until=NOW)
    moves_in = Person(id=TIRIL, memberships=(Membership(role=Role.RESIDENT, since=NOW, lives_here=True),))
    household = Household(people={RUNE: moves_out, TIRIL: moves_in, OLGA: person(OLGA, Role.OWNER)})
    assert household.dwellers(LONG_AGO - DAY) == set()
    assert household.dwellers(NOW - DAY) == household.dwellers(NOW - DAY / 2) == {RUNE}
    assert household.dwellers(NOW) == household.dwellers(NOW + DAY) == {TIRIL}


def test_a_camera_in_somebodys_room_is_theirs() -> None:
    household = home(cameras={"one": Camera(id="one", room="runes", people=frozenset({GRO}))})
    assert household.owners_of_camera(household.cameras["one"]) == {RUNE, GRO}
    assert household.camera_owners == {frozenset({RUNE, GRO})}
    assert household.room_owners == {frozenset({RUNE}), frozenset({OLGA})}


def test_grants_stand_by_person_and_action_in_the_order_of_their_ids() -> None:
    two = grant(GRO, Role.GUEST, Action.READ_DEVICES, id="b"), grant(GRO, Role.GUEST, Action.READ_DEVICES, id="a")
    assert [one.id for one in home(grants=two).grants_of(GRO, Action.READ_DEVICES)] == ["a", "b"]
    assert home(grants=two).grants_of(GRO, Action.CONTROL_DEVICES) == ()
