"""What the gateway keeps in its state directory: keys, stores and journal, opened together and in one place.

state/root.key            the key of what survives erasure: journal, signing keys, the spool's state
state/receipt.jwk         the key that signs receipts (sealed); receipt-public.jwk is its public half
state/local-issuer.jwk    the key that signs orders given in the house (sealed)
state/journal             orders and receipts
state/keys/               the key ring: every key that dies, under the root's slot
state/vault/              pictures; tags/: who is on them, by people's word
state/operation-log/      sealed logs, an hour each
state/spool/              redacted lines that wait for upload
state/devices/            adopted devices
state/exports/            people's exports, while they wait to be fetched
state/people/             who lives and works here
state/support-cases/      who from support was let in, and what they did
state/disclosures/        agreements with third parties, and what was disclosed to whom
state/holds/              what is kept past its limit, and why
state/lock                held while an agent works on all this
"""

import fcntl
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from agent.config.model import Config
from agent.config.model import Keys as KeysConfig
from agent.errors import ConfigInvalid
from agent.people.register import PersonRegister
from agent.processing.disclosures import Disclosures
from agent.register import DeviceRegister
from agent.rights.book import GrantBook
from agent.signin.credentials import Credentials
from agent.signin.session_store import SessionStore
from agent.support.cases import SupportCases
from camera.vault.metadata import KIND as SEGMENTS
from camera.vault.metadata import SegmentInfo
from camera.vault.retention import LONGEST_SPAN, Limits
from camera.vault.space import Space
from camera.vault.tags import Tags
from camera.vault.vault import Vault
from privacy.activity import ActivityLog
from privacy.clock import MachineClock
from privacy.consents import Consents
from privacy.errors import StoreBroken
from privacy.exports import Exports
from privacy.files import sweep, write_new
from privacy.holds import Holds
from privacy.journal import Journal
from privacy.key_files import NAMES as TABLES
from privacy.key_look import look_at_keys
from privacy.keyring import KeyRing
from privacy.keystore.contract import KeyStore
from privacy.operation_log import OperationLog
from privacy.policy import Event, Policy, policies
from privacy.records import RecordClass
from privacy.redaction.pseudonyms import DayKeys
from privacy.seal import Keys, RandomBytes
from privacy.sealed_store import SealedStore
from privacy.signing import SigningKey
from privacy.spool import Spool
from privacy.store import Barrier, Store
from privacy.timekeeping import Moment, TimeKeeper, Witness

log = logging.getLogger(__name__)

MEGABYTE = 1024 * 1024
FOLDERS = (
    "keys",
    "vault",
    "tags",
    "operation-log",
    "spool",
    "devices",
    "people",
    "credentials",
    "sessions",
    "grants",
    "consents",
    "activity",
    "exports",
    "support-cases",
    "disclosures",
    "holds",
)


@dataclass(frozen=True, kw_only=True)
class Storage:
    """Everything that is kept. The stores and the journal's writers belong on the `Disk` thread."""

    lock: int
    """A descriptor that nobody closes: the lock on the state directory ends with the process, however that ends."""
    keys: Keys
    receipt_key: SigningKey
    local_key: SigningKey
    ring: KeyRing
    time: TimeKeeper
    barrier: Barrier
    journal: Journal
    vault: Vault
    operation_log: OperationLog
    spool: Spool
    register: DeviceRegister
    people: PersonRegister
    credentials: Credentials
    sessions: SessionStore
    grants: GrantBook
    consents: Consents
    activity: ActivityLog
    exports: Exports
    support: SupportCases
    disclosures: Disclosures
    holds: Holds
    day_keys: DayKeys
    policies: Mapping[RecordClass, Policy]
    newest: datetime | None
    """Before this time all was captured that earlier boots stored while they knew the time; None: there is nothing."""

    @property
    def stores(self) -> tuple[Store, ...]:
        """Every store: what is not here gets no personal data."""
        return (self.vault, *self._sealed)

    @property
    def _sealed(self) -> tuple[SealedStore | Holds, ...]:
        """Those of sealed logs."""
        return (
            self.operation_log,
            self.spool,
            self.register,
            self.people,
            self.credentials,
            self.sessions,
            self.grants,
            self.consents,
            self.activity,
            self.exports,
            self.support,
            self.disclosures,
            self.holds,
        )

    def date_anew(self) -> None:
        """The time has become known: what this boot stored before can be dated. On the `Disk` thread."""
        with self.ring.change():
            self.vault.redate()
            for store in self._sealed:
                store.redate(self.time.redated)


