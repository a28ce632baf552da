"""Cases: something that happened, and who took part in it, each apart from the others.

What happened stands in the case's own record, which names nobody; who took part, in a record under their own key. So
whoever is erased is gone from the case, and the case stays, for the others and for its time: nobody erases what they
did by erasing themselves.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from privacy.keyring import KeyRing
from privacy.moment import Moment, Utc
from privacy.records import RecordClass
from privacy.sealed_file import Concerns, parsed
from privacy.sealed_folder import HeldBy, nothing_held
from privacy.sealed_store import ExpiringStore
from privacy.store import Barrier
from privacy.timekeeping import TimeKeeper

NOBODY: Final = ""
"""In the place of a person's id: the case's own record."""


@dataclass(frozen=True, slots=True)
class Case:
    """One case, as far as it can be read."""

    id: str
    at: datetime
    """When it began, as it is known today."""
    moment: Moment
    """The same, in every way that this box could know."""
    records: tuple[bytes, ...]
    """Its own, in the order in which they were written."""
    parts: Mapping[str, tuple[bytes, ...]]
    """Those of each person who took part and is not erased."""


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    """A record as it lies inside the seal (MessagePack)."""

    at: Utc
    """When the case began: so an erasure by time takes a case as a whole."""
    person: str
    payload: bytes

    @property
    def concerns(self) -> Concerns:
        return Concerns(self.at, subjects=(self.person,) if self.person else ())


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Stored).decode


class CaseStore(ExpiringStore):
    """A `Store` of cases of one record class: a sealed file for each case, and one for each person in each case.

    Every method blocks: call it on the `Disk` thread.
    """

    named = "subject"

    def __init__(  # noqa: PLR0913 - what it is made of, each used
        self,
        name: str,
        record_class: RecordClass,
        *,
        directory: Path,
        ring: KeyRing,
        time: TimeKeeper,
        limit: timedelta | None,
        barrier: Barrier,
        holds: HeldBy = nothing_held,
    ) -> None:
        self.name, self.record_class = name, record_class
        super().__init__(directory, ring, time, limit, holds=holds, admits=barrier.admits)

    def add(self, case: str, began: datetime, payload: bytes, person: str = NOBODY) -> bool:
        """Add a record to `case`, its own or that of a `person` in it, durably.

        A case is there once its own record is: write the persons' first. False, and nothing is kept, where an order
        reaches it that came meanwhile.

        Raises:
            StoreBroken: the medium refused.
        """
        stored = _Stored(began, person, payload)
        if not self._admits(stored.concerns.item("", self.record_class)):
            return False
        self._files.append(f"{person}/{case}", [(stored.concerns, _encode(stored))])
        return True

    def cases(self, *, hidden: bool = False) -> list[Case]:
        """Every case, in the order in which they began; `hidden`: those that a hold keeps from being shown, too."""
        admits = self._admits if hidden else self._may_show
        own: dict[str, list[tuple[datetime, str, bytes]]] = {}
        parts: dict[str, dict[str, list[bytes]]] = {}
        for name in self._files.names():
            person, case = _split(name)
            for _, item, payload in self._files.records(name):
                stored = parsed(_decode, payload)
                if stored is None or not admits(item):
                    continue
                if person == NOBODY:
                    own.setdefault(case, []).append((item.at or stored.at, name, stored.payload))
                else:
                    parts.setdefault(case, {}).setdefault(person, []).append(stored.payload)
        found = [
            Case(
                case,
                records[0][0],
                self._files.file(records[0][1]).info.moment,
                tuple(payload for _, _, payload in records),
                {person: tuple(theirs) for person, theirs in parts.get(case, {}).items()},
            )
            for case, records in own.items()
        ]
        return sorted(found, key=lambda case: case.at)

    def living(self) -> frozenset[str]:
        """The ids of the cases that are kept; costs no reading."""
        return frozenset(case for person, case in map(_split, self._files.names()) if person == NOBODY)

    def expire(self, ahead: timedelta) -> int:
        """As `ExpiringStore.expire`; who took part goes with the case, and where that has gone, at the same limit."""
        due = self._lifetime.due(ahead)
        with self._files.change():
            over = {name for name in self._files.names() if due(self._files.file(name).info.moment)}
            cases = {case for person, case in map(_split, over) if person == NOBODY}
            doomed = [name for name in self._files.names() if name in over or _split(name)[1] in cases]
            return sum(len(self._files.lose(name, lambda _sequence, _item: True)) for name in doomed)

    def _exported(self, _item: object, payload: bytes) -> bytes:
        stored = parsed(_decode, payload)
        return stored.payload if stored else payload

    def _concerns(self, payload: bytes) -> Concerns | None:
        stored = parsed(_decode, payload)
        return stored.concerns if stored else None


def _split(name: str) -> tuple[str, str]:
    """Person and case, of the name of a file."""
    person, _, case = name.rstrip("+").partition("/")
    return person, case
