"""A second person agrees: who may, to what, for how long, and how much may wait."""

import os
from datetime import timedelta
from typing import Any

import pytest

from agent.rights.actions import Action
from agent.rights.agreements import LIFE, MOST, MOST_EACH, UNKNOWN, Agreement, Agreements, digest_of, seconds_of
from agent.rights.decision import Denied
from agent.rights.household import Camera, Household, Membership, Person
from agent.rights.local import LOCAL_OWNER
from agent.rights.target import HOME, Target
from privacy.errors import PrivacyError
from privacy.hold import Role
from tests.agent.rights.home import GRO, LARS, LONG_AGO, MONA, NOW, OLGA, RUNE, TIRIL, VERA, home, person

REMOVE, MANAGE, HOLD, LOOK = (
    Action.REMOVE_PERSON,
    Action.MANAGE_PEOPLE,
    Action.RENEW_HOLD,
    Action.VIEW_PICTURES,
)
ASSIGN, SETTINGS = Action.ASSIGN_CAMERA, Action.CHANGE_SETTINGS
ADULTS = {OLGA, RUNE, VERA}


def of(*people: str) -> Target:
    return Target(subjects=people)


@pytest.mark.parametrize(
    ("asker", "action", "target", "expected"),
    [
        # A landlord moves somebody in: whoever lives there and is grown up.
        (LARS, MANAGE, HOME, ADULTS),
        (LARS, MANAGE, of("newcomer"), ADULTS),
        # He puts a tenant out: that one alone says yes, and no other tenant for them.
        (LARS, REMOVE, of(RUNE), {RUNE}),
        # One owner another, wherever that one lives.
        (OLGA, REMOVE, of(LARS), {LARS}),
        (OLGA, MANAGE, of(LARS), {LARS}),
        (LARS, REMOVE, of(OLGA), {OLGA}),
        # Of several of whom it is said, one.
        (LARS, REMOVE, of(RUNE, VERA), {RUNE, VERA}),
        # A teenager agrees to nothing; another of the home does.
        (LARS, REMOVE, of(TIRIL), ADULTS),
        # A guest's end concerns those who live there, and no guest agrees.
        (LARS, REMOVE, of(GRO), ADULTS),
        # Moving in oneself: nobody agrees with themselves.
        (LARS, MANAGE, of(LARS), ADULTS),
        # A shared camera: another who shares it; one's own: its owner alone, and nobody instead of them.
        (OLGA, ASSIGN, Target(cameras=("door",)), {RUNE, VERA}),
        ("ivar", LOOK, Target(cameras=("door",)), ADULTS),
        ("ivar", LOOK, Target(cameras=("runes-cam",)), {RUNE}),
        ("ivar", LOOK, Target(cameras=("door", "runes-cam")), {RUNE}),
        ("ivar", LOOK, Target(cameras=("olgas-cam", "runes-cam")), set()),
        ("ivar", LOOK, Target(rooms=("runes",)), {RUNE}),
        ("ivar", LOOK, Target(devices=("olgas-window", "lamp")), {OLGA}),
        ("ivar", LOOK, Target(cameras=("attic",)), ADULTS),
        ("siv", SETTINGS, HOME, ADULTS),
        (OLGA, Action.TRANSFER_HOME, HOME, {RUNE, VERA}),
        # A second month takes two roles.
        (RUNE, HOLD, of(RUNE), {OLGA, VERA}),
        (OLGA, HOLD, HOME, {RUNE, VERA}),
        (MONA, HOLD, of(MONA), {OLGA, VERA}),
        (LOCAL_OWNER.person, HOLD, HOME, {RUNE, VERA}),
        # Who lost their phone is no witness of it.
        (OLGA, Action.ERASE_OTHERS, of(RUNE), {VERA}),
    ],
)
def test_who_may_agree(asker: str, action: Action, target: Target, expected: set[str]) -> None:
    assert seconds_of(home(), asker, action, target, NOW) == expected


def test_a_second_month_of_two_residents_takes_somebody_else() -> None:
    two = home(*(OLGA, TIRIL, LARS, VERA))
    assert seconds_of(two, RUNE, HOLD, of(RUNE), NOW) == set()


class Clock:
    def __init__(self) -> None:
        self.at, self.seconds = NOW, 5.0

    def now(self) -> Any:
        return self.at

    def monotonic(self) -> float:
        return self.seconds


class Desk:
    def __init__(self) -> None:
        self.clock, self.household = Clock(), home()
        self.agreements = Agreements(lambda: self.household, self.clock, os.urandom)  # type: ignore[arg-type]

    def asks(self, by: str = LARS, target: Target = HOME, body: bytes = b"{}", action: Action = MANAGE) -> bool:
        return bool(self.agreements.agreed(by, digest_of(by, "POST", "/api/people", body), action, target))

    def waiting(self, person_: str) -> list[Agreement]:
        return list(self.agreements.of(person_))


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_the_same_request_passes_once_after_somebody_agreed(desk: Desk) -> None:
    assert not desk.asks()
    assert not desk.asks(), "asked again, not twice"
    (waits,) = desk.waiting(RUNE)
    assert (waits.by, waits.action, waits.target, waits.agreed) == (LARS, MANAGE, HOME, None)
    assert waits.until - waits.made == LIFE == timedelta(minutes=15)
    agreed = desk.agreements.agree(waits.id, RUNE)
    assert isinstance(agreed, Agreement)
    assert agreed.agreed == RUNE
    assert desk.agreements.agree(waits.id, VERA) == agreed, "once is enough"
    assert not desk.asks(body=b'{"role":"owner"}'), "another body is another request"
    assert desk.asks()
    assert not desk.asks(), "and not a second time"