def open_storage(config: Config, clock: MachineClock, random_bytes: RandomBytes = os.urandom) -> Storage:
    """Open all of it, or make it on the first start.

    Raises:
        ConfigInvalid: the state directory cannot be made, or another agent works on it.
        StoreBroken: something in it cannot be read or written, or is damaged beyond what can be passed over; the
            message names it. Or the root of the keys cannot be reached.
    """
    state = config.gateway.state_dir
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigInvalid(
            f"the state directory {state} cannot be made: {error.strerror}",
            hint="make it, owned by the user that the agent runs as",
        ) from error
    try:
        return _opened(config, clock, random_bytes)
    except OSError as error:
        raise StoreBroken(
            f"{error.filename or state} cannot be used: {error.strerror}",
            hint="does it belong to the user that the agent runs as?",
        ) from error


def _opened(config: Config, clock: MachineClock, random_bytes: RandomBytes) -> Storage:
    state = config.gateway.state_dir
    # Before anything is read: opening a log cuts its tail, which another agent may be writing.
    lock = _locked(state)
    _see_to_folders(state)
    _refuse_lost_keys(state, config.keys)
    (state / "vault").mkdir(mode=0o700, exist_ok=True)  # the others see to themselves
    sweep(state)
    keys = Keys.open_or_create(state / "root.key", random_bytes)
    receipt_key = SigningKey.open_or_create(state / "receipt.jwk", keys.seal("receipt-key"))
    local_key = SigningKey.open_or_create(state / "local-issuer.jwk", keys.seal("local-issuer-key"))
    _publish(state / "receipt-public.jwk", receipt_key)
    ring = KeyRing.open(state / "keys", _root(config.keys, state / "keys"), random_bytes)
    journal = Journal(state / "journal", keys, ring)
    time = _time(ring, clock)
    keep = timedelta(hours=config.log.keep_hours)
    barrier = Barrier(clock)
    holds = Holds(state / "holds", ring, barrier, time, random_bytes)
    rules = policies(config.gateway.systems, {RecordClass.OP_LOG: keep})
    operation_log = OperationLog(state / "operation-log", ring, time, keep, holds=holds.held, admits=barrier.admits)
    spool = Spool(state / "spool", keys, ring, time, keep, holds=holds.held, admits=barrier.admits)
    activity = ActivityLog(
        state / "activity",
        ring,
        time,
        rules[RecordClass.ACTIVITY].limit,
        barrier=barrier,
        random_bytes=random_bytes,
        holds=holds.held,
    )
    day_keys = DayKeys(ring, time, keep)
    # Before anything is shown or stored: what is stored, and what the machine's own clock says, tell about the time.
    moments = [*_pictured(ring), *operation_log.moments(), *spool.moments(), *activity.moments(), *day_keys.moments()]
    time.remember(moments)
    _begin(time, clock)
    return Storage(
        lock=lock,
        keys=keys,
        receipt_key=receipt_key,
        local_key=local_key,
        ring=ring,
        time=time,
        barrier=barrier,
        journal=journal,
        vault=Vault(
            state / "vault",
            ring=ring,
            time=time,
            holds=holds,
            barrier=barrier,
            tags=Tags(state / "tags", ring, time.moment),
            limits=_limits(config, rules),
            random_bytes=random_bytes,
            progress=_reading,
            space=Space(state / "vault", config.vault.quota_mb * MEGABYTE or None, config.vault.reserve_mb * MEGABYTE),
        ),
        operation_log=operation_log,
        spool=spool,
        register=DeviceRegister(state / "devices", ring, time.moment, barrier, holds=holds.held),
        people=PersonRegister(state / "people", ring, time.moment, barrier, holds=holds.held),
        credentials=Credentials(state / "credentials", ring, time.moment, barrier, holds=holds.held),
        sessions=SessionStore(state / "sessions", ring, time.moment, barrier, holds=holds.held),
        grants=GrantBook(state / "grants", ring, time.moment, barrier, holds=holds.held),
        consents=Consents(state / "consents", ring, time.moment, barrier, holds=holds.held),
        activity=activity,
        support=SupportCases(
            state / "support-cases",
            ring,
            time,
            rules[RecordClass.SUPPORT_CASE].limit,
            barrier,
            holds=holds.held,
        ),
        disclosures=Disclosures(
            state / "disclosures",
            ring,
            time,
            rules[RecordClass.DISCLOSURE].limit,
            barrier,
            holds=holds.held,
        ),
        exports=Exports(
            state / "exports",
            ring,
            time,
            rules[RecordClass.EXPORT].limit_after(Event.READY),
            barrier=barrier,
            holds=holds.held,
            reserve=config.vault.reserve_mb * MEGABYTE,
        ),
        holds=holds,
        day_keys=day_keys,
        policies=rules,
        newest=max((moment.wall + LONGEST_SPAN for moment in moments if moment.trusted), default=None),
    )


