"""A home with one of each, for the tests of the rights."""

from datetime import UTC, datetime, timedelta
from typing import Any

from agent.rights.actions import Action, Purpose
from agent.rights.decision import Allowed, Decision, decide
from agent.rights.grants import Actor, Grant, Reach
from agent.rights.household import Camera, Household, Membership, OpenAlarm, Person, SupportSession
from agent.rights.target import HOME, Target
from privacy.hold import Role

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=400)
DAY = timedelta(days=1)

OLGA, RUNE, TIRIL, LARS = "olga", "rune", "tiril", "lars"
GRO, IVAR, SIV, RAGNA, VERA, MONA = "gro", "ivar", "siv", "ragna", "vera", "mona"


def person(id_: str, role: Role, *, here: bool = False, minor: bool = False, until: datetime | None = None) -> Person:
    return Person(
        id=id_, minor=minor, memberships=(Membership(role=role, since=LONG_AGO, until=until, lives_here=here),)
    )


PEOPLE = (
    person(OLGA, Role.OWNER, here=True),
    person(RUNE, Role.RESIDENT, here=True),  # her partner
    person(TIRIL, Role.RESIDENT, here=True, minor=True),
    person(LARS, Role.OWNER),  # the landlord
    person(GRO, Role.GUEST),
    person(IVAR, Role.INSTALLER),
    person(SIV, Role.SUPPORT),
    person(RAGNA, Role.RESPONDER),
    person(VERA, Role.WEARER, here=True),
    person(MONA, Role.RESIDENT, here=True, until=NOW - 30 * DAY),  # has moved out
)


def home(*without: str, **changed: Any) -> Household:
    """Everybody but `without`: three shared rooms and cameras, and some that are somebody's alone."""
    fields: dict[str, Any] = {
        "people": {each.id: each for each in PEOPLE if each.id not in without},
        "rooms": {"hall": frozenset(), "runes": frozenset({RUNE}), "olgas": frozenset({OLGA})},
        "cameras": {
            each.id: each
            for each in (
                Camera(id="door", room="hall"),
                Camera(id="garden", since=NOW - 2 * DAY),
                Camera(id="runes-cam", room="runes"),
                Camera(id="olgas-cam", people=frozenset({OLGA})),
            )
        },
        "devices": {"lamp": "hall", "runes-window": "runes", "olgas-window": "olgas"},
    }
    return Household(**{**fields, **changed})


def grant(person_: str, role: Role, action: Action, by: str = OLGA, **changed: Any) -> Grant:
    fields: dict[str, Any] = {
        "id": f"grant-{person_}-{action}",
        "person": person_,
        "role": role,
        "actions": (action,),
        "reach": Reach(home=True),
        "by": by,
        "purpose": Purpose.DAILY_LIFE,
        "start": NOW - DAY,
        "end": NOW + DAY,
    }
    return Grant(**{**fields, **changed})


def asked(household: Household, person_: str, action: Action, target: Target = HOME, at: datetime = NOW) -> Decision:
    return decide(household, Actor(person_), action, target, at)


def allowed(*question: Any) -> Allowed:
    """Expect a yes."""
    decision = asked(*question)
    assert isinstance(decision, Allowed), decision
    return decision


def refused(*question: Any) -> str:
    """Expect a no; its code."""
    decision = asked(*question)
    assert not isinstance(decision, Allowed), decision
    assert decision.why
    return decision.code


def session(start: datetime = NOW - DAY, end: datetime = NOW + DAY) -> tuple[SupportSession, ...]:
    return (SupportSession(person=SIV, start=start, end=end),)


def alarm(*responders: str, since: datetime = NOW - DAY) -> tuple[OpenAlarm, ...]:
    return (OpenAlarm(wearer=VERA, responders=frozenset(responders), since=since),)
