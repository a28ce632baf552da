"""`privacy/FORMAT.md` against what the real stores write: `format_reader.py` knows the page alone."""

import ast
import os
import runpy
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.config.model import Config, Gateway
from agent.register import Adoption
from agent.storage import Storage, open_storage
from camera.picture import Picture
from privacy.entries import About, CommandDone, ForeignLine, PictureStored
from privacy.files import OURS
from privacy.orders import verify_order
from privacy.receipts import OrderReference, Receipt, sign_receipt
from privacy.redaction.line import redacted
from privacy.signing import Trust

READER = Path(__file__).with_name("format_reader.py")
NOON = datetime(2026, 3, 1, 12, 0, 0, 250_000, UTC)


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    opened = open_storage(Config(version=1, gateway=Gateway(id="gw-1", state_dir=tmp_path / "state")))
    yield opened
    os.close(opened.lock)


@pytest.fixture
def read(tmp_path: Path, storage: Storage) -> Callable[[], Any]:
    state: Any = runpy.run_path(str(READER))["State"]
    return lambda: state(tmp_path / "state")


def test_the_reader_knows_nothing_of_the_project() -> None:
    tree = ast.walk(ast.parse(READER.read_text()))
    names = [
        name
        for node in tree
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    ]
    assert {name.split(".")[0] for name in names} - sys.stdlib_module_names == {"cryptography", "msgspec"}


def test_keys(storage: Storage, read: Callable[[], Any]) -> None:
    state = read()
    assert state.root_check()
    assert state.signing_key("receipt") == storage.receipt_key.to_jwk()
    assert state.signing_key("local-issuer") == storage.local_key.to_jwk()


def test_pictures(storage: Storage, read: Callable[[], Any]) -> None:
    storage.snapshots.append("front", NOON, Picture(b"an image", b"a thumbnail", 640, 480), frozenset({"ola", "kari"}))
    metadata = {"camera": "front", "at": NOON, "width": 640, "height": 480, "subjects": ["kari", "ola"]}
    ((found, thumbnail, image),) = read().snapshots()
    assert {**found, "at": datetime.fromisoformat(found["at"])} == metadata
    assert (thumbnail, image) == (b"a thumbnail", b"an image")


def test_the_operation_log(storage: Storage, read: Callable[[], Any], tmp_path: Path) -> None:
    storage.operation_log.append(
        [
            ForeignLine(NOON, "opencv", "Kari's raw text"),
            PictureStored(NOON + timedelta(days=1), "front", 40_000, 12.5),
            CommandDone(NOON + timedelta(days=1), "lamp-1", "OnOff.OnOff", "done", "kari", 3.5),
        ]
    )
    state = read()
    entries = sorted(state.operation_log(), key=lambda entry: (entry["concerns"][0], entry["event"]))
    line, command, picture = entries
    assert line == {
        "concerns": [NOON, None, None, []],
        "level": "info",
        "event": "foreign_line",
        "fields": {"source": "opencv", "text": "Kari's raw text"},
    }
    assert command["concerns"] == [NOON + timedelta(days=1), None, "lamp-1", ["kari"]]
    assert picture["concerns"] == [NOON + timedelta(days=1), "front", None, []]
    assert picture["fields"] == {"camera": "front", "bytes": 40_000, "milliseconds": 12.5}
    names = {path.name for path in (tmp_path / "state" / "operation-log").iterdir()}
    assert names == {state.operation_log_name("2026-03-01"), state.operation_log_name("2026-03-02")}


