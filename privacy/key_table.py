"""The bytes of a key table: a sealed base, and sealed lines that were added since. Nothing here touches a disk.

Format: `privacy/FORMAT.md`, "Key tables".
"""

import hashlib
import struct
import zlib
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from privacy.errors import SealBroken
from privacy.keystore.contract import Held
from privacy.seal import NONCE_BYTES, Cipher, RandomBytes, Seal, expand

_MAGIC: Final = b"PVKT"
_VERSION: Final = 1
_HEAD: Final = struct.Struct(">4sBBHQI")
_LINE_MAGIC: Final = b"PVKL"
_LINE: Final = struct.Struct(">4sII")
_CHECK: Final = struct.Struct(">I")
_SEALING_ADDS: Final = NONCE_BYTES + 16
HEAD_BYTES: Final = _HEAD.size + _CHECK.size
LINE_HEAD_BYTES: Final = _LINE.size + _CHECK.size


class KeyEntry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One key, for one file. `info` is its owner's own (MessagePack); it is sealed with the table."""

    id: bytes
    """16 random bytes; the file's name is this in hex."""
    kind: str
    key: bytes
    info: bytes = b""

    def __repr__(self) -> str:
        return f"KeyEntry({self.kind}/{self.id.hex()})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("kind", self.kind), ("id", self.id.hex())]


class KeyLine(msgspec.Struct, frozen=True, array_like=True, tag="key"):
    """A line that adds an entry."""

    entry: KeyEntry


class NoteLine(msgspec.Struct, frozen=True, array_like=True, tag="note"):
    """A line that notes a value; of two of a name the later counts."""

    name: str
    value: bytes

    def __repr__(self) -> str:
        return f"NoteLine({self.name})"


Line = KeyLine | NoteLine


class _Base(msgspec.Struct, frozen=True, array_like=True):
    entries: list[KeyEntry]
    notes: dict[str, bytes]


_encoder: Final = msgspec.msgpack.Encoder()
_bases: Final = msgspec.msgpack.Decoder(_Base)
_lines: Final = msgspec.msgpack.Decoder(Line)


@dataclass(slots=True, repr=False)
class KeyTable:
    """What a key table says, and how it lies in its file."""

    generation: int
    cipher: Cipher
    entries: dict[bytes, KeyEntry]
    """The living, by id, oldest first."""
    notes: dict[str, bytes]
    lines: int = 0
    """How many follow the base."""
    size: int = 0
    """Bytes, to the end of the last whole line: where the next one goes. What lies behind is a torn tail."""

    def apply(self, line: Line) -> None:
        """Take in what `line` says."""
        if isinstance(line, KeyLine):
            self.entries[line.entry.id] = line.entry
        else:
            self.notes[line.name] = line.value


class TableKey:
    """The key of one generation's tables: seals them, and opens them.

    Its nonces are random: it seals two tables' worth of bases and lines between two changes, which is far from 2^32.
    """

    def __init__(self, held: Held, random_bytes: RandomBytes) -> None:
        self.generation = held.generation
        # Of the generation too, so that a secret which came back from a broken source of randomness makes another key.
        kek = hashlib.sha256(b"portvakt/v1/kek" + held.generation.to_bytes(8) + held.secret).digest()
        self._key = expand(kek, b"key-table")
        self._random_bytes = random_bytes

    def close(self, table: KeyTable) -> bytes:
        """The whole file of `table`, all of it in the base."""
        base = _encoder.encode(_Base(list(table.entries.values()), table.notes))
        head = _checked(_HEAD.pack(_MAGIC, _VERSION, table.cipher, 0, self.generation, len(base) + _SEALING_ADDS))
        return head + self._seal(table.cipher).close(base, head)

    def close_line(self, table: KeyTable, line: Line) -> bytes:
        """`line` as the next one of `table`."""
        plain = _encoder.encode(line)
        head = _checked(_LINE.pack(_LINE_MAGIC, table.lines + 1, len(plain) + _SEALING_ADDS))
        return head + self._seal(table.cipher).close(plain, self._bound_to(head))

    def open(self, data: bytes) -> KeyTable | None:
        """What a file says that was sealed under this key; None if it is of another generation, foreign or damaged.

        Ends at the first line that is not whole.
        """
        head = data[:HEAD_BYTES]
        if not _checks(head, _HEAD):
            return None
        magic, version, cipher, zero, generation, length = _HEAD.unpack_from(head)
        if (magic, version, zero, generation) != (_MAGIC, _VERSION, 0, self.generation) or cipher not in set(Cipher):
            return None
        end = HEAD_BYTES + length
        seal = self._seal(Cipher(cipher))
        try:
            base = _bases.decode(seal.open(data[HEAD_BYTES:end], head))
        except (SealBroken, msgspec.DecodeError):
            return None
        entries = {entry.id: entry for entry in base.entries}
        table = KeyTable(generation, Cipher(cipher), entries, base.notes, size=end)
        while self._take_line(table, seal, data):
            pass
        return table

    def _take_line(self, table: KeyTable, seal: Seal, data: bytes) -> bool:
        sealed_at = table.size + LINE_HEAD_BYTES
        head = data[table.size : sealed_at]
        if not _checks(head, _LINE):
            return False
        magic, number, length = _LINE.unpack_from(head)
        if (magic, number) != (_LINE_MAGIC, table.lines + 1):
            return False
        try:
            plain = seal.open(data[sealed_at : sealed_at + length], self._bound_to(head))
            table.apply(_lines.decode(plain))
        except (SealBroken, msgspec.DecodeError):
            return False
        table.lines = number
        table.size = sealed_at + length
        return True

    def _bound_to(self, head: bytes) -> bytes:
        return self.generation.to_bytes(8) + head

    def _seal(self, cipher: Cipher) -> Seal:
        return Seal(self._key, self._random_bytes, cipher)


def generation_of(data: bytes) -> int | None:
    """The generation of the table whose file begins with `data`, whatever its key; None if it is no whole head."""
    head = data[:HEAD_BYTES]
    if not _checks(head, _HEAD) or not head.startswith(_MAGIC):
        return None
    generation: int = _HEAD.unpack_from(head)[4]
    return generation


def _checked(head: bytes) -> bytes:
    return head + _CHECK.pack(zlib.crc32(head))


def _checks(head: bytes, layout: struct.Struct) -> bool:
    return len(head) == layout.size + _CHECK.size and head == _checked(head[: layout.size])
