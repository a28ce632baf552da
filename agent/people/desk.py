"""People: added, corrected and removed. The house always has an owner, once it has people."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from agent.api import contract
from agent.errors import Refused
from agent.people import contact
from agent.people.register import Person, PersonRegister
from privacy import entries
from privacy.clock import Clock
from privacy.hold import Role
from privacy.seal import RandomBytes
from privacy.store import Disk

MOST_PEOPLE: Final = 500
"""A house with flats and departments has some; a thousand are a mistake, or somebody's malice."""
_ID_BYTES: Final = 8


class PeopleDesk:
    """What the API asks about people. Who may ask it is not decided here."""

    def __init__(
        self,
        *,
        register: PersonRegister,
        disk: Disk,
        clock: Clock,
        random_bytes: RandomBytes,
        record: Callable[[entries.Entry], None],
    ) -> None:
        self._register = register
        self._disk = disk
        self._clock = clock
        self._random_bytes = random_bytes
        self._record = record

    async def all(self) -> tuple[contract.PersonView, ...]:
        """Everybody who may be shown, in the order in which they were added."""
        return tuple(map(_view, await self._disk.run(self._register.all)))

    async def add(self, body: contract.PersonBody, actor: str) -> contract.PersonView:
        """Add somebody.

        Raises:
            Refused: `bad_name`, `bad_email`, `bad_phone`, `no_owner`, `too_many`.
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
        )
        await self._disk.run(self._added, person)
        self._record(entries.PersonAdded(at=at, subject=person.id, role=person.role, actor=actor))
        return _view(person)

    async def change(self, person_id: str, body: contract.PersonChange, actor: str) -> contract.PersonView:
        """Correct what is known of somebody; what the body leaves out stays, and an empty text takes it away.

        Raises:
            Refused: `unknown_person`, `held`, `bad_name`, `bad_email`, `bad_phone`, `no_owner`.
        """
        changes: dict[str, object] = {}
        if body.name is not None:
            changes["name"] = contact.name(body.name)
        if body.email is not None:
            changes["email"] = contact.email(body.email) if body.email else None
        if body.phone is not None:
            changes["phone"] = contact.phone(body.phone) if body.phone else None
        for field in ("role", "lives_here", "language"):
            if (value := getattr(body, field)) is not None:
                changes[field] = value
        person = await self._disk.run(self._changed, person_id, changes)
        self._record(entries.PersonChanged(at=self._clock.now(), subject=person_id, role=person.role, actor=actor))
        return _view(person)

    async def remove(self, person_id: str, actor: str) -> None:
        """Forget somebody: they belong to the house no more.

        Pictures that concern them are another matter: `erase --subject` takes all there is of a person.

        Raises:
            Refused: `unknown_person`, `held`, `no_owner`.
        """
        await self._disk.run(self._removed, person_id)
        self._record(entries.PersonRemoved(at=self._clock.now(), subject=person_id, actor=actor))

    # -- on the `Disk` thread, where nothing comes between looking and writing

    def _added(self, person: Person) -> None:
        everybody = self._register.all()
        if len(everybody) >= MOST_PEOPLE:
            raise Refused("too_many", f"there are {MOST_PEOPLE} people already", hint="remove who has left")
        self._require_owner(person)
        if not self._register.put(person):
            raise _reached()

    def _changed(self, person_id: str, changes: dict[str, object]) -> Person:
        person, _ = self._found(person_id)
        person = msgspec.structs.replace(person, **changes)
        self._require_owner(person)
        if not self._register.put(person):
            raise _reached()
        return person

    def _removed(self, person_id: str) -> None:
        person, others = self._found(person_id)
        if others:
            self._require_owner(msgspec.structs.replace(person, role=Role.GUEST))
        self._register.remove(person_id)

    def _require_owner(self, person: Person) -> None:
        """That there is one, once `person` is what they are to be."""
        if person.role is not Role.OWNER and not self._register.owners() - {person.id}:
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
    )
