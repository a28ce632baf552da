"""Every kind of store in the tests: what it stands on, how records come into it, and scopes to look for."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol, cast

import msgspec

from agent.people.register import Person, PersonRegister
from agent.processing.disclosures import Disclosures
from agent.register import Adoption, DeviceRegister
from agent.rights.actions import Action
from agent.rights.book import GrantBook, Issued
from agent.rights.grants import Reach, Token
from agent.signin.credentials import Credential, Credentials
from agent.signin.session_store import Session, SessionStore
from agent.support.cases import SupportCases
from camera.picture import Picture
from camera.vault.retention import Limits
from camera.vault.tags import Tags
from camera.vault.vault import Vault
from privacy.activity import ActivityLog
from privacy.activity_line import Deed
from privacy.case_store import CaseStore
from privacy.consent_text import Kind
from privacy.consents import Consent, Consents
from privacy.entries import About, Entry
from privacy.exports import Exports, Head
from privacy.hold import Actor, Hold, Reason, Role
from privacy.holds import Holds
from privacy.keyring import KeyRing
from privacy.moment import Moment
from privacy.operation_log import OperationLog
from privacy.record_store import RecordStore
from privacy.records import Item, RecordClass, Scope
from privacy.redaction.line import redacted
from privacy.seal import Keys
from privacy.sealed_file import Concerns
from privacy.spool import Spool
from privacy.store import Barrier, Store
from privacy.timekeeping import TimeKeeper, Witness
from privacy.uuid7 import uuid7
from tests.suites.memory_slots import MemorySlots

NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
FUTURE = NOON + timedelta(days=3650)
ALL = Scope(everything=True)


class PlantersClock:
    """Noon of the day before, and then whenever something is planted."""

    def __init__(self) -> None:
        self.at = NOON - timedelta(days=1)

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return (self.at - NOON + timedelta(days=2)).total_seconds()


@dataclass(frozen=True)
class Kept:
    """A hold."""

    reason: str
    until: datetime


@dataclass
class Ground:
    """What every store stands on."""

    folder: Path
    """The store's own."""
    ring: KeyRing
    keys: Keys
    time: TimeKeeper
    clock: PlantersClock
    held_people: set[str] = field(default_factory=set)

    @classmethod
    def opened(cls, folder: Path, slots: MemorySlots, name: str = "store") -> "Ground":
        ring = KeyRing.open(folder / "keys", slots, secrets.token_bytes)
        clock = PlantersClock()
        time = TimeKeeper(clock, bytes(16), lambda: True, lambda: None, lambda _note: None)
        time.witness(clock.now(), Witness.PERSON)
        return cls(folder / name, ring, Keys(bytes(range(32))), time, clock)

    def come_to(self, at: datetime | None) -> None:
        """Let the time pass until `at`."""
        self.clock.at = max(self.clock.at, at or NOON)

    def holds(self, item: Item) -> Kept | None:
        """The hold that keeps what concerns one of `held_people`."""
        return Kept("dispute", FUTURE) if item.subjects & self.held_people else None


class Planted(Protocol):
    """One kind of store, and how to put records into it.

    `plant` keeps a record and returns its id. A store ignores what its records do not know: a device, a camera, a
    subject. `at` is None for a record that nobody can date any more, such as a damaged one; a store that cannot have
    these raises NotImplementedError. `canary` goes into the record's payload.
    """

    knows: frozenset[str]
    """Which of `camera`, `device` and `subject` its records carry."""

    @property
    def store(self) -> Store: ...

    def plant(self, camera: str, device: str, subject: str, at: datetime | None, canary: bytes) -> str: ...


@dataclass
class Setting:
    """A time keeper for `camera.vault`, set to when each picture is captured."""

    at: datetime | None = NOON
    patience_over = False

    def now(self) -> datetime:
        return self.at or NOON

    def moment(self) -> Moment:
        known = self.at is not None
        return Moment(bytes(16), 3600.0, 3600.0, self.now(), known, self.at)

    def sealed(self, moment: Moment) -> bool:
        return False

    def redated(self, moment: Moment) -> Moment:
        return moment


@dataclass
class HeldPeople:
    """`privacy.holds`, for what concerns one of `held_people`."""

    ground: Ground

    def active(self) -> tuple[Hold, ...]:
        people = tuple(self.ground.held_people)
        by, reason = Actor("kari", Role.OWNER), Reason.DISPUTE
        moment = self.ground.time.moment()
        hold = Hold(id="0", reason=reason, scope=Scope(subjects=people), by=by, made=NOON, moment=moment, until=FUTURE)
        return (hold,) if people else ()