def _see_to_folders(state: Path) -> None:
    for name in FOLDERS:
        path = state / name
        if path.exists() and not path.is_dir():
            hint = "move it away: an earlier version may have made it, or somebody else"
            raise StoreBroken(f"{path} is no folder", hint=hint)


def has_sealed(state: Path) -> bool:
    """Whether anything lies there that a key of the ring opens, or did."""
    logs = (f"{name}/{'[0-9a-f]' * 32}.log" for name in FOLDERS)
    return any(next(state.glob(pattern), None) for pattern in ("vault/segments/*", *logs))


def _refuse_lost_keys(state: Path, keys: KeysConfig) -> None:
    """A folder of keys that is lost, or not mounted, is no first start: that would have everything here die.

    Raises:
        StoreBroken: so it is. Nothing was changed.
    """
    folder = state / "keys"
    if any((folder / name).exists() for name in TABLES) or not has_sealed(state):
        return
    if keys.root != "file" or (keys.path or folder / "slots").exists():
        look_at_keys(folder, _root(keys, folder, create=False))  # says so, where the root is of a later generation
    raise StoreBroken(
        f"no key table is in {folder}, and what they opened is here",
        hint="bring that folder back (is it mounted?), or remove the whole state directory to begin anew",
    )


def _root(keys: KeysConfig, folder: Path, *, create: bool = True) -> KeyStore:
    """The root that the configuration names. What is behind each is loaded only where it is used."""
    if keys.root == "tpm":
        from privacy.keystore.tpm import Tpm  # noqa: PLC0415 - an optional extra

        return Tpm(keys.tcti)
    if keys.root == "nvram" and keys.path is not None:
        from privacy.keystore.nvram import Nvram  # noqa: PLC0415

        return Nvram(keys.path)
    from privacy.keystore.slot_file import SlotFile  # noqa: PLC0415

    if create:
        folder.mkdir(mode=0o700, exist_ok=True)
    return SlotFile(keys.path or folder / "slots", create=create)


def _time(ring: KeyRing, clock: MachineClock) -> TimeKeeper:
    def save(note: bytes) -> None:
        ring.note("time", note)
        ring.sync()

    return TimeKeeper(clock, clock.boot_id(), clock.synchronised, lambda: ring.noted("time"), save)


def _begin(time: TimeKeeper, clock: MachineClock) -> None:
    """Count this boot, and hear the battery clock.

    A medium that is full must not keep the house shut: pictures have to go at their time all the more, and somebody may
    free the space by erasing. The next tick notes what could not be noted.
    """
    try:
        if (battery := clock.battery_clock()) is not None:
            time.witness(battery, Witness.BATTERY_CLOCK)
        time.tick()
    except StoreBroken as error:
        log.warning("the time could not be noted yet: %s", error)


def _pictured(ring: KeyRing) -> Iterator[Moment]:
    """Before what time no picture of each segment was captured; the vault itself needs to know the time first."""
    for entry in ring.entries(SEGMENTS).values():
        if info := SegmentInfo.from_bytes(entry.info):
            yield info.moment


def _reading(done: int, total: int) -> None:
    """The index is lost, and every segment is read: on a slow card that takes a while, and somebody may be waiting."""
    if done % max(1, total // 10) == 0 or done == total:
        log.info("the vault's index is made anew: %d of %d segments", done, total)


def _limits(config: Config, rules: Mapping[RecordClass, Policy]) -> Limits:
    longest = Limits()
    return Limits(
        site=rules[RecordClass.SNAPSHOT].limit or longest.site,
        cameras={camera.id: timedelta(seconds=camera.keep_seconds) for camera in config.camera},
    )


def _locked(state: Path) -> int:
    """Take the state directory for this process alone.

    Raises:
        ConfigInvalid: another agent has it.
    """
    handle = os.open(state / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise ConfigInvalid(
            f"another agent works on {state}", hint="stop that one first, or give this one a state_dir of its own"
        ) from error
    return handle


def _publish(path: Path, key: SigningKey) -> None:
    public = msgspec.json.encode(key.public_jwk())
    if not path.exists() or path.read_bytes() != public:
        write_new(path, public)