def test_it_is_of_one_person_alone(desk: Desk) -> None:
    desk.asks()
    (waits,) = desk.waiting(LARS)
    desk.agreements.agree(waits.id, RUNE)
    assert not desk.asks(by=OLGA)
    assert desk.asks()


def test_who_may_not_neither_sees_nor_agrees(desk: Desk) -> None:
    desk.asks()
    (waits,) = desk.waiting(LARS)
    for nobody in (GRO, TIRIL, "ivar", "siv", MONA, "stranger"):
        assert desk.waiting(nobody) == []
        assert desk.agreements.agree(waits.id, nobody) == UNKNOWN
    assert desk.agreements.agree(waits.id, LARS) == UNKNOWN, "nobody agrees with themselves"
    assert desk.agreements.agree("a0", RUNE) == UNKNOWN
    assert not desk.asks()


def test_a_quarter_of_an_hour_whatever_the_wall_clock_says(desk: Desk) -> None:
    desk.asks()
    (waits,) = desk.waiting(RUNE)
    desk.agreements.agree(waits.id, RUNE)
    desk.clock.at -= timedelta(days=1)
    desk.clock.seconds += LIFE.total_seconds() - 0.1
    assert desk.waiting(LARS)
    desk.clock.seconds += 0.1
    assert desk.waiting(LARS) == []
    assert not desk.asks(), "asked anew"


def test_who_agreed_and_moved_out_since_does_not_count(desk: Desk) -> None:
    desk.asks()
    desk.agreements.agree(desk.waiting(RUNE)[0].id, RUNE)
    desk.household = home(RUNE)
    assert not desk.asks()
    assert not desk.asks(), "it was used up, and is asked anew"
    assert desk.waiting(VERA)


def test_the_asker_and_who_agreed_take_it_back(desk: Desk) -> None:
    desk.asks()
    (waits,) = desk.waiting(LARS)
    assert isinstance(desk.agreements.withdraw(waits.id, VERA), Denied)
    assert isinstance(desk.agreements.withdraw("a0", LARS), Denied)
    assert desk.agreements.withdraw(waits.id, LARS) is None
    assert desk.waiting(RUNE) == []
    desk.asks()
    (waits,) = desk.waiting(RUNE)
    desk.agreements.agree(waits.id, RUNE)
    assert desk.agreements.withdraw(waits.id, RUNE) is None
    assert not desk.asks()


def test_too_much_is_not_asked_and_not_done(desk: Desk) -> None:
    for number in range(MOST_EACH):
        assert not desk.asks(body=b"%d" % number)
    with pytest.raises(PrivacyError, match="too much waits") as full:
        desk.asks(body=b"one more")
    assert full.value.hint
    assert not desk.asks(by=OLGA), "one who asks much does not keep the others from asking"
    for number in range(MOST):
        if len(desk.agreements._open) < MOST:
            desk.asks(by=f"p{number}")
    with pytest.raises(PrivacyError):
        desk.asks(by=RUNE)
    desk.clock.seconds += LIFE.total_seconds()
    assert not desk.asks(by=RUNE)


def test_the_digest_keeps_its_parts_apart() -> None:
    one = digest_of("a", "POST", "/x", b"y")
    assert one != digest_of("a", "POST", "/xy", b"")
    assert one != digest_of("aP", "OST", "/x", b"y")
    assert len(one) == 32


def test_two_who_own_the_home_elsewhere() -> None:
    other = person("lotte", Role.OWNER)
    household = home(people={each.id: each for each in (person(LARS, Role.OWNER), other)})
    assert seconds_of(household, LARS, REMOVE, of("lotte"), NOW) == {"lotte"}
    assert seconds_of(household, LARS, MANAGE, HOME, NOW) == set(), "nobody lives there"


def test_a_minors_own_camera_has_no_second_person() -> None:
    tiril = Person(id=TIRIL, minor=True, memberships=(Membership(role=Role.RESIDENT, since=LONG_AGO, lives_here=True),))
    olga = person(OLGA, Role.OWNER, here=True)
    cameras = {"hers": Camera(id="hers", people=frozenset({TIRIL}))}
    household = Household(people={TIRIL: tiril, OLGA: olga}, cameras=cameras)
    assert seconds_of(household, "ivar", LOOK, Target(cameras=("hers",)), NOW) == set()


def test_a_request_that_came_to_mean_something_else_is_asked_anew(desk: Desk) -> None:
    desk.asks(target=of(RUNE))
    desk.agreements.agree(desk.waiting(RUNE)[0].id, RUNE)
    assert not desk.asks(target=of(VERA))
    assert not desk.asks(target=of(RUNE), action=REMOVE)
    assert desk.asks(target=of(RUNE))
