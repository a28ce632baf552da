"""Support access: opened and ended by people, ended by itself, and counted while it lasts.

A session survives a restart, until its end: the gateway is often restarted because support is at work on it. After a
boot in which nobody knows what time it is nobody is let in by it, until the time is known and the session still runs.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from agent.errors import Refused
from agent.people.grant_desk import GrantDesk
from agent.people.household import HouseholdBook
from agent.people.lending_desk import in_name_of, role_of
from agent.people.lent import GrantBody
from agent.rights.actions import Action
from agent.rights.grants import Actor
from agent.rights.household import Household
from agent.rights.local import LOCAL_OWNER
from agent.support.cases import Ended, Opened, SupportCase, SupportCases, Why
from agent.support.contract import SupportBody, SupportView
from privacy import entries
from privacy.clock import Clock
from privacy.errors import StoreBroken
from privacy.hold import Role
from privacy.moment import Age, Moment
from privacy.seal import RandomBytes
from privacy.store import Disk

LOOK_SECONDS: Final = 60.0
"""The longest between two looks while a session is open: what was done is on the disk by then."""
EXPIRY: Final = timedelta(hours=1)
"""How often expiry runs, at least."""
EXPIRY_SECONDS: Final = EXPIRY.total_seconds()
EARLIER: Final = 0.9
"""Of that: a run may take its time, and nothing is late."""
_ID_BYTES: Final = 8


class SupportDesk:
    """What the API asks about support. That somebody may open or end a session at all was asked before: `asks.py`.

    Args:
        age: `TimeKeeper.age`.
    """

    def __init__(  # noqa: PLR0913 - the composition root hands over each part by name
        self,
        *,
        cases: SupportCases,
        household: HouseholdBook,
        grants: GrantDesk,
        disk: Disk,
        clock: Clock,
        age: Callable[[Moment], Age],
        random_bytes: RandomBytes,
        record: Callable[[entries.Entry], None],
    ) -> None:
        self._cases = cases
        self._household = household
        self._grants = grants
        self._disk = disk
        self._clock = clock
        self._age = age
        self._random_bytes = random_bytes
        self._record = record
        self._turn = asyncio.Lock()
        self._wake = asyncio.Event()
        self._open: dict[str, SupportCase] = {}
        self._done: dict[str, Counter[str]] = {}
        """What was done in each open case, in all."""
        self._noted: dict[str, Counter[str]] = {}
        """As it is on the disk."""
        self._ending: dict[str, tuple[Why, str | None, datetime]] = {}
        """What has ended and the medium has not taken yet."""

    async def open(self, body: SupportBody, actor: Actor) -> SupportView:
        """Let somebody in from now on; what they may see comes with it as a grant, and goes with it.

        Raises:
            Refused: `not_support`: they are something else to the home; `already_open`; and as `GrantDesk.give`.
            NotPermitted: as `GrantDesk.give`: nobody opens what they may not see themselves.
            StoreBroken: the medium refused; nobody was let in.
        """
        async with self._turn:
            household, at = self._household.current(), self._clock.now()
            by = in_name_of(household, actor, body.by, at)
            if role_of(household, body.person, at) is not Role.SUPPORT:
                hint = "add who comes from support as a person of that role"
                raise Refused("not_support", f"{body.person} is not from support", hint=hint)
            if any(case.person == body.person for case in self._open.values()):
                raise Refused("already_open", "a session of theirs is open", hint="end that one first, or wait")
            case = await self._opened(body, by, at)
        self._record(entries.SupportOpened(at=at, case=case.id, subject=body.person, actor=by))
        self._wake.set()
        return self._view(case)

    async def all(self, actor: Actor, *, sees: bool) -> tuple[SupportView, ...]:
        """Every case, the oldest first; of support, each their own. Nothing for who may not end one (`sees`)."""
        if not sees:
            return ()
        cases = await self._disk.run(self._cases.all)
        return tuple(self._view(case) for case in cases if self._theirs(case, actor))

    async def end(self, id_: str, actor: Actor) -> SupportView:
        """Nobody is let in by it any more, from this moment on; either side may.

        Raises:
            Refused: `unknown_case`; `ended`: it has ended already.
            StoreBroken: the medium refused. They are shut out all the same, and it is written down when it can be.
        """
        case = self._open.get(id_)
        if case is None or id_ in self._ending or not self._theirs(case, actor):
            if any(one.id == id_ for one in await self.all(actor, sees=True)):
                raise Refused("ended", "it has ended already", hint="see `portvakt support list`")
            raise Refused("unknown_case", f"there is no support case {id_}", hint="see `portvakt support list`")
        why = Why.SUPPORT if actor.person == case.person else Why.HOME
        by, at = None if actor == LOCAL_OWNER else actor.person, self._clock.now()
        self._ending[id_] = (why, by, at)
        self._cases.shut(id_)
        ended = replace(case, ended=Ended(at=at, why=why, actions=dict(self._counted(case))), ended_by=by)
        try:
            async with self._turn:
                await self._finish()
        finally:
            self._wake.set()
        return self._view(ended)

    async def settle(self) -> None:
        """End what is over, or whose people have gone; and have the household know who is let in.

        Raises:
            StoreBroken: the medium refused; whoever is shut out is.
        """
        async with self._turn:
            found = await self._disk.run(self._cases.opened)
            self._open = {case.id: case for case in found}
            household, now = self._household.current(), self._clock.now()
            for case in found:
                if case.id not in self._ending and (why := self._over(case, household, now)):
                    self._ending[case.id] = (why, None, now)
                    self._cases.shut(case.id)
            await self._finish()
            for id_ in self._done.keys() - self._open.keys():  # erased, or ended
                del self._done[id_]
                self._noted.pop(id_, None)
            if found or household.support:
                await self._disk.run(self._household.refresh)

    def acted(self, person: str, action: Action) -> None:
        """Somebody from support did that: it counts in their open session."""
        for case in self._open.values():
            if case.person == person:
                self._done.setdefault(case.id, Counter(case.done))[action] += 1

    async def run(self) -> None:
        """End what is over, write down what was done, and forget what is old enough; for ever.

        Raises:
            StoreBroken: the medium refused; call again.
        """
        expired = None
        while True:
            self._wake.clear()
            await self.settle()
            await self._note()
            now = self._clock.monotonic()
            if expired is None or now - expired >= EXPIRY_SECONDS / 2:
                await self._disk.run(self._cases.expire, EXPIRY)
                expired = now
            # Not `wait_for`: before Python 3.12 it loses a cancellation that comes together with the wake.
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause()):
                    await self._wake.wait()

    # -- in turn

    async def _opened(self, body: SupportBody, by: str, at: datetime) -> SupportCase:
        lent = GrantBody(
            person=body.person,
            actions=body.actions,
            reach=body.reach,
            purpose=body.purpose,
            end=at + timedelta(hours=body.hours),
            by=by,
        )
        grant = await self._grants.give(lent, Actor(by))
        opened = Opened(
            at=at, until=lent.end, purpose=body.purpose, actions=grant.actions, reach=grant.reach, grant=grant.id
        )
        id_ = f"c{self._random_bytes(_ID_BYTES).hex()}"
        try:
            case = await self._disk.run(self._kept, id_, opened, body.person, by)
        except (Refused, StoreBroken):
            # Without a session it lets nobody see anything, and it ends by itself where it cannot be ended now.
            with suppress(Refused, StoreBroken):
                await self._grants.end(grant.id, LOCAL_OWNER)
            raise
        self._open[id_] = case
        return case

    async def _finish(self) -> None:
        """Write down what has ended."""
        for id_, (why, by, at) in list(self._ending.items()):
            if case := self._open.get(id_):
                await self._disk.run(self._ended, case, why, by, at)
                # It may have ended by itself, or a hold keeps it: without a session it lets nobody see anything.
                with suppress(Refused, StoreBroken):
                    await self._grants.end(case.opened.grant, LOCAL_OWNER)
                del self._open[id_]
                self._record(entries.SupportEnded(at=at, case=case.id, why=why))
            del self._ending[id_]

    async def _note(self) -> None:
        """Write down what was done, where it is more than was written."""
        for case in list(self._open.values()):
            done = Counter(self._counted(case))
            if done != self._noted.get(case.id, Counter(case.done)):
                await self._disk.run(self._cases.note, case, done)
                self._noted[case.id] = done

    def _counted(self, case: SupportCase) -> Mapping[str, int]:
        """What was done in it, in all."""
        return self._done.get(case.id, case.done)

    def _theirs(self, case: SupportCase, actor: Actor) -> bool:
        """Whether `actor` is no one from support, or it is their own."""
        known = self._household.current().people.get(actor.person)
        support = known is not None and any(one.role is Role.SUPPORT for one in known.memberships)
        return not support or case.person == actor.person

    def _over(self, case: SupportCase, household: Household, now: datetime) -> Why | None:
        if case.lasts(self._age(case.moment)) is False:
            return Why.TIME
        people = (case.person, case.by)
        here = (known for one in people if one and (known := household.people.get(one)))
        lasting = [known for known in here if any(one.lasts(now) for one in known.memberships)]
        return None if len(lasting) == len(people) else Why.GONE

    # -- on the `Disk` thread

    def _kept(self, id_: str, opened: Opened, person: str, by: str) -> SupportCase:
        if not self._cases.open(id_, opened, person, by):
            hint = "wait until it is done; see `portvakt audit show`"
            raise Refused("ordered", "an order to erase reaches one of them", hint=hint)
        self._household.refresh()
        return next(case for case in self._cases.opened() if case.id == id_)

    def _ended(self, case: SupportCase, why: Why, by: str | None, at: datetime) -> None:
        self._household.refresh()
        self._cases.end(case, Ended(at=at, why=why, actions=dict(self._counted(case))), by)

    # -- in words

    def _pause(self) -> float:
        """Seconds until something has to be looked at again."""
        left: Sequence[float] = [
            (case.length - self._age(case.moment).at_least).total_seconds() for case in self._open.values()
        ]
        return max(0.0, min([*left, LOOK_SECONDS])) if left else EARLIER * EXPIRY_SECONDS

    def _view(self, case: SupportCase) -> SupportView:
        lasts = case.ended is None and case.id not in self._ending and case.lasts(self._age(case.moment)) is True
        return SupportView(
            id=case.id,
            person=case.person,
            by=case.by,
            purpose=case.opened.purpose,
            actions=case.opened.actions,
            reach=case.opened.reach,
            opened=case.at,
            until=case.until,
            lasts=lasts,
            done=dict(self._counted(case)),
            ended=case.ended.at if case.ended else None,
            why=case.ended.why if case.ended else None,
            ended_by=case.ended_by,
        )
