"""What may be lent to whom, by whom, and who sees it and ends it: pure, from the one function that decides."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from agent.rights.actions import Action, Group
from agent.rights.decision import Allowed, Decision, Denied, decide
from agent.rights.grants import Actor, Grant, Reach, named
from agent.rights.household import Household
from agent.rights.table import TABLE, Condition, Refusal, Verdict
from agent.rights.target import HOME, Target
from privacy.hold import Role

PROGRAMS: Final = frozenset(action for action, row in TABLE.rows.items() if row.programs)
"""What a program may do for a person."""


def target_of(reach: Reach) -> Target:
    """The part of the home that `reach` reaches."""
    if reach.home:
        return Target(classes=reach.classes)
    return Target(rooms=reach.rooms, cameras=reach.cameras, devices=reach.devices, classes=reach.classes)


def asked_of(grant: Grant) -> Target:
    """What giving or ending it is about, for `Action.MANAGE_GRANTS`: its places, and who is told.

    Where somebody is belongs to nobody else, whatever the place: a grant of that alone is about its giver.
    """
    return asked(grant.by, frozenset(grant.actions), grant.reach, grant.person)


def asked(giver: str, actions: frozenset[Action], reach: Reach, person: str) -> Target:
    """As `asked_of`, of a grant that is still to be given."""
    target = replace(target_of(reach), also=(person,))
    return target.about(giver) if whereabouts(actions) else target


def whereabouts(actions: frozenset[Action]) -> bool:
    """Whether it is about where somebody is or was, and nothing else."""
    return bool(actions) and all(TABLE.rows[action].group is Group.WHEREABOUTS for action in actions)


def lendable(action: Action, role: Role) -> bool:
    """Whether somebody of that role can be granted it."""
    return any(rule.verdict is Verdict.GRANT for rule in TABLE.rows[action].of[role])


def in_group(group: Group) -> list[Action]:
    """The actions that are granted together under that name."""
    return [action for action, row in TABLE.rows.items() if row.group is group]


def may_lend(household: Household, giver: str, action: Action, reach: Reach, at: datetime) -> Decision:
    """Whether `giver` may do `action` in all of `reach` now, by their own role; else why not.

    What everybody does for themselves alone may be lent as well: whoever it is lent to then does it about the giver.
    """
    target = target_of(reach)
    decision = _does(household, giver, action, target, at)
    if isinstance(decision, Denied) and _about_oneself(action):
        own = _does(household, giver, action, target.about(giver), at)
        return own if isinstance(own, Allowed) else decision
    return decision


def may_see(household: Household, person: str, grant: Grant, at: datetime) -> bool:
    """Who it concerns sees a grant, and so do those who live there; who sees where somebody is, those two alone."""
    if person in {grant.by, grant.person}:
        return True
    if whereabouts(frozenset(grant.actions)):
        return False
    return isinstance(_does(household, person, Action.READ_PEOPLE, HOME, at), Allowed)


def may_end(household: Household, person: str, grant: Grant, at: datetime) -> bool:
    """Giver and receiver end a grant; so does, of those who see it, who could give it: what is shared is theirs, too.

    A landlord ends none of those who live there, and nobody ends what was given of another's alone.
    """
    if person in {grant.by, grant.person}:
        return True
    target = target_of(grant.reach)
    answers = [_does(household, person, action, target, at) for action in named(grant, TABLE.groups)]
    return all(isinstance(answer, Allowed) for answer in answers)


def _does(household: Household, person: str, action: Action, target: Target, at: datetime) -> Decision:
    """Whether somebody may do that by their own role, alone and at once."""
    decision = decide(replace(household, grants=()), Actor(person), action, target, at)
    if isinstance(decision, Allowed) and decision.needs:
        return Denied(Refusal.GIVER_MAY_NOT, TABLE.refusals[Refusal.GIVER_MAY_NOT])
    return decision


def _about_oneself(action: Action) -> bool:
    """Whether it is about a person and no place, and everybody does it for themselves."""
    row = TABLE.rows[action]
    own = any(rule.verdict is Verdict.ALLOW and Condition.OWN in rule.conditions for rule in row.rules)
    return own and row.group in {Group.WHEREABOUTS, Group.ALARMS}
