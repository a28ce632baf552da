"""Who is signed in, in memory: each request looks up its cookie here, and the disk is for restarts.

Time counts by the clock that nobody can set, so that a wall clock set back keeps nobody signed in.
"""

import asyncio
import base64
import hashlib
import logging
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import msgspec

from agent.signin.contract import Way
from agent.signin.session_store import VISITORS, Session, SessionStore
from privacy.clock import Clock
from privacy.errors import StoreBroken
from privacy.hold import Role
from privacy.records import Item, Scope
from privacy.seal import RandomBytes
from privacy.sealed_file import reached
from privacy.store import Disk

log = logging.getLogger(__name__)

IDLE: Final = 12 * 3600.0
"""Seconds without a request. A browser that is closed forgets its cookie, and tells nobody."""
LONGEST: Final = 7 * 24 * 3600.0
"""In all; a browser may stay open for months."""
VISITORS_IDLE: Final = 600.0
STAYING_IDLE: Final = 60 * 24 * 3600.0
"""Of who asked to stay signed in; there is no other end."""
SAVED: Final = 600.0
"""How often at the most it is written down that a session is used."""
PRESENCE: Final = 300.0
"""How long a fresh proof counts that the person is there."""
SWEEP: Final = 15.0
MOST: Final = 32
"""Sessions of one person: of one more, the one that was used longest ago ends."""
_ID_BYTES: Final = 8
_SECRET_BYTES: Final = 32


@dataclass(slots=True, eq=False)
class OpenSession:
    """One that lasts. Times are seconds of `Clock.monotonic`."""

    session: Session
    made: float
    seen: float
    loaded: bool = False
    """An earlier run wrote it down, and it was not used since: how old it is, the wall clock alone says."""
    saved: float = 0.0
    present: float = 0.0
    """Up to when the person is held to be there."""

    @property
    def id(self) -> str:
        return self.session.id

    @property
    def person(self) -> str:
        return self.session.person

    @property
    def ends(self) -> float:
        """When it is over, if nothing more is asked in it."""
        if not VISITORS.isdisjoint(self.session.roles):
            return self.seen + VISITORS_IDLE
        if self.session.stay:
            return self.seen + STAYING_IDLE
        return min(self.seen + IDLE, self.made + LONGEST)


