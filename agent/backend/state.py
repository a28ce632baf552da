"""The backend's folder.

    issuer.jwk                             the private signing key, mode 0600
    order_keys.json                        its public half as a JWK Set, for `order_keys_file` of every gateway
    gateways/<gateway>/enrolment.json      its epoch, its receipt key, and the keys of former epochs
    gateways/<gateway>/sequence            the last order sequence given out
    gateways/<gateway>/hello.json          its last hello, when, and the heads of its log that hellos named
    gateways/<gateway>/orders/<id>.json    each order that was issued
    gateways/<gateway>/receipts/<id>.<kind>.jws   each receipt that verified
    gateways/<gateway>/alarms/<hash>.json  each contradiction, with its evidence; stays until somebody moves it away
    gateways/<gateway>/log/<batch>-<hash>.log     redacted lines, one file a batch

A gateway is declared before anything of it is kept: by `enroll`, or by its first order. Every file is whole or absent,
and durable before anybody is told of it. Several processes may share the folder; one of them serves.
"""

import fcntl
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec

from agent.backend.files import make_folder, read, read_text
from agent.backend.gateway_log import Code, Contradiction
from agent.cloud.messages import Hello, LogBatch, PublicKey
from agent.errors import Refused
from privacy.errors import StoreBroken
from privacy.files import write_new
from privacy.receipts import Kind, LogPosition
from privacy.records import Identifier
from privacy.seal import sha256_hex
from privacy.signing import SigningKey

VERIFIED: Kind = "verified"

RECENT_HELLOS = 16
"""As many as a broker can have on their way to us (`RECEIVE_MAXIMUM`), and so deliver twice."""
MOST_ALARMS = 100
"""Kept for one gateway: a hello is not signed, and who forges many must not fill the disk."""


class OrderRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An order as it was issued."""

    id: str
    audience: str
    sequence: int
    issued: datetime
    expires: datetime
    sha256: str
    jws: str


class HelloRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A hello, and when it came."""

    at: datetime
    hello: Hello
    ids: tuple[str, ...] = ()
    """Of the last hellos that contradicted nothing."""
    heads: tuple[LogPosition, ...] = ()
    """As `GatewayLog.heads`."""


