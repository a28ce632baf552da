"""The whole table, cell by cell: each action, each role, each way in which its conditions can hold or not."""

from collections.abc import Iterator
from itertools import product

import pytest

from agent.rights.actions import Action
from agent.rights.conditions import HOLDS
from agent.rights.decision import Allowed, Denied, decide
from agent.rights.grants import Actor
from agent.rights.household import Household
from agent.rights.table import TABLE, Condition, Row, Rule, Verdict
from agent.rights.target import HOME
from privacy.hold import Role
from tests.agent.rights.home import DAY, NOW, OLGA, grant, person


def _worlds(row: Row) -> Iterator[dict[Condition, bool]]:
    conditions = sorted({condition for rule in row.rules for condition in rule.conditions})
    for values in product((True, False), repeat=len(conditions)):
        yield dict(zip(conditions, values, strict=True))


def _expected(rules: tuple[Rule, ...], world: dict[Condition, bool], *, granted: bool, left: bool) -> list[Rule]:
    """The rules that say yes."""
    return [
        rule
        for rule in rules
        if all(world[condition] for condition in rule.conditions)
        and (rule.verdict is Verdict.ALLOW or (rule.verdict is Verdict.GRANT and granted))
        and (rule.after or not left)
    ]


@pytest.mark.parametrize("action", Action)
def test_every_cell(action: Action, monkeypatch: pytest.MonkeyPatch) -> None:
    row = TABLE.rows[action]
    for role, granted, left, world in product(Role, (True, False), (True, False), _worlds(row)):
        asks = person("asks", role, until=NOW - DAY if left else None)
        # Everybody may do it who is asked whether they may grant it, so that the grant alone decides.
        giver = person(OLGA, Role.OWNER)
        grants = (grant("asks", role, action),) if granted else ()
        household = Household(people={"asks": asks, OLGA: giver}, grants=grants)
        for condition, holds in world.items():
            monkeypatch.setitem(HOLDS, condition, lambda case, holds=holds: holds or case.person.id == OLGA)  # type: ignore[arg-type]
        decision = decide(household, Actor("asks"), action, HOME, NOW)
        rules = _expected(row.of[role], world, granted=granted and _givable(row), left=left)
        cell = (action, role, granted, left, world, decision)
        if rules:
            assert isinstance(decision, Allowed), cell
            assert len(decision.needs) == min(len(rule.needs) for rule in rules), cell
            assert decision.why in {rule.why for rule in rules}, cell
            assert (decision.history_from is not None) is row.history, cell
        else:
            assert isinstance(decision, Denied), cell
            assert decision.code, cell
            assert decision.why.endswith("."), cell


def _givable(row: Row) -> bool:
    """Whether an owner may do it, all conditions holding."""
    return any(rule.verdict is Verdict.ALLOW for rule in row.of[Role.OWNER])


def test_conditions_are_each_used_and_each_found_out() -> None:
    used = {condition for row in TABLE.rows.values() for rule in row.rules for condition in rule.conditions}
    assert used == set(Condition) == set(HOLDS)


def test_nobody_is_allowed_everything_and_nobody_nothing() -> None:
    for role in Role:
        verdicts = {rule.verdict for row in TABLE.rows.values() for rule in row.of[role]}
        assert Verdict.NEVER in verdicts or role is Role.OWNER
        assert Verdict.ALLOW in verdicts