def test_the_spool(storage: Storage, read: Callable[[], Any]) -> None:
    about = About(NOON, "front", None, frozenset({"kari", "anne"}))
    storage.spool.append([(redacted("one"), about), (redacted("two"), About(NOON, device="lamp-1"))])
    assert read().spool_state() is None
    batch = storage.spool.next_batch(1)
    storage.spool.append([(redacted("three"), About(NOON))])
    assert read().spool() == [
        [[NOON, "front", None, ["anne", "kari"]], "one"],
        [[NOON, None, "lamp-1", []], "two"],
        [[NOON, None, None, []], "three"],
    ]
    assert batch
    state = {"open": {"id": batch.id, "segment": "0000000001", "last": 0, "lines": 1}, "dropped": {}, "highest": 1}
    assert read().spool_state() == state
    storage.spool.expire(NOON + timedelta(days=9))
    storage.spool.next_batch(1)
    assert read().spool_state() == {"open": None, "dropped": {"expired": 3}, "highest": 1}
    assert read().spool() == []


def test_devices(storage: Storage, read: Callable[[], Any]) -> None:
    storage.register.add(Adoption("lamp-1", "homekit", NOON, {"secret": "of the pairing"}))
    (device,) = read().devices()
    assert {**device, "at": datetime.fromisoformat(device["at"])} == {
        "id": "lamp-1",
        "family": "homekit",
        "at": NOON,
        "record": {"secret": "of the pairing"},
    }


def test_the_journal(
    storage: Storage, read: Callable[[], Any], order_text: Callable[..., str], trust: Trust, clock: Any
) -> None:
    text = order_text()
    order = verify_order(text.encode(), audience="gw-1/1", trust=trust, clock=clock)
    receipts = []
    storage.journal.admit(order)
    storage.journal.counted(order.id, {"snapshots": 3}, NOON)
    for kind in ("erased", "verified"):
        receipt = Receipt(
            iss="gw-1/1",
            kind=kind,
            order=OrderReference(id=order.id, issuer=order.issuer, sha256=order.sha256),
            at=NOON,
            software="0",
            stores=(),
            log=storage.journal.log_position(),
            complete=True,
        )
        receipts.append(sign_receipt(storage.receipt_key, receipt))
        storage.journal.receipt(order.id, kind, receipts[-1], NOON)
    storage.journal.acknowledge(order.id, "erased")
    noon = "2026-03-01T12:00:00.250000Z"
    after = [
        {"type": "receipt", "order": order.id, "kind": "erased", "jws": receipts[0], "at": noon},
        {"type": "receipt", "order": order.id, "kind": "verified", "jws": receipts[1], "at": noon},
        {"type": "acknowledged", "order": order.id, "kind": "erased"},
    ]
    assert read().journal() == [
        {"type": "intent", "jws": text},
        {"type": "found", "order": order.id, "counts": {"snapshots": 3}, "reach": noon},
        *after,
    ]
    storage.journal.close()
    closed = {"type": "closed", "order": order.id, "issuer": "cloud", "sequence": 1, "sha256": order.sha256}
    assert read().journal() == [closed, *after]


def test_the_page_and_the_sweep_name_every_file(storage: Storage, tmp_path: Path) -> None:
    storage.snapshots.append("front", NOON, Picture(b"image", b"thumbnail", 640, 480))
    storage.operation_log.append([ForeignLine(NOON, "opencv", "text")])
    storage.spool.append([(redacted("line"), About(NOON))])
    storage.spool.next_batch(1)
    state = tmp_path / "state"
    names = {path.relative_to(state).as_posix() for path in state.rglob("*") if path.is_file()}
    assert {name for name in names if not OURS.fullmatch(name)} == {"lock"}


def test_what_is_damaged_or_foreign_is_passed_over(storage: Storage, read: Callable[[], Any], tmp_path: Path) -> None:
    storage.register.add(Adoption("lamp-1", "homekit", NOON, {}))
    storage.register.add(Adoption("lamp-2", "homekit", NOON, {}))
    path = tmp_path / "state" / "devices"
    data = bytearray(path.read_bytes())
    data[50] ^= 1
    path.write_bytes(bytes(data) + b"\xd7pvR and a torn tail")
    assert [device["id"] for device in read().devices()] == ["lamp-2"]
    (tmp_path / "state" / "root.key").write_bytes(bytes(32))
    assert not read().root_check()
    assert read().devices() == []
