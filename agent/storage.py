"""What the gateway keeps in its state directory: keys, stores and journal, opened together and in one place.

state/root.key            the root key; every other key is derived from it, or sealed under it
state/receipt.jwk         the key that signs receipts (sealed); receipt-public.jwk is its public half
state/local-issuer.jwk    the key that signs orders given in the house (sealed)
state/journal             orders and receipts
state/snapshots/          one sealed file per picture
state/operation-log/      one sealed file per day
state/spool/              redacted lines that wait for upload
state/devices             adopted devices
state/lock                held while an agent works on all this
"""

import fcntl
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import msgspec

from agent.config.model import Config
from agent.errors import ConfigInvalid
from agent.register import DeviceRegister
from camera.snapshots import SnapshotStore
from privacy.errors import StoreBroken
from privacy.files import sweep, write_new
from privacy.journal import Journal
from privacy.operation_log import OperationLog
from privacy.policy import Policy, policies
from privacy.records import RecordClass
from privacy.seal import Keys
from privacy.signing import SigningKey
from privacy.spool import Spool
from privacy.store import Barrier, Store


@dataclass(frozen=True, kw_only=True)
class Storage:
    """Everything that is kept. The stores and the journal's writers belong on the `Disk` thread."""

    lock: int
    """A descriptor that nobody closes: the lock on the state directory ends with the process, however that ends."""
    keys: Keys
    receipt_key: SigningKey
    local_key: SigningKey
    barrier: Barrier
    journal: Journal
    snapshots: SnapshotStore
    operation_log: OperationLog
    spool: Spool
    register: DeviceRegister
    policies: Mapping[RecordClass, Policy]

    @property
    def stores(self) -> tuple[Store, ...]:
        """Every store: what is not here gets no personal data."""
        return (self.snapshots, self.operation_log, self.spool, self.register)


def open_storage(config: Config) -> Storage:
    """Open what is there, and make what is not.

    Raises:
        ConfigInvalid: the state directory cannot be made, or another agent works on it.
        StoreBroken: something in it cannot be read or written, or is damaged beyond what can be passed over; the
            message names it.
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
        return _opened(config, state)
    except OSError as error:
        raise StoreBroken(
            f"{error.filename or state} cannot be used: {error.strerror}",
            hint="does it belong to the user that the agent runs as?",
        ) from error


def _opened(config: Config, state: Path) -> Storage:
    # Before anything is read: opening a log cuts its tail, which another agent may be writing.
    lock = _locked(state)
    sweep(state)
    keys = Keys.open_or_create(state / "root.key")
    receipt_key = SigningKey.open_or_create(state / "receipt.jwk", keys.seal("receipt-key"))
    _publish(state / "receipt-public.jwk", receipt_key)
    keep = timedelta(hours=config.log.keep_hours)
    barrier = Barrier()
    return Storage(
        lock=lock,
        keys=keys,
        receipt_key=receipt_key,
        local_key=SigningKey.open_or_create(state / "local-issuer.jwk", keys.seal("local-issuer-key")),
        barrier=barrier,
        journal=Journal(state / "journal", keys),
        snapshots=SnapshotStore(state / "snapshots", keys.seal("snapshots"), keys.random_bytes, barrier),
        operation_log=OperationLog(state / "operation-log", keys, keep),
        spool=Spool(state / "spool", keys, keep),
        register=DeviceRegister(state / "devices", keys, barrier),
        policies=policies({RecordClass.OP_LOG: keep}),
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
