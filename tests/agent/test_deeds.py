"""What becomes a line of the activity log, and how many of them somebody can bring about."""

import os
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from agent.api.asks import Question
from agent.api.permission import Asked, Caller
from agent.deeds import REFUSALS, Deeds
from agent.rights.actions import Action
from agent.rights.agreements import Agreements
from agent.rights.decision import Allowed, Denied
from agent.rights.grants import Actor
from agent.rights.household import Household, Membership, Person
from agent.rights.household import household as households
from agent.rights.target import Target
from agent.signin.button import Button
from privacy.activity_line import Deed
from privacy.hold import Role

NO = Denied("role_may_not", "Others do this.")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
HOME = households(
    Person(id=id_, memberships=(Membership(role=Role.OWNER, since=LONG_AGO, lives_here=True),))
    for id_ in ("olga", "lars", "rune")
)
YES = Allowed("role", "owner", "They may.")


class Written:
    """In the place of the activity's desk."""

    def __init__(self) -> None:
        self.deeds: list[Deed] = []

    async def note(self, *deeds: Deed) -> None:
        self.deeds += deeds

    async def note_if_possible(self, *deeds: Deed) -> bool:
        self.deeds += deeds
        return True


@pytest.fixture
def written() -> Written:
    return Written()


@pytest.fixture
def agreements(clock: Any) -> Agreements:
    return Agreements(lambda: HOME, clock, os.urandom)


@pytest.fixture
def deeds(written: Any, agreements: Agreements, clock: Any) -> Deeds:
    def household() -> Household:
        return HOME

    return Deeds(activity=written, agreements=agreements, household=household, button=Button(clock), clock=clock)


def asked(person: str, action: Action, answer: Allowed | Denied, *, changes: bool = False) -> Asked:
    question = Question(action)
    return Asked(
        caller=Caller(Actor(person)), route="", question=question, answer=answer, purpose=None, changes=changes
    )


async def test_who_is_refused_all_day_does_not_fill_the_disk(deeds: Deeds, written: Written, clock: Any) -> None:
    for _ in range(50 * REFUSALS):
        await deeds.looked(asked("p1", Action.READ_PEOPLE, NO))
    assert len(written.deeds) == REFUSALS
    await deeds.looked(asked("p1", Action.VIEW_PICTURES, NO))
    await deeds.looked(asked("p2", Action.READ_PEOPLE, NO))
    assert len(written.deeds) == REFUSALS + 2, "a flood of one thing hides neither another nor somebody else's"
    clock.move(seconds=3600)
    for _ in range(50 * REFUSALS):
        await deeds.looked(asked("p1", Action.READ_PEOPLE, NO))
    assert len(written.deeds) == 2 * REFUSALS + 2, "and that they go on stays visible"


@pytest.mark.parametrize(("action", "changes"), [(Action.VIEW_PICTURES, False), (Action.CONTROL_DEVICES, True)])
async def test_each_look_and_each_change_is_written(
    deeds: Deeds, written: Written, action: Action, *, changes: bool
) -> None:
    for _ in range(10 * REFUSALS):
        await deeds.looked(asked("p1", action, YES, changes=changes))
    assert len(written.deeds) == 10 * REFUSALS


async def test_what_shows_nobody_is_not_written(deeds: Deeds, written: Written) -> None:
    await deeds.looked(asked("p1", Action.READ_HEALTH, YES))
    assert not written.deeds


async def test_whoever_agreed_stands_in_the_log_beside_whoever_did_it(
    deeds: Deeds, agreements: Agreements, written: Written
) -> None:
    question = Question(Action.REMOVE_PERSON, Target(subjects=("lars",)))
    caller, removal = Caller(Actor("olga")), make_mocked_request("DELETE", "/api/people/lars")
    removal._read_bytes = b""
    assert not await deeds.agreed(removal, caller, question)
    [waits] = agreements.of("lars")
    agreements.agree(waits.id, "lars")
    assert not written.deeds, "it is nothing yet"
    assert await deeds.agreed(removal, caller, question)
    [deed] = written.deeds
    assert (deed.actor, deed.action, deed.role, deed.allowed) == ("lars", "agree", Role.OWNER, True)
    assert {"olga"} <= deed.concerns <= {"olga", "rune"}
