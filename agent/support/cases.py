"""Support cases as they are kept: what was granted for how long, what was done, how it ended; and who took part."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from agent.rights.actions import Action, Purpose
from agent.rights.grants import Reach, Utc
from agent.rights.household import SupportSession
from privacy.case_store import Case, CaseStore
from privacy.keyring import KeyRing
from privacy.moment import Age, Moment
from privacy.records import Identifier, RecordClass
from privacy.sealed_file import Concerns, parsed
from privacy.sealed_folder import HeldBy, nothing_held
from privacy.store import Barrier
from privacy.timekeeping import TimeKeeper

Counts = dict[str, Annotated[int, msgspec.Meta(ge=0)]]
"""How often each action was done, by its name."""


class Why(StrEnum):
    """How a session ended."""

    HOME = "home"
    """Somebody of the home ended it."""
    SUPPORT = "support"
    """Who had been let in did."""
    TIME = "time"
    """It came to its end."""
    GONE = "gone"
    """Who had been let in, or who had let them in, belongs to the home no more."""


class Opened(msgspec.Struct, frozen=True, kw_only=True, tag="opened"):
    """What was granted, up to when. It names nobody."""

    at: Utc
    until: Utc
    purpose: Purpose
    actions: tuple[Action, ...]
    reach: Reach
    grant: Identifier
    """The grant that came with it, and goes with it."""


class Done(msgspec.Struct, frozen=True, tag="done"):
    """What was done up to here, in all: of two such records the later counts."""

    actions: Counts


class Ended(msgspec.Struct, frozen=True, kw_only=True, tag="ended"):
    at: Utc
    why: Why
    actions: Counts


class Part(msgspec.Struct, frozen=True):
    """What one person had to do with it."""

    did: Literal["let_in", "support", "ended"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportCase:
    """One case. Who is None was erased, or never was: the hand at the box, or the time, ends without a name."""

    id: str
    at: datetime
    """When it was opened, as it is known today."""
    moment: Moment
    opened: Opened
    person: str | None
    """Who was let in."""
    by: str | None
    """Who let them in."""
    done: Mapping[str, int]
    ended: Ended | None = None
    ended_by: str | None = None

    @property
    def length(self) -> timedelta:
        return self.opened.until - self.opened.at

    @property
    def until(self) -> datetime:
        return self.at + self.length

    def lasts(self, age: Age) -> bool | None:
        """Whether its time still runs; None: nobody can say, and so nobody is let in by it.

        By its age, which the wall clock does not lengthen: `TimeKeeper.age(case.moment)`.
        """
        if age.at_least >= self.length:
            return False
        return True if age.at_most is not None and age.at_most < self.length else None


_record: Final = msgspec.json.Decoder(Opened | Done | Ended).decode
_part: Final = msgspec.json.Decoder(Part).decode
_encode: Final = msgspec.json.Encoder().encode


class SupportCases(CaseStore):
    """Every method blocks: call it on the `Disk` thread.

    The cases that are open are held in memory, so that each decision's household costs no reading.
    """

    def __init__(  # noqa: PLR0913 - what it is made of, each used
        self,
        directory: Path,
        ring: KeyRing,
        time: TimeKeeper,
        limit: timedelta | None,
        barrier: Barrier,
        *,
        holds: HeldBy = nothing_held,
    ) -> None:
        super().__init__(
            "support_cases",
            RecordClass.SUPPORT_CASE,
            directory=directory,
            ring=ring,
            time=time,
            limit=limit,
            barrier=barrier,
            holds=holds,
        )
        self._age: Callable[[Moment], Age] = time.age
        self._open = {case.id: case for case in self.all(hidden=True) if case.ended is None}
        self._shut: set[str] = set()

    def all(self, *, hidden: bool = False) -> list[SupportCase]:
        """Every case, as `CaseStore.cases`; one that cannot be read is none."""
        return [read for case in self.cases(hidden=hidden) if (read := _read(case))]

    def open(self, id_: str, opened: Opened, person: str, by: str) -> bool:
        """Keep a new case, which is open from now on. False, where an order reaches one of the two.

        Raises:
            StoreBroken: the medium refused; nobody was let in.
        """
        kept = (
            self.add(id_, opened.at, _encode(Part("support")), person)
            and self.add(id_, opened.at, _encode(Part("let_in")), by)
            and self.add(id_, opened.at, _encode(opened))
        )
        if kept:
            self._open |= {case.id: case for case in self.all(hidden=True) if case.id == id_}
        return kept

    def shut(self, id_: str) -> None:
        """Nobody is let in by that case any more, whether or not the medium takes it."""
        self._shut.add(id_)

    def note(self, case: SupportCase, done: Mapping[str, int]) -> None:
        """Keep what was done so far.

        Raises:
            StoreBroken: the medium refused.
        """
        self.add(case.id, case.opened.at, _encode(Done(dict(done))))

    def end(self, case: SupportCase, ended: Ended, by: str | None) -> None:
        """The case is closed, by somebody (None: nobody who is known).

        Raises:
            StoreBroken: the medium refused; call again.
        """
        if by:
            self.add(case.id, case.opened.at, _encode(Part("ended")), by)
        self.add(case.id, case.opened.at, _encode(ended))
        self._open.pop(case.id, None)
        self._shut.discard(case.id)

    def opened(self) -> list[SupportCase]:
        """Those that are not closed yet, whether or not their time still runs; none that an order reaches."""
        if self._open:
            living = self.living()
            self._open = {id_: case for id_, case in self._open.items() if id_ in living and self._unreached(case)}
        return list(self._open.values())

    def sessions(self, now: datetime) -> tuple[SupportSession, ...]:
        """Who is let in `now`, for `Household.support`: by what the time keeper says, counted on the given clock."""
        sessions = []
        for case in self.opened():
            age = self._age(case.moment)
            if case.person and case.id not in self._shut and case.lasts(age):
                start = now - age.at_least
                sessions.append(SupportSession(person=case.person, start=start, end=start + case.length))
        return tuple(sessions)

    def _unreached(self, case: SupportCase) -> bool:
        """Whether no order reaches the case itself; one that reaches who took part leaves it."""
        return self._admits(Concerns(case.at).item(case.id, self.record_class))


def _read(case: Case) -> SupportCase | None:
    records = [record for payload in case.records if (record := parsed(_record, payload))]
    opened = next((record for record in records if isinstance(record, Opened)), None)
    if opened is None:
        return None
    ended = next((record for record in records if isinstance(record, Ended)), None)
    last = [record.actions for record in records if isinstance(record, Done | Ended)]
    did: dict[str, str] = {}
    for person, payloads in case.parts.items():
        for payload in payloads:
            if part := parsed(_part, payload):
                did[part.did] = person
    return SupportCase(
        id=case.id,
        at=case.at,
        moment=case.moment,
        opened=opened,
        person=did.get("support"),
        by=did.get("let_in"),
        done=last[-1] if last else {},
        ended=ended,
        ended_by=did.get("ended"),
    )
