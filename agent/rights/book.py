"""The register of what was lent: grants that people gave, and programs' tokens. A store like any other."""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec

from agent.rights.grants import Grant, Token
from privacy.keyring import KeyRing
from privacy.moment import Age, Moment
from privacy.records import Item, RecordClass
from privacy.sealed_file import Concerns, parsed
from privacy.sealed_folder import HeldBy, nothing_held
from privacy.sealed_store import SealedStore
from privacy.store import Barrier

Digest = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
"""SHA-256."""


class Given(msgspec.Struct, frozen=True, tag="grant"):
    """A grant, and when it was given."""

    made: datetime
    moment: Moment
    """The same as `made`, in every way that this box could know."""
    lent: Grant

    @property
    def people(self) -> tuple[str, ...]:
        """Whom it concerns: it goes with either of them."""
        return tuple(sorted({self.lent.person, self.lent.by}))


class Issued(msgspec.Struct, frozen=True, tag="token"):
    """A program's token, and when it was made. Its secret is not here."""

    made: datetime
    moment: Moment
    lent: Token
    sha256: Digest
    """Of the secret."""
    name: str
    """What the person calls the program."""

    def __repr__(self) -> str:
        return f"Issued({self.lent.id})"

    @property
    def people(self) -> tuple[str, ...]:
        return (self.lent.person,)


Record = Given | Issued

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Record).decode


class GrantBook(SealedStore):
    """A sealed file for each person, of what was lent to them, under a key that dies with them.

    A record also concerns who gave it, and goes with them; so no file is about the one alone whose id is its name.
    Every method blocks: call it on the `Disk` thread. What cannot be read lends nothing.
    """

    name = "grants"
    record_class = RecordClass.PERSON

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

    def all(self) -> list[Record]:
        """All that no hold hides and no order reaches, in the order in which it was made."""
        return sorted((one for item, one in self._known() if self._may_show(item)), key=lambda one: one.made)

    def unreached(self) -> list[Record]:
        """All that no order reaches; also what a hold hides, which is lent all the same."""
        return [one for item, one in self._known() if self._admits(item)]

    def give(self, grant: Grant, at: datetime) -> bool:
        """Keep a grant that was given `at`.

        False, and nothing is kept, where an order reaches one of the two whom it concerns.

        Raises:
            StoreBroken: the medium refused.
        """
        return self._put(Given(at, self._moment(), grant))

    def issue(self, token: Token, name: str, sha256: bytes, at: datetime) -> bool:
        """Keep a token that was made `at`; as `give`."""
        return self._put(Issued(at, self._moment(), token, sha256, name))

    def end(self, lent: str) -> bool:
        """Forget the grant or the token of that id; False where there is none, or a hold keeps it.

        Raises:
            StoreBroken: the medium refused; it is kept still.
        """
        return bool(self._drop(lambda one: one.lent.id == lent))

    def expire(self, now: datetime, age: Callable[[Moment], Age]) -> int:
        """Forget what has ended: by its date, or because it is as old as it was to become; how many.

        `age` is `TimeKeeper.age`: a clock that was set back lengthens nothing.
        """
        return self._drop(lambda one: one.lent.end <= now or age(one.moment).at_least >= one.lent.end - one.made)

    def drop_of(self, gone: Callable[[str], bool]) -> int:
        """Forget what was lent to or by those who are `gone`; how many."""
        return self._drop(lambda one: any(map(gone, one.people)))

    def _drop(self, dies: Callable[[Record], bool]) -> int:
        doomed = {item.id for item, one in self._known() if dies(one)}
        files = sorted({id_.rpartition(".")[0] for id_ in doomed})
        return sum(len(self._files.lose(file, lambda _sequence, item: item.id in doomed)) for file in files)

    def _put(self, record: Record) -> bool:
        concerns = Concerns(record.made, subjects=record.people)
        if not self._admits(concerns.item("", RecordClass.PERSON)):
            return False
        self._files.append(record.lent.person, [(concerns, _encode(record))])
        return True

    def _exported(self, _item: Item, payload: bytes) -> bytes:
        """What leaves: who lent what to whom, and nothing of a token's secret."""
        known = parsed(_decode, payload)
        if known is None:
            return b"{}"
        shown = msgspec.to_builtins(known)
        return msgspec.json.encode({name: shown[name] for name in shown if name not in {"sha256", "moment"}})

    def _concerns(self, payload: bytes) -> Concerns | None:
        known = parsed(_decode, payload)
        return Concerns(known.made, subjects=known.people) if known else None

    def _known(self) -> Iterator[tuple[Item, Record]]:
        for name in self._files.names():
            for _, item, payload in self._files.records(name):
                if record := parsed(_decode, payload):
                    yield item, record