class Enrolment(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway as it was declared. A key signs one log: who enrols anew begins both anew."""

    epoch: Annotated[int, msgspec.Meta(ge=1)]
    key: PublicKey | None = None
    """What its receipts must be signed with; None until its first hello."""
    former: tuple[PublicKey, ...] = ()
    """Of earlier epochs; receipts from then still verify with them."""


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """A contradiction in what a gateway said of its log, with the evidence."""

    at: datetime
    code: Code
    detail: str
    order: str = ""
    kind: str = ""
    receipts: tuple[str, ...] = ()
    """Compact JWS: the one that was not taken, and the one that it contradicts where that is a single one."""
    head: LogPosition | None = None
    """Of the hello that contradicts."""


class State:
    """The folder. Every method blocks.

    Raises (all methods):
        StoreBroken: the medium refused, or a file in it is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def create_issuer(self, name: str) -> dict[str, Any]:
        """The public JWK Set; with a new key if there is none yet, else that of the key that stands (and its name)."""
        key_file = self._path / "issuer.jwk"
        if not key_file.exists():
            make_folder(self._path)
            key = SigningKey.generate()
            write_new(key_file, msgspec.json.encode({**key.to_jwk(), "issuer": name}))
        key, name = self.issuer()
        jwks = {"keys": [{**key.public_jwk(), "issuer": name}]}
        write_new(self.order_keys_file, msgspec.json.format(msgspec.json.encode(jwks)) + b"\n")
        return jwks

    @property
    def order_keys_file(self) -> Path:
        """Where the public JWK Set is."""
        return self._path / "order_keys.json"

    def issuer(self) -> tuple[SigningKey, str]:
        """The private key and the issuer's name."""
        jwk = read(self._path / "issuer.jwk", dict[str, str])
        if jwk is None:
            raise StoreBroken(f"{self._path} holds no issuer key", hint="make one with `portvakt backend keys`")
        return SigningKey.from_jwk(jwk), jwk.get("issuer", "")

    def gateway(self, gateway: str) -> "GatewayState":
        """What is known of one gateway.

        Raises:
            ValueError: that is no gateway id, and would be no safe name of a folder.
        """
        try:
            msgspec.convert(gateway, Identifier)
        except msgspec.ValidationError as error:
            raise ValueError("not a gateway id: letters, digits, '_', '.', ':', '-', at most 64") from error
        return GatewayState(self._path / "gateways" / gateway)

    def enroll(self, gateway: str, epoch: int = 1, key: PublicKey | None = None) -> "GatewayState":
        """Declare a gateway; again with the same epoch changes nothing, a later epoch takes a new receipt key.

        Args:
            gateway: its id.
            epoch: its enrolment epoch.
            key: its receipt key; without one, that of its first hello is pinned.

        Raises:
            ValueError: that is no gateway id.
            Refused: `epoch_past`, it has a later epoch already; `key_changed`, it has another key in this epoch.
        """
        keeper = self.gateway(gateway)
        keeper.enroll(epoch, key)
        return keeper

    def __iter__(self) -> Iterator["GatewayState"]:
        """Every gateway that was declared, by name."""
        folder = self._path / "gateways"
        try:
            if not self._path.is_dir():
                raise StoreBroken(f"there is no folder {self._path}", hint="make one with `portvakt backend keys`")
            paths = sorted(folder.iterdir()) if folder.exists() else []
        except OSError as error:
            raise StoreBroken(f"cannot read {folder}: {error.strerror}", hint="is it yours?") from error
        return (keeper for path in paths if (keeper := GatewayState(path)).enrolment())


class GatewayState:
    """One gateway's folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def id(self) -> str:
        """The gateway's id."""
        return self._path.name

    def enrolment(self) -> Enrolment | None:
        """How it was declared; None when it was not: then nothing of it is kept."""
        return read(self._path / "enrolment.json", Enrolment)

    def enroll(self, epoch: int, key: PublicKey | None) -> None:
        """As `State.enroll`."""
        make_folder(self._path)
        with self._locked():
            known = self.enrolment()
            if known is None:
                self._declare(Enrolment(epoch=epoch, key=key))
            elif epoch < known.epoch:
                raise Refused(
                    "epoch_past", f"{self.id} is enrolled with epoch {known.epoch}, which is later than {epoch}"
                )
            elif epoch > known.epoch:
                former = (
                    (*(each for each in known.former if each != known.key), known.key) if known.key else known.former
                )
                self._declare(Enrolment(epoch=epoch, key=key, former=tuple(former)))
            elif key is not None and known.key is None:
                self._declare(msgspec.structs.replace(known, key=key))
            elif key not in {None, known.key}:
                raise Refused(
                    "key_changed",
                    f"{self.id} has another receipt key in epoch {epoch}",
                    hint="who enrols anew does so with a later --epoch",
                )

    def _declare(self, enrolment: Enrolment) -> None:
        write_new(self._path / "enrolment.json", msgspec.json.encode(enrolment))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time."""
        with (self._path / "lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextmanager
    def next_sequence(self) -> Iterator[int]:
        """The next order sequence; given out for good when the block ends without an error. One at a time."""
        make_folder(self._path / "orders")
        with self._locked():
            sequence = (read(self._path / "sequence", int) or 0) + 1
            # First, so that after a crash a number is missing rather than used twice.
            write_new(self._path / "sequence", b"%d\n" % sequence)
            yield sequence

    def add_order(self, order: OrderRecord) -> None:
        """Keep an order; it is pending from now on."""
        write_new(self._path / "orders" / f"{order.id}.json", msgspec.json.encode(order))

    def order(self, id_: str) -> OrderRecord | None:
        """The order with this id, which is a UUID: nothing else comes here, and it names a file."""
        return read(self._path / "orders" / f"{id_}.json", OrderRecord)

    def orders(self) -> list[OrderRecord]:
        """Every order, in the order of issue."""
        paths = (self._path / "orders").glob("*.json")
        orders = [order for path in paths if (order := read(path, OrderRecord))]
        return sorted(orders, key=lambda order: order.sequence)

    def pending(self) -> list[OrderRecord]:
        """The orders without a verified receipt, in the order of issue."""
        return [order for order in self.orders() if self.receipt(order.id, VERIFIED) is None]

    def overdue(self, now: datetime, allowed: timedelta) -> list[OrderRecord]:
        """Those that are pending for longer than `allowed`."""
        return [order for order in self.pending() if now - order.issued > allowed]

    def pin(self, hello: Hello) -> bool:
        """Check a hello against the enrolment; True when its key was pinned now: trust on first use.

        Raises:
            Refused: `unknown`, never enrolled; `epoch_past`, of an earlier enrolment; `key_changed`, another key than
                the pinned one.
        """
        known = self.enrolment()
        again = f"portvakt backend enroll --gateway {self.id} --epoch"
        if known is None:
            raise Refused("unknown", f"{self.id} was never enrolled here", hint=f"{again} {hello.epoch}")
        if hello.epoch < known.epoch:
            raise Refused(
                "epoch_past",
                f"{self.id} came with epoch {hello.epoch}, and is enrolled with {known.epoch}",
                hint="an old copy of it? set `epoch` in its configuration if not",
            )
        if known.key == hello.receipt_key:
            return False
        if known.key is not None:
            raise Refused(
                "key_changed",
                f"{self.id} came with another receipt key than before",
                hint=f"if it was enrolled anew: {again} {max(hello.epoch, known.epoch + 1)}",
            )
        self.enroll(known.epoch, hello.receipt_key)
        return True

    def note_hello(self, hello: Hello, now: datetime, heads: Sequence[LogPosition], *, credible: bool) -> None:
        """Keep a hello that `pin` has passed, and the heads that are to be remembered.

        Delivered again, one that was credible is not held against what is here once more; any other is.
        """
        last = self.last_hello()
        ids = last.ids if last else ()
        if credible and hello.id not in ids:
            ids = (*ids, hello.id)[-RECENT_HELLOS:]
        record = HelloRecord(at=now, hello=hello, ids=ids, heads=tuple(heads))
        write_new(self._path / "hello.json", msgspec.json.encode(record))

    def last_hello(self) -> HelloRecord | None:
        """Its last hello."""
        return read(self._path / "hello.json", HelloRecord)

    def receipt_key(self) -> PublicKey | None:
        """The key that its receipts must verify with."""
        known = self.enrolment()
        return known.key if known else None

    def holds(self, order: str, kind: Kind, jws: str) -> bool:
        """Whether this very receipt is here.

        Raises:
            Contradiction: `fork`, another one is here for the same order and kind.
        """
        held = self.receipt(order, kind)
        if held not in {None, jws}:
            raise Contradiction("fork", f"another {kind} receipt of order {order} than the one that is here")
        return held is not None

    def add_receipt(self, order: str, kind: Kind, jws: str) -> bool:
        """Keep a receipt that verified; False when it stood here before.

        Raises:
            Contradiction: as `holds`.
        """
        if self.holds(order, kind, jws):
            return False
        make_folder(self._path / "receipts")
        write_new(self._path / "receipts" / f"{order}.{kind}.jws", jws.encode())
        return True

    def receipt(self, order: str, kind: Kind) -> str | None:
        """One receipt."""
        return read_text(self._path / "receipts" / f"{order}.{kind}.jws")

    def receipts(self) -> list[str]:
        """Every receipt; UUIDv7 names sort them by their order's time."""
        paths = sorted((self._path / "receipts").glob("*.jws"))
        return [text for path in paths if (text := read_text(path)) is not None]

    def add_alarm(self, alarm: Alarm) -> bool:
        """Keep an alarm; False when the same stood here before. Of very many, the last are only reported."""
        evidence = (alarm.code, alarm.receipts, alarm.head, "" if alarm.receipts or alarm.head else alarm.detail)
        path = self._path / "alarms" / f"{sha256_hex(msgspec.json.encode(evidence))[:16]}.json"
        if path.exists():
            return False
        make_folder(path.parent)
        if sum(1 for _ in path.parent.glob("*.json")) < MOST_ALARMS:
            write_new(path, msgspec.json.encode(alarm))
        return True

    def alarms(self) -> list[Alarm]:
        """Every alarm, oldest first."""
        paths = (self._path / "alarms").glob("*.json")
        return sorted((alarm for path in paths if (alarm := read(path, Alarm))), key=lambda alarm: alarm.at)

    def add_lines(self, batch: LogBatch) -> bool:
        """Keep a batch of log lines; False when it stood here before."""
        text = "".join(f"{line}\n" for line in batch.lines).encode()
        # With the content in the name, a gateway that starts its numbers anew loses nothing.
        path = self._path / "log" / f"{batch.id}-{hashlib.sha256(text).hexdigest()[:16]}.log"
        if path.exists():
            return False
        make_folder(path.parent)
        write_new(path, text)
        return True

    def lines(self) -> list[str]:
        """Every log line, batch by batch."""
        paths = sorted((self._path / "log").glob("*.log"))
        return [line for path in paths for line in (read_text(path) or "").splitlines()]


def public_jwk(key: PublicKey) -> Mapping[str, Any]:
    """As `privacy.receipts.verify_receipt` takes it."""
    return msgspec.structs.asdict(key)
