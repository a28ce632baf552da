"""What waits for a second person: somebody wants to do it, and another whom it concerns has to agree.

In memory alone: an agreement lives for a quarter of an hour, and who restarted the gateway asks again.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from agent.rights.actions import Action
from agent.rights.decision import Denied
from agent.rights.household import Household
from agent.rights.target import Target
from privacy.clock import Clock
from privacy.errors import PrivacyError
from privacy.hold import Role
from privacy.seal import RandomBytes

MOST_SAID: Final = 4096
"""Bytes of a request: whoever agrees reads it, and it is kept for as long."""
LIFE: Final = timedelta(minutes=15)
"""From when it was asked for; agreed to or not."""
MOST: Final = 64
"""Open at once. What comes then is not asked, and so not done."""
MOST_EACH: Final = 8
"""Of one person, so that nobody can keep the others from asking."""
_ID_BYTES: Final = 8
_OF_PEOPLE: Final = frozenset({Action.MANAGE_PEOPLE, Action.REMOVE_PERSON})
"""Here those agree of whom something is said, or one of them."""

UNKNOWN: Final = Denied("unknown_agreement", "Nothing of that id waits for this person.")


@dataclass(frozen=True, slots=True)
class Agreement:
    """One request of one person, and whether somebody agreed to it."""

    id: str
    by: str
    """Who wants to do it."""
    action: Action
    target: Target
    made: datetime
    until: datetime
    agreed: str | None = None
    """Who agreed."""
    request: str = ""
    """Method and path."""
    said: bytes = field(default=b"", repr=False)
    """The request's body: whoever agrees has to see what they agree to, and not only about whom it is."""


_Asked = tuple[bytes, Action, Target]
"""A request by its digest, and what it means: should it come to mean something else, nobody has agreed to that."""


@dataclass(frozen=True, slots=True)
class _Open:
    agreement: Agreement
    ends: float
    """By the clock that cannot be set."""


def digest_of(person: str, method: str, path: str, body: bytes) -> bytes:
    """Just this request of just this person: SHA-256 of each part with its length before it. `path` with its query."""
    parts = (person.encode(), method.encode(), path.encode(), body)
    return hashlib.sha256(b"".join(len(part).to_bytes(8) + part for part in parts)).digest()


def seconds_of(household: Household, asker: str, action: Action, target: Target, at: datetime) -> frozenset[str]:
    """Who may agree that `asker` does `action` to `target`: one of them is enough.

    An adult who lives there, and never who asks. By the sentences of the table of rights:
    - where something is said of people who live there or own the home (`manage_people`, `remove_person`), one of those;
      an owner of whom it is said agrees wherever they live. Where all of them are minors, or it is said of others, any
      who live there;
    - where it is about a place that is somebody's alone, they alone;
    - a hold is renewed by two people in two roles;
    - anything else that is about a person does not take that person for its witness: who has lost their phone cannot
      sign in to say so.
    """
    dwellers = household.dwellers(at)
    adults = {id_ for id_ in dwellers if not household.people[id_].minor} - {asker}
    about = set(target.subjects)
    if action in _OF_PEOPLE:
        owners = {id_ for id_, person in household.people.items() if person.owns(at)}
        return frozenset(about & (adults | owners) - {asker}) or frozenset(adults - about)
    seconds = adults - about
    for owned in _owners(household, target):
        seconds &= owned or seconds
    if action is Action.RENEW_HOLD:
        mine = _roles(household, asker, at)
        seconds = {id_ for id_ in seconds if not _roles(household, id_, at) & mine}
    return frozenset(seconds)


