"""The register of people: names, how they are reached, and what they are to the house. A store like any other."""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from agent.people.contact import Language
from privacy.hold import Role
from privacy.keyring import KeyRing
from privacy.moment import Moment
from privacy.records import Identifier, Item, RecordClass
from privacy.sealed_file import Concerns, parsed
from privacy.sealed_folder import HeldBy, nothing_held
from privacy.sealed_store import SealedStore
from privacy.store import Barrier


class Person(msgspec.Struct, frozen=True):
    """Somebody with a relation to the home. Everything but the id dies with the person's key."""

    id: Identifier
    """Random: it says nothing."""
    at: datetime
    """When they were added."""
    role: Role
    name: str
    lives_here: bool
    """An owner who does not has rights over the house, and not over those who do."""
    email: str | None = None
    phone: str | None = None
    """As +4722225555."""
    language: Language = Language.BOKMAL

    def __repr__(self) -> str:
        return f"Person({self.id}, {self.role})"

    @property
    def concerns(self) -> Concerns:
        return Concerns(self.at, subjects=(self.id,))


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Person).decode


class PersonRegister(SealedStore):
    """A sealed file for each person, under a key of their own: what they were before a change dies with the change.

    Every method blocks: call it on the `Disk` thread. A record that opens but is none of ours, such as one of a later
    version, is undated: it is shown to nobody, and goes with its person or the first erasure that could mean it.
    """

    name = "person_register"
    record_class = RecordClass.PERSON
    named = "subject"

    def __init__(
        self,
        directory: Path,
        ring: KeyRing,
        moment: Callable[[], Moment],
        barrier: Barrier,
        *,
        holds: HeldBy = nothing_held,
    ) -> None:
        super().__init__(directory, ring, moment, holds=holds, admits=barrier.admits)

    def all(self) -> list[Person]:
        """Everybody whom no hold hides and no order reaches, in the order in which they were added."""
        people = {person.id: person for item, person in self._known() if self._may_show(item)}
        return sorted(people.values(), key=lambda person: person.at)

    def owners(self) -> frozenset[str]:
        """Whom no order reaches, by id; also those whom a hold hides, who own the house all the same."""
        return frozenset(
            person.id for item, person in self._known() if person.role is Role.OWNER and self._admits(item)
        )

    def put(self, person: Person) -> bool:
        """Keep `person`; what was kept of the same one before is gone, with its key.

        False, and nothing is changed, where an order that came while it was under way reaches them.

        Raises:
            StoreBroken: the medium refused; what was kept before is kept still.
        """
        if not self._admits(person.concerns.item(person.id, RecordClass.PERSON)):
            return False
        new = _encode(person)
        if person.id in self._files.names():
            self._files.rewrite(person.id, [new])
        else:
            self._files.append(person.id, [(person.concerns, new)])
        return True

    def held(self, person: str) -> bool:
        """Whether a hold keeps what is known of `person`: then they can be neither changed nor removed."""
        return any(self._files.held(item) for _, item, _ in self._files.records(person))

    def remove(self, person: str) -> bool:
        """Forget `person`, with the key; False where nobody knew them, or a hold keeps what is known.

        Raises:
            StoreBroken: the medium refused; they are kept still.
        """
        return person in self._files.names() and bool(self._files.lose(person, lambda _sequence, _item: True))

    def _concerns(self, payload: bytes) -> Concerns | None:
        known = parsed(_decode, payload)
        return known.concerns if known else None

    def _known(self) -> Iterator[tuple[Item, Person]]:
        for name in self._files.names():
            for _, item, payload in self._files.records(name):
                if person := parsed(_decode, payload):
                    yield item, msgspec.structs.replace(person, at=item.at or person.at)
