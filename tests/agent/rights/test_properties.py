"""What holds for every household, grant and time."""

from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any, NamedTuple

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.rights.actions import Action, Group, Purpose
from agent.rights.decision import Allowed, Decision, decide
from agent.rights.grants import Actor, Grant, Reach, Token, named
from agent.rights.household import Camera, Household, Membership, OpenAlarm, Person, SupportSession
from agent.rights.table import TABLE, Verdict
from agent.rights.target import Target
from privacy.hold import Role
from privacy.records import RecordClass
from tests.agent.rights.home import NOW

BUSY_MACHINE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A household is drawn in 10 ms, and in more beside other tests."""

IDS = ("anna", "bo", "cato")
ROOMS, CAMERAS, DEVICES = ("hall", "attic"), ("door", "bed"), ("lamp", "lock")
DWELL = {Role.OWNER, Role.RESIDENT, Role.WEARER}

GRANTABLE = {
    role: [action for action, row in TABLE.rows.items() if any(r.verdict is Verdict.GRANT for r in row.of[role])]
    for role in Role
}

ids = st.sampled_from(IDS)
times = st.integers(-10, 10).map(lambda days: NOW + timedelta(days=days))
some = st.sampled_from
places: dict[str, Any] = {
    "rooms": st.lists(some(ROOMS), unique=True, max_size=2).map(tuple),
    "cameras": st.lists(some(CAMERAS), unique=True, max_size=2).map(tuple),
    "devices": st.lists(some(DEVICES), unique=True, max_size=2).map(tuple),
}
classes = st.lists(some(RecordClass), unique=True, max_size=2).map(tuple)
whole = st.just(Reach(home=True))
reaches = whole | st.builds(Reach, home=st.booleans(), classes=st.just(()) | classes, **places)
targets = st.builds(
    Target, classes=st.just(()) | classes, subjects=st.lists(ids, unique=True, max_size=2).map(tuple), **places
) | st.just(Target())


@st.composite
def spans(draw: st.DrawFn) -> tuple[datetime, datetime]:
    start = draw(times)
    return start, start + timedelta(days=draw(st.integers(1, 10)))


@st.composite
def memberships(draw: st.DrawFn) -> Membership:
    role = draw(some(Role))
    start = NOW - timedelta(days=draw(st.integers(-3, 20)))
    end = start + timedelta(days=draw(st.integers(1, 20)))
    here = role in DWELL and draw(st.booleans())
    return Membership(role=role, since=start, until=draw(some([None, None, end])), lives_here=here)


@st.composite
def people(draw: st.DrawFn, id_: str) -> Person:
    said = tuple(draw(st.lists(memberships(), min_size=1, max_size=2)))
    minor = all(one.role is not Role.OWNER for one in said) and draw(st.booleans())
    return Person(id=id_, memberships=said, minor=minor)


@st.composite
def grants(draw: st.DrawFn) -> Grant:
    start, end = draw(spans())
    return Grant(
        id=f"g{draw(st.integers(0, 10**6))}",
        person=draw(ids),
        role=draw(some(Role)),
        actions=(draw(some(Action)),),
        groups=tuple(draw(st.lists(some(Group), unique=True, max_size=3))),
        reach=draw(reaches),
        by=draw(ids),
        purpose=draw(some(Purpose)),
        start=start,
        end=end,
        history_from=draw(st.none() | times),
    )


@st.composite
def tokens(draw: st.DrawFn) -> Token:
    start, end = draw(spans())
    groups = tuple(draw(st.lists(some(Group), unique=True, min_size=1)))
    return Token(id="token", person=draw(ids), groups=groups, reach=draw(reaches), start=start, end=end)


@st.composite
def households(draw: st.DrawFn) -> Household:
    known = draw(st.lists(ids, unique=True, min_size=2))
    owners = st.frozensets(ids, max_size=2)
    start, end = draw(spans())
    return Household(
        people={id_: draw(people(id_)) for id_ in known},
        rooms={"hall": draw(owners)},
        cameras={
            "door": Camera(id="door", people=draw(owners), since=draw(st.none() | times)),
            "bed": Camera(id="bed", room="hall", installed_from=draw(st.none() | times)),
        },
        devices={"lamp": draw(some(ROOMS))},
        grants=tuple(draw(st.lists(grants(), max_size=4, unique_by=lambda grant: grant.id))),
        support=(SupportSession(person=draw(ids), start=start, end=end),),
        alarms=(OpenAlarm(wearer=draw(ids), responders=draw(owners), since=start),),
    )


class Question(NamedTuple):
    household: Household
    who: str
    action: Action
    target: Target
    at: datetime

    def answer(self, **changed: Any) -> Decision:
        """Of the same household, but for what is `changed`."""
        token = changed.pop("token", None)
        household = replace(self.household, **changed) if changed else self.household
        return decide(household, Actor(self.who, token), self.action, self.target, self.at)


@st.composite
def questions(draw: st.DrawFn) -> Question:
    """Every other one is about a grant, by who may use it: else hardly any would be used."""
    household = draw(households())
    if not household.grants or draw(st.booleans()):
        return Question(household, draw(ids), draw(some(Action)), draw(targets), draw(times))
    used = draw(some(household.grants))
    action = draw(some(GRANTABLE[used.role]))
    used = msgspec.structs.replace(used, actions=(action,))
    household = replace(household, grants=(used, *(one for one in household.grants if one.id != used.id)))
    since = NOW - timedelta(days=draw(st.integers(0, 20)))
    giver = Membership(role=draw(some([Role.OWNER, Role.RESIDENT, Role.WEARER])), since=since, lives_here=True)
    user = Membership(role=used.role, since=since)
    people_ = {
        **household.people,
        used.by: Person(id=used.by, memberships=(giver,)),
        used.person: Person(id=used.person, memberships=(user,)),
    }
    at = used.start + timedelta(days=draw(st.integers(0, 3)))
    return Question(replace(household, people=people_), used.person, action, draw(targets), at)


@BUSY_MACHINE
@given(questions())
def test_a_yes_is_always_by_a_rule_of_the_table(question: Question) -> None:
    decision, people_ = question.answer(), question.household.people
    if isinstance(decision, Allowed):
        verdict = Verdict.ALLOW if decision.by == "role" else Verdict.GRANT
        roles = {one.role for one in people_[question.who].memberships}
        rules = [rule for role in roles for rule in TABLE.rows[question.action].of[role]]
        assert any(rule.why == decision.why and rule.verdict is verdict for rule in rules)
        assert question.who not in decision.tell
        assert decision.tell <= people_.keys()
    else:
        assert decision.code
        assert decision.why


@BUSY_MACHINE
@given(questions())
def test_nobody_is_let_in_who_is_not_known(question: Question) -> None:
    others = {id_: one for id_, one in question.household.people.items() if id_ != question.who}
    assert not isinstance(question.answer(people=others), Allowed)


@BUSY_MACHINE
@given(questions())
def test_a_grant_gives_nothing_outside_its_time_its_actions_and_its_reach(question: Question) -> None:
    household, who, action, target, at = question
    decision = question.answer()
    if isinstance(decision, Allowed) and decision.by == "grant":
        [used] = [grant for grant in household.grants if grant.id == decision.right]
        assert used.person == who
        assert used.start <= at < used.end
        assert action in named(used, TABLE.groups)
        assert any(one.role is used.role and one.lasts(at) for one in household.people[who].memberships)
        assert used.reach.home or target.placed
        if used.reach.classes:
            assert set(target.classes or TABLE.rows[action].classes) <= set(used.reach.classes)
        if not used.reach.home and not used.reach.rooms:
            assert set(target.cameras) <= set(used.reach.cameras)
            assert set(target.devices) <= set(used.reach.devices)
            assert not target.rooms
        if decision.history_from:
            assert decision.history_from >= (used.history_from or used.start)


@BUSY_MACHINE
@given(questions())
def test_a_grant_carries_no_more_than_its_giver_may(question: Question) -> None:
    decision = question.answer()
    if isinstance(decision, Allowed) and decision.by == "grant":
        [used] = [grant for grant in question.household.grants if grant.id == decision.right]
        assert isinstance(question._replace(who=used.by).answer(grants=()), Allowed)


@BUSY_MACHINE
@given(questions())
def test_grants_that_have_ended_or_not_begun_change_nothing(question: Question) -> None:
    lasting = tuple(grant for grant in question.household.grants if grant.start <= question.at < grant.end)
    one, other = question.answer(), question.answer(grants=lasting)
    assert isinstance(one, Allowed) is isinstance(other, Allowed)
    if isinstance(one, Allowed):
        assert one == other


@BUSY_MACHINE
@given(questions(), grants())
def test_another_grant_takes_nothing_away(question: Question, more: Grant) -> None:
    # Of the one who asks, for what they ask: others change nothing, which is as good as known.
    more = msgspec.structs.replace(more, id="more", person=question.who, actions=(question.action,))
    before, after = question.answer(), question.answer(grants=(*question.household.grants, more))
    if isinstance(before, Allowed):
        assert isinstance(after, Allowed)
        assert len(after.needs) <= len(before.needs)
        if len(after.needs) == len(before.needs) and before.history_from:
            assert after.history_from
            assert after.history_from <= before.history_from


@BUSY_MACHINE
@given(questions(), st.randoms(use_true_random=False))
def test_the_order_of_grants_and_people_does_not_matter(question: Question, random: Random) -> None:
    shuffled = list(question.household.grants)
    random.shuffle(shuffled)
    backwards = dict(reversed(list(question.household.people.items())))
    assert question.answer() == question.answer(grants=tuple(shuffled), people=backwards)


@BUSY_MACHINE
@given(questions(), tokens())
def test_a_program_never_may_more_than_its_person(question: Question, token: Token) -> None:
    decision = question.answer(tokens={"token": token}, token="token")
    if isinstance(decision, Allowed):
        assert decision == question.answer()
        assert token.person == question.who
        assert token.start <= question.at < token.end
        assert TABLE.rows[question.action].group in token.groups
        assert TABLE.rows[question.action].programs


RIGHTS = (Action.ERASE_OWN, Action.EXPORT_OWN, Action.RECTIFY_OWN, Action.RESTRICT_OWN, Action.OBJECT_OWN)


@BUSY_MACHINE
@given(questions(), some(RIGHTS))
def test_whoever_belongs_to_the_home_or_did_has_the_rights_over_their_own(question: Question, action: Action) -> None:
    person = question.household.people.get(question.who)
    since = person and min(one.since for one in person.memberships)
    own = question._replace(action=action, target=Target(subjects=(question.who,)))
    assert isinstance(own.answer(), Allowed) is (since is not None and since <= question.at)


@BUSY_MACHINE
@given(questions())
def test_nobody_looks_at_what_is_anothers_alone_but_by_their_grant(question: Question) -> None:
    household, whose = question.household, question.household.cameras["door"].people
    decision = question._replace(action=Action.VIEW_PICTURES, target=Target(cameras=("door",))).answer()
    if isinstance(decision, Allowed) and whose:
        lookers = {question.who}
        if decision.by == "grant":
            lookers = {grant.by for grant in household.grants if grant.id == decision.right}
        assert lookers <= whose
        assert (whose & household.people.keys()) - {question.who} <= decision.tell


@BUSY_MACHINE
@given(questions(), some(DEVICES))
def test_who_may_see_the_whole_home_may_see_each_device(question: Question, device: str) -> None:
    question = question._replace(action=Action.READ_DEVICES)
    if isinstance(question._replace(target=Target()).answer(), Allowed):
        assert isinstance(question._replace(target=Target(devices=(device,))).answer(), Allowed)
