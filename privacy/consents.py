"""Who has consented to what: kept as long as the person is, and then for as long as the policy says.

A consent that was withdrawn, or replaced by one to another text, stays as a record of its own; the law asks to show it.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import msgspec

from privacy.consent_text import Kind, Language
from privacy.keyring import KeyRing
from privacy.moment import Age, Moment
from privacy.records import Identifier, Item, RecordClass, UuidV7
from privacy.sealed_file import Concerns, parsed
from privacy.sealed_folder import HeldBy, nothing_held
from privacy.sealed_store import SealedStore
from privacy.store import Barrier

_NOTE: Final = "consents"
"""The ring's note of when it was last looked who is there."""


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """What one person agreed to, once. It dies with the person's key."""

    person: Identifier
    kind: Kind
    version: Annotated[int, msgspec.Meta(ge=1)]
    """Of the text."""
    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
    """Of the text in that version and language: `Texts.sha256`."""
    language: Language
    at: datetime
    """When it was given."""
    withdrawn: datetime | None = None
    order: UuidV7 | None = None
    """The order that erases what had been collected, once it stands in the journal."""
    gone: Moment | None = None
    """When the person's own record was seen last, once it is there no more."""

    def __repr__(self) -> str:
        return f"Consent({self.person}, {self.kind})"

    @property
    def concerns(self) -> Concerns:
        return Concerns(self.at, subjects=(self.person,))


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Consent).decode
_moment_of = msgspec.msgpack.Decoder(Moment).decode


class Consents(SealedStore):
    """A sealed file for each person, under a key of their own.

    To consent adds a record. To withdraw writes the person's file anew, under another key, with the time in that
    record: whatever is damaged or lost afterwards, a consent may be missing, and never a withdrawal.

    Every method blocks: call it on the `Disk` thread. A record that opens but is none of ours, such as one of a later
    version, is undated: it takes away what its person had consented to before, and goes with the person.
    """

    name = "consents"
    record_class = RecordClass.CONSENT
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
        self._ring = ring
        self._moment = moment

    def of(self, person: str) -> list[Consent]:
        """All that `person` ever consented to, in the order in which they did."""
        return [
            msgspec.structs.replace(consent, at=item.at or consent.at)
            for name in self._names_of(person)
            for item, consent in self._read(name)
            if consent and self._admits(item)
        ]

    def standing(self) -> list[Consent]:
        """The last consent of each person to each kind, where it was not withdrawn; of whom no order reaches."""
        return [consent for consent in self._last().values() if consent.withdrawn is None and consent.gone is None]

    def unordered(self) -> list[Consent]:
        """What was withdrawn, and of which no order to erase stands in the journal yet, as far as is known here."""
        withdrawn = (consent for consent in self._last().values() if consent.withdrawn)
        return [consent for consent in withdrawn if consent.order is None and consent.gone is None]

    def give(self, consent: Consent) -> bool:
        """Keep `consent`, durably. False, and nothing is kept, where an order reaches this person.

        Raises:
            StoreBroken: the medium refused; nothing was consented to.
        """
        if not self._admits(consent.concerns.item(consent.person, self.record_class)):
            return False
        names = self._names_of(consent.person)
        self._files.append(names[-1] if names else consent.person, [(consent.concerns, _encode(consent))])
        return True

    def withdraw(self, person: str, kind: Kind, at: datetime) -> None:
        """What `person` had consented to of this kind is withdrawn, durably; nothing changes where there is none.

        Raises:
            StoreBroken: the medium refused; it stands still.
        """
        with self._files.change():
            for name in self._names_of(person):
                if any(True for _ in self._files.records(name)):
                    self._revise(
                        name,
                        lambda known: known.kind is kind and known.withdrawn is None,
                        lambda known: msgspec.structs.replace(known, withdrawn=at),
                    )
                else:  # a file that was taken away must not come back with what it says
                    self._files.lose(name, lambda _sequence, _item: True)

    def ordered(self, person: str, kind: Kind, order: str) -> None:
        """An order to erase what had been collected stands in the journal, of all of this kind that was withdrawn."""
        with self._files.change():
            for name in self._names_of(person):
                self._revise(
                    name,
                    lambda known: known.kind is kind and known.withdrawn is not None and known.order is None,
                    lambda known: msgspec.structs.replace(known, order=order),
                )

    def sweep(
        self, there: Callable[[str], bool], age: Callable[[Moment], Age], limit: timedelta, ahead: timedelta
    ) -> int:
        """Forget what people consented to who went `limit` ago, or will have within `ahead`, the time until the next.

        Counted from when their own record was last seen, in an earlier sweep: never late, and early by the time
        between two. Who is there again has not gone.

        Args:
            there: whether the register of people keeps a record of somebody, by id.
            age: `TimeKeeper.age`: a clock that was set back keeps nothing.
            limit: of the class, from the event `person_gone`.
            ahead: until the next run.

        Returns: how many records went.
        """
        seen, gone = self._seen(), 0
        people = {name: there(name.rstrip("+")) for name in self._files.names()}
        with self._files.change():
            for name, here in people.items():
                self._mark(name, None if here else seen)
        with self._files.change():
            for name in (name for name, here in people.items() if not here):
                moments = [consent.gone for _, consent in self._read(name) if consent]
                # Nobody can say of what cannot be read since when; it is nobody's now.
                if all(moment and age(moment).at_least + ahead >= limit for moment in moments):
                    gone += len(self._files.lose(name, lambda _sequence, _item: True))
        self._ring.note(_NOTE, msgspec.msgpack.encode(self._moment()))
        self._ring.sync()
        return gone

    def _mark(self, name: str, seen: Moment | None) -> None:
        """Note of all in a file that its person has gone, or, where `seen` is None, that they have not."""
        wrong = [consent for _, consent in self._read(name) if consent and (consent.gone is None) != (seen is None)]
        if wrong:
            self._revise(name, wrong.__contains__, lambda known: msgspec.structs.replace(known, gone=seen))

    def _seen(self) -> Moment:
        """When it was last looked who is there; now, where that was never, or cannot be read."""
        noted = self._ring.noted(_NOTE)
        return (noted and parsed(_moment_of, noted)) or self._moment()

    def _revise(self, name: str, meant: Callable[[Consent], bool], anew: Callable[[Consent], Consent]) -> None:
        def revised(payload: bytes) -> bytes:
            known = parsed(_decode, payload)
            return _encode(anew(known)) if known and meant(known) else payload

        self._files.revise(name, revised)

    def _last(self) -> dict[tuple[str, Kind], Consent]:
        """The last consent of each person to each kind, of whom no order reaches."""
        last: dict[tuple[str, Kind], Consent] = {}
        for name in self._files.names():
            for item, consent in self._read(name):
                if consent is None:
                    # Who knows what that says: perhaps that they withdrew it.
                    last = {key: known for key, known in last.items() if key[0] != name.rstrip("+")}
                elif self._admits(item):
                    last[consent.person, consent.kind] = consent
        return last

    def _read(self, name: str) -> Iterator[tuple[Item, Consent | None]]:
        for _, item, payload in self._files.records(name):
            yield item, parsed(_decode, payload)

    def _names_of(self, person: str) -> list[str]:
        """The files of `person`; more than one where one was taken away, and may come back."""
        return [name for name in self._files.names() if name.rstrip("+") == person]

    def _concerns(self, payload: bytes) -> Concerns | None:
        known = parsed(_decode, payload)
        return known.concerns if known else None
