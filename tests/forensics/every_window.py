"""Every 32 bytes of an image, at every offset, tried as a key on the records that lie there.

Opening a record takes its whole length and a tag; most windows are told from keys by less. The first three bytes of
a key stream show whether a picture would begin as metadata do, or as a JPEG does, and as the nonces of a picture are
fixed, one look serves all pictures. Of a sealed log or a table the first byte is looked at before it is opened; a page
begins with the id of a record that can be seen. What passes is for `attack`, which opens in earnest.

Tried as: picture key, segment key, page key, file key, table key, KEK, secret of a slot in hardware; with the 32 bytes
behind it, as what both halves of picture keys are made with; and as the secret of a slot in a file, each 64 KiB that
begin at a multiple of `BLOCK`. Keys in hex and base64 are tried as well. The halves of a picture key lie apart in a
page: `attack` looks for them around the record's id.

Left out are windows with fewer than `FEWEST` different bytes: one in 10^20 random keys has so few, and half a
medium is zeros and text.
"""

import base64
import hmac
import multiprocessing
import os
import re
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from tests.forensics.attacker import BLOCK, JPEG, KINDS, Carved
from tests.privacy.format_records import AES_GCM, CHACHA20, LogRecord, Slot, blocks, kek, open_order, unseal

WINDOW: Final = 32
FILE_SECRET: Final = 65_536
FEWEST: Final = 16
SHARE: Final = 1 << 16
"""Bytes of the image that one task takes."""
METADATA: Final = b"\x94\xcf\x00"
"""Metadata begin with an array of four and a time of 64 bits, whose first byte is zero until the year 4253."""
LOG_BEGINS: Final = b"\x84\x92{"
"""A map of four (operation log), an array of two (spool), JSON."""
TABLE_BEGINS: Final = b"\x92\x93"
"""A base is an array of two; a line one of two or three."""
ORDER_BEGINS: Final = b"e"
"""A compact JWS is base64 of JSON."""
ENCODED: Final = re.compile(rb"[0-9a-fA-F]{64}|[0-9A-Za-z+/_-]{43}")
_PURPOSE: Final = b"portvakt/v1/"


@dataclass
class Targets:
    """What a window is tried on: the sealed first bytes of one record of each kind and file."""

    ciphers: list[int]
    metadata: set[bytes] = field(default_factory=set)
    """First three bytes of key stream that metadata would have begun with."""
    images: set[bytes] = field(default_factory=set)
    ids: bytes = b""
    """Those of one record of each segment, one after the other."""
    begins: list[bytes] = field(default_factory=list)
    """And the key stream that its metadata would have begun with."""
    logs: list[LogRecord] = field(default_factory=list)
    """The smallest of each file."""
    tables: list[tuple[bytes, list[bytes]]] = field(default_factory=list)
    """A sealed base or line, and what it may be bound to."""
    pages: list[tuple[bytes, bytes]] = field(default_factory=list)
    """Nonce and the first sixteen sealed bytes."""
    orders: list[bytes] = field(default_factory=list)
    """Sealed texts of orders."""
    records: frozenset[bytes] = frozenset()
    generations: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        """Key streams that one window costs."""
        wide = len(self.logs) + len(self.tables) * (2 + len(self.generations)) + len(self.pages) + 2 * len(self.begins)
        wide += len(self.orders)
        return (wide + 2 * bool(self.metadata)) * len(self.ciphers)


def targets(carved: Carved, orders: Iterable[bytes] = ()) -> Targets:
    """`orders`: texts of orders, sealed under their own keys, as the journal's key opens them."""
    heads = [*carved.segments.values(), *carved.pages.values(), *carved.tables.values()]
    found = Targets(sorted({head.cipher for head in heads}) or [AES_GCM, CHACHA20])
    ends: set[int] = set()
    for at, picture in sorted(carved.pictures.items()):
        found.metadata.add(_xor(picture.parts[0], METADATA))
        found.images.add(_xor(picture.parts[2], JPEG))
        if at not in ends:  # the first of a run; a segment that lies in several pieces is tried for each
            found.ids += picture.id
            found.begins.append(_xor(picture.parts[0], METADATA))
        ends.add(at + len(picture.head) + sum(map(len, picture.parts)))
    ends = set()
    for at, record in sorted(carved.log_records.items()):
        if at not in ends:
            found.logs.append(record)
        found.logs[-1] = min(found.logs[-1], record, key=lambda each: len(each.sealed))
        ends.add(at + 20 + len(record.sealed))
    found.generations = sorted({table.generation for table in carved.tables.values()})
    found.tables += [(table.base, [table.head]) for table in carved.tables.values()]
    ends = {at + 24 + len(table.base) for at, table in carved.tables.items()}
    for at, (head, sealed) in sorted(carved.lines.items()):
        if at not in ends:  # of a table that is there, its base is enough
            near = {max(generation + step, 0) for generation in found.generations for step in (-2, -1, 0, 1)}
            found.tables.append((sealed, [struct.pack(">Q", generation) + head for generation in sorted(near)]))
        ends.add(at + 16 + len(sealed))
    for at in carved.pages:
        found.pages.append((carved.image[at + 28 : at + 40], carved.image[at + 40 : at + 56]))
    found.orders += orders
    found.records = frozenset(picture.id for picture in carved.pictures.values())
    return found


def every_window(
    carved: Carved, orders: Iterable[bytes] = (), *, processes: int | None = None
) -> tuple[set[bytes], list[Slot]]:
    """Windows that may be keys, and 64 KiB that may be a slot's secret: for `attack` to try in earnest."""
    aim = targets(carved, orders)
    _State.image, _State.aim = carved.image, aim
    starts = range(0, len(carved.image), SHARE)
    with multiprocessing.get_context("fork").Pool(processes or os.cpu_count()) as pool:
        passed = set().union(*pool.imap_unordered(_windows, starts, chunksize=1))
        slots = [slot for found in pool.imap_unordered(_secrets, starts, chunksize=4) for slot in found]
    return passed, slots


