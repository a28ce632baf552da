"""Restriction and objection: each answered at once, and in words."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Final, Literal, Protocol

from agent.api.contract import HoldBody, HoldView
from agent.consent.contract import ConsentView
from agent.consent.desk import Erase
from agent.errors import Refused
from agent.rights.household import Household
from agent.subject_rights.contract import ObjectBody, ObjectionView, RestrictBody
from privacy import entries
from privacy.activity_line import Deed
from privacy.clock import Clock
from privacy.consent_text import CLASSES, Kind
from privacy.export import LEGAL_MONTH
from privacy.export_words import words_of
from privacy.exports import Language
from privacy.hold import Reason
from privacy.orders import Form, Ground
from privacy.policy import Policy
from privacy.records import RecordClass, Scope

IN_USE_ALL_THE_SAME: Final = frozenset(
    {
        RecordClass.PERSON,
        RecordClass.CONSENT,
        RecordClass.ACTIVITY,
        RecordClass.WEB_SESSION,
        RecordClass.EXPORT,
        RecordClass.ORDER_JOURNAL,
        RecordClass.RECEIPT,
    }
)
"""What a restriction leaves out, unless it names it: whoever asks for one must still get in, see who looked at them,
and fetch what is theirs. (GDPR, article 18(2): for the exercise of legal claims it may be used all the same.)"""
NEVER_RESTRICTED: Final = IN_USE_ALL_THE_SAME - {RecordClass.PERSON}
_KINDS: Final[Mapping[RecordClass, Kind]] = {class_: kind for kind, class_ in CLASSES.items()} | {
    RecordClass.WEARER_POSITION: Kind.POSITION
}


class Place(Protocol):
    """`HoldDesk.place`."""

    def __call__(self, body: HoldBody, actor: str) -> Awaitable[HoldView]: ...


class Withdraw(Protocol):
    """`ConsentDesk.withdraw`."""

    def __call__(self, kind: Kind, person: str) -> Awaitable[ConsentView]: ...


class ClaimsDesk:
    """What the API asks about both. Who may ask it is not decided here."""

    def __init__(  # noqa: PLR0913 - the composition root hands over each part by name
        self,
        *,
        place: Place,
        withdraw: Withdraw,
        erase: Erase,
        policies: Mapping[RecordClass, Policy],
        household: Callable[[], Household],
        note: Callable[[Deed], Awaitable[object]],
        clock: Clock,
        record: Callable[[entries.Entry], None],
    ) -> None:
        self._place = place
        self._withdraw = withdraw
        self._erase = erase
        self._policies = policies
        self._household = household
        self._note = note
        self._clock = clock
        self._record = record

    async def restrict(self, body: RestrictBody, actor: str) -> HoldView:
        """Keep what is kept of a person, and neither show nor upload it: a hold, which `DELETE /api/holds/ID` ends.

        Raises:
            Refused: `not_restrictable`, and the codes of `Holds.place`.
        """
        return await self._place(
            HoldBody(scope=restricted(body, actor), reason=Reason.PERSONS_REQUEST, until=body.until), actor
        )

    async def object(self, body: ObjectBody, person: str) -> ObjectionView:
        """`person` objects. What rests on their consent is withdrawn; on another ground, that is stated.

        Raises:
            StoreBroken: the medium refused.
        """
        asked, class_ = self._clock.now(), body.record_class
        policy = self._policies[class_]
        outcome, order = await self._answered(policy, person)
        answered = self._clock.now()
        self._record(entries.ObjectionAnswered(at=answered, subject=person, record_class=class_.value, outcome=outcome))
        await self._note(self._deed(person, class_, outcome, answered))
        return ObjectionView(
            record_class=class_,
            asked=asked,
            answered=answered,
            legal_deadline=asked + LEGAL_MONTH,
            outcome=outcome,
            basis=tuple(policy.bases),
            order=order,
            nb=_in_words(policy, outcome, "nb"),
            en=_in_words(policy, outcome, "en"),
        )

    async def _answered(
        self, policy: Policy, person: str
    ) -> tuple[Literal["withdrawn", "erased", "refused"], str | None]:
        kind = _KINDS.get(policy.record_class)
        if "consent" in policy.bases and kind is not None:
            view = await self._withdraw(kind, person)
            return "withdrawn", view.records[-1].order if view.records else None
        if set(policy.bases) == {"legitimate interest"}:
            # Nothing here outweighs what the person says.
            scope = Scope(subjects=(person,), classes=(policy.record_class,))
            return "erased", await self._erase(scope, form=Form.STANDING, ground=Ground.PERSONS_RIGHT)
        return "refused", None

    def _deed(self, person: str, class_: RecordClass, outcome: str, at: datetime) -> Deed:
        known = self._household().people.get(person)
        refused = outcome == "refused"
        return Deed(
            at=at,
            actor=person,
            role=known.memberships[-1].role if known else None,
            action="answer_objection",
            allowed=not refused,
            code="other_ground" if refused else "",
            record=class_.value,
        )


def restricted(body: RestrictBody, actor: str) -> Scope:
    """What a restriction keeps.

    Raises:
        Refused: `not_restrictable`.
    """
    if never := NEVER_RESTRICTED.intersection(body.classes):
        raise Refused(
            "not_restrictable",
            f"{', '.join(sorted(never))}: that is for the person's own rights, and shown to nobody else without one",
            hint="leave it out",
        )
    return Scope(
        subjects=(body.subject or actor,),
        classes=body.classes or tuple(sorted(set(RecordClass) - IN_USE_ALL_THE_SAME)),
        start=body.start,
        end=body.end,
    )


def _in_words(policy: Policy, outcome: str, language: Language) -> str:
    words = words_of(language)
    text = words.objection_refused if outcome == "refused" else words.objection_granted
    return text.format(
        what=words.classes[policy.record_class],
        purpose=words.purposes[policy.record_class],
        basis=", ".join(words.bases[basis] for basis in policy.bases),
        limit=", ".join(map(words.limit_in_words, policy.limits)),
    )