class Snapshots:
    """`camera.vault`."""

    knows = frozenset({"camera", "subject"})

    def __init__(self, ground: Ground) -> None:
        self._time = Setting()
        self.store = Vault(
            ground.folder / "vault",
            ring=ground.ring,
            time=cast(TimeKeeper, self._time),
            holds=cast(Holds, HeldPeople(ground)),
            barrier=Barrier(),
            tags=Tags(ground.folder / "tags", ground.ring, self._time.moment),
            limits=Limits(),
            random_bytes=secrets.token_bytes,
        )

    def plant(self, camera: str, device: str, subject: str, at: datetime | None, canary: bytes) -> str:
        self._time.at = at
        picture = Picture(canary * 9, canary, 64, 48)
        snapshot = self.store.append(camera, self._time.now(), picture, frozenset({subject}))
        assert snapshot
        self.store.flush()
        return snapshot.id


@dataclass(frozen=True, slots=True)
class Planting(Entry):
    camera: str
    device: str
    subjects: tuple[str, ...]
    text: str


class SealedLogs:
    """What several plant alike: a record, or one that is damaged."""

    knows = frozenset({"camera", "device", "subject"})
    store: OperationLog | Spool | RecordStore

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    def plant(self, camera: str, device: str, subject: str, at: datetime | None, canary: bytes) -> str:
        self._ground.come_to(at)
        before = {item.id for item in self.store.find(ALL, FUTURE)}
        about = About(at or NOON, camera, device, frozenset({subject}))
        if at is None:
            self.store._files.append("0000000001", [(Concerns.of(about), b"\xc1" + canary)])
        else:
            self._append(about, canary)
        (new,) = {item.id for item in self.store.find(ALL, FUTURE)} - before
        return new

    def _append(self, about: About, canary: bytes) -> None:
        raise NotImplementedError


class OperationLogs(SealedLogs):
    """`privacy.operation_log`."""

    store: OperationLog

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground)
        limit = timedelta(hours=72)
        self.store = OperationLog(ground.folder, ground.ring, ground.time, limit, holds=ground.holds)

    def _append(self, about: About, canary: bytes) -> None:
        assert about.camera
        assert about.device
        self.store.append([Planting(about.at, about.camera, about.device, tuple(about.subjects), canary.decode())])


class Spools(SealedLogs):
    """`privacy.spool`."""

    store: Spool

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground)
        limit = timedelta(hours=72)
        self.store = Spool(ground.folder, ground.keys, ground.ring, ground.time, limit, holds=ground.holds)

    def _append(self, about: About, canary: bytes) -> None:
        self.store.append([(redacted(canary.decode()), about)])


class RecordStores(SealedLogs):
    """`privacy.record_store`, for the classes whose writers need no more."""

    store: RecordStore

    def __init__(self, ground: Ground, record_class: RecordClass, limit: timedelta | None) -> None:
        super().__init__(ground)
        self.store = RecordStore(
            f"{record_class}_store",
            record_class,
            directory=ground.folder,
            ring=ground.ring,
            time=ground.time,
            limit=limit,
            barrier=Barrier(),
            holds=ground.holds,
        )

    def _append(self, about: About, canary: bytes) -> None:
        assert self.store.append(Concerns.of(about), canary)


class ActivityLogs:
    """`privacy.activity`: deeds that concern nobody but who did them, so that each is one line."""

    knows = frozenset({"camera", "device", "subject"})

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.store = ActivityLog(
            ground.folder,
            ground.ring,
            ground.time,
            timedelta(days=182),
            barrier=Barrier(),
            random_bytes=secrets.token_bytes,
            holds=ground.holds,
        )

    def plant(self, camera: str, device: str, subject: str, at: datetime | None, canary: bytes) -> str:
        self._ground.come_to(at)
        before = {item.id for item in self.store.find(ALL, FUTURE)}
        if at is None:
            name = next(name for name in self.store._files.names() if name.startswith(f"{subject}/"))
            self.store._files.append(name, [(Concerns(NOON), b"\xc1" + canary)])
        else:
            what = {"camera": camera, "device": device, "record": canary.decode()}
            self.store.append([Deed(at=at, actor=subject, role=Role.RESIDENT, action="view_pictures", **what)])
        (new,) = {item.id for item in self.store.find(ALL, FUTURE)} - before
        return new


