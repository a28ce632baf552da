"""Reads a state directory. Written from `privacy/FORMAT.md` alone: what it cannot read, the page does not say.

It imports nothing of the project, and must not: `test_format_reader.py` sees to that. By hand, in a checkout:

    .venv/bin/python -m tests.privacy.format_reader /var/lib/portvakt
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tests.privacy.format_records import (
    AES_GCM,
    ORDERS,
    PAGES,
    PICTURE,
    SEGMENT,
    Entry,
    Head,
    Opened,
    Slot,
    Table,
    expand,
    head_at,
    open_order,
    open_page,
    opened_log,
    picture_at,
    places,
    read_metadata,
    sealed_order,
    slot_at,
    table_at,
    unseal,
)

SLOT_STRIDES = (128 << 10, 128)
"""From slot 0 to slot 1: in a file, and in NVRAM."""
FOLDERS = {"device-register": "devices", "person-register": "people", "web-sessions": "sessions"}
"""Where the logs of a kind lie, if not under its own name."""


class State:
    """One state directory. Whatever opens is told, and nothing is changed.

    `slots` is where they are, if not in the directory. A start takes the highest generation whose slot and table open;
    with `every` all are taken that do, as somebody would who wants to read what is gone.
    """

    def __init__(self, path: Path, *, slots: Path | None = None, every: bool = False) -> None:
        self.path = path
        self._root = (path / "root.key").read_bytes()
        self.cipher = AES_GCM
        self.generations: list[int] = []
        self.entries: list[Entry] = []
        self.notes: dict[str, bytes] = {}
        for slot, table, opened in self._openable(_read(slots or path / "keys" / "slots")):
            if every or not self.generations or self.generations[-1] == slot.generation:
                self.generations.append(slot.generation)
                known = {(entry.id, entry.key) for entry in self.entries}
                self.entries += [e for e in opened.entries.values() if (e.id, e.key) not in known]
                self.notes = opened.notes | self.notes
                self.cipher = table.cipher

    def _openable(self, slots: bytes) -> list[tuple[Slot, Table, Opened]]:
        """What counts first comes first."""
        begins = {number * stride for stride in SLOT_STRIDES for number in range(2)}
        found = {slot for at in begins if (slot := slot_at(slots, at))}
        tables = [table_at(_read(self.path / "keys" / f"table.{name}"), 0) for name in "ab"]
        opened = [
            (slot, table, said)
            for slot in found
            for table in tables
            if table and table.generation == slot.generation and (said := table.open(slot.table_key))
        ]
        return sorted(opened, key=lambda each: (each[0].generation, len(each[1].lines)), reverse=True)

    def open(self, purpose: str, bound_to: bytes, sealed: bytes) -> bytes | None:
        """By the root key. None where it does not open."""
        return unseal(AES_GCM, expand(self._root, purpose.encode()), bound_to, sealed)

    def root_check(self) -> bool:
        return self.open("root-check", b"root-check", (self.path / "root.key.check").read_bytes()) == b""

    def signing_key(self, name: str) -> dict[str, Any] | None:
        """`receipt` or `local-issuer`: the private JWK."""
        plain = self.open(f"{name}-key", f"{name}.jwk".encode(), (self.path / f"{name}.jwk").read_bytes())
        return None if plain is None else json.loads(plain)

    def journal(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._journal()]

    def _journal(self) -> list[bytes]:
        key = expand(self._root, b"order-journal")
        return list(opened_log(_read(self.path / "journal"), AES_GCM, key, "order-journal"))

    def orders(self) -> list[str]:
        """The texts of the orders that can be read still: compact JWS."""
        keys = {entry.id: entry.key for entry in self.entries if entry.kind == ORDERS}
        sealed = [found for line in self._journal() if (found := sealed_order(line))]
        opened = [open_order(self.cipher, keys[id_], text) for id_, text in sealed if id_ in keys]
        return [text.decode() for text in opened if text]

    def log(self, kind: str) -> list[bytes]:
        """The payloads of all sealed logs of a kind: files by name, records in order."""
        logs = sorted((entry for entry in self.entries if entry.kind == kind), key=lambda entry: entry.info[0])
        folder = self.path / FOLDERS.get(kind, kind)
        return [
            payload
            for entry in logs
            for payload in opened_log(_read(folder / f"{entry.id.hex()}.log"), self.cipher, entry.key, kind)
        ]  # fmt: skip

    def devices(self) -> list[dict[str, Any]]:
        return [json.loads(payload) for payload in self.log("device-register")]

    def operation_log(self) -> list[dict[str, Any]]:
        return [msgspec.msgpack.decode(payload) for payload in self.log("operation-log")]

    def spool(self) -> list[tuple[list[Any], str]]:
        return [msgspec.msgpack.decode(payload) for payload in self.log("spool")]

    def spool_state(self) -> dict[str, Any] | None:
        sealed = _read(self.path / "spool" / "state")
        plain = self.open("spool-state", b"spool", sealed) if sealed else None
        return None if plain is None else json.loads(plain)

    def snapshots(self) -> list[tuple[dict[str, Any], bytes, bytes]]:
        """Metadata, thumbnail and image of each whole picture."""
        segments = [entry for entry in self.entries if entry.kind == "snapshots"]
        return [picture for entry in segments for picture in self._segment(entry)]

    def _segment(self, entry: Entry) -> Iterator[tuple[dict[str, Any], bytes, bytes]]:
        data = _read(self.path / "vault" / "segments" / entry.id.hex())
        head = head_at(data, 0, SEGMENT) or Head(self.cipher, entry.id)
        camera, _, _, _, page, *_ = entry.info
        keys = self._page(entry, page) if page else None
        for at in places(data, PICTURE):
            picture = picture_at(data, at)
            key = picture and (picture.key(entry.key) if keys is None else keys.get(picture.id))
            if picture and key and (opened := picture.open_all(head.cipher, key, head.id)):
                metadata, thumbnail, image = opened
                yield {"camera": camera, **read_metadata(metadata)}, thumbnail, image

    def _page(self, entry: Entry, page: list[Any]) -> dict[bytes, bytes]:
        file, offset, length, _ = page
        data = _read(self.path / "vault" / "pages" / file.hex())
        head = head_at(data, 0, PAGES) or Head(self.cipher, file)
        return open_page(head.cipher, entry.key, head.id, entry.id, data[offset : offset + length]) or {}


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


if __name__ == "__main__":
    state = State(Path(sys.argv[1]))
    print("root check:", state.root_check(), "generations:", state.generations)  # noqa: T201 - a program
    for name in ("journal", "devices", "operation_log", "spool", "spool_state"):
        print(f"{name}:", getattr(state, name)())  # noqa: T201
    print("snapshots:", [metadata for metadata, _, _ in state.snapshots()])  # noqa: T201
