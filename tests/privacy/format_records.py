"""Each thing of `privacy/FORMAT.md` at an offset of any bytes, of a file or of a raw medium. Written from that alone.

It imports nothing of the project, and must not: `test_format_reader.py` sees to that.
"""

import base64
import hashlib
import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

AES_GCM, CHACHA20 = 1, 2
SLOT, TABLE, LINE = b"PVSLOT1\n", b"PVKT", b"PVKL"
SEGMENT, PAGES, PICTURE, FOOTER = b"PVSG", b"PVPG", b"PVSR", b"PVSF"
LOG_RECORD = b"\xd7\x70\x76\x52"
ORDERS = "orders"
"""The kind of the keys to the texts of orders."""
SECRETS = ((4096, 65_536), (48, 32))
"""Where in a slot the secret begins, and how long it is: in a file, and in hardware."""


def expand(key: bytes, purpose: bytes, length: int = 32) -> bytes:
    return HKDFExpand(SHA256(), length, b"portvakt/v1/" + purpose).derive(key)


def two_keys(segment_key: bytes) -> tuple[bytes, bytes]:
    """What each half of the picture keys of a segment is made with."""
    both = expand(segment_key, b"snapshot", 64)
    return both[:32], both[32:]


def blocks(key: bytes, ids: bytes) -> bytes:
    """AES-256 of each 16 bytes."""
    return Cipher(AES(key), ECB()).encryptor().update(ids)  # noqa: S305 - single blocks: no mode is used


def picture_key(segment_key: bytes, record: bytes) -> bytes:
    return b"".join(blocks(key, record) for key in two_keys(segment_key))


def kek(generation: int, secret: bytes) -> bytes:
    return hashlib.sha256(b"portvakt/v1/kek" + struct.pack(">Q", generation) + secret).digest()


def aead_open(cipher: int, key: bytes, nonce: bytes, sealed: bytes, bound_to: bytes) -> bytes | None:
    """None where it does not open."""
    try:
        return (AESGCM if cipher == AES_GCM else ChaCha20Poly1305)(key).decrypt(nonce, sealed, bound_to)
    except (InvalidTag, ValueError):
        return None


def unseal(cipher: int, key: bytes, bound_to: bytes, sealed: bytes) -> bytes | None:
    return aead_open(cipher, key, sealed[:12], sealed[12:], bound_to)


@dataclass(frozen=True)
class Slot:
    """A root slot that its check confirms."""

    generation: int
    secret: bytes

    @property
    def table_key(self) -> bytes:
        return expand(kek(self.generation, self.secret), b"key-table")


def slot_at(data: bytes, at: int) -> Slot | None:
    head = data[at : at + 48]
    if len(head) < 48 or head[:8] != SLOT:
        return None
    for begins, length in SECRETS:
        secret = data[at + begins : at + begins + length]
        if hashlib.sha256(b"portvakt/v1/slot" + head[8:16] + secret).digest() == head[16:]:
            return Slot(int.from_bytes(head[8:16]), secret)
    return None


@dataclass(frozen=True)
class Entry:
    """A key of the table, and what it is the key of."""

    id: bytes
    kind: str
    key: bytes
    info: list[Any]

    @classmethod
    def read(cls, fields: list[Any]) -> "Entry":
        id_, kind, key, info = fields
        if kind == ORDERS:
            return cls(id_, kind, key, [info.decode()])
        return cls(id_, kind, key, msgspec.msgpack.decode(info) if info else [])


@dataclass
class Opened:
    """What a table, or one of its lines, says."""

    entries: dict[bytes, Entry] = field(default_factory=dict)
    notes: dict[str, bytes] = field(default_factory=dict)

    def read_base(self, plain: bytes) -> None:
        entries, notes = msgspec.msgpack.decode(plain)
        self.entries |= {fields[0]: Entry.read(fields) for fields in entries}
        self.notes |= notes

    def read_line(self, plain: bytes) -> None:
        what, *fields = msgspec.msgpack.decode(plain)
        if what == "key":
            self.entries[fields[0][0]] = Entry.read(fields[0])
        else:
            self.notes[fields[0]] = fields[1]


@dataclass(frozen=True)
class Table:
    """A key table as it lies there, sealed."""

    head: bytes
    cipher: int
    generation: int
    base: bytes
    lines: list[tuple[bytes, bytes]]
    """Head and sealed bytes of each."""

    def open(self, table_key: bytes) -> Opened | None:
        base = unseal(self.cipher, table_key, self.head, self.base)
        if base is None:
            return None
        opened = Opened()
        opened.read_base(base)
        for head, sealed in self.lines:
            line = unseal(self.cipher, table_key, struct.pack(">Q", self.generation) + head, sealed)
            if line is None:
                break
            opened.read_line(line)
        return opened


def table_at(data: bytes, at: int) -> Table | None:
    head = data[at : at + 24]
    if not _whole(head, 24, TABLE) or head[4] != 1:
        return None
    generation, length = struct.unpack(">QI", head[8:20])
    base, lines, after = data[at + 24 : at + 24 + length], [], at + 24 + length
    while line := line_at(data, after):
        if int.from_bytes(line[0][4:8]) != len(lines) + 1:
            break
        lines.append(line)
        after += sum(map(len, line))
    return Table(head, head[5], generation, base, lines)