class DeviceRegisters:
    """`agent.register`. Written past `add`, which would keep the newest of each device alone."""

    knows = frozenset({"device"})

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.store = DeviceRegister(ground.folder, ground.ring, ground.time.moment, Barrier(), holds=ground.holds)

    def plant(self, camera: str, device: str, subject: str, at: datetime | None, canary: bytes) -> str:
        self._ground.come_to(at)
        adoption = Adoption(device, "homekit", at or NOON, {"devices": [{"name": canary.decode()}]})
        record = msgspec.json.encode(adoption) if at else b'{"of": "a later version"}'
        return f"{device}.{self.store._files.append(device, [(Concerns(at or NOON), record)])}"


class PersonRegisters:
    """`agent.people.register`. Written past `put`, which would keep the newest of each person alone."""

    knows = frozenset({"subject"})

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.store = PersonRegister(ground.folder, ground.ring, ground.time.moment, Barrier(), holds=ground.holds)

    def plant(self, camera: str, device: str, subject: str, at: datetime | None, canary: bytes) -> str:
        self._ground.come_to(at)
        person = Person(subject, at or NOON, Role.RESIDENT, canary.decode(), lives_here=True)
        record = msgspec.json.encode(person) if at else b'{"of": "a later version"}'
        return f"{subject}.{self.store._files.append(subject, [(person.concerns, record)])}"


class CredentialStores:
    """`agent.signin.credentials`. Written past `put`, which would keep the newest of each person alone."""

    knows = frozenset({"subject"})

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.store = Credentials(ground.folder, ground.ring, ground.time.moment, Barrier(), holds=ground.holds)

    def plant(self, camera: str, device: str, subject: str, at: datetime | None, canary: bytes) -> str:
        self._ground.come_to(at)
        credential = Credential(person=subject, at=at or NOON, login=canary.decode())
        record = msgspec.json.encode(credential) if at else b'{"of": "a later version"}'
        return f"{subject}.{self.store._files.append(subject, [(credential.concerns, record)])}"


class GrantBooks:
    """`agent.rights.book`: tokens, which concern one person each. Written past `issue`, which dates them itself."""

    knows = frozenset({"subject"})

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.store = GrantBook(ground.folder, ground.ring, ground.time.moment, Barrier(), holds=ground.holds)

    def plant(self, camera: str, device: str, subject: str, at: datetime | None, canary: bytes) -> str:
        self._ground.come_to(at)
        made, moment = at or NOON, self._ground.time.moment()
        lent = {"id": "t1", "person": subject, "actions": (Action.READ_DEVICES,), "reach": Reach(home=True)}
        token = Token(**lent, start=made, end=FUTURE)  # type: ignore[arg-type] # each is what it is called
        issued = Issued(made, moment, token, bytes(32), canary.decode())
        record = msgspec.json.encode(issued) if at else b'{"of": "a later version"}'
        concerns = Concerns(made, subjects=issued.people)
        return f"{subject}.{self.store._files.append(subject, [(concerns, record)])}"


class ConsentStores:
    """`privacy.consents`. Written past `give`: a consent has no words of its own, so a member that nobody reads has."""

    knows = frozenset({"subject"})

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.store = Consents(ground.folder, ground.ring, ground.time.moment, Barrier(), holds=ground.holds)

    def plant(self, camera: str, device: str, subject: str, at: datetime | None, canary: bytes) -> str:
        self._ground.come_to(at)
        consent = Consent(person=subject, kind=Kind.CAMERA, version=1, sha256="0" * 64, language="nb", at=at or NOON)
        known = {**msgspec.to_builtins(consent), "word": canary.decode()}
        record = msgspec.json.encode(known) if at else b'{"of": "a later version"}'
        return f"{subject}.{self.store._files.append(subject, [(consent.concerns, record)])}"


class CaseStores:
    """`privacy.case_store`: what one person has to do with a case, so that each is one record."""

    knows = frozenset({"subject"})

    def __init__(self, ground: Ground, make: Callable[[Ground], CaseStore]) -> None:
        self._ground = ground
        self.store = make(ground)

    def plant(self, camera: str, device: str, subject: str, at: datetime | None, canary: bytes) -> str:
        self._ground.come_to(at)
        before = {item.id for item in self.store.find(ALL, FUTURE)}
        case = f"c{len(before)}"
        if at is None:
            self.store._files.append(f"{subject}/{case}", [(Concerns(NOON), b"\xc1" + canary)])
        else:
            assert self.store.add(case, at, canary, subject)
        (new,) = {item.id for item in self.store.find(ALL, FUTURE)} - before
        return new


def support_cases(ground: Ground) -> SupportCases:
    limit = timedelta(days=1095)
    return SupportCases(ground.folder, ground.ring, ground.time, limit, Barrier(), holds=ground.holds)


