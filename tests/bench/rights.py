"""The decision who may do what: how long it takes in a household of 200 people with 500 grants."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter

from agent.bench.figure import Figure, Measurement, figure
from agent.rights.actions import Action, Purpose
from agent.rights.decision import Allowed, decide
from agent.rights.grants import Actor, Grant, Reach
from agent.rights.household import Camera, Household, Membership, Person
from agent.rights.target import HOME, Target
from privacy.hold import Role
from tests.bench.measure import Run, in_turn, percentile

PEOPLE, GRANTS, FLATS = 200, 500, 50
ROUNDS = 40
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SINCE = NOW - timedelta(days=400)
Question = tuple[str, Action, Target]


async def decision(_place: Path) -> Sequence[Figure]:
    """Each of some hundred questions, of every kind, once a round; against one person, one grant, one question."""
    big, small = _crowd(), _couple()
    questions = _questions(big)
    alone: list[Question] = [("guest", Action.CONTROL_DEVICES, Target(devices=("lamp",)))] * len(questions)
    known = dict.fromkeys(questions, True)
    said = [isinstance(decide(big, Actor(who), action, target, NOW), Allowed) for who, action, target in questions]
    costs = await in_turn(
        ROUNDS,
        {
            "ours": _each(questions, lambda question: _ask(big, question)),
            "reference": _each(alone, lambda question: _ask(small, question)),
            "lookup": _each(questions, lambda question: known[question]),
        },
    )
    us = {name: [1e6 * cost / len(questions) for cost in spent] for name, spent in costs.items()}
    slowest = await _slowest(big, questions)
    return [
        figure(
            "decision_us",
            median(us["ours"]),
            median(us["reference"]),
            reference_name="the same function, a home of two with one grant, one question",
            unit="us",
            n=ROUNDS * len(questions),
            note=f"Median of the rounds' means; {PEOPLE} people in {FLATS} flats, {GRANTS} grants, {len(questions)} "
            f"questions of {len(Action)} kinds, {sum(said)} of them allowed. A bare look-up in a dict of the same "
            f"questions costs {median(us['lookup']):.2f} us.",
        ),
        figure(
            "decision_slowest_us",
            slowest,
            percentile(us["reference"], 99),
            reference_name="the same as above, p99 of the rounds' means",
            unit="us",
            n=ROUNDS * len(questions),
            note=f"The slowest question's median over {ROUNDS} rounds.",
        ),
    ]


def _ask(household: Household, question: Question) -> object:
    who, action, target = question
    return decide(household, Actor(who), action, target, NOW)


def _each(questions: Sequence[Question], ask: Callable[[Question], object]) -> Run:
    async def once() -> float:
        began = perf_counter()
        for question in questions:
            ask(question)
        return perf_counter() - began

    return once


async def _slowest(household: Household, questions: Sequence[Question]) -> float:
    """In microseconds."""
    singly = {str(number): _each([question], lambda q: _ask(household, q)) for number, question in enumerate(questions)}
    costs = await in_turn(ROUNDS, singly)
    return max(1e6 * median(spent) for spent in costs.values())


def _crowd() -> Household:
    """A block of flats: every role, every fourth person has moved out, half of the grants have ended or not begun."""
    random = Random(4)
    roles = list(Role)
    people = {}
    for number in range(PEOPLE):
        role = roles[number % len(roles)]
        here = role in {Role.OWNER, Role.RESIDENT, Role.WEARER}
        until = NOW - timedelta(days=1) if number % 4 == 3 else None
        stay = Membership(role=role, since=SINCE + timedelta(hours=number), until=until, lives_here=here)
        people[f"p{number}"] = Person(id=f"p{number}", memberships=(stay,))
    cameras = {
        f"c{flat}": Camera(
            id=f"c{flat}", room=f"r{flat}", people=frozenset({f"p{7 * flat % PEOPLE}"} if flat % 2 else ())
        )
        for flat in range(FLATS)
    }
    actions = list(Action)
    grants = []
    for number in range(GRANTS):
        person = people[f"p{random.randrange(PEOPLE)}"]
        start = NOW - timedelta(days=random.randrange(1, 20)) if number % 2 else NOW + timedelta(days=1)
        grants.append(
            Grant(
                id=f"g{number}",
                person=person.id,
                role=person.memberships[0].role,
                actions=tuple(random.sample(actions, 8)),
                reach=Reach(home=True) if number % 3 else Reach(rooms=(f"r{number % FLATS}",)),
                by=f"p{7 * random.randrange(PEOPLE // 7)}",
                purpose=Purpose.VISIT,
                start=start,
                end=start + timedelta(days=30),
            )
        )
    rooms: dict[str, frozenset[str]] = {f"r{flat}": frozenset() for flat in range(FLATS)}
    devices = {f"d{flat}": f"r{flat}" for flat in range(FLATS)}
    return Household(people=people, rooms=rooms, cameras=cameras, devices=devices, grants=tuple(grants))


def _questions(household: Household) -> list[Question]:
    """Of every kind some: of the home, of a device, of a camera, of somebody; half of them by somebody with a grant."""
    random = Random(5)
    questions: list[Question] = []
    for action in Action:
        for number in range(4):
            who = random.choice(household.grants).person if number % 2 else f"p{random.randrange(PEOPLE)}"
            flat = random.randrange(FLATS)
            targets = (HOME, Target(devices=(f"d{flat}",)), Target(cameras=(f"c{flat}",)), Target(subjects=(who,)))
            questions.append((who, action, targets[number]))
    return questions


def _couple() -> Household:
    owner = Person(id="owner", memberships=(Membership(role=Role.OWNER, since=SINCE, lives_here=True),))
    guest = Person(id="guest", memberships=(Membership(role=Role.GUEST, since=SINCE),))
    grant = Grant(
        id="g",
        person="guest",
        role=Role.GUEST,
        actions=(Action.CONTROL_DEVICES,),
        reach=Reach(home=True),
        by="owner",
        purpose=Purpose.VISIT,
        start=SINCE,
        end=NOW + timedelta(days=1),
    )
    return Household(people={"owner": owner, "guest": guest}, grants=(grant,))


MEASUREMENTS = (Measurement(("decision_us", "decision_slowest_us"), decision),)
