"""The register of people: names, how they are reached, and what they are to the house. A store like any other."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from agent.people.contact import Language
from privacy.hold import Role
from privacy.keyring import KeyRing
from privacy.moment import Age, Moment
from privacy.records import Identifier, Item, RecordClass
from privacy.sealed_file import Concerns, parsed
from privacy.sealed_folder import HeldBy, nothing_held
from privacy.sealed_store import SealedStore
from privacy.store import Barrier

LEFT_KEPT: Final = timedelta(days=30)
"""How long somebody who has left can still use the rights over what is kept of them; then their record goes."""


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
    minor: bool = False
    """A child or a teenager, who never owns the home."""
    since: datetime | None = None
    """Since when they are what they are; None: since they were added. Who goes on living here is what they were."""
    until: datetime | None = None
    """When they left the home; None: they belong to it."""
    left: Moment | None = None
    """The same as `until`, in every way that this box could know."""

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
        self._moment = moment

    def all(self) -> list[Person]:
        """Everybody whom no hold hides and no order reaches, in the order in which they were added."""
        people = {person.id: person for item, person in self._known() if self._may_show(item)}
        return sorted(people.values(), key=lambda person: person.at)

    def owners(self) -> frozenset[str]:
        """Who owns the house and has not left it, by id, as of `unreached`."""
        return frozenset(person.id for person in self.unreached() if person.role is Role.OWNER and person.until is None)

    def unreached(self) -> list[Person]:
        """Everybody whom no order reaches; also those whom a hold hides, who are what they are all the same."""
        return list({person.id: person for item, person in self._known() if self._admits(item)}.values())

    def has(self, person: str) -> bool:
        """Whether anything is kept of `person`, also where it cannot be read or shown."""
        return person in self._files.names()

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

    def leave(self, person: Person, at: datetime) -> bool:
        """`person` belongs to the home no more, from now on; as `put`. `expire` takes what is kept of them."""
        return self.put(msgspec.structs.replace(person, until=at, left=self._moment()))

    def expire(self, age: Callable[[Moment], Age], ahead: timedelta) -> int:
        """Forget who left `LEFT_KEPT` ago, or will have within `ahead`, the time until the next run; how many.

        `age` is `TimeKeeper.age`: a clock that was set back keeps nobody.
        """
        due = [one.id for _, one in self._known() if one.left and age(one.left).at_least + ahead >= LEFT_KEPT]
        return sum(map(self.remove, due))

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