def disclosures(ground: Ground) -> Disclosures:
    limit = timedelta(days=1095)
    return Disclosures(ground.folder, ground.ring, ground.time, limit, Barrier(), holds=ground.holds)


class SessionStores:
    """`agent.signin.session_store`. Written past `put`, which would keep what it was told last alone."""

    knows = frozenset({"subject"})

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.store = SessionStore(ground.folder, ground.ring, ground.time.moment, Barrier(), holds=ground.holds)

    def plant(self, camera: str, device: str, subject: str, at: datetime | None, canary: bytes) -> str:
        self._ground.come_to(at)
        made = at or NOON
        session = Session(canary.decode(), subject, made, bytes(32), made, (Role.RESIDENT,), "password")
        record = msgspec.json.encode(session) if at else b'{"of": "a later version"}'
        return f"{subject}.{self.store._files.append(subject, [(session.concerns, record)])}"


class ExportStores:
    """`privacy.exports`. Written past `add`, so that each record is a file's of its own, as different exports' are."""

    knows = frozenset({"subject"})

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.store = Exports(
            ground.folder, ground.ring, ground.time, timedelta(hours=24), barrier=Barrier(), holds=ground.holds
        )

    def plant(self, camera: str, device: str, subject: str, at: datetime | None, canary: bytes) -> str:
        self._ground.come_to(at)
        asked = at or NOON
        id_ = uuid7(asked, secrets.token_bytes)
        head = Head(id=id_, person=subject, asked=asked, scope=ALL, language="nb", sha256=canary.decode(), ready=asked)
        record = msgspec.msgpack.encode(head) if at else b'{"of": "a later version"}'
        return f"{head.name}.{self.store._files.append(head.name, [(head.concerns, record)])}"


STORES: dict[str, Callable[[Ground], Planted]] = {
    "activity": ActivityLogs,
    "backup": lambda ground: RecordStores(ground, RecordClass.BACKUP, timedelta(days=30)),
    "camera_login": lambda ground: RecordStores(ground, RecordClass.CAMERA_LOGIN, None),
    "credentials": CredentialStores,
    "consents": ConsentStores,
    "device_register": DeviceRegisters,
    "disclosures": lambda ground: CaseStores(ground, disclosures),
    "export": ExportStores,
    "grants": GrantBooks,
    "operation_log": OperationLogs,
    "person_register": PersonRegisters,
    "sensor_history": lambda ground: RecordStores(ground, RecordClass.SENSOR_HISTORY, timedelta(days=30)),
    "snapshots": Snapshots,
    "spool": Spools,
    "support_cases": lambda ground: CaseStores(ground, support_cases),
    "web_sessions": SessionStores,
}


class Open:
    """Opens the same store anew with each call, as after a restart."""

    def __init__(self, folder: Path, make: Callable[[Ground], Planted]) -> None:
        self.folder = folder
        self._make = make
        self._slots = MemorySlots()

    def __call__(self) -> Planted:
        self.ground = Ground.opened(self.folder, self._slots)
        return self.beside()

    def beside(self) -> Planted:
        """Another one on the same ground as the last: neither knows what the other does."""
        return self._make(self.ground)


def plant_house(planted: Planted) -> dict[str, Item]:
    """Two of everything over four hours; returns what the store says of each record."""
    for hour in range(4):
        for camera, device, subject in (("front", "lamp", "kari"), ("garden", "heat-pump", "ola")):
            planted.plant(camera, device, subject, NOON + hour * HOUR, b"canary")
    return found(planted.store)


def found(store: Store, scope: Scope = ALL, before: datetime = FUTURE) -> dict[str, Item]:
    items = list(store.find(scope, before))
    assert len({item.id for item in items}) == len(items)
    return {item.id: item for item in items}


def scanned(store: Store, scope: Scope = ALL, before: datetime = FUTURE) -> int:
    return sum(store.scan(scope, before))


KARI_SINCE = Scope(subjects=("kari",), start=NOON + HOUR)
SCOPES = {
    "everything": ALL,
    "start": Scope(start=NOON + HOUR),
    "end": Scope(end=NOON + 2 * HOUR),
    "an hour": Scope(start=NOON + HOUR, end=NOON + 2 * HOUR),
    "camera": Scope(cameras=("front",)),
    "both cameras": Scope(cameras=("front", "garden")),
    "device": Scope(devices=("lamp",)),
    "subject": Scope(subjects=("kari",)),
    "subject of another camera": Scope(subjects=("kari",), cameras=("garden",)),
    "subject and time": KARI_SINCE,
    "unknown subject": Scope(subjects=("nobody",)),
    "nothing named": Scope(),
}
