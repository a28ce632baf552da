"""The bytes of a key table, against FORMAT.md and against damage."""

import hashlib
import hmac
import zlib
from collections.abc import Callable
from random import Random

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy.key_table import KeyEntry, KeyLine, KeyTable, Line, NoteLine, TableKey, generation_of
from privacy.keystore.contract import Held
from privacy.seal import Cipher

SECRET = bytes(range(64))
HELD = Held(7, SECRET)
A = KeyEntry(b"a" * 16, "snapshots", b"A" * 32, b"info of a")
B = KeyEntry(b"b" * 16, "spool", b"B" * 32)
LINES: tuple[Line, ...] = (KeyLine(B), NoteLine("time", b"12:00"), NoteLine("time", b"12:10"))

entries = st.builds(
    KeyEntry,
    st.binary(min_size=16, max_size=16),
    st.sampled_from(["snapshots", "spool"]),
    st.binary(min_size=32, max_size=32),
    st.binary(max_size=40),
)
lines = st.one_of(st.builds(KeyLine, entries), st.builds(NoteLine, st.text(max_size=8), st.binary(max_size=40)))


def table_of(*some: KeyEntry, cipher: Cipher = Cipher.AES_256_GCM, **notes: bytes) -> KeyTable:
    return KeyTable(7, cipher, {entry.id: entry for entry in some}, notes)


def key(held: Held = HELD) -> TableKey:
    return TableKey(held, Random(1).randbytes)


def file_of(table: KeyTable, *added: Line) -> bytes:
    """As a key ring writes it: the base, then one line after the other."""
    data = key().close(table)
    for line in added:
        table.apply(line)
        data += key().close_line(table, line)
        table.lines += 1
    table.size = len(data)
    return data


def same(one: KeyTable | None, other: KeyTable) -> bool:
    return one is not None and list(one.entries.items()) == list(other.entries.items()) and one == other


@pytest.mark.parametrize("cipher", Cipher)
def test_the_bytes_are_those_of_the_format(cipher: Cipher) -> None:
    data = file_of(table_of(A, cipher=cipher, x=b"1"), *LINES)
    kek = hashlib.sha256(b"portvakt/v1/kek" + (7).to_bytes(8) + SECRET).digest()
    table_key = hmac.digest(kek, b"portvakt/v1/key-table\x01", "sha256")
    aead = {1: AESGCM, 2: ChaCha20Poly1305}[data[5]](table_key)
    head, length = data[:24], int.from_bytes(data[16:20])
    assert data[:8] == b"PVKT\x01" + bytes([cipher, 0, 0])
    assert int.from_bytes(head[8:16]) == 7
    assert int.from_bytes(head[20:]) == zlib.crc32(head[:20])
    base = aead.decrypt(data[24:36], data[36 : 24 + length], head)
    assert msgspec.msgpack.decode(base) == [[[A.id, "snapshots", A.key, b"info of a"]], {"x": b"1"}]

    at, read = 24 + length, []
    while at < len(data):
        head, length = data[at : at + 16], int.from_bytes(data[at + 8 : at + 12])
        assert head[:4] == b"PVKL"
        assert int.from_bytes(head[4:8]) == len(read) + 1
        assert int.from_bytes(head[12:]) == zlib.crc32(head[:12])
        sealed = data[at + 16 : at + 16 + length]
        read.append(msgspec.msgpack.decode(aead.decrypt(sealed[:12], sealed[12:], (7).to_bytes(8) + head)))
        at += 16 + length
    assert read == [["key", [B.id, "spool", B.key, b""]], ["note", "time", b"12:00"], ["note", "time", b"12:10"]]


@given(st.lists(entries), st.dictionaries(st.text(max_size=8), st.binary(max_size=40)), st.lists(lines, max_size=6))
@settings(max_examples=60, deadline=None)
def test_what_was_written_is_read(some: list[KeyEntry], notes: dict[str, bytes], added: list[Line]) -> None:
    table = KeyTable(7, Cipher.CHACHA20_POLY1305, {entry.id: entry for entry in some}, notes)
    data = file_of(table, *added)
    assert same(key().open(data), table)