class _State:
    """What the processes inherit."""

    image: bytes
    aim: Targets


def _windows(start: int) -> set[bytes]:
    return windows(_State.image, _State.aim, start, start + SHARE)


def windows(image: bytes, aim: Targets, start: int, stop: int) -> set[bytes]:
    """Those that begin from `start` to `stop` and may be keys to what is aimed at."""
    passed = {key for key in encoded(image[start : stop + 64]) if passes(key, aim)}
    for at in range(start, min(stop, len(image) - WINDOW + 1)):
        window = image[at : at + WINDOW]
        if len(set(window)) < FEWEST:
            continue
        if passes(window, aim):
            passed.add(window)
        behind = image[at + WINDOW : at + 2 * WINDOW]
        if len(set(behind)) >= FEWEST and len(behind) == WINDOW and _makes_keys(window, behind, aim):
            passed.add(window + behind)
    return passed


def encoded(data: bytes) -> Iterator[bytes]:
    """Keys in hex and in base64 of either alphabet."""
    for match in ENCODED.finditer(data):
        text = match[0]
        if len(text) == 64:
            yield bytes.fromhex(text.decode())
        else:
            yield base64.urlsafe_b64decode(text.translate(bytes.maketrans(b"+/", b"-_")) + b"=")


def passes(key: bytes, aim: Targets) -> bool:
    """Whether `key` may be one to what is aimed at."""
    return any(
        _opens_picture(key, cipher, aim) or _opens_sealed(key, cipher, aim) or _opens_tables(key, cipher, aim)
        for cipher in aim.ciphers
    ) or (bool(aim.ids) and _makes_keys(*_two_keys(key), aim))


def _opens_picture(key: bytes, cipher: int, aim: Targets) -> bool:
    new = AESGCM if cipher == AES_GCM else ChaCha20Poly1305
    stream = new(key).encrypt
    return bool(
        aim.metadata
        and (stream(_NONCES[1], _BLANK, None)[:3] in aim.metadata or stream(_NONCES[3], _BLANK, None)[:3] in aim.images)
    )


def _makes_keys(first: bytes, second: bytes, aim: Targets) -> bool:
    """Whether picture keys that are made with these two may open a picture."""
    halves = blocks(first, aim.ids), blocks(second, aim.ids)
    return any(
        (AESGCM if cipher == AES_GCM else ChaCha20Poly1305)(b"".join(half[at : at + 16] for half in halves)).encrypt(
            _NONCES[1], _BLANK, None
        )[:3]
        == begins
        for at, begins in zip(range(0, len(aim.ids), 16), aim.begins, strict=True)
        for cipher in aim.ciphers
    )


def _two_keys(key: bytes) -> tuple[bytes, bytes]:
    """As `two_keys`, without the library's detours: half a medium is asked."""
    first = hmac.digest(key, _PURPOSE + b"snapshot\x01", "sha256")
    return first, hmac.digest(key, first + _PURPOSE + b"snapshot\x02", "sha256")


def _opens_sealed(key: bytes, cipher: int, aim: Targets) -> bool:
    """A log, a page, or the text of an order."""
    stream = (AESGCM if cipher == AES_GCM else ChaCha20Poly1305)(key).encrypt
    return (
        any(
            _begins(stream, record.sealed, LOG_BEGINS)
            and any(record.open(cipher, key, kind) is not None for kind in KINDS)
            for record in aim.logs
        )
        or any(_xor(stream(nonce, bytes(16), None), begins) in aim.records for nonce, begins in aim.pages)
        or any(_begins(stream, sealed, ORDER_BEGINS) and open_order(cipher, key, sealed) for sealed in aim.orders)
    )


def _opens_tables(key: bytes, cipher: int, aim: Targets) -> bool:
    keks = [key, *(kek(generation, key) for generation in aim.generations)] if aim.tables else []
    return any(_opens_table(table_key, cipher, aim) for table_key in (key, *map(_table_key, keks)))


def _begins(stream: Callable[[bytes, bytes, None], bytes], sealed: bytes, first: bytes) -> bool:
    return stream(sealed[:12], b"\0", None)[0] ^ sealed[12] in first


def _opens_table(key: bytes, cipher: int, aim: Targets) -> bool:
    stream = (AESGCM if cipher == AES_GCM else ChaCha20Poly1305)(key).encrypt
    return any(
        _begins(stream, sealed, TABLE_BEGINS)
        and any(unseal(cipher, key, bound_to, sealed) is not None for bound_to in bounds)
        for sealed, bounds in aim.tables
    )


def _table_key(key: bytes) -> bytes:
    return hmac.digest(key, _PURPOSE + b"key-table\x01", "sha256")


def _secrets(start: int) -> list[Slot]:
    return file_secrets(_State.image, _State.aim, start, start + SHARE)


def file_secrets(image: bytes, aim: Targets, start: int, stop: int) -> list[Slot]:
    """The secrets of slots in files that begin from `start` to `stop` and open a table that is aimed at."""
    return [
        slot
        for at in range(start, min(stop, len(image) - FILE_SECRET + 1), BLOCK)
        for generation in aim.generations
        for slot in [Slot(generation, image[at : at + FILE_SECRET])]
        if any(_opens_table(slot.table_key, cipher, aim) for cipher in aim.ciphers)
    ]


def _xor(sealed: bytes, plain: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(sealed, plain, strict=False))


_NONCES: Final = [bytes(11) + bytes([part]) for part in range(4)]
_BLANK: Final = bytes(3)
