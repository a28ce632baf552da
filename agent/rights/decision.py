"""The one function that decides who may do what. Nothing else anywhere does."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from typing import Final, Literal

from agent.rights.actions import Action, Need
from agent.rights.conditions import HOLDS, Case
from agent.rights.grants import Actor, Grant, Reach, Token, named
from agent.rights.household import Household, Membership
from agent.rights.table import TABLE, Condition, Refusal, Rule, Verdict
from agent.rights.target import Target
from privacy.records import RecordClass

_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Allowed:
    """Yes, with what is in `needs`."""

    by: Literal["role", "grant"]
    right: str
    """The role, or the id of the grant."""
    why: str
    needs: frozenset[Need] = frozenset()
    """What must be there besides."""
    history_from: datetime | None = None
    """The earliest that may be shown; None: the action shows nothing of the past, or all of it."""
    tell: frozenset[str] = frozenset()
    """The people of the household whom it concerns, without who does it: it is shown to them."""


@dataclass(frozen=True, slots=True)
class Denied:
    """No. `code` is stable, `why` one sentence for people."""

    code: str
    why: str


Decision = Allowed | Denied

_CLOSEST: Final = (
    Refusal.BEFORE_ACCESS,
    Refusal.GRANT_ENDED,
    Refusal.GRANT_NOT_BEGUN,
    Refusal.GIVER_MAY_NOT,
    Refusal.OUT_OF_REACH,
)
"""Of several reasons the one is given that is closest to a yes: these first; see `_distance`."""
ROLE_MAY_NOT: Final = "role_may_not"
NOT_GRANTED: Final = "not_granted"


def decide(household: Household, actor: Actor, action: Action, target: Target, at: datetime) -> Decision:
    """Whether `actor` may do `action` to `target` at the time `at` (aware).

    Pure. What no rule of the table allows is denied; so is whoever is unknown, and a look at a camera that is.
    """
    person = household.people.get(actor.person)
    if person is None:
        return _refused(Refusal.NOT_A_MEMBER)
    case = Case(household, person, TABLE.rows[action], target, at)
    if actor.token is not None and (refusal := _token_refuses(case, action, household.tokens.get(actor.token))):
        return _refused(refusal)
    return _of_person(case, action)


def _of_person(case: Case, action: Action) -> Decision:
    ways: list[Allowed] = []
    reasons: list[tuple[Rule, Denied]] = []
    for membership, rule in _rules(case):
        for way in _by_rule(case, action, membership, rule):
            if isinstance(way, Allowed):
                ways.append(way)
            else:
                reasons.append((rule, way))
    if ways:
        return min(ways, key=_preference)
    if reasons:
        return min(reasons, key=lambda reason: _distance(case, *reason))[1]
    past = any(membership.ended(case.at) for membership in case.person.memberships)
    return _refused(Refusal.LEFT if past else Refusal.NOT_YET)


def _rules(case: Case) -> Iterator[tuple[Membership, Rule]]:
    for membership in case.person.memberships:
        lasts = membership.lasts(case.at)
        for rule in case.row.of[membership.role]:
            if lasts or (rule.after and membership.ended(case.at)):
                yield membership, rule


def _by_rule(case: Case, action: Action, membership: Membership, rule: Rule) -> Iterator[Decision]:
    if denied := _hindered(case, rule):
        yield denied
    elif rule.verdict is Verdict.NEVER:
        yield Denied(ROLE_MAY_NOT, rule.why)
    elif rule.verdict is Verdict.ALLOW:
        yield _allowed(case, rule, "role", membership.role, membership.since)
    else:
        grants = [grant for grant in case.household.grants_of(case.person.id, action) if grant.role is membership.role]
        if not grants:
            yield Denied(NOT_GRANTED, rule.why)
        for grant in grants:
            yield _by_grant(case, rule, grant)


def _hindered(case: Case, rule: Rule) -> Denied | None:
    for condition in rule.conditions:
        if not HOLDS[condition](case):
            reason = TABLE.conditions[condition]
            return Denied(reason.code, reason.why)
    if Condition.NOT_ANOTHERS in rule.conditions and case.row.history and not _cameras_known(case):
        return _refused(Refusal.UNKNOWN_CAMERA)
    return None


def _by_grant(case: Case, rule: Rule, grant: Grant) -> Decision:
    if not _reaches(case, grant.reach):
        return _refused(Refusal.OUT_OF_REACH)
    if not grant.lasts(case.at):
        return _refused(Refusal.GRANT_ENDED if grant.end <= case.at else Refusal.GRANT_NOT_BEGUN)
    givers = _history_of(case, grant.by)
    if givers is None:
        return _refused(Refusal.GIVER_MAY_NOT)
    return _allowed(case, rule, "grant", grant.id, max(grant.since, givers))


def _history_of(case: Case, giver: str) -> datetime | None:
    """From when on the giver sees it, by their own role as it is now; None: they may not do it."""
    person = case.household.people.get(giver)
    if person is None:
        return None
    theirs = Case(case.household, person, case.row, case.target, case.at)
    return min(
        (
            membership.since
            for membership, rule in _rules(theirs)
            if rule.verdict is Verdict.ALLOW and membership.lasts(case.at) and not _hindered(theirs, rule)
        ),
        default=None,
    )


def _allowed(case: Case, rule: Rule, by: Literal["role", "grant"], right: str, since: datetime) -> Decision:
    history_from = None
    if case.row.history:
        history_from = max([since, *_camera_turns(case), *_since_alone(case, rule)])
        if case.target.moment is not None and case.target.moment < history_from:
            return _refused(Refusal.BEFORE_ACCESS)
    tell = frozenset[str]()
    if case.row.shown:
        tell = (case.concerned() & case.household.people.keys()) - {case.person.id}
    return Allowed(by, right, rule.why, rule.needs, history_from, tell)


def _camera_turns(case: Case) -> Iterator[datetime]:
    """When the cameras that it is about came to be whose they are now."""
    if RecordClass.SNAPSHOT not in case.classes:
        return
    household = case.household
    if not case.target.cameras and household.cameras_since:
        yield household.cameras_since
    for camera in case.target.cameras:
        if (known := household.cameras.get(camera)) and known.since:
            yield known.since


def _since_alone(case: Case, rule: Rule) -> Iterator[datetime]:
    """Who lives alone now sees nothing by that of the time when others lived there."""
    if Condition.ALONE in rule.conditions and (settled := case.household.settled(case.at)):
        yield settled


def _cameras_known(case: Case) -> bool:
    return all(camera in case.household.cameras for camera in case.target.cameras)


def _reaches(case: Case, reach: Reach) -> bool:
    """Whether all that it is about is in `reach`."""
    if reach.classes and not (case.classes and set(case.classes) <= set(reach.classes)):
        return False
    if reach.home:
        return True
    household, target = case.household, case.target
    rooms = [*target.rooms]
    for camera in target.cameras:
        if camera not in reach.cameras:
            known = household.cameras.get(camera)
            rooms.append(known.room or "" if known else "")
    rooms += [household.devices.get(device, "") for device in target.devices if device not in reach.devices]
    return target.placed and all(room in reach.rooms for room in rooms)


def _token_refuses(case: Case, action: Action, token: Token | None) -> Refusal | None:
    if token is None or token.person != case.person.id:
        return Refusal.UNKNOWN_TOKEN
    if not case.row.programs:
        return Refusal.PROGRAMS_MAY_NOT
    if not token.lasts(case.at):
        return Refusal.TOKEN_ENDED
    if action not in named(token, TABLE.groups) or not _reaches(case, token.reach):
        return Refusal.TOKEN_OUT_OF_REACH
    return None


def _preference(way: Allowed) -> tuple[int, datetime, str, str]:
    """Fewest needs first, then the longest history; the rest makes it the same whatever the order."""
    return len(way.needs), way.history_from or _BEGINNING, way.by, way.right


def _distance(case: Case, rule: Rule, denied: Denied) -> tuple[int, int]:
    """How far a reason is from a yes: of conditions, the one before which the most held; a grant before none."""
    if denied.code in _CLOSEST:
        return 0, _CLOSEST.index(Refusal(denied.code))
    held = len(list(takewhile(lambda condition: HOLDS[condition](case), rule.conditions)))
    if rule.verdict is Verdict.NEVER:
        return 4, 0
    if denied.code == NOT_GRANTED:
        return 2, 0
    if held:
        return 1, -held
    return 3, rule.conditions == (Condition.OWN,)  # which says least


def _refused(refusal: Refusal) -> Denied:
    return Denied(refusal, TABLE.refusals[refusal])
