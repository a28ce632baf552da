"""What the gateway keeps in its state directory: keys, stores and journal, opened together and in one place.

state/root.key            the root key; every other key is derived from it, or sealed under it
state/receipt.jwk         the key that signs receipts (sealed); receipt-public.jwk is its public half
state/local-issuer.jwk    the key that signs orders given in the house (sealed)
state/journal             orders and receipts
state/snapshots/          one sealed file per picture
state/operation-log/      one sealed file per day
state/spool               redacted lines that wait for upload
state/devices             adopted devices
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import msgspec

from agent.config.model import Config
from agent.errors import ConfigInvalid
from agent.register import DeviceRegister
from camera.snapshots import SnapshotStore
from privacy.files import write_new
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
        ConfigInvalid: the state directory cannot be made.
        StoreBroken: something in it is damaged beyond what can be passed over; the message names it.
    """
    state = config.gateway.state_dir
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigInvalid(
            f"the state directory {state} cannot be made: {error.strerror}",
            hint="make it, owned by the user that the agent runs as",
        ) from error
    keys = Keys.open_or_create(state / "root.key")
    receipt_key = SigningKey.open_or_create(state / "receipt.jwk", keys.seal("receipt-key"))
    _publish(state / "receipt-public.jwk", receipt_key)
    keep = timedelta(hours=config.log.keep_hours)
    barrier = Barrier()
    return Storage(
        keys=keys,
        receipt_key=receipt_key,
        local_key=SigningKey.open_or_create(state / "local-issuer.jwk", keys.seal("local-issuer-key")),
        barrier=barrier,
        journal=Journal(state / "journal", keys),
        snapshots=SnapshotStore(state / "snapshots", keys.seal("snapshots"), keys.random_bytes, barrier),
        operation_log=OperationLog(state / "operation-log", keys, keep),
        spool=Spool(state / "spool", keys, keep),
        register=DeviceRegister(state / "devices", keys),
        policies=policies({RecordClass.OP_LOG: keep}),
    )


def _publish(path: Path, key: SigningKey) -> None:
    public = msgspec.json.encode(key.public_jwk())
    if not path.exists() or path.read_bytes() != public:
        write_new(path, public)
