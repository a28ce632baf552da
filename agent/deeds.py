"""What is asked of the rights, turned into deeds of the activity log; and who is asked to agree to it.

What is looked at is on the disk before it is shown: where it cannot be noted, it is not shown. What is changed or
refused goes on without: a full card must keep nobody from erasing, nor from switching on a light.
"""

from collections.abc import Callable
from typing import Final

from aiohttp import web

from agent.activity.desk import ActivityDesk
from agent.allowances import Allowances
from agent.api.asks import Question
from agent.api.permission import Asked, Caller
from agent.errors import Refused
from agent.rights.actions import Action
from agent.rights.agreements import Agreements, digest_of
from agent.rights.conditions import Case
from agent.rights.decision import Denied
from agent.rights.household import Household
from agent.rights.local import LOCAL_OWNER, local_household
from agent.rights.table import TABLE
from agent.signin.button import Button
from agent.signin.parts import Happened
from privacy.activity_line import Deed
from privacy.clock import Clock
from privacy.errors import PrivacyError
from privacy.hold import Role

AGREE: Final = "agree"
"""Beside the words of the rights and of signing in."""
REFUSALS: Final = 20
"""Refusals of one action to one person, or to one program of theirs, that are noted at once; 20 more in each hour.

Who asks 60 times a second all day would else write two gigabytes, and each line would be synced. The answers are the
same, and of each thing that somebody tries it stays visible that they go on trying."""
REFUSALS_SPAN: Final = 3600.0
LOCAL_PERSON: Final = local_household(()).people[LOCAL_OWNER.person]


def _uncounted(_person: str, _action: Action) -> None:
    """For a house into which support is never let."""


class Deeds:
    """Fulfils `agent.api.permission.Witness`, and is the `note` of signing in."""

    def __init__(  # noqa: PLR0913 - the composition root hands over each part by name
        self,
        *,
        activity: ActivityDesk,
        agreements: Agreements,
        household: Callable[[], Household],
        button: Button,
        clock: Clock,
        acted: Callable[[str, Action], None] = _uncounted,
    ) -> None:
        """`acted` is told of each thing that somebody from support does."""
        self._activity = activity
        self._agreements = agreements
        self._household = household
        self._button = button
        self._clock = clock
        self._acted = acted
        self._refusals = Allowances(clock, REFUSALS, REFUSALS_SPAN)

    async def looked(self, asked: Asked) -> None:
        """As `Witness.looked`: what shows somebody's life, what changes something, and what was refused.

        And whatever somebody from support asks for.
        """
        person, action = asked.caller.actor.person, asked.question.action
        support = self.role_of(person) is Role.SUPPORT
        shown = TABLE.rows[action].shown or support
        refused = isinstance(asked.answer, Denied)
        if refused and not self._refusals.take(f"{person} {asked.caller.actor.token} {action}"):
            return
        if asked.changes or refused:
            await self._activity.note_if_possible(self._deed(asked))
        elif shown and asked.question.target.subjects != (person,):  # nobody is told that they looked at themselves
            await self._activity.note(self._deed(asked))
        if support and not refused:
            self._acted(person, action)

    async def agreed(self, request: web.Request, caller: Caller, question: Question) -> bool:
        """As `Witness.agreed`. Whoever has just pressed the button on the box needs nobody else for a way back in."""
        if question.action is Action.RECOVER_PERSON and self._button.use():
            return True
        person, said = caller.actor.person, await request.read()
        digest = digest_of(person, request.method, request.path_qs, said)
        route = f"{request.method} {request.path_qs}"
        try:
            second = self._agreements.agreed(person, digest, question.action, question.target, request=route, said=said)
        except PrivacyError as error:
            raise Refused("too_many_agreements", error.args[0], hint=error.hint) from error
        if second:
            await self._activity.note_if_possible(self._agreement(second, person, question))
        return second is not None

    async def happened(self, happened: Happened) -> None:
        """Note what somebody did to sign in, or had done to how they do."""
        await self._activity.note_if_possible(
            Deed(
                at=happened.at,
                actor=happened.by,
                role=self.role_of(happened.by),
                action=happened.what,
                allowed=not happened.code,
                code=happened.code,
                concerns=frozenset({happened.person}) - {happened.by},
                way=happened.way,
            )
        )

    def _agreement(self, second: str, person: str, question: Question) -> Deed:
        """That somebody said yes to what `person` does now: it is theirs as well."""
        return Deed(
            at=self._clock.now(),
            actor=second,
            role=self.role_of(second),
            action=AGREE,
            concerns=(self._concerned(question, second) | {person}) & self._household().people.keys(),
        )

    def _deed(self, asked: Asked) -> Deed:
        question, answer, actor = asked.question, asked.answer, asked.caller.actor
        target = question.target
        return Deed(
            at=self._clock.now(),
            actor=actor.person,
            role=self.role_of(actor.person),
            action=question.action,
            allowed=not isinstance(answer, Denied),
            code=answer.code if isinstance(answer, Denied) else "",
            concerns=self._concerned(question, actor.person),
            purpose=asked.purpose,
            camera=target.cameras[0] if len(target.cameras) == 1 else None,
            device=target.devices[0] if len(target.devices) == 1 else None,
            record=asked.record,
            token=actor.token,
        )

    def _concerned(self, question: Question, actor: str) -> frozenset[str]:
        """Who of the household is told: whom it concerns, where the table says so, and who is named in any case."""
        household, row = self._household(), TABLE.rows[question.action]
        person = household.people.get(actor, LOCAL_PERSON)
        people = frozenset(question.target.subjects) | frozenset(question.target.also)
        if row.shown:
            people |= Case(household, person, row, question.target, self._clock.now()).concerned()
        return (people & household.people.keys()) - {actor}

    def role_of(self, person: str) -> Role | None:
        if person == LOCAL_OWNER.person:
            return Role.OWNER
        known = self._household().people.get(person)
        return known.memberships[-1].role if known else None