def test_cut_anywhere_it_says_what_was_whole() -> None:
    whole = file_of(table_of(A), *LINES)
    ends = [len(file_of(table_of(A), *LINES[:count])) for count in range(len(LINES) + 1)]
    for size in range(len(whole)):
        table = key().open(whole[:size])
        count = sum(end <= size for end in ends)
        if count == 0:
            assert table is None
        else:
            assert table is not None
            assert (table.lines, table.size) == (count - 1, ends[count - 1])


def test_with_any_bit_flipped_it_says_what_is_whole_before_that() -> None:
    whole = file_of(table_of(A), *LINES)
    ends = [len(file_of(table_of(A), *LINES[:count])) for count in range(len(LINES) + 1)]
    for at in range(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << (at % 8)
        table = key().open(bytes(damaged))
        count = sum(end <= at for end in ends)
        assert (table and table.size) == (ends[count - 1] if count else None)


def checked(head: bytes) -> bytes:
    return head + zlib.crc32(head).to_bytes(4)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda _: b"",
        lambda _: b"\0" * 4096,
        lambda data: checked(b"PVSG" + data[4:20]) + data[24:],
        lambda data: checked(data[:4] + b"\x02" + data[5:20]) + data[24:],
        lambda data: checked(data[:5] + b"\x02" + data[6:20]) + data[24:],
        lambda data: checked(data[:5] + b"\x09" + data[6:20]) + data[24:],
        lambda data: checked(data[:6] + b"\x00\x01" + data[8:20]) + data[24:],
        lambda data: checked(data[:16] + b"\xff\xff\xff\xff") + data[24:],
        lambda data: checked(data[:16] + bytes(4)) + data[24:],
    ],
    ids=["empty", "zeros", "magic", "version", "other cipher", "no cipher", "reserved", "too long", "no base"],
)
def test_what_is_no_table_of_this_key(wrong: Callable[[bytes], bytes]) -> None:
    assert key().open(wrong(file_of(table_of(A)))) is None


def test_another_root_and_another_generation_do_not_open() -> None:
    data = file_of(table_of(A))
    assert key(Held(7, SECRET[::-1])).open(data) is None
    assert key(Held(8, SECRET)).open(data) is None
    # not for its head alone: the generation is in the key
    moved = checked(data[:8] + (8).to_bytes(8) + data[16:20]) + data[24:]
    assert key(Held(8, SECRET)).open(moved) is None


def test_a_line_out_of_its_order_ends_the_table() -> None:
    table = table_of(A)
    base = file_of(table)
    first = key().close_line(table, LINES[0])
    table.lines = 1
    second = key().close_line(table, LINES[1])
    for wrong in (second, first + first, b"", first[:-1] + second):
        opened = key().open(base + wrong)
        assert opened is not None
        assert opened.lines == (1 if wrong == first + first else 0)


def test_a_line_of_another_generation_is_none_of_ours() -> None:
    table = table_of(A)
    line = key(Held(8, SECRET)).close_line(table, LINES[0])
    opened = key().open(file_of(table) + line)
    assert opened is not None
    assert opened.lines == 0


def test_what_a_later_version_might_seal_is_not_guessed_at(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("privacy.key_table._encoder", msgspec.json.Encoder())
        base = key().close(table_of())
        line = key().close_line(table_of(), NoteLine("x", b""))
    assert key().open(base) is None
    opened = key().open(file_of(table_of(A)) + line)
    assert opened is not None
    assert opened.lines == 0


def test_the_head_says_its_generation_whatever_the_key() -> None:
    data = file_of(table_of(A))
    assert generation_of(data) == 7
    assert generation_of(data[:24]) == 7
    assert generation_of(data[:23]) is None
    assert generation_of(b"\xff" * 24) is None
    assert generation_of(checked(b"PVSG" + data[4:20])) is None


def test_nothing_that_is_shown_holds_a_key_or_a_value() -> None:
    shown = repr((A, KeyLine(A), NoteLine("time", b"secret"), table_of(A), key(), HELD))
    assert "AAAA" not in shown
    assert "secret=" not in shown
    assert "b'secret" not in shown
