"""The reader of state directories, against a directory that was written from `privacy/FORMAT.md` by neither."""

import ast
import random
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.forensics.writer import AT, Writer, expand, metadata, picture_key, slot, table_key
from tests.privacy.format_reader import State

READERS = [
    *(Path(__file__).with_name(name) for name in ("format_reader.py", "format_records.py")),
    *(Path(__file__).parents[1] / "forensics" / name for name in ("attacker.py", "every_window.py", "writer.py")),
]
CONCERNS = [AT, "front", None, ["kari"]]


@pytest.mark.parametrize("reader", READERS, ids=lambda path: path.stem)
def test_it_knows_nothing_of_the_project(reader: Path) -> None:
    tree = ast.walk(ast.parse(reader.read_text()))
    names = {
        name
        for node in tree
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }
    ours = {"tests.privacy.format_records", "tests.forensics.attacker"}
    assert {name.split(".")[0] for name in names - ours} - sys.stdlib_module_names <= {"cryptography", "msgspec"}


class House:
    """A state directory with a segment that is whole, one that is thinned, and a log of each kind."""

    def __init__(self, path: Path, cipher: int, secret: bytes) -> None:
        self.path, self.secret = path, secret
        self.writer = writer = Writer(cipher)
        self.root = writer.new(32)
        self.write("root.key", self.root)
        self.write("root.key.check", Writer(1).seal(expand(self.root, b"root-check"), b"root-check", b""))
        journal = Writer(1).log(expand(self.root, b"order-journal"), "order-journal", [b'{"type":"intent"}'])
        self.write("journal", journal)
        self.entries = [self.segment(1), self.thinned(2)]
        self.lines = [
            ["key", self.log("spool", "spool", "0000000002", [msgspec.msgpack.encode([CONCERNS, "three"])])],
            ["key", self.log("spool", "spool", "0000000001", [msgspec.msgpack.encode([CONCERNS, t]) for t in "12"])],
            ["note", "time", b"later"],
            ["key", self.log("operation-log", "operation-log", "2026-03-01T12", [msgspec.msgpack.encode({"x": 1})])],
            ["key", self.log("device-register", "devices", "", [b'{"id":"lamp-1"}'])],
        ]
        for name in "ab":
            self.table(name, 3, self.lines)
        self.slot(3)

    def write(self, name: str, data: bytes) -> None:
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        (self.path / name).write_bytes(data)

    def slot(self, generation: int) -> None:
        stride = 128 << 10 if len(self.secret) > 32 else 128
        old = (self.path / "keys/slots").read_bytes() if (self.path / "keys/slots").exists() else bytes(2 * stride)
        at, data = generation % 2 * stride, slot(generation, self.secret)
        self.write("keys/slots", old[:at] + data + old[at + len(data) :])

    def table(self, name: str, generation: int, lines: list[list[object]], *, entries: int = 2) -> None:
        key = table_key(generation, self.secret)
        self.write(f"keys/table.{name}", self.writer.table(generation, key, self.entries[:entries], lines))

    def log(self, kind: str, folder: str, name: str, payloads: list[bytes]) -> list[object]:
        id_, key = self.writer.new(16), self.writer.new(32)
        self.write(f"{folder}/{id_.hex()}.log", self.writer.log(key, kind, payloads))
        return self.writer.entry(id_, kind, key, [name, None])

    def segment(self, number: int) -> list[object]:
        id_, key = self.writer.new(16), self.writer.new(32)
        parts = [metadata(number), b"small", b"picture %d" % number]
        data = self.writer.picture(id_, key, self.writer.new(16), parts)
        footer = self.writer.footer(id_, [data])
        self.write(f"vault/segments/{id_.hex()}", self.writer.file_head(b"PVSG", id_) + data + footer)
        return self.writer.segment_entry(id_, key)

    def thinned(self, number: int) -> list[object]:
        new = self.writer.new
        id_, key, page_file, page_key = new(16), new(32), new(16), new(32)
        records = {new(16): [metadata(n), b"small", b"picture %d" % n] for n in range(number, number + 3)}
        data = b"".join(self.writer.picture(id_, key, record, parts) for record, parts in records.items())
        self.write(f"vault/segments/{id_.hex()}", self.writer.file_head(b"PVSG", id_) + data)
        left = {record: picture_key(key, record) for record in list(records)[1:]}
        page = self.writer.page(page_key, page_file, id_, left)
        self.write(f"vault/pages/{page_file.hex()}", self.writer.file_head(b"PVPG", page_file) + page)
        return self.writer.segment_entry(id_, page_key, [page_file, 28, len(page), 2])