class Agreements:
    """The requests that wait for a second person. Of the event loop alone.

    Args:
        household: as it is now.
    """

    def __init__(self, household: Callable[[], Household], clock: Clock, random_bytes: RandomBytes) -> None:
        self._household = household
        self._clock = clock
        self._random_bytes = random_bytes
        self._open: dict[_Asked, _Open] = {}

    def agreed(  # noqa: PLR0913 - one request, and what it means
        self, person: str, digest: bytes, action: Action, target: Target, *, request: str = "", said: bytes = b""
    ) -> str | None:
        """Who has agreed to just this; then it counts as done, and does not hold for another time. None: nobody.

        Where nobody has, those who may are asked from now on, and shown `request` and what is `said` in it; asked
        again, no second time. Who agreed must still be one who may.

        Raises:
            PrivacyError: too much waits already, or is said; nobody was asked.
        """
        self._forget_old()
        asked = digest, action, target
        known = self._open.get(asked)
        if known is None:
            self._ask(person, asked, request, said)
            return None
        second = known.agreement.agreed
        if second is None:
            return None
        del self._open[asked]
        return second if second in self._seconds(known.agreement) else None

    def of(self, person: str) -> tuple[Agreement, ...]:
        """What `person` asked for, and what they may agree to, the oldest first."""
        self._forget_old()
        all_ = [one.agreement for one in self._open.values()]
        return tuple(one for one in all_ if person == one.by or self._may_answer(person, one))

    def agree(self, id_: str, person: str) -> Agreement | Denied:
        """`person` agrees; to agree again changes nothing."""
        self._forget_old()
        for asked, one in self._open.items():
            if one.agreement.id == id_ and self._may_answer(person, one.agreement):
                agreement = replace(one.agreement, agreed=one.agreement.agreed or person)
                self._open[asked] = replace(one, agreement=agreement)
                return agreement
        return UNKNOWN

    def withdraw(self, id_: str, person: str) -> Denied | None:
        """Who asked, or who agreed, takes it back."""
        self._forget_old()
        for asked, one in self._open.items():
            if one.agreement.id == id_ and person in {one.agreement.by, one.agreement.agreed}:
                del self._open[asked]
                return None
        return UNKNOWN

    def _ask(self, person: str, asked: _Asked, request: str, said: bytes) -> None:
        if len(said) > MOST_SAID:
            raise PrivacyError("that is too long for somebody to agree to", hint="ask for less at once")
        each = sum(one.agreement.by == person for one in self._open.values())
        if len(self._open) >= MOST or each >= MOST_EACH:
            hint = f"withdraw something, or wait {LIFE.seconds // 60} minutes"
            raise PrivacyError("too much waits for a second person already", hint=hint)
        made, id_ = self._clock.now(), f"a{self._random_bytes(_ID_BYTES).hex()}"
        _, action, target = asked
        agreement = Agreement(id_, person, action, target, made, made + LIFE, request=request, said=said)
        self._open[asked] = _Open(agreement, self._clock.monotonic() + LIFE.total_seconds())

    def _may_answer(self, person: str, one: Agreement) -> bool:
        return person in self._seconds(one)

    def _seconds(self, one: Agreement) -> frozenset[str]:
        return seconds_of(self._household(), one.by, one.action, one.target, self._clock.now())

    def _forget_old(self) -> None:
        now = self._clock.monotonic()
        self._open = {asked: one for asked, one in self._open.items() if now < one.ends}


def _owners(household: Household, target: Target) -> list[frozenset[str]]:
    """Of each place that it names, whose alone it is; nobody's: shared."""
    cameras = [household.cameras.get(camera) for camera in target.cameras]
    rooms = [*target.rooms, *(household.devices.get(device) for device in target.devices)]
    owners = [household.owners_of_camera(camera) for camera in cameras if camera]
    return owners + [household.owners_of_room(room) for room in rooms]


def _roles(household: Household, person: str, at: datetime) -> frozenset[Role]:
    """What somebody is to the home, or was; who is nobody there is the hand at the box, which stands for an owner."""
    known = household.people.get(person)
    if known is None:
        return frozenset({Role.OWNER})
    now = frozenset(membership.role for membership in known.memberships if membership.lasts(at))
    return now or frozenset(membership.role for membership in known.memberships)
