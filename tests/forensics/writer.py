"""Writes what `privacy/FORMAT.md` describes, from that page alone, so that leaks can be made on purpose.

Shares no code with the product, nor with the reader.
"""

import hashlib
import hmac
import random
import struct
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

CIPHERS = {1: AESGCM, 2: ChaCha20Poly1305}
AT = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
MOMENT = [bytes(16), 10.0, 20.0, AT, True, None]


def expand(key: bytes, purpose: bytes) -> bytes:
    return hmac.digest(key, b"portvakt/v1/" + purpose + b"\x01", "sha256")


def picture_key(segment_key: bytes, record: bytes) -> bytes:
    info = b"portvakt/v1/snapshot"
    one = hmac.digest(segment_key, info + b"\x01", "sha256")
    two = hmac.digest(segment_key, one + info + b"\x02", "sha256")
    ciphers = (Cipher(AES(key), ECB()) for key in (one, two))  # noqa: S305 - single blocks: no mode is used
    return b"".join(cipher.encryptor().update(record) for cipher in ciphers)


def checked(header: bytes) -> bytes:
    return header + struct.pack(">I", zlib.crc32(header))


def slot(generation: int, secret: bytes) -> bytes:
    number = struct.pack(">Q", generation)
    head = b"PVSLOT1\n" + number + hashlib.sha256(b"portvakt/v1/slot" + number + secret).digest()
    return head + secret if len(secret) == 32 else head.ljust(4096, b"\0") + secret


def table_key(generation: int, secret: bytes) -> bytes:
    kek = hashlib.sha256(b"portvakt/v1/kek" + struct.pack(">Q", generation) + secret).digest()
    return expand(kek, b"key-table")


@dataclass
class Writer:
    """Makes files of one cipher; all that is random comes from `seed`."""

    cipher: int = 1
    seed: int = 1

    def __post_init__(self) -> None:
        self.new = random.Random(self.seed).randbytes

    def seal(self, key: bytes, bound_to: bytes, plain: bytes) -> bytes:
        nonce = self.new(12)
        return nonce + CIPHERS[self.cipher](key).encrypt(nonce, plain, bound_to)

    def table(self, generation: int, key: bytes, entries: list[list[Any]], lines: list[list[Any]]) -> bytes:
        base = msgspec.msgpack.encode([entries, {"time": b"what the clock knows"}])
        length = 12 + len(base) + 16
        head = checked(struct.pack(">4sBBHQI", b"PVKT", 1, self.cipher, 0, generation, length))
        data = head + self.seal(key, head, base)
        for number, line in enumerate(lines, 1):
            plain = msgspec.msgpack.encode(line)
            head = checked(struct.pack(">4sII", b"PVKL", number, 12 + len(plain) + 16))
            data += head + self.seal(key, struct.pack(">Q", generation) + head, plain)
        return data

    def entry(self, id_: bytes, kind: str, key: bytes, info: list[Any]) -> list[Any]:
        return [id_, kind, key, msgspec.msgpack.encode(info)]

    def segment_entry(self, id_: bytes, key: bytes, page: list[Any] | None = None) -> list[Any]:
        return self.entry(id_, "snapshots", key, ["front", ["kari"], MOMENT, AT, page])

    def file_head(self, magic: bytes, id_: bytes) -> bytes:
        return checked(struct.pack(">4sBBH", magic, 1, self.cipher, 0) + id_)

    def picture(self, segment: bytes, segment_key: bytes, record: bytes, parts: list[bytes]) -> bytes:
        """One record; `parts` are metadata, thumbnail and image in the clear."""
        head = checked(b"PVSR" + record + struct.pack(">3I", *(len(part) + 16 for part in parts)))
        aead = CIPHERS[self.cipher](picture_key(segment_key, record))
        sealed = (
            aead.encrypt(bytes(11) + bytes([number]), part, head + segment + bytes([number]))
            for number, part in enumerate(parts, 1)
        )
        return head + b"".join(sealed)

    def page(self, key: bytes, page_file: bytes, segment: bytes, keys: dict[bytes, bytes]) -> bytes:
        plain = b"".join(keys) + b"".join(key[:16] for key in keys.values()) + b"".join(k[16:] for k in keys.values())
        return self.seal(key, b"portvakt/v1/page" + page_file + segment, plain)

    def footer(self, segment: bytes, records: list[bytes]) -> bytes:
        """Of a segment whose records these are, behind its head."""
        at, footer = 28, b"PVSF"
        for record in records:
            footer += record[4:20] + struct.pack(">Q", at) + record[20:32]
            at += len(record)
        footer += struct.pack(">I", len(records))
        return footer + struct.pack(">I", zlib.crc32(segment + footer)) + b"PVSF"

    def log(self, key: bytes, purpose: str, payloads: list[bytes]) -> bytes:
        data = checked(b"PVLOG1\r\n" + struct.pack(">Q", 0))
        for sequence, payload in enumerate(payloads):
            head = checked(struct.pack(">4sQI", b"\xd7\x70\x76\x52", sequence, 12 + len(payload) + 16))
            data += head + self.seal(key, purpose.encode() + struct.pack(">Q", sequence), payload)
        return data


def metadata(number: int) -> bytes:
    return msgspec.msgpack.encode([1_772_368_496_000_000 + number, 640, 480, ["kari"]])
