"""Grants: somebody lends somebody a part of what they may do, for a while, and takes it back."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from agent.api.asks import Question
from agent.errors import Refused
from agent.people.lending_desk import (
    LendingDesk,
    check_reach,
    check_span,
    giver_may_not,
    in_name_of,
    refused,
    role_of,
)
from agent.people.lent import GrantBody, GrantView
from agent.rights.actions import Action
from agent.rights.book import Given
from agent.rights.decision import Allowed, Denied
from agent.rights.grants import Actor, Grant, Reach
from agent.rights.household import Household
from agent.rights.lending import asked_of, in_group, lendable, may_end, may_lend, may_see, whereabouts
from agent.rights.local import LOCAL_OWNER
from agent.rights.table import TABLE, Refusal
from agent.rights.target import HOME, Target
from privacy.hold import Role
from privacy.moment import Age, Moment

log = logging.getLogger(__name__)

MOST_GRANTS: Final = 500
"""Of all; decisions stay quick with as many."""
MOST_EACH: Final = 100
"""Of one giver, so that nobody can keep the others from giving any."""
EXPIRY: Final = timedelta(hours=1)
"""How often expiry runs; what has ended lends nothing meanwhile."""


@dataclass(frozen=True, slots=True)
class _Giver:
    """Somebody who lends: what, where, at what time."""

    household: Household
    id: str
    reach: Reach
    at: datetime

    def lends(self, action: Action) -> Allowed | Denied:
        return may_lend(self.household, self.id, action, self.reach, self.at)


class GrantDesk(LendingDesk):
    """What the API asks about grants. That one may be given or ended at all was asked before: see `asks.py`."""

    async def give(self, body: GrantBody, actor: Actor) -> GrantView:
        """Lend somebody something that the giver may do themselves now.

        Raises:
            Refused: `unknown_person`, `to_oneself`, `nothing_lent`, `bad_range`, `ordered`, and the codes of
                `check_reach` and `in_name_of`.
            NotPermitted: who gives may not do it themselves, and why; `not_granted`: nobody of that role is lent it;
                `before_access`: it would show what the giver does not see.
        """
        household, at = self._household.current(), self._clock.now()
        by = in_name_of(household, actor, body.by, at)
        role = role_of(household, body.person, at)
        if by == body.person:
            raise Refused("to_oneself", "nobody lends themselves anything", hint="name somebody else")
        check_reach(household, body.reach)
        start = max(body.start, at) if body.start else at
        check_span(start, body.end)
        lent = tuple(_lent(body, role, _Giver(household, by, body.reach, at)))
        if not lent:
            hint = "name what, with --action or --group" if not body.groups else "the giver may do none of it"
            raise Refused("nothing_lent", f"nothing is lent to a {role} by that", hint=hint)
        grant = Grant(
            id=self._new_id("g"),
            person=body.person,
            role=role,
            by=by,
            purpose=body.purpose,
            actions=lent,
            reach=body.reach,
            start=start,
            end=body.end,
            history_from=body.history_from,
        )
        await self._disk.run(self._given, grant, at)
        return _view(grant, at)

    async def all(self, actor: Actor) -> tuple[GrantView, ...]:
        """What `actor` gave or was given; all that is shared, where they may know who may do what."""
        given = await self._disk.run(self._shown)
        household, at = self._household.current(), self._clock.now()
        return tuple(_view(one.lent, one.made) for one in given if _sees(household, actor, one.lent, at))

    async def end(self, id_: str, actor: Actor) -> None:
        """Take a grant back, or give it back.

        Raises:
            Refused: `unknown_grant`, `held`.
            NotPermitted: it is neither theirs nor about what they could give themselves.
        """
        household, at = self._household.current(), self._clock.now()
        grant = self._find(id_)
        if grant is None or not _sees(household, actor, grant, at):
            raise Refused("unknown_grant", f"there is no grant {id_}", hint="see `portvakt grants list`")
        if actor != LOCAL_OWNER and not may_end(household, actor.person, grant, at):
            raise giver_may_not()
        await self._disk.run(self._ended, id_)

    def asks_to_end(self, id_: str, person: str) -> Sequence[Question]:
        """What ending a grant asks: giver and receiver do it for themselves, others answer for the home."""
        grant = self._find(id_)
        if grant and person in {grant.by, grant.person}:
            other = grant.person if person == grant.by else grant.by  # who is told
            return [Question(Action.OBJECT_OWN, Target(subjects=(person,), also=(other,)))]
        return [Question(Action.MANAGE_GRANTS, asked_of(grant) if grant and not _private(grant) else HOME)]

    async def keep_limit(self, age: Callable[[Moment], Age], now: Callable[[], datetime]) -> None:
        """Forget grants and tokens that have ended, for ever. `age` and `now` are those of `TimeKeeper`.

        Raises:
            StoreBroken: the medium refused; call again.
        """
        while True:
            if gone := await self._disk.run(self._expired, age, now):
                log.info("%d grants and tokens have ended and are forgotten", gone)
            await asyncio.sleep(EXPIRY.total_seconds())

    def _find(self, id_: str) -> Grant | None:
        return next((grant for grant in self._household.current().grants if grant.id == id_), None)

    # -- on the `Disk` thread

    def _given(self, grant: Grant, at: datetime) -> None:
        known = [one.lent for one in self._book.unreached() if isinstance(one, Given)]
        if len(known) >= MOST_GRANTS or sum(one.by == grant.by for one in known) >= MOST_EACH:
            raise Refused("too_many", "there are too many grants already", hint="end what is not needed any more")
        self._kept(lambda: self._book.give(grant, at))

    def _shown(self) -> list[Given]:
        return [one for one in self._book.all() if isinstance(one, Given)]

    def _expired(self, age: Callable[[Moment], Age], now: Callable[[], datetime]) -> int:
        gone = self._book.expire(now(), age)
        if gone:
            self._household.refresh()
        return gone


def _lent(body: GrantBody, role: Role, giver: _Giver) -> Iterator[Action]:
    """What is lent: all that is named; of a group, what can be lent to that role and the giver may do.

    Raises:
        NotPermitted: something that is named cannot be.
    """
    for action in dict.fromkeys(body.actions):
        row = TABLE.rows[action]
        if not lendable(action, role):
            raise refused(Denied("not_granted", f"Nobody lends a {role} to {row.about}."))
        decision = giver.lends(action)
        if isinstance(decision, Denied):
            raise refused(decision)
        if _shows_more(body, decision):
            raise refused(Denied(Refusal.BEFORE_ACCESS, TABLE.refusals[Refusal.BEFORE_ACCESS]))
        yield action
    for action in dict.fromkeys(action for group in body.groups for action in in_group(group)):
        decision = giver.lends(action)
        if action not in body.actions and lendable(action, role) and isinstance(decision, Allowed):
            if _shows_more(body, decision):
                raise refused(Denied(Refusal.BEFORE_ACCESS, TABLE.refusals[Refusal.BEFORE_ACCESS]))
            yield action


def _shows_more(body: GrantBody, givers: Allowed) -> bool:
    """Whether it would show what was before the giver sees anything."""
    return bool(body.history_from and givers.history_from and body.history_from < givers.history_from)


def _private(grant: Grant) -> bool:
    return whereabouts(frozenset(grant.actions))


def _sees(household: Household, actor: Actor, grant: Grant, at: datetime) -> bool:
    if actor == LOCAL_OWNER:
        return not _private(grant)
    return may_see(household, actor.person, grant, at)


def _view(grant: Grant, made: datetime) -> GrantView:
    return GrantView(
        id=grant.id,
        person=grant.person,
        role=grant.role,
        by=grant.by,
        purpose=grant.purpose,
        actions=grant.actions,
        reach=grant.reach,
        start=grant.start,
        end=grant.end,
        history_from=grant.since,
        made=made,
    )