class Sessions:
    """Every session that lasts. Everything here runs in the event loop; `load` is called once, before all else."""

    def __init__(
        self, store: SessionStore, disk: Disk, clock: Clock, random_bytes: RandomBytes, certain: Clock | None = None
    ) -> None:
        """`certain` is what a session of an earlier run is as old by, where no clock of this one can be believed."""
        self._store = store
        self._disk = disk
        self._clock = clock
        self._certain = certain or clock
        self._random_bytes = random_bytes
        self._open: dict[bytes, OpenSession] = {}
        self._dirty: set[str] = set()
        """Of whom the disk says something else than memory."""
        self._told: list[Callable[[str], None]] = []
        # Both are filled on the `Disk` thread, and read here: a deque takes that.
        self._erased: deque[tuple[Scope, datetime]] = deque()
        self._redated: deque[None] = deque()
        store.on_erasure = self._erased.append
        store.on_redate = lambda: self._redated.append(None)

    def follow_ends(self, tell: Callable[[str], None]) -> None:
        """Have `tell` called with the id of each session that ends."""
        self._told.append(tell)

    async def load(self) -> None:
        """Take up what an earlier run left."""
        now, wall = self._clock.monotonic(), self._certain.now()
        for session in await self._disk.run(self._store.all):
            self._open[session.secret] = OpenSession(
                session, now - _age(session.at, wall), now - _age(session.seen, wall), loaded=True, saved=now
            )

    async def begin(
        self, person: str, roles: Iterable[Role], way: Way, *, stay: bool, before: datetime | None
    ) -> tuple[OpenSession, str] | None:
        """Sign somebody in: the session, and the secret that their browser is to keep.

        None where an order reaches them. A medium that refuses keeps nobody out: the session ends with the run then.
        """
        secret = base64.urlsafe_b64encode(self._random_bytes(_SECRET_BYTES)).rstrip(b"=").decode()
        now, wall, held = self._clock.monotonic(), self._clock.now(), tuple(sorted(roles))
        session = Session(
            id=f"s{self._random_bytes(_ID_BYTES).hex()}",
            person=person,
            at=wall,
            secret=_hash(secret),
            seen=wall,
            roles=held,
            way=way,
            stay=stay and VISITORS.isdisjoint(held),
            before=before,
        )
        for surplus in sorted(self.of(person), key=lambda one: one.seen)[: 1 - MOST]:
            self._drop(surplus)
        begun = self._open[session.secret] = OpenSession(session, now, now, saved=now)
        try:
            await self._save(person)
        except StoreBroken as error:
            log.warning("a session could not be written down, and ends with this run: %s", error)
        return (begun, secret) if session.secret in self._open else None

    async def used(self, secret: str) -> OpenSession | None:
        """The session that `secret` opens, if it lasts: it is used now."""
        self._hear()
        now, found = self._clock.monotonic(), self._open.get(_hash(secret))
        if found is None:
            return None
        if found.ends <= now:
            self._drop(found)
            return None
        found.seen, found.loaded = now, False
        if now - found.saved >= SAVED:
            found.saved = now
            self._dirty.add(found.person)  # written with the next sweep: nobody waits for it
        return found

    def find(self, id_: str) -> OpenSession | None:
        """The session of that id, which opens nothing by itself."""
        return next((one for one in self.all() if one.id == id_), None)

    def all(self) -> list[OpenSession]:
        """Everybody's."""
        self._hear()
        now = self._clock.monotonic()
        return [one for one in self._open.values() if one.ends > now]

    def of(self, person: str) -> list[OpenSession]:
        """What `person` has, the newest first."""
        return sorted((one for one in self.all() if one.person == person), key=lambda one: one.made, reverse=True)

    async def end(self, *ended: OpenSession) -> None:
        """Have sessions end, now and for good.

        Raises:
            StoreBroken: the medium refused. They have ended, and the medium is asked again; only if the power goes
                before, they come back.
        """
        for one in ended:
            self._drop(one)
        for person in {one.person for one in ended}:
            await self._save(person)

    async def end_all(self, person: str, *, but: OpenSession | None = None) -> None:
        """Have every session of `person` end, except `but`. Raises: as `end`."""
        await self.end(*(one for one in self.of(person) if one is not but))

    def prove(self, session: OpenSession, seconds: float = PRESENCE) -> None:
        """The person has just shown that they are there."""
        session.present = max(session.present, self._clock.monotonic() + seconds)

    def present(self, session: OpenSession) -> bool:
        return session.present > self._clock.monotonic()

    def wall(self, moment: float) -> datetime:
        """A time of `Clock.monotonic` as the wall clock says it."""
        return self._clock.now() + timedelta(seconds=moment - self._clock.monotonic())

    async def sweep(self) -> None:
        """End what is over, and write down what changed.

        Raises:
            StoreBroken: the medium refused; the next sweep tries again.
        """
        self._hear()
        now = self._clock.monotonic()
        for one in [one for one in self._open.values() if one.ends <= now]:
            self._drop(one)
        for person in sorted(self._dirty):
            await self._save(person)

    async def run(self) -> None:
        """Sweep for ever; a service of the supervisor. Raises: as `sweep`."""
        while True:
            await self.sweep()
            await asyncio.sleep(SWEEP)

    def _hear(self) -> None:
        """What the `Disk` thread has told since."""
        while self._erased:
            scope, before = self._erased.popleft()
            for one in list(self._open.values()):
                if reached(scope, before, self._item(one)):
                    self._drop(one)
        while self._redated:
            self._redated.popleft()
            self._date_anew()

    def _item(self, one: OpenSession) -> Item:
        """What the store says of it; what a clock in doubt dated after now is undated, as on the disk."""
        item = one.session.concerns.item(one.id, self._store.record_class)
        return item if one.session.at <= self._clock.now() else replace(item, at=None)

    def _date_anew(self) -> None:
        """The time has become known: what earlier runs wrote may be older than it seemed, and ours has other dates."""
        now, wall = self._clock.monotonic(), self._clock.now()
        for one in self._open.values():
            if one.loaded:
                one.made, one.seen = now - _age(one.session.at, wall), now - _age(one.session.seen, wall)
            else:
                one.session = msgspec.structs.replace(one.session, at=self.wall(one.made))
            self._dirty.add(one.person)

    def _drop(self, one: OpenSession) -> None:
        if self._open.pop(one.session.secret, None):
            self._dirty.add(one.person)
            for tell in self._told:
                tell(one.id)

    async def _save(self, person: str) -> None:
        """Have the disk say of `person` what memory says; what an order reaches ends.

        Writes come to the disk in the order in which they are asked for, each with all there is: the last one counts.
        """
        self._dirty.discard(person)
        all_ = [one for one in self._open.values() if one.person == person]
        kept = [msgspec.structs.replace(one.session, seen=self.wall(one.seen)) for one in all_ if one.session.kept]
        try:
            refused = await self._disk.run(self._store.put, person, kept)
        except StoreBroken:
            self._dirty.add(person)
            raise
        for one in all_:
            if one.id in refused:
                self._drop(one)


def _age(then: datetime, now: datetime) -> float:
    """Seconds; none of what a clock in doubt dates after now."""
    return max((now - then).total_seconds(), 0.0)


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()  # a header may hold any byte