Build = Callable[[], House]


@pytest.fixture(params=[(1, 65_536), (2, 32)], ids=["AES, slots in a file", "ChaCha20, slots in NVRAM"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> House:
    cipher, length = request.param
    return House(tmp_path / "state", cipher, random.Random(5).randbytes(length))


def images(state: State) -> list[bytes]:
    return [image for _, _, image in state.snapshots()]


def test_everything_is_read(house: House) -> None:
    state = State(house.path)
    assert state.root_check()
    assert state.generations == [3, 3]
    assert state.notes == {"time": b"later"}
    assert state.journal() == [{"type": "intent"}]
    assert state.devices() == [{"id": "lamp-1"}]
    assert state.operation_log() == [{"x": 1}]
    assert state.spool() == [[CONCERNS, "1"], [CONCERNS, "2"], [CONCERNS, "three"]]
    assert state.spool_state() is None
    assert images(state) == [b"picture 1", b"picture 3", b"picture 4"]
    expected = {"camera": "front", "at": 1_772_368_496_000_001, "width": 640, "height": 480, "persons": ["kari"]}
    assert state.snapshots()[0][0] == expected


def test_a_log_without_its_head_is_read_all_the_same(house: House) -> None:
    (log,) = (house.path / "devices").iterdir()
    for damaged in (b"\0" * 20 + log.read_bytes()[20:], log.read_bytes()[20:]):
        log.write_bytes(damaged)
        assert State(house.path).devices() == [{"id": "lamp-1"}]


def test_the_table_with_more_lines_counts_and_a_torn_tail_does_not(house: House) -> None:
    house.table("a", 3, house.lines[:1])
    assert len(State(house.path).spool()) == 3
    torn = (house.path / "keys/table.b").read_bytes()[:-3]
    house.write("keys/table.b", torn)
    assert State(house.path).devices() == []
    assert State(house.path).operation_log() == [{"x": 1}]


def test_the_highest_generation_whose_slot_and_table_open_counts(house: House) -> None:
    house.slot(4)
    assert State(house.path).generations == [3, 3]
    house.table("a", 4, [], entries=1)
    assert State(house.path).generations == [4]
    assert images(State(house.path)) == [b"picture 1"]
    assert images(State(house.path, every=True)) == [b"picture 1", b"picture 3", b"picture 4"]
    slots = house.path / "keys/slots"
    data = bytearray(slots.read_bytes())
    data[60 if len(data) < 1000 else 5000] ^= 1  # the secret of slot 0
    slots.write_bytes(data)
    assert State(house.path).generations == [3]


def test_without_a_slot_nothing_opens(house: House) -> None:
    house.write("keys/slots", b"")
    state = State(house.path, every=True)
    assert (state.generations, state.snapshots(), state.spool()) == ([], [], [])
    assert state.journal()


def test_slots_may_lie_elsewhere(house: House, tmp_path: Path) -> None:
    (house.path / "keys/slots").rename(tmp_path / "nvram")
    assert State(house.path).generations == []
    assert images(State(house.path, slots=tmp_path / "nvram"))


def test_damage_costs_what_it_hits(house: House) -> None:
    segments = sorted((house.path / "vault/segments").iterdir(), key=lambda path: path.stat().st_size)
    thinned = bytearray(segments[1].read_bytes())
    thinned[10] ^= 1  # its head: the name of the file says the id, too
    thinned[-1] ^= 1
    segments[1].write_bytes(thinned)
    assert images(State(house.path)) == [b"picture 1", b"picture 3"]
    (log,) = (house.path / "devices").iterdir()
    log.write_bytes(log.read_bytes()[:-1])
    assert State(house.path).devices() == []
    house.write("root.key", bytes(32))
    assert not State(house.path).root_check()
    assert State(house.path).journal() == []
