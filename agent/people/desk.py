"""People: added, corrected and removed. The house always has an owner, once it has people."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Final

import msgspec

from agent.api import contract
from agent.errors import Refused
from agent.people import contact
from agent.people.register import Person, PersonRegister
from agent.rights.household import DWELLS
from privacy import entries
from privacy.clock import Clock
from privacy.hold import Role
from privacy.moment import Age, Moment
from privacy.seal import RandomBytes
from privacy.store import Disk

log = logging.getLogger(__name__)

MOST_PEOPLE: Final = 500
"""A house with flats and departments has some; a thousand are a mistake, or somebody's malice."""
EXPIRY: Final = timedelta(hours=1)
"""How often expiry runs."""
_ID_BYTES: Final = 8


def _nothing() -> None:
    """For a desk without a household."""


class PeopleDesk:
    """What the API asks about people. Who may ask it is not decided here."""

    def __init__(  # noqa: PLR0913 - the composition root hands over each part by name
        self,
        *,
        register: PersonRegister,
        disk: Disk,
        clock: Clock,
        random_bytes: RandomBytes,
        record: Callable[[entries.Entry], None],
        on_change: Callable[[], None] = _nothing,
    ) -> None:
        """`on_change` (`HouseholdBook.refresh`) is called on the `Disk` thread, before anybody hears of a change."""
        self._register = register
        self._disk = disk
        self._clock = clock
        self._random_bytes = random_bytes
        self._record = record
        self._on_change = on_change

    async def all(self) -> tuple[contract.PersonView, ...]:
        """Everybody who may be shown, in the order in which they were added; who has left, too."""
        return tuple(map(_view, await self._disk.run(self._register.all)))

    async def add(self, body: contract.PersonBody, actor: str) -> contract.PersonView:
        """Add somebody.

        Raises:
            Refused: `bad_name`, `bad_email`, `bad_phone`, `no_owner`, `minor_owner`, `lives_elsewhere`, `too_many`.
        """
        at = self._clock.now()
        person = Person(
            id=f"p{self._random_bytes(_ID_BYTES).hex()}",
            at=at,
            role=body.role,
            name=contact.name(body.name),
            lives_here=body.lives_here,
            email=contact.email(body.email) if body.email else None,
            phone=contact.phone(body.phone) if body.phone else None,
            language=body.language,
            minor=body.minor,
        )
        await self._disk.run(self._added, person)
        self._record(entries.PersonAdded(at=at, subject=person.id, role=person.role, actor=actor))
        return _view(person)

    async def change(self, person_id: str, body: contract.PersonChange, actor: str) -> contract.PersonView:
        """Correct what is known of somebody; what the body leaves out stays, and an empty text takes it away.

        Raises:
            Refused: `unknown_person`, `held`, `bad_name`, `bad_email`, `bad_phone`, `address_taken`, `no_owner`,
                `minor_owner`, `lives_elsewhere`, `has_left`, `not_left`.
        """
        changes: dict[str, Any] = {}
        if body.name is not None:
            changes["name"] = contact.name(body.name)
        if body.email is not None:
            changes["email"] = contact.email(body.email) if body.email else None
        if body.phone is not None:
            changes["phone"] = contact.phone(body.phone) if body.phone else None
        for field in ("role", "lives_here", "language", "minor"):
            if (value := getattr(body, field)) is not None:
                changes[field] = value
        person = await self._disk.run(self._changed, person_id, changes, returns=body.returns)
        self._record(entries.PersonChanged(at=self._clock.now(), subject=person_id, role=person.role, actor=actor))
        return _view(person)

    async def remove(self, person_id: str, actor: str) -> None:
        """Somebody belongs to the house no more. They keep the rights over what is kept of them, for 30 days.

        Who has left already is forgotten at once. Pictures that concern them are another matter: `erase --subject`
        takes all there is of a person.

        Raises:
            Refused: `unknown_person`, `held`, `no_owner`.
        """
        await self._disk.run(self._removed, person_id)
        self._record(entries.PersonRemoved(at=self._clock.now(), subject=person_id, actor=actor))

    async def keep_limit(self, age: Callable[[Moment], Age]) -> None:
        """Forget who left long enough ago, for ever. `age` is `TimeKeeper.age`.

        Raises:
            StoreBroken: the medium refused; call again.
        """
        while True:
            if gone := await self._disk.run(self._expired, age):
                log.info("%d people who had left are forgotten", gone)
            await asyncio.sleep(EXPIRY.total_seconds())

    # -- on the `Disk` thread, where nothing comes between looking and writing

    def _added(self, person: Person) -> None:
        everybody = self._register.all()
        if len(everybody) >= MOST_PEOPLE:
            raise Refused("too_many", f"there are {MOST_PEOPLE} people already", hint="remove who has left")
        self._require_sense(person)
        self._put(person)

    def _changed(self, person_id: str, changes: dict[str, Any], *, returns: bool) -> Person:
        before, _ = self._found(person_id)
        if returns:
            if before.until is None:
                raise Refused("not_left", "this person has not left the home", hint="there is nothing to take back")
            changes |= {"until": None, "left": None, "since": self._clock.now()}
        elif before.until is not None and not changes.keys().isdisjoint({"role", "lives_here"}):
            raise Refused("has_left", "this person has left the home", hint="say that they return, with --returns")
        if "role" in changes and changes["role"] not in DWELLS:
            changes.setdefault("lives_here", False)
        person = msgspec.structs.replace(before, **changes)
        self._require_own_address(before, person)
        was, is_ = (before.role, before.lives_here), (person.role, person.lives_here)
        if was != is_ and not (before.lives_here and person.lives_here):
            # What the home shows of the past, it shows from when somebody became what they are.
            person = msgspec.structs.replace(person, since=self._clock.now())
        self._require_sense(person)
        self._put(person)
        return person

    def _removed(self, person_id: str) -> None:
        person, others = self._found(person_id)
        if person.until is not None:
            self._register.remove(person_id)
        else:
            if any(other.until is None for other in others):
                self._require_owner(msgspec.structs.replace(person, role=Role.GUEST))
            if not self._register.leave(person, self._clock.now()):
                raise _reached()
        self._on_change()

    def _expired(self, age: Callable[[Moment], Age]) -> int:
        gone = self._register.expire(age, EXPIRY)
        if gone:
            self._on_change()
        return gone

    def _put(self, person: Person) -> None:
        if not self._register.put(person):
            raise _reached()
        self._on_change()

    def _require_own_address(self, before: Person, person: Person) -> None:
        """That nobody takes what another has: people sign in with it, and who has it longest would be meant.

        Who is added with another's comes later, and shuts nobody out.
        """
        new = {one.casefold() for one in _addresses(person)} - {one.casefold() for one in _addresses(before)}
        others = (other for other in self._register.unreached() if other.id != person.id)
        if any(address.casefold() in new for other in others for address in _addresses(other)):
            hint = "whose it is has to give it up first"
            raise Refused("address_taken", "somebody else here has this address or number", hint=hint)

    def _require_sense(self, person: Person) -> None:
        """That somebody can be what they are to be, and the house has an owner then."""
        if person.minor and person.role is Role.OWNER:
            raise Refused("minor_owner", "a minor does not own the home", hint="make them a resident")
        if person.lives_here and person.role not in DWELLS:
            raise Refused("lives_elsewhere", f"a {person.role} does not live here", hint="who does is a resident")
        self._require_owner(person)

    def _require_owner(self, person: Person) -> None:
        """That there is one, once `person` is what they are to be."""
        owns = person.role is Role.OWNER and person.until is None
        if person.until is None and not owns and not self._register.owners() - {person.id}:
            raise Refused("no_owner", "the house needs an owner", hint="make somebody else the owner first")

    def _found(self, person_id: str) -> tuple[Person, Sequence[Person]]:
        """Somebody, and everybody else."""
        everybody = self._register.all()
        for person in everybody:
            if person.id == person_id:
                return person, [other for other in everybody if other is not person]
        if self._register.held(person_id):
            raise Refused("held", "a hold keeps what is known of this person", hint="see `portvakt holds`")
        raise Refused("unknown_person", f"nobody here is {person_id}", hint="see `portvakt people list`")


def _addresses(person: Person) -> list[str]:
    return [address for address in (person.email, person.phone) if address]


def _reached() -> Refused:
    hint = "wait until it is done; see `portvakt audit show`"
    return Refused("ordered", "an order to erase reaches this person", hint=hint)


def _view(person: Person) -> contract.PersonView:
    return contract.PersonView(
        id=person.id,
        role=person.role,
        name=person.name,
        lives_here=person.lives_here,
        email=person.email,
        phone=person.phone,
        language=person.language,
        added=person.at,
        minor=person.minor,
        until=person.until,
    )