def line_at(data: bytes, at: int) -> tuple[bytes, bytes] | None:
    head = data[at : at + 16]
    if not _whole(head, 16, LINE):
        return None
    length = int.from_bytes(head[8:12])
    sealed = data[at + 16 : at + 16 + length]
    return (head, sealed) if len(sealed) == length else None


@dataclass(frozen=True)
class Head:
    """The head of a segment or of a file of pages."""

    cipher: int
    id: bytes


def head_at(data: bytes, at: int, magic: bytes) -> Head | None:
    head = data[at : at + 28]
    return Head(head[5], head[8:24]) if _whole(head, 28, magic) and head[4] == 1 else None


@dataclass(frozen=True)
class Picture:
    """A picture as it lies there, sealed."""

    head: bytes
    parts: tuple[bytes, bytes, bytes]

    @property
    def id(self) -> bytes:
        return self.head[4:20]

    def key(self, segment_key: bytes) -> bytes:
        return picture_key(segment_key, self.id)

    def open(self, cipher: int, key: bytes, segment: bytes, part: int) -> bytes | None:
        """Metadata 1, thumbnail 2, image 3, by the picture's own key."""
        bound_to = self.head + segment + bytes([part])
        return aead_open(cipher, key, bytes(11) + bytes([part]), self.parts[part - 1], bound_to)

    def open_all(self, cipher: int, key: bytes, segment: bytes) -> tuple[bytes, bytes, bytes] | None:
        opened = tuple(self.open(cipher, key, segment, part) for part in (1, 2, 3))
        return None if None in opened else opened  # type: ignore[return-value]


def picture_at(data: bytes, at: int) -> Picture | None:
    """Also one that is cut short: its last parts are shorter then, or empty."""
    head = data[at : at + 36]
    if not _whole(head, 36, PICTURE):
        return None
    first, second, third = struct.unpack(">3I", head[20:32])
    at += 36
    two, three = at + first, at + first + second
    return Picture(head, (data[at:two], data[two:three], data[three : three + third]))


def open_page(cipher: int, key: bytes, page_file: bytes, segment: bytes, sealed: bytes) -> dict[bytes, bytes] | None:
    """The picture keys of the survivors, by record id."""
    plain = unseal(cipher, key, b"portvakt/v1/page" + page_file + segment, sealed)
    if plain is None:
        return None
    third = len(plain) // 3
    return {plain[n : n + 16]: plain[third + n :][:16] + plain[2 * third + n :][:16] for n in range(0, third, 16)}


def footer_of(data: bytes, segment: bytes) -> list[tuple[bytes, int, tuple[int, ...]]] | None:
    """Of a segment's file: id, place and the three lengths of each picture, if its footer can be believed."""
    count, crc = struct.unpack(">II", data[-12:-4].rjust(8, b"\xff"))
    begins = len(data) - 16 - 36 * count
    footer = data[max(begins, 0) :]
    if (footer[:4], footer[-4:], crc) != (FOOTER, FOOTER, zlib.crc32(segment + footer[:-8])):
        return None
    rows, at = [(id_, place, tuple(parts)) for id_, place, *parts in struct.iter_unpack(">16sQ3I", footer[4:-12])], 28
    for _, place, parts in rows:
        if place != at:
            return None
        at += 36 + sum(parts)
    return rows if at == begins else None


@dataclass(frozen=True)
class LogRecord:
    """A record of a sealed log as it lies there."""

    sequence: int
    sealed: bytes

    def open(self, cipher: int, key: bytes, purpose: str) -> bytes | None:
        return unseal(cipher, key, purpose.encode() + struct.pack(">Q", self.sequence), self.sealed)


def log_record_at(data: bytes, at: int) -> LogRecord | None:
    head = data[at : at + 20]
    if not _whole(head, 20, LOG_RECORD):
        return None
    _, sequence, length = struct.unpack(">4sQI", head[:16])
    return LogRecord(sequence, data[at + 20 : at + 20 + length])


def opened_log(data: bytes, cipher: int, key: bytes, purpose: str) -> Iterator[bytes]:
    """The payloads of a sealed log, passing over what is damaged, be it the head."""
    for at in places(data, LOG_RECORD):
        record = log_record_at(data, at)
        payload = record and record.open(cipher, key, purpose)
        if payload is not None:
            yield payload


def sealed_order(line: bytes) -> tuple[bytes, bytes] | None:
    """Of a record of the journal that is an intent: the id of the order's key, and the sealed text."""
    try:
        told = json.loads(line)
        return bytes.fromhex(told["key"]), base64.b64decode(told["sealed"], validate=True)
    except (ValueError, KeyError, TypeError):
        return None


def open_order(cipher: int, key: bytes, sealed: bytes) -> bytes | None:
    """The order as it came, a compact JWS."""
    return unseal(cipher, key, b"portvakt/v1/order", sealed)


def read_metadata(plain: bytes) -> dict[str, Any]:
    """Time of capture in microseconds since 1970, size in pixels, and persons, of a picture."""
    return dict(zip(("at", "width", "height", "persons"), msgspec.msgpack.decode(plain), strict=True))


def places(data: bytes, magic: bytes) -> Iterator[int]:
    at = -1
    while (at := data.find(magic, at + 1)) >= 0:
        yield at


def _whole(head: bytes, length: int, magic: bytes) -> bool:
    return len(head) == length and head.startswith(magic) and zlib.crc32(head[:-4]) == int.from_bytes(head[-4:])
