"""Consent: given and withdrawn by the person, each at once and for themselves alone."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final, Protocol

from agent.consent.contract import ConsentBody, ConsentRecord, ConsentView, State, TextView
from agent.consent.gates import Gates
from agent.errors import Refused
from agent.people.register import PersonRegister
from privacy import entries
from privacy.clock import Clock
from privacy.consent import ground, things
from privacy.consent_text import CLASSES, Kind, Text, Texts
from privacy.consents import Consent, Consents
from privacy.moment import Age, Moment
from privacy.orders import Form, Ground
from privacy.policy import Event, Policy
from privacy.records import RecordClass, Scope
from privacy.store import Disk

log = logging.getLogger(__name__)

EXPIRY: Final = timedelta(hours=1)
"""How often it is looked who is there, and what is kept of whom is not any more."""


class Erase(Protocol):
    """`LocalIssuer.erase`."""

    def __call__(self, scope: Scope, *, form: Form, ground: Ground) -> Awaitable[str]:
        """The order's id, once it is in the journal."""


class ConsentDesk:
    """What the API asks about consent. Who may ask it is not decided here."""

    def __init__(  # noqa: PLR0913 - the composition root hands over each part by name
        self,
        *,
        store: Consents,
        register: PersonRegister,
        gates: Gates,
        texts: Mapping[Kind, Texts],
        policies: Mapping[RecordClass, Policy],
        erase: Erase,
        disk: Disk,
        clock: Clock,
        age: Callable[[Moment], Age],
        record: Callable[[entries.Entry], None],
    ) -> None:
        """`age` is `TimeKeeper.age`."""
        self._store = store
        self._register = register
        self._gates = gates
        self._texts = texts
        self._kept = next(
            limit.time for limit in policies[RecordClass.CONSENT].limits if limit.after is Event.PERSON_GONE
        )
        self._erase = erase
        self._disk = disk
        self._clock = clock
        self._age = age
        self._record = record
        self._turn = asyncio.Lock()
        """Of two requests about one consent the later counts."""
        self._withdrawing: dict[tuple[str, Kind], datetime] = {}
        """What people have said, and the medium has not taken yet."""
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def of(self, person: str) -> tuple[ConsentView, ...]:
        """Every kind of collecting, and how it stands with `person`. Of whom nothing is kept: as of anybody."""
        given = await self._disk.run(self._store.of, person)
        return tuple(self._view(kind, [one for one in given if one.kind is kind]) for kind in Kind)

    async def give(self, body: ConsentBody, person: str) -> ConsentView:
        """`person` agrees to a text, from now on; returns when that is on disk, and what waited for it has begun.

        Raises:
            Refused: `not_consent`: it rests on another ground; `old_text`: there is a newer one; `unknown_person`;
                `ordered`: an order to erase reaches them.
            StoreBroken: the medium refused; nothing was agreed to.
        """
        self._require_consent(body.kind)
        newest = self._texts[body.kind].newest.number
        if body.version != newest:
            raise Refused("old_text", f"the text is version {newest} by now", hint="read that one, and agree to it")
        async with self._turn:
            # What was withdrawn before is erased first: an order that came later would take what is collected now.
            await self._finish()
            await self._disk.run(self._given, body, person)
            if (person, body.kind) not in self._withdrawing:  # by now, while this was written
                self._gates.let(person, body.kind)
            await self._stand()
        self._record(entries.ConsentGiven(at=self._clock.now(), subject=person, kind=body.kind, version=body.version))
        return await self._one(body.kind, person)

    async def withdraw(self, kind: Kind, person: str) -> ConsentView:
        """`person` withdraws. What collects has stopped before anything else is done.

        Returns when the order to erase what it has collected stands in the journal. Where they had not consented, or
        have withdrawn already, nothing has to be done, and that is no error.

        Raises:
            Refused: `not_consent`: it rests on another ground, which the message names.
            StoreBroken: the medium refused. It has stopped all the same, and the rest is tried again until it is done.
        """
        self._require_consent(kind)
        self._gates.stop(person, kind)
        self._withdrawing.setdefault((person, kind), self._clock.now())
        try:
            async with self._turn:
                await self._finish()
        finally:
            self._wake.set()  # `run` sees to what could not be done, whoever gave up waiting for it
        return await self._one(kind, person)

    async def refresh(self) -> None:
        """Who is here has changed, or what is kept of them: an erasure, somebody added or forgotten.

        Raises:
            StoreBroken: the medium refused; what was known counts still.
        """
        async with self._turn:
            await self._stand()

    def people_changed(self) -> None:
        """Somebody was added, or forgotten: `run` looks who is here. From any thread, such as the `Disk` thread."""
        if self._loop:
            self._loop.call_soon_threadsafe(self._wake.set)

    async def run(self) -> None:
        """Finish what could not be finished, and keep the limit; for ever.

        Raises:
            StoreBroken: the medium refused; call again.
        """
        self._loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            async with self._turn:
                await self._finish()
                if gone := await self._disk.run(self._swept):
                    log.info("%d consents of people who have gone are forgotten", gone)
                await self._stand()
            with suppress(TimeoutError):
                async with asyncio.timeout(EXPIRY.total_seconds()):
                    await self._wake.wait()  # `wait_for` of 3.11 loses an end that comes with the wake

    # -- in turn

    async def _finish(self) -> None:
        """Write down what was withdrawn, and order that what it had collected is erased."""
        for (person, kind), at in list(self._withdrawing.items()):
            await self._disk.run(self._store.withdraw, person, kind, at)
            del self._withdrawing[person, kind]
        for one in await self._disk.run(self._store.unordered):
            scope = Scope(subjects=(one.person,), classes=(CLASSES[one.kind],))
            order = await self._erase(scope, form=Form.STANDING, ground=Ground.CONSENT_WITHDRAWN)
            await self._disk.run(self._store.ordered, one.person, one.kind, order)
            self._record(entries.ConsentWithdrawn(at=self._clock.now(), subject=one.person, kind=one.kind, order=order))

    async def _stand(self) -> None:
        consents, known = await self._disk.run(self._known)
        texts = self._texts
        self._gates.stand(
            {
                (one.person, one.kind)
                for one in consents
                if texts[one.kind].counts(one.version, one.language, one.sha256)
            },
            known,
        )

    # -- on the `Disk` thread

    def _known(self) -> tuple[list[Consent], frozenset[str]]:
        return self._store.standing(), frozenset(person.id for person in self._register.unreached())

    def _given(self, body: ConsentBody, person: str) -> None:
        if all(one.id != person for one in self._register.unreached()):
            raise Refused("unknown_person", f"nobody here is {person}", hint="see `portvakt people list`")
        sha256 = self._texts[body.kind].sha256(body.version, body.language)
        agreed = (body.kind, body.version, body.language, sha256)
        for one in self._store.standing():
            if one.person == person and (one.kind, one.version, one.language, one.sha256) == agreed:
                return
        consent = Consent(
            person=person,
            kind=body.kind,
            version=body.version,
            sha256=sha256 or "",
            language=body.language,
            at=self._clock.now(),
        )
        if not self._store.give(consent):
            hint = "wait until it is done; see `portvakt audit show`"
            raise Refused("ordered", "an order to erase reaches this person", hint=hint)

    def _swept(self) -> int:
        return self._store.sweep(self._register.has, self._age, self._kept, EXPIRY)

    # -- in words

    def _require_consent(self, kind: Kind) -> None:
        bases = self._gates.bases(kind)
        if "consent" not in bases:
            raise Refused(
                "not_consent",
                f"{things(kind)} rest on another ground than consent: {ground(bases, ())}",
                hint="only consent can be given or withdrawn; one may object, or have what is kept erased",
            )

    async def _one(self, kind: Kind, person: str) -> ConsentView:
        return next(view for view in await self.of(person) if view.kind is kind)

    def _view(self, kind: Kind, given: Sequence[Consent]) -> ConsentView:
        texts = self._texts[kind]
        newest = texts.newest
        return ConsentView(
            kind=kind,
            bases=tuple(self._gates.bases(kind)),
            state=self._state(texts, given[-1] if given else None),
            version=newest.number,
            nb=_shown(newest.nb),
            en=_shown(newest.en),
            records=tuple(
                ConsentRecord(
                    version=one.version,
                    sha256=one.sha256,
                    language=one.language,
                    given=one.at,
                    withdrawn=one.withdrawn,
                    order=one.order,
                )
                for one in given
            ),
        )

    def _state(self, texts: Texts, last: Consent | None) -> State:
        if "consent" not in self._gates.bases(texts.kind):
            return "not_asked"
        if last is None:
            return "never"
        if last.withdrawn or (last.person, last.kind) in self._withdrawing:
            return "withdrawn"
        return "given" if texts.counts(last.version, last.language, last.sha256) else "again"


def _shown(text: Text) -> TextView:
    return TextView(title=text.title, what=text.what, why=text.why, how_long=text.how_long, withdraw=text.withdraw)
