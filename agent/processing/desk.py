"""Agreements with processors, and disclosures; and whether somebody outside may get anything."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

import msgspec

from agent.errors import Refused
from agent.people import contact
from agent.people.household import HouseholdBook
from agent.people.lending_desk import in_name_of
from agent.processing.contract import AgreementBody, DisclosureBody, DisclosureView, ProcessorAgreementView
from agent.processing.disclosures import RECEIVERS, Agreement, Disclosed, Disclosure, Disclosures, Receiver, Registered
from agent.rights.grants import Actor
from agent.rights.local import LOCAL_OWNER
from privacy.clock import Clock
from privacy.hold import Hold
from privacy.records import RecordClass, Scope
from privacy.seal import RandomBytes
from privacy.store import Disk

MOST_AGREEMENTS: Final = 200
EXPIRY: Final = timedelta(hours=1)
"""How often expiry runs, at least: what falls due before the next run goes now."""
EARLIER: Final = 0.9
"""Of that: a run may take its time, and nothing is late."""
_ID_BYTES: Final = 8


class RegistersDesk:
    """What the API asks about the two registers. Who may ask it is not decided here.

    Args:
        limit: of the class `disclosure`: no agreement outlives its record.
        holds: every hold that is remembered, on the `Disk` thread.
    """

    def __init__(  # noqa: PLR0913 - the composition root hands over each part by name
        self,
        *,
        register: Disclosures,
        limit: timedelta,
        household: HouseholdBook,
        holds: Callable[[], Iterable[Hold]],
        disk: Disk,
        clock: Clock,
        random_bytes: RandomBytes,
    ) -> None:
        self._register = register
        self._limit = limit
        self._household = household
        self._holds = holds
        self._disk = disk
        self._clock = clock
        self._random_bytes = random_bytes

    async def run(self) -> None:
        """Forget what is old enough, for ever.

        Raises:
            StoreBroken: the medium refused; call again.
        """
        while True:
            await self._disk.run(self._register.expire, EXPIRY)
            await asyncio.sleep(EARLIER * EXPIRY.total_seconds())

    async def may_receive(self, recipient: str, record_class: RecordClass) -> bool:
        """Whether an agreement lasts now by which `recipient`, the name of a company, gets what is of that class.

        Who has none gets nothing.
        """
        at = self._clock.now()
        return any(
            registered.lasts(at)
            and registered.agreement.name.casefold() == recipient.casefold()
            and record_class in registered.agreement.classes
            for registered in await self._disk.run(self._register.agreements)
        )

    async def agreements(self) -> tuple[ProcessorAgreementView, ...]:
        """All that are remembered."""
        at = self._clock.now()
        return tuple(_agreed(one, at) for one in await self._disk.run(self._register.agreements))

    async def agree(self, body: AgreementBody, actor: Actor) -> ProcessorAgreementView:
        """Register an agreement.

        Raises:
            Refused: `bad_name`, `bad_range`, `too_many`, `ordered`.
        """
        at = self._clock.now()
        longest = at + self._limit
        since, until = body.since or at, body.until or longest
        if not (since < until and at < until):
            raise Refused("bad_range", "it ends before it begins, or has ended", hint="say until when, later than now")
        if until > longest:
            hint = f"until {longest:%Y-%m-%d} at the latest; register it anew then"
            raise Refused("bad_range", "it would outlive its record", hint=hint)
        agreement = Agreement(
            at=at,
            name=contact.name(body.name),
            classes=tuple(sorted(set(body.classes))),
            since=since,
            until=until,
            country=body.country,
            reference=body.reference,
        )
        by = None if actor == LOCAL_OWNER else actor.person
        return _agreed(await self._disk.run(self._agreed, self._new_id("k"), agreement, by), at)

    async def end(self, id_: str) -> ProcessorAgreementView:
        """From now on they get nothing by it.

        Raises:
            Refused: `unknown_processor`; `ended`: it has ended already.
        """
        at = self._clock.now()
        return _agreed(await self._disk.run(self._ended, id_, at), at)

    async def disclosures(self, actor: Actor, *, sees: bool) -> tuple[DisclosureView, ...]:
        """What was disclosed, in its order: what one recorded or is about oneself.

        `sees`: and what the home disclosed of others, but not what somebody handed over that is about themselves alone.
        """
        known = await self._disk.run(self._register.disclosed)
        return tuple(
            _disclosed(one)
            for one in known
            if actor.person == one.by or actor.person in one.about or (sees and not one.disclosure.own)
        )

    async def disclosed_to(self) -> dict[Receiver, int]:
        """How often the home disclosed something, to whom."""
        counts: dict[Receiver, int] = {}
        for one in await self._disk.run(self._register.disclosed):
            if not one.disclosure.own:
                counts[one.disclosure.receiver] = counts.get(one.disclosure.receiver, 0) + 1
        return dict(sorted(counts.items()))

    async def disclose(self, body: DisclosureBody, actor: Actor) -> DisclosureView:
        """Record that something was handed over.

        Raises:
            Refused: `empty_scope`: it names nothing, or both a hold and a scope; `bad_range`; `unknown_hold`;
                `other_reason`: what is held for that reason is not handed to them; `nothing_held`: to an insurer goes
                only what is held for a claim; `no_giver`, `not_an_owner`; `ordered`.
        """
        at = self._clock.now()
        by = in_name_of(self._household.current(), actor, body.by, at)
        scope = await self._scope(body)
        disclosure = Disclosure(
            at=at,
            receiver=body.receiver,
            ground=body.ground,
            scope=msgspec.structs.replace(scope, subjects=()),
            own=scope.subjects == (by,),
            hold=body.hold,
            reference=body.reference,
        )
        return _disclosed(await self._disk.run(self._disclosed, self._new_id("u"), disclosure, by, scope.subjects))

    async def _scope(self, body: DisclosureBody) -> Scope:
        if (body.hold is None) == (body.scope is None):
            raise Refused("empty_scope", "say what was handed over: a hold or a scope, one of both")
        if body.scope is not None:
            if not body.scope.named:
                raise Refused("empty_scope", "the scope names nothing", hint="say what was handed over")
            if body.scope.backwards:
                raise Refused("bad_range", "the scope ends before it begins", hint="say from when, and up to when")
            if body.receiver is Receiver.INSURER:
                hint = "hold it for an insurance claim first: see `portvakt hold`"
                raise Refused("nothing_held", "an insurer gets only what is held for a claim", hint=hint)
            return body.scope
        hold = next((one for one in await self._disk.run(lambda: tuple(self._holds())) if one.id == body.hold), None)
        if hold is None:
            raise Refused("unknown_hold", f"there is no hold {body.hold}", hint="see `portvakt holds`")
        if body.receiver not in RECEIVERS[hold.reason]:
            hint = f"to one of: {', '.join(sorted(RECEIVERS[hold.reason]))}"
            raise Refused("other_reason", f"what is held as a {hold.reason} is not for them", hint=hint)
        return hold.scope

    def _new_id(self, letter: str) -> str:
        return f"{letter}{self._random_bytes(_ID_BYTES).hex()}"

    # -- on the `Disk` thread

    def _agreed(self, id_: str, agreement: Agreement, by: str | None) -> Registered:
        if len(self._register.agreements()) >= MOST_AGREEMENTS:
            raise Refused("too_many", "there are too many agreements", hint="nobody has as many processors")
        if not self._register.register(id_, agreement, by):
            raise _ordered()
        return Registered(id_, agreement, None, by)

    def _ended(self, id_: str, at: datetime) -> Registered:
        known = next((one for one in self._register.agreements() if one.id == id_), None)
        if known is None:
            raise Refused("unknown_processor", f"there is no agreement {id_}", hint="see `portvakt agreements list`")
        if known.ended:
            raise Refused("ended", "it has ended already", hint="see `portvakt agreements list`")
        self._register.over(known, at)
        return Registered(id_, known.agreement, at, known.by)

    def _disclosed(self, id_: str, disclosure: Disclosure, by: str, about: tuple[str, ...]) -> Disclosed:
        if not self._register.disclose(id_, disclosure, by, about):
            raise _ordered()
        return Disclosed(id_, disclosure.at, disclosure, by, about)


def _ordered() -> Refused:
    hint = "wait until it is done; see `portvakt audit show`"
    return Refused("ordered", "an order to erase reaches this", hint=hint)


def _agreed(one: Registered, at: datetime) -> ProcessorAgreementView:
    agreement = one.agreement
    return ProcessorAgreementView(
        id=one.id,
        name=agreement.name,
        classes=agreement.classes,
        country=agreement.country,
        since=agreement.since,
        until=agreement.until,
        reference=agreement.reference,
        lasts=one.lasts(at),
        ended=one.ended,
        by=one.by,
    )


def _disclosed(one: Disclosed) -> DisclosureView:
    disclosure = one.disclosure
    return DisclosureView(
        id=one.id,
        at=one.at,
        receiver=disclosure.receiver,
        ground=disclosure.ground,
        scope=msgspec.structs.replace(disclosure.scope, subjects=one.about),
        hold=disclosure.hold,
        reference=disclosure.reference,
        by=one.by,
    )
