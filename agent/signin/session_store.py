"""The sessions that outlive a restart, sealed under a key of the person who is signed in. A store like any other."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from agent.signin.contract import Way
from privacy.hold import Role
from privacy.keyring import KeyRing
from privacy.moment import Moment
from privacy.records import Identifier, Item, RecordClass, Scope
from privacy.sealed_file import Concerns, parsed
from privacy.sealed_folder import HeldBy, nothing_held
from privacy.sealed_store import SealedStore
from privacy.store import Barrier, Erasure

VISITORS: Final = frozenset({Role.INSTALLER, Role.SUPPORT})
"""Whose sessions are over after ten minutes, and so are never written down."""


class Session(msgspec.Struct, frozen=True):
    """Somebody is signed in somewhere. It dies with the person's key."""

    id: str
    """Random; it opens nothing."""
    person: Identifier
    at: datetime
    """When they signed in."""
    secret: bytes
    """SHA-256 of what the browser holds, which has 256 bits."""
    seen: datetime
    roles: tuple[Role, ...]
    """What they were to the home when they signed in; nothing any more: they had left."""
    way: Way
    stay: bool = False
    before: datetime | None = None
    """When they had signed in the time before."""

    def __repr__(self) -> str:
        return f"Session({self.id})"

    @property
    def kept(self) -> bool:
        """Whether it is to outlive a restart."""
        return VISITORS.isdisjoint(self.roles)

    @property
    def concerns(self) -> Concerns:
        return Concerns(self.at, subjects=(self.person,))


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Session).decode


class SessionStore(SealedStore):
    """A sealed file for each person who is signed in; what ends dies, with the key of the file, and under a hold too.

    Else a hold would keep somebody signed in. Every method blocks: call it on the `Disk` thread. Who keeps sessions in
    memory is told of each erasure, and when the time becomes known: on that thread, inside the change.
    """

    name = "web_sessions"
    record_class = RecordClass.WEB_SESSION
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
        self.on_erasure: Callable[[tuple[Scope, datetime]], None] = lambda _reach: None
        self.on_redate: Callable[[], None] = lambda: None

    def all(self) -> list[Session]:
        """Every session that no order reaches, under a hold or not: to be signed in is not to be shown."""
        return [
            session
            for name in self._files.names()
            for _, item, payload in self._files.records(name)
            if self._admits(item) and (session := parsed(_decode, payload))
        ]

    def put(self, person: str, sessions: Sequence[Session]) -> frozenset[str]:
        """Make `sessions` all that `person` has, except those that an order reaches: returns their ids.

        Raises:
            StoreBroken: the medium refused; what was kept before is kept still.
        """
        kept = [one for one in sessions if self._admits(one.concerns.item(one.id, self.record_class))]
        if person in self._files.names():
            self._files.rewrite(person, [_encode(session) for session in kept])
        elif kept:
            self._files.append(person, [(session.concerns, _encode(session)) for session in kept])
        return frozenset(one.id for one in sessions) - {one.id for one in kept}

    def erase(self, scope: Scope, before: datetime) -> Erasure:
        """As `Store.erase`."""
        erasure = super().erase(scope, before)
        self.on_erasure((scope, before))
        return erasure

    def redate(self, redated: Callable[[Moment], Moment]) -> None:
        """As `SealedStore.redate`."""
        super().redate(redated)
        self.on_redate()

    def _exported(self, _item: Item, payload: bytes) -> bytes:
        """What leaves: when and how somebody signed in, and nothing of what opens it."""
        known = parsed(_decode, payload)
        if known is None:
            return b"{}"
        shown = msgspec.to_builtins(known)
        del shown["secret"]
        return msgspec.json.encode(shown)

    def _concerns(self, payload: bytes) -> Concerns | None:
        known = parsed(_decode, payload)
        return known.concerns if known else None
