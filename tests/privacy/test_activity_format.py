"""`privacy/FORMAT.md`, "A record of the activity log", against what the log writes; none of its own code reads here."""

import hashlib
import hmac
import os
import struct
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from privacy.activity import ActivityLog
from privacy.activity_line import Deed
from privacy.files import OURS, sweep
from privacy.hold import Role
from privacy.keyring import KeyRing
from privacy.store import Barrier
from privacy.timekeeping import TimeKeeper

NOON = datetime(2026, 3, 1, 12, 0, 0, 250_000, UTC)
Records = dict[str, list[list[Any]]]


@pytest.fixture
def log(tmp_path: Path, ring: KeyRing, keeper: TimeKeeper) -> ActivityLog:
    limit = timedelta(days=182)
    return ActivityLog(tmp_path / "activity", ring, keeper, limit, barrier=Barrier(), random_bytes=os.urandom)


@pytest.fixture
def read(tmp_path: Path, ring: KeyRing) -> Callable[[], Records]:
    """The records of each file, by the name that its entry has."""

    def records() -> Records:
        found: Records = {}
        for entry in ring.entries("activity").values():
            name, *_ = msgspec.msgpack.decode(entry.info)
            data = (tmp_path / "activity" / f"{entry.id.hex()}.log").read_bytes()
            aead = {1: AESGCM, 2: ChaCha20Poly1305}[int(ring.cipher)](entry.key)
            found[name], at = [], 20
            while at < len(data):
                _, sequence, length, _ = struct.unpack_from(">4sQII", data, at)
                sealed = data[at + 20 : at + 20 + length]
                plain = aead.decrypt(sealed[:12], sealed[12:], b"activity" + sequence.to_bytes(8))
                found[name].append(msgspec.msgpack.decode(plain))
                at += 20 + length
        return found

    return records


def hashes(folder: Path, level: int) -> list[bytes]:
    """Level `level` of the tree, checked."""
    data = (folder / f"hashes-{level}").read_bytes()
    head = b"PVHASH1\n" + bytes((level,)) + bytes(23)
    assert data[:36] == head + zlib.crc32(head).to_bytes(4)
    found = []
    for i, at in enumerate(range(36, len(data), 36)):
        value, check = data[at : at + 32], data[at + 32 : at + 36]
        assert check == zlib.crc32(bytes((level,)) + i.to_bytes(8) + value).to_bytes(4)
        found.append(value)
    return found


def test_lines_and_their_leaves(tmp_path: Path, log: ActivityLog, read: Callable[[], Records]) -> None:
    looked = Deed(
        at=NOON,
        actor="kari",
        role=Role.OWNER,
        action="view_pictures",
        concerns=frozenset({"ola"}),
        purpose="care",
        camera="front",
        record="s1",
        token="t1",
    )
    failed = Deed(at=NOON, actor=None, role=None, action="claim", allowed=False, code="wrong_code", way="code")
    log.append([looked, failed])
    records = read()
    assert sorted(records) == ["/0000000000000002", "kari/0000000000000000", "ola/0000000000000001"]
    texts = {}
    leaves = hashes(tmp_path / "activity", 0)
    for [[number, salt, text]] in records.values():
        assert len(salt) == 32
        entry = hmac.new(salt, text, hashlib.sha256).digest()
        assert leaves[number] == hashlib.sha256(b"\0" + entry).digest()
        texts[number] = msgspec.msgpack.decode(text)
    looks = ["view_pictures", True, "", "owner", "care", None, "front", None, "s1"]
    assert texts == {
        0: ["kari", NOON, 0, True, *looks, "t1"],
        1: ["ola", NOON, 0, False, *looks, None],
        2: ["", NOON, 2, False, "claim", False, "wrong_code", None, None, "code", None, None, None, None],
    }
    assert len(leaves) == 3


def test_the_levels_above(tmp_path: Path, log: ActivityLog) -> None:
    log.append([Deed(at=NOON, actor="kari", role=Role.OWNER, action="view_pictures")] * 600)
    nodes = hashes(tmp_path / "activity", 0)[256:512]
    while len(nodes) > 1:
        nodes = [hashlib.sha256(b"\x01" + nodes[i] + nodes[i + 1]).digest() for i in range(0, len(nodes), 2)]
    assert hashes(tmp_path / "activity", 1)[1] == nodes[0]
    assert [len(hashes(tmp_path / "activity", level)) for level in range(4)] == [600, 2, 0, 0]


def test_every_file_is_one_of_those_that_a_start_knows(tmp_path: Path, log: ActivityLog) -> None:
    log.append([Deed(at=NOON, actor="kari", role=Role.OWNER, action="view_pictures")])
    names = [f"activity/{path.name}" for path in (tmp_path / "activity").iterdir()]
    assert len(names) == 5
    assert all(OURS.fullmatch(name) for name in names)
    (tmp_path / "activity" / "hashes-0.new").touch()
    assert sweep(tmp_path) == 1
