"""The backend's folder.

    issuer.jwk                             the private signing key, mode 0600
    order_keys.json                        its public half as a JWK Set, for `order_keys_file` of every gateway
    gateways/<gateway>/sequence            the last order sequence given out
    gateways/<gateway>/hello.json          its last hello, and when
    gateways/<gateway>/receipt_key.json    its receipt key as it came with its first hello
    gateways/<gateway>/orders/<id>.json    each order that was issued
    gateways/<gateway>/receipts/<id>.<kind>.jws   each receipt that verified
    gateways/<gateway>/log/<batch>-<hash>.log     redacted lines, one file a batch

Every file is whole or absent, and durable before anybody is told of it. Several processes may share the folder.
"""

import fcntl
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from agent.cloud.messages import Hello, LogBatch, PublicKey
from agent.errors import Refused
from privacy.errors import StoreBroken
from privacy.files import sync_directory, write_new
from privacy.receipts import Kind
from privacy.records import Identifier
from privacy.signing import SigningKey

T = TypeVar("T")

VERIFIED: Kind = "verified"


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
            _make(self._path)
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
        jwk = _read(self._path / "issuer.jwk", dict[str, str])
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

    def __iter__(self) -> Iterator["GatewayState"]:
        """Every gateway that was heard of, by name."""
        folder = self._path / "gateways"
        return (GatewayState(path) for path in sorted(folder.iterdir())) if folder.exists() else iter(())


class GatewayState:
    """One gateway's folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def id(self) -> str:
        """The gateway's id."""
        return self._path.name

    @contextmanager
    def next_sequence(self) -> Iterator[int]:
        """The next order sequence; given out for good when the block ends without an error. One at a time."""
        _make(self._path / "orders")
        with (self._path / "lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            sequence = (_read(self._path / "sequence", int) or 0) + 1
            # First, so that after a crash a number is missing rather than used twice.
            write_new(self._path / "sequence", b"%d\n" % sequence)
            yield sequence

    def add_order(self, order: OrderRecord) -> None:
        """Keep an order; it is pending from now on."""
        write_new(self._path / "orders" / f"{order.id}.json", msgspec.json.encode(order))

    def order(self, id_: str) -> OrderRecord | None:
        """The order with this id."""
        return next((order for order in self.orders() if order.id == id_), None)

    def orders(self) -> list[OrderRecord]:
        """Every order, in the order of issue."""
        paths = (self._path / "orders").glob("*.json")
        orders = [order for path in paths if (order := _read(path, OrderRecord))]
        return sorted(orders, key=lambda order: order.sequence)

    def pending(self) -> list[OrderRecord]:
        """The orders without a verified receipt, in the order of issue."""
        return [order for order in self.orders() if self.receipt(order.id, VERIFIED) is None]

    def overdue(self, now: datetime, allowed: timedelta) -> list[OrderRecord]:
        """Those that are pending for longer than `allowed`."""
        return [order for order in self.pending() if now - order.issued > allowed]

    def greet(self, hello: Hello, now: datetime) -> bool:
        """Note a hello; True when it was the first, whose key is pinned: trust on first use.

        Raises:
            Refused: `key_changed`, another key than the pinned one; nothing was noted.
        """
        pinned = self.receipt_key()
        if pinned is not None and pinned != hello.receipt_key:
            raise Refused(
                "key_changed",
                f"{self.id} came with another receipt key than before",
                hint=f"if it was enrolled anew, remove {self._path / 'receipt_key.json'}",
            )
        _make(self._path)
        if pinned is None:
            write_new(self._path / "receipt_key.json", msgspec.json.encode(hello.receipt_key))
        write_new(self._path / "hello.json", msgspec.json.encode(HelloRecord(at=now, hello=hello)))
        return pinned is None

    def last_hello(self) -> HelloRecord | None:
        """Its last hello."""
        return _read(self._path / "hello.json", HelloRecord)

    def receipt_key(self) -> PublicKey | None:
        """The key that its receipts must verify with."""
        return _read(self._path / "receipt_key.json", PublicKey)

    def add_receipt(self, order: str, kind: Kind, jws: str) -> bool:
        """Keep a receipt that verified; False when it stood here before."""
        if self.receipt(order, kind) is not None:
            return False
        _make(self._path / "receipts")
        write_new(self._path / "receipts" / f"{order}.{kind}.jws", jws.encode())
        return True

    def receipt(self, order: str, kind: Kind) -> str | None:
        """One receipt."""
        path = self._path / "receipts" / f"{order}.{kind}.jws"
        return path.read_text() if path.exists() else None

    def receipts(self) -> list[str]:
        """Every receipt; UUIDv7 names sort them by their order's time."""
        return [path.read_text() for path in sorted((self._path / "receipts").glob("*.jws"))]

    def add_lines(self, batch: LogBatch) -> bool:
        """Keep a batch of log lines; False when it stood here before."""
        text = "".join(f"{line}\n" for line in batch.lines).encode()
        # With the content in the name, a gateway that starts its numbers anew loses nothing.
        path = self._path / "log" / f"{batch.id}-{hashlib.sha256(text).hexdigest()[:16]}.log"
        if path.exists():
            return False
        _make(path.parent)
        write_new(path, text)
        return True

    def lines(self) -> list[str]:
        """Every log line, batch by batch."""
        return [line for path in sorted((self._path / "log").glob("*.log")) for line in path.read_text().splitlines()]


def public_jwk(key: PublicKey) -> Mapping[str, Any]:
    """As `privacy.receipts.verify_receipt` takes it."""
    return msgspec.structs.asdict(key)


def _read(path: Path, kind: type[T]) -> T | None:
    """What is in `path`, or None when it is not there."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreBroken(f"cannot read {path}: {error.strerror}", hint="is it yours?") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StoreBroken(f"{path} is damaged: {error}", hint="restore it from a backup") from error


def _make(folder: Path) -> None:
    """Make a folder and those above it, for this user alone."""
    if folder.exists():
        return
    _make(folder.parent)
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_directory(folder.parent)
    except OSError as error:
        raise StoreBroken(f"cannot make {folder}: {error.strerror}", hint="choose another --dir") from error
