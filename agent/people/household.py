"""The household that decisions are made in, out of the registers: held in memory, as each request asks for it.

Who is in it:
- whom an order to erase reaches has no rights from the moment the order stands in the journal, and lends none; neither
  waits for the erasure to be carried out, nor for a hold that delays it;
- whom a hold hides keeps their rights: a hold keeps a record from being used against its time, it takes nobody's home;
- who has left is in it with the end of what they were, for what outlives that (`after` in the table of rights);
- whose record cannot be read is not in it.

What the clock said when somebody came or went may have been wrong. So nobody comes later than now, and who has left has
left, whatever the time was then.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from agent.people import register
from agent.rights.book import GrantBook, Issued
from agent.rights.grants import Actor, Grant, Token
from agent.rights.household import DWELLS, Camera, Household, Membership, Person, SupportSession
from agent.rights.tokens import looked_up
from camera.vault.metadata import KIND as SEGMENTS
from camera.vault.metadata import SegmentInfo
from privacy.clock import Clock
from privacy.hold import Role
from privacy.keyring import KeyRing


class Assigned(Protocol):
    """A camera as configured."""

    @property
    def id(self) -> str: ...

    @property
    def subjects(self) -> Iterable[str]:
        """To whom it is assigned; nobody: it is shared."""


@dataclass(frozen=True, slots=True)
class _Known:
    household: Household = field(default_factory=lambda: Household(people={}))
    digests: Mapping[bytes, str] = field(default_factory=dict)
    """The tokens, by the SHA-256 of their secrets."""


def _nobody() -> Iterable[SupportSession]:
    """For a household into which support is never let."""
    return ()


class HouseholdBook:
    """Who belongs to the home, what was lent, and whose cameras there are. Empty until `refresh` was called.

    Args:
        cameras: all of them, on the `Disk` thread; see `cameras_of`.
        clock: the one by which decisions are made.
        support: who from support is let in now, on the `Disk` thread.
    """

    def __init__(
        self,
        *,
        register: register.PersonRegister,
        book: GrantBook,
        cameras: Callable[[], Iterable[Camera]],
        clock: Clock,
        support: Callable[[], Iterable[SupportSession]] = _nobody,
    ) -> None:
        self._register = register
        self._book = book
        self._cameras = cameras
        self._clock = clock
        self._support = support
        self._known = _Known()

    def current(self) -> Household:
        """The household as it is now; costs nothing."""
        return self._known.household

    def token_of(self, secret: str) -> Actor | None:
        """Whose program shows this secret, which somebody sent: any text. The same work for every one."""
        known = self._known
        token = looked_up(secret, known.digests)
        return Actor(known.household.tokens[token].person, token) if token else None

    def refresh(self) -> None:
        """Something of it may have changed: read it again. On the `Disk` thread.

        What was lent to or by somebody who has left, or of whom nothing is kept, is forgotten.

        Raises:
            StoreBroken: the medium refused. What could be read counts all the same: nobody keeps a right for that.
        """
        now = self._clock.now()
        people = {person.id: person for person in self._register.unreached()}
        here = {id_ for id_, person in people.items() if person.until is None}
        grants: list[Grant] = []
        tokens: dict[str, Token] = {}
        digests: dict[bytes, str] = {}
        records = self._book.unreached()
        for record in records:
            if here.issuperset(record.people):
                if isinstance(record, Issued):
                    tokens[record.lent.id] = record.lent
                    digests[record.sha256] = record.lent.id
                else:
                    grants.append(record.lent)
        household = Household(
            people={id_: _person(person, now) for id_, person in people.items()},
            cameras={camera.id: camera for camera in self._cameras()},
            grants=tuple(grants),
            tokens=tokens,
            support=tuple(self._support()),
        )
        self._known = _Known(household, digests)

        def gone(person: str) -> bool:
            return (person in people and person not in here) or not self._register.has(person)

        if any(gone(person) for record in records for person in record.people):
            self._book.drop_of(gone)


def cameras_of(configured: Iterable[Assigned], ring: KeyRing, now: datetime) -> Iterator[Camera]:
    """Every camera that is configured, and every other whose pictures are still kept, with whose alone it is.

    What a camera took while it was another's, or shared, is seen by nobody who did not see it then: it is the present
    people's from when the last such picture was taken. On the `Disk` thread.
    """
    spans: dict[str, dict[frozenset[str], datetime]] = {}
    for entry in ring.entries(SEGMENTS).values():
        if info := SegmentInfo.from_bytes(entry.info):
            assigned, known = frozenset(info.subjects), spans.setdefault(info.camera, {})
            known[assigned] = max(info.until, known.get(assigned, info.until))
    people = {camera.id: frozenset(camera.subjects) for camera in configured}
    for id_, kept in spans.items():
        # Who had it last has what is left of it.
        people.setdefault(id_, max(kept, key=lambda whose: (kept[whose], sorted(whose))))
    for id_, whose in people.items():
        others = [min(until, now) for assigned, until in spans.get(id_, {}).items() if assigned != whose]
        yield Camera(id=id_, people=whose, since=max(others, default=None))


def _person(person: register.Person, now: datetime) -> Person:
    membership = Membership(
        role=person.role,
        since=min(person.since or person.at, now),
        until=person.until and min(person.until, now),
        lives_here=person.lives_here and person.role in DWELLS,
    )
    return Person(id=person.id, memberships=(membership,), minor=person.minor and person.role is not Role.OWNER)
