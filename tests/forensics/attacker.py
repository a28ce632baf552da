"""Opens whatever a raw medium still lets one open. Written from `privacy/FORMAT.md` alone.

It carves the medium for everything that has a magic, wherever it lies, deleted files included, and then tries every key
it comes to know on everything that it found, until nothing more opens: slots open tables, tables give keys, keys
open pages, pictures and logs. It asks no index, no directory and no generation whether something counts.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import xor
from typing import Any

import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import AES, ChaCha20
from cryptography.hazmat.primitives.ciphers.modes import CTR

from tests.privacy.format_records import (
    AES_GCM,
    CHACHA20,
    LINE,
    LOG_RECORD,
    PAGES,
    PICTURE,
    SEGMENT,
    SLOT,
    TABLE,
    Head,
    LogRecord,
    Opened,
    Picture,
    Slot,
    Table,
    blocks,
    expand,
    head_at,
    kek,
    line_at,
    log_record_at,
    open_order,
    open_page,
    picture_at,
    places,
    sealed_order,
    slot_at,
    table_at,
    two_keys,
    unseal,
)

CIPHERS = (AES_GCM, CHACHA20)
KINDS = ("operation-log", "spool", "device-register", "tags", "holds")
PARTS = ("metadata", "thumbnail", "image")
METADATA, JPEG = b"\x94", b"\xff\xd8\xff"
"""How the parts of a picture begin."""
PAGES_SEARCHED = 1 << 16
"""Bytes of a file of pages in which a page is looked for by its key alone."""
BLOCK = 512
"""Files begin at a multiple of this, whatever the file system."""


@dataclass
class Carved:
    """All that lies in an image, by the offset where it begins."""

    image: bytes
    slots: dict[int, Slot] = field(default_factory=dict)
    tables: dict[int, Table] = field(default_factory=dict)
    lines: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)
    segments: dict[int, Head] = field(default_factory=dict)
    pages: dict[int, Head] = field(default_factory=dict)
    pictures: dict[int, Picture] = field(default_factory=dict)
    log_records: dict[int, LogRecord] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for found, magic, read in (
            (self.slots, SLOT, slot_at),
            (self.tables, TABLE, table_at),
            (self.lines, LINE, line_at),
            (self.segments, SEGMENT, lambda data, at: head_at(data, at, SEGMENT)),
            (self.pages, PAGES, lambda data, at: head_at(data, at, PAGES)),
            (self.pictures, PICTURE, picture_at),
            (self.log_records, LOG_RECORD, log_record_at),
        ):
            for at in places(self.image, magic):
                if (thing := read(self.image, at)) is not None:
                    found[at] = thing  # type: ignore[index]


@dataclass(frozen=True)
class Plain:
    """Something that opened."""

    what: str
    """`table`, `line`, `page`, `metadata`, `thumbnail`, `image`, `order`, or the kind of a log."""
    offset: int
    text: bytes


@dataclass
class Loot:
    """What was opened, and every key that is known by then."""

    plains: set[Plain] = field(default_factory=set)
    keys: dict[bytes, str] = field(default_factory=dict)
    """What each is."""

    def of(self, what: str) -> set[bytes]:
        return {plain.text for plain in self.plains if plain.what == what}


class Attack:
    """One image, and the keys that are known."""

    def __init__(self, carved: Carved) -> None:
        self._carved = carved
        self._todo: list[tuple[bytes, str]] = []
        # A partly erased segment lends its id to pages that are bound to it.
        self._segments = {head.id for head in carved.segments.values()}
        self._generations = {table.generation for table in carved.tables.values()}
        self._pages_read: set[tuple[Any, ...]] = set()
        self._orders: set[tuple[int, bytes]] = set()
        """Where an intent stands, and the text that is sealed in it."""
        self.loot = Loot()

    def run(self, candidates: Iterable[bytes] = (), secrets: Iterable[Slot] = ()) -> Loot:
        """`candidates`: keys of 32 bytes from elsewhere, of any kind, or the 64 that picture keys are made with.

        `secrets`: slots that are not in the image.
        """
        self._pages_in_the_clear()
        for slot in [*self._carved.slots.values(), *secrets]:
            self._learn(kek(slot.generation, slot.secret), f"KEK of generation {slot.generation}")
        for candidate in candidates:
            if len(candidate) == 64:
                self._made_with(candidate[:32], candidate[32:])
                continue
            self._learn(candidate, "given")
            for generation in self._generations:
                self._learn(kek(generation, candidate), f"KEK of generation {generation}")
            self._learn(expand(candidate, b"order-journal"), "journal key")
        while self._todo:
            self._try(*self._todo.pop())
        return self.loot

    def _learn(self, key: bytes, what: str) -> None:
        if len(key) == 32 and key not in self.loot.keys:
            self.loot.keys[key] = what
            self._todo.append((key, what))

    def _found(self, what: str, offset: int, text: bytes) -> None:
        self.loot.plains.add(Plain(what, offset, text))

    def _try(self, key: bytes, what: str) -> None:
        if what != "picture key":
            for table_key in (key, expand(key, b"key-table")):
                self._tables(table_key)
            # A log of a kind that only a table names is bound to that name.
            self._logs(key, {*KINDS, what})
            self._texts([key], self._orders)
        if what == "given":
            self._page_anywhere(key)
        self._pictures(key)

    def _tables(self, key: bytes) -> None:
        for at, table in self._carved.tables.items():
            base = unseal(table.cipher, key, table.head, table.base)
            if base is not None:
                self._found("table", at, base)
                opened = Opened()
                opened.read_base(base)
                self._enter(opened)
        for at, (head, sealed) in self._carved.lines.items():
            # A line that outlived its table belongs to a generation that no table has any more.
            for generation in {
                *self._generations,
                *(g + d for g in self._generations for d in (-2, -1, 1) if g + d > 0),
            }:
                for cipher in CIPHERS:
                    line = unseal(cipher, key, struct.pack(">Q", generation) + head, sealed)
                    if line is not None:
                        self._found("line", at, line)
                        opened = Opened()
                        opened.read_line(line)
                        self._enter(opened)

    def _enter(self, opened: Opened) -> None:
        for entry in opened.entries.values():
            if entry.kind == "snapshots":
                self._segments.add(entry.id)
                page = entry.info[4]
                if page and (entry.key, *page) not in self._pages_read:
                    self._pages_read.add((entry.key, *page))
                    self._page(entry.key, entry.id, *page[:3])
            self._learn(entry.key, entry.kind)

    def _logs(self, key: bytes, kinds: set[str]) -> None:
        for at, record in self._carved.log_records.items():
            for kind, ciphers in (*((kind, CIPHERS) for kind in kinds), ("order-journal", (AES_GCM,))):
                for cipher in ciphers:
                    payload = record.open(cipher, key, kind)
                    if payload is not None:
                        self._found(kind, at, payload)
                        if kind == "order-journal" and (order := sealed_order(payload)):
                            self._orders.add((at, order[1]))
                            self._texts(self.loot.keys, {(at, order[1])})

    def _texts(self, keys: Iterable[bytes], orders: set[tuple[int, bytes]]) -> None:
        for key in keys:
            for at, sealed in orders:
                for cipher in CIPHERS:
                    if text := open_order(cipher, key, sealed):
                        self._found("order", at, text)

    def _page(self, key: bytes, segment: bytes, file: bytes, offset: int, length: int) -> None:
        image = self._carved.image
        heads = [at for at, head in self._carved.pages.items() if head.id == file]
        # Where the file is not in one piece, or its head is gone, its page still lies at that place in some block.
        for begins in [*(at + offset for at in heads), *range(offset % BLOCK, len(image) - length + 1, BLOCK)]:
            for cipher in CIPHERS:
                if self._opened_page(begins, open_page(cipher, key, file, segment, image[begins : begins + length])):
                    return

    def _page_anywhere(self, key: bytes) -> None:
        """By a key alone: a page begins with the id of a record, which the medium shows."""
        image = self._carved.image
        records = {picture.id for picture in self._carved.pictures.values()}
        for at, head in self._carved.pages.items():
            # Pages are 28 bytes and 48 for each picture long, so all begin at a multiple of 4.
            for begins in range(at + 28, min(at + PAGES_SEARCHED, len(image) - 76), 4):
                first = unchecked(head.cipher, key, image[begins : begins + 12], image[begins + 12 : begins + 28])
                if first in records:
                    self._page_of(key, head, begins, len(records))

    def _page_of(self, key: bytes, head: Head, begins: int, most: int) -> None:
        for segment in self._segments:
            for count in range(1, most + 1):
                sealed = self._carved.image[begins : begins + 28 + 48 * count]
                if self._opened_page(begins, open_page(head.cipher, key, head.id, segment, sealed)):
                    return

    def _opened_page(self, at: int, keys: dict[bytes, bytes] | None) -> bool:
        if keys is None:
            return False
        self._found("page", at, b"".join(keys.values()))
        for picture_key in keys.values():
            self._learn(picture_key, "picture key")
        return True

    def _pictures(self, key: bytes) -> None:
        for cipher in CIPHERS:
            # The nonces are fixed: a picture key has the same key stream for every picture.
            streams = [_stream(cipher, key, part) for part in (1, 2, 3)]
            for at, picture in self._carved.pictures.items():
                if _plausible(picture, streams):
                    self._picture(at, picture, cipher, key)
        self._made_with(*two_keys(key))

    def _made_with(self, first: bytes, second: bytes) -> None:
        """The keys to the two halves of picture keys."""
        ids = b"".join(picture.id for picture in self._carved.pictures.values())
        halves = blocks(first, ids), blocks(second, ids)
        for number, at in enumerate(self._carved.pictures):
            self._picture_key(at, b"".join(half[16 * number : 16 * number + 16] for half in halves))

    def _pages_in_the_clear(self) -> None:
        """In a page of n pictures, the halves of a key lie 16 and 32 times n bytes behind the id of its record."""
        image, most = self._carved.image, len({picture.id for picture in self._carved.pictures.values()})
        for at, picture in self._carved.pictures.items():
            for begins in places(image, picture.id):
                for count in range(1, most + 1):
                    first, second = begins + 16 * count, begins + 32 * count
                    self._picture_key(at, image[first : first + 16] + image[second : second + 16])

    def _picture_key(self, at: int, key: bytes) -> None:
        """Of the picture there, if it is."""
        picture = self._carved.pictures[at]
        for cipher in CIPHERS if len(key) == 32 else ():
            if _plausible(picture, [_stream(cipher, key, part) for part in (1, 2, 3)]):
                self._picture(at, picture, cipher, key)

    def _picture(self, at: int, picture: Picture, cipher: int, key: bytes) -> None:
        opened: dict[str, bytes] = {}
        for segment in self._segments:
            for part, what in enumerate(PARTS, 1):
                plain = picture.open(cipher, key, segment, part)
                if plain is not None:
                    opened[what] = plain
        if not opened:
            # The id of its segment may be gone, or all tags; two parts that begin as pictures do are no chance.
            _, *pictures = (unchecked(cipher, key, *nonce_and_text) for nonce_and_text in _sealed_parts(picture))
            if not all(text.startswith(JPEG) for text in pictures):
                return
        for what, (nonce, sealed) in zip(PARTS, _sealed_parts(picture), strict=True):
            # A part of it is overwritten, or lies elsewhere; what is left of it is no less readable.
            opened.setdefault(what, unchecked(cipher, key, nonce, sealed))
        for what, plain in opened.items():
            self._found(what, at, plain)
            self.loot.keys.setdefault(key, "picture key")


def _sealed_parts(picture: Picture) -> list[tuple[bytes, bytes]]:
    """Nonce and sealed bytes of each."""
    return [(bytes(11) + bytes([part]), sealed) for part, sealed in enumerate(picture.parts, 1)]


def unchecked(cipher: int, key: bytes, nonce: bytes, sealed: bytes) -> bytes:
    """What `sealed` says under `key`, whether or not it was ever sealed under it."""
    if cipher == AES_GCM:
        return Cipher(AES(key), CTR(nonce + struct.pack(">I", 2))).decryptor().update(sealed)
    return Cipher(ChaCha20(key, struct.pack("<I", 1) + nonce), None).decryptor().update(sealed)


def _stream(cipher: int, key: bytes, part: int) -> bytes:
    aead = (AESGCM if cipher == AES_GCM else ChaCha20Poly1305)(key)
    return aead.encrypt(bytes(11) + bytes([part]), bytes(len(JPEG)), None)


def _plausible(picture: Picture, streams: list[bytes]) -> bool:
    """Whether a part begins as it should: metadata with an array of four, the others as a JPEG does."""
    begins = [bytes(map(xor, part[:3], stream)) for part, stream in zip(picture.parts, streams, strict=True)]
    return begins[0][:1] == METADATA or JPEG in begins[1:]


def attack(image: bytes, candidates: Iterable[bytes] = (), secrets: Iterable[Slot] = ()) -> Loot:
    """Everything that `image` gives away, with `candidates` and `secrets` in the attacker's hands."""
    return Attack(Carved(image)).run(candidates, secrets)


def read_time(metadata: bytes) -> int:
    """The time of capture of a picture, in microseconds since 1970."""
    at: int = msgspec.msgpack.decode(metadata)[0]
    return at
