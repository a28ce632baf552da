"""`privacy/FORMAT.md` against what the real stores write: `format_reader.py` knows the page alone."""

import hashlib
import json
import os
from base64 import b64decode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.config.model import Config, Gateway
from agent.register import Adoption
from agent.storage import Storage, open_storage
from camera.picture import Picture
from privacy.consent_text import Kind, texts
from privacy.consents import Consent
from privacy.entries import About, CommandDone, ForeignLine, PictureStored
from privacy.export_scope import Contents
from privacy.exports import Head
from privacy.files import OURS
from privacy.orders import verify_order
from privacy.receipts import OrderReference, Receipt, sign_receipt
from privacy.records import RecordClass, Scope
from privacy.redaction.line import redacted
from privacy.signing import Trust
from privacy.timekeeping import Witness
from tests.forensics.attacker import attack
from tests.privacy.format_reader import State

NOON = datetime(2026, 3, 1, 12, 0, 0, 250_000, UTC)
JPEG = b"\xff\xd8\xff\xe0 an image"


class House:
    """A clock that stands, and the boot it belongs to."""

    def __init__(self) -> None:
        self.time = NOON

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return (self.time - NOON).total_seconds() + 100

    def boot_id(self) -> bytes:
        return bytes(range(16))

    def synchronised(self) -> bool:
        return True

    def battery_clock(self) -> datetime | None:
        return self.time


@pytest.fixture
def machine() -> House:
    return House()


@pytest.fixture
def storage(tmp_path: Path, machine: House) -> Iterator[Storage]:
    opened = open_storage(Config(version=1, gateway=Gateway(id="gw-1", state_dir=tmp_path / "state")), machine)
    opened.time.witness(NOON, Witness.PERSON)
    yield opened
    os.close(opened.lock)


@pytest.fixture
def read(tmp_path: Path, storage: Storage) -> Callable[[], State]:
    return lambda: State(tmp_path / "state")


def test_keys(storage: Storage, read: Callable[[], State]) -> None:
    state = read()
    assert state.root_check()
    assert state.signing_key("receipt") == storage.receipt_key.to_jwk()
    assert state.signing_key("local-issuer") == storage.local_key.to_jwk()


def test_the_root_and_the_tables(storage: Storage, read: Callable[[], State]) -> None:
    state = read()
    assert state.generations == [1, 1]
    boot, since_boot, powered_on, mark, *_ = msgspec.msgpack.decode(state.notes["time"])
    assert (boot, since_boot, powered_on) == (bytes(range(16)), 100, 100)
    assert timedelta(0) <= NOON - mark <= timedelta(minutes=10)


def picture(text: str) -> Picture:
    return Picture(JPEG + text.encode(), b"\xff\xd8\xff a thumbnail", 640, 480)


def test_pictures(storage: Storage, read: Callable[[], State]) -> None:
    storage.vault.append("front", NOON, picture("1"), frozenset({"ola", "kari"}))
    storage.vault.flush()
    ((metadata, thumbnail, image),) = read().snapshots()
    microseconds = (NOON - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert metadata == {"camera": "front", "at": microseconds, "width": 640, "height": 480, "persons": ["kari", "ola"]}
    assert (thumbnail, image) == (b"\xff\xd8\xff a thumbnail", JPEG + b"1")


def test_a_partly_erased_segment(storage: Storage, read: Callable[[], State], machine: House, tmp_path: Path) -> None:
    for number in range(4):
        machine.time = NOON + timedelta(minutes=number)
        storage.vault.append("front", machine.time, picture(str(number)))
    storage.vault.flush()
    scope = Scope(cameras=("front",), start=NOON + timedelta(minutes=1), end=NOON + timedelta(minutes=3))
    with storage.ring.change():
        storage.vault.erase(scope, machine.time + timedelta(hours=1))
    assert read().generations == [2, 2]
    assert [image for _, _, image in read().snapshots()] == [JPEG + b"0", JPEG + b"3"]
    assert len(State(tmp_path / "state", every=True).snapshots()) == 2


def test_the_attacker_reads_what_the_reader_does(storage: Storage, read: Callable[[], State], tmp_path: Path) -> None:
    storage.vault.append("front", NOON, picture("1"))
    storage.vault.flush()
    storage.operation_log.append([ForeignLine(NOON, "opencv", "Kari's raw text")])
    storage.register.add(Adoption("lamp-1", "homekit", NOON, {}))
    state = tmp_path / "state"
    files = [path.read_bytes() for path in sorted(state.rglob("*")) if path.is_file()]
    loot = attack(b"".join(data + bytes(-len(data) % 4096) for data in files), [(state / "root.key").read_bytes()])
    assert loot.of("image") == {image for _, _, image in read().snapshots()}
    assert loot.of("operation-log") == set(read().log("operation-log"))
    assert loot.of("device-register") == set(read().log("device-register"))


def test_the_operation_log(storage: Storage, read: Callable[[], State]) -> None:
    storage.operation_log.append(
        [
            ForeignLine(NOON, "opencv", "Kari's raw text"),
            PictureStored(NOON + timedelta(days=1), "front", 40_000, 12.5),
            CommandDone(NOON + timedelta(days=1), "lamp-1", "OnOff.OnOff", "done", "kari", 3.5),
        ]
    )
    state = read()
    line, command, stored = sorted(state.operation_log(), key=lambda entry: (entry["concerns"][0], entry["event"]))
    assert line == {
        "concerns": [NOON, None, None, []],
        "level": "info",
        "event": "foreign_line",
        "fields": {"source": "opencv", "text": "Kari's raw text"},
    }
    assert command["concerns"] == [NOON + timedelta(days=1), None, "lamp-1", ["kari"]]
    assert stored["concerns"] == [NOON + timedelta(days=1), "front", None, []]
    assert stored["fields"] == {"camera": "front", "bytes": 40_000, "milliseconds": 12.5}
    (entry,) = (entry for entry in state.entries if entry.kind == "operation-log")
    name, (boot, _, _, wall, trusted, _) = entry.info
    # An entry of tomorrow is among them: a clock in doubt said so.
    assert (name, boot, wall, trusted) == ("0000000001", bytes(range(16)), NOON, False)


def test_the_spool(storage: Storage, read: Callable[[], State]) -> None:
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
    state = read().spool_state()
    assert state
    assert state["open"] == {"id": batch.id, "segment": "0000000001", "last": 0, "lines": 1}
    assert state["dropped"] == {}


def test_devices(storage: Storage, read: Callable[[], State]) -> None:
    storage.register.add(Adoption("lamp-1", "homekit", NOON, {"secret": "of the pairing"}))
    (device,) = read().devices()
    assert {**device, "at": datetime.fromisoformat(device["at"])} == {
        "id": "lamp-1",
        "family": "homekit",
        "at": NOON,
        "record": {"secret": "of the pairing"},
    }


def test_the_exports(storage: Storage, read: Callable[[], State]) -> None:
    export = "0198c0de-0000-7000-8000-000000000001"
    head = Head(id=export, person="kari", asked=NOON, scope=Scope(subjects=("kari",)), language="nb")
    assert storage.exports.begin(head)
    assert storage.exports.add(head, 0, b"the first part")
    pictures = Contents(record_class=RecordClass.SNAPSHOT, cameras=("front",), subjects=("kari", "ola"), oldest=NOON)
    storage.exports.settle(msgspec.structs.replace(head, ready=NOON, size=14, parts=1, contents=(pictures,)))
    first, part = map(msgspec.msgpack.decode, read().log("exports"))
    assert part == {"type": "part", "person": "kari", "asked": NOON, "number": 0, "data": b"the first part"}
    assert first == {
        "type": "head",
        "id": export,
        "person": "kari",
        "asked": NOON,
        "scope": {"subjects": ["kari"]},
        "language": "nb",
        "ready": NOON,
        "failed": None,
        "size": 14,
        "sha256": "",
        "parts": 1,
        "contents": [
            {
                "record_class": "snapshot",
                "cameras": ["front"],
                "devices": [],
                "subjects": ["kari", "ola"],
                "oldest": NOON,
                "newest": None,
            }
        ],
    }


def test_the_consents(storage: Storage, read: Callable[[], State], machine: House) -> None:
    camera = texts(storage.policies)[Kind.CAMERA]
    sha256 = camera.sha256(1, "nb")
    assert sha256
    consent = Consent(person="kari", kind=Kind.CAMERA, version=1, sha256=sha256, language="nb", at=NOON)
    storage.consents.give(consent)
    machine.time = NOON + timedelta(hours=1)
    storage.consents.withdraw("kari", Kind.CAMERA, machine.time)
    storage.consents.sweep(lambda _person: False, storage.time.age, timedelta(days=180), timedelta(0))
    state = read()
    assert state.generations == [3, 3], "withdrawn, and noted that there is no such person"
    (record,) = map(msgspec.json.decode, state.log("consents"))
    gone = record.pop("gone")
    assert record == {
        "person": "kari",
        "kind": "camera",
        "version": 1,
        "sha256": record["sha256"],
        "language": "nb",
        "at": "2026-03-01T12:00:00.250000Z",
        "withdrawn": "2026-03-01T13:00:00.250000Z",
        "order": None,
    }
    text = camera.newest.nb
    parts = ["camera", 1, "nb", text.title, text.what, text.why, text.how_long, text.withdraw]
    whole = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
    assert record["sha256"] == hashlib.sha256(whole.encode()).hexdigest()
    assert (b64decode(gone[0]), gone[1]) == (bytes(range(16)), 3700)
    boot, since_boot, *_ = msgspec.msgpack.decode(state.notes["consents"])
    assert (boot, since_boot) == (bytes(range(16)), 3700)


def test_the_journal(
    storage: Storage, read: Callable[[], State], order_text: Callable[..., str], trust: Trust, clock: Any
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
    assert read().orders() == [text]
    intent, *others = read().journal()
    assert intent["type"] == "intent"
    assert text not in str(intent)
    assert others == [
        {"type": "found", "order": order.id, "counts": {"snapshots": 3}, "reach": noon},
        *after,
    ]
    storage.journal.close()
    closed = {"type": "closed", "order": order.id, "issuer": "cloud", "sequence": 1, "sha256": order.sha256}
    assert read().journal() == [closed, *after]


def test_the_page_and_the_sweep_name_every_file(storage: Storage, tmp_path: Path) -> None:
    storage.vault.append("front", NOON, picture("1"))
    storage.vault.flush()
    storage.operation_log.append([ForeignLine(NOON, "opencv", "text")])
    storage.spool.append([(redacted("line"), About(NOON))])
    storage.spool.next_batch(1)
    state = tmp_path / "state"
    names = {path.relative_to(state).as_posix() for path in state.rglob("*") if path.is_file()}
    never_written_anew = {"lock", "keys/slots", "keys/table.a", "keys/table.b", "vault/index"}
    assert {name for name in names if not OURS.fullmatch(name)} <= {
        *never_written_anew,
        *(name for name in names if name.startswith(("vault/segments/", "vault/pages/"))),
    }
