"""Reads a state directory. Written from `privacy/FORMAT.md` alone: what it cannot read, the page does not say.

It imports nothing of the project, and must not: `test_format.py` sees to that. By hand:

    python tests/privacy/format_reader.py /var/lib/portvakt
"""

import hmac
import json
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand


class State:
    """One state directory, by its root key. Whatever opens is told, and nothing is changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._root = (path / "root.key").read_bytes()

    def key(self, purpose: str) -> bytes:
        return HKDFExpand(SHA256(), 32, b"portvakt/v1/" + purpose.encode()).derive(self._root)

    def open(self, purpose: str, bound_to: bytes, sealed: bytes) -> bytes | None:
        """None where it does not open."""
        try:
            return AESGCM(self.key(purpose)).decrypt(sealed[:12], sealed[12:], bound_to)
        except (InvalidTag, ValueError):
            return None

    def root_check(self) -> bool:
        return self.open("root-check", b"root-check", (self.path / "root.key.check").read_bytes()) == b""

    def signing_key(self, name: str) -> dict[str, Any] | None:
        """`receipt` or `local-issuer`: the private JWK."""
        plain = self.open(f"{name}-key", f"{name}.jwk".encode(), (self.path / f"{name}.jwk").read_bytes())
        return None if plain is None else json.loads(plain)

    def log(self, path: Path, purpose: str) -> Iterator[tuple[int, bytes]]:
        """Sequence and payload of each record of a sealed log."""
        data = path.read_bytes()
        if data[:8] != b"PVLOG1\r\n" or struct.unpack(">I", data[16:20])[0] != zlib.crc32(data[:16]):
            raise ValueError(f"{path} is no sealed log")
        at = 20
        while (at := data.find(b"\xd7\x70\x76\x52", at)) >= 0:
            head = data[at : at + 16]
            if data[at + 16 : at + 20] == struct.pack(">I", zlib.crc32(head)) and len(head) == 16:
                _, sequence, length = struct.unpack(">4sQI", head)
                bound_to = purpose.encode() + struct.pack(">Q", sequence)
                payload = self.open(purpose, bound_to, data[at + 20 : at + 20 + length])
                if payload is not None:
                    yield sequence, payload
                    at += 20 + length
                    continue
            at += 1

    def journal(self) -> list[dict[str, Any]]:
        return [json.loads(payload) for _, payload in self.log(self.path / "journal", "order-journal")]

    def devices(self) -> list[dict[str, Any]]:
        return [json.loads(payload) for _, payload in self.log(self.path / "devices", "device-register")]

    def operation_log(self) -> list[dict[str, Any]]:
        return [msgspec.msgpack.decode(payload) for payload in self._folder("operation-log")]

    def operation_log_name(self, iso_date: str) -> str:
        return hmac.digest(self.key("operation-log-names"), iso_date.encode(), "sha256")[:16].hex() + ".log"

    def spool(self) -> list[tuple[list[Any], str]]:
        return [msgspec.msgpack.decode(payload) for payload in self._folder("spool")]

    def spool_state(self) -> dict[str, Any] | None:
        path = self.path / "spool" / "state"
        plain = self.open("spool-state", b"spool", path.read_bytes()) if path.exists() else None
        return None if plain is None else json.loads(plain)

    def snapshots(self) -> list[tuple[dict[str, Any], bytes, bytes]]:
        """Metadata, thumbnail and image of each whole picture."""
        read = [self._snapshot(path) for path in sorted((self.path / "snapshots").glob("??/" + "?" * 32))]
        return [picture for picture in read if picture]

    def _snapshot(self, path: Path) -> tuple[dict[str, Any], bytes, bytes] | None:
        data = path.read_bytes()
        magic, version, *lengths = struct.unpack(">4sB3I", data[:17])
        if (magic, version) != (b"PVSN", 1):
            return None
        opened, at = [], 17
        for part, length in zip(("metadata", "thumbnail", "image"), lengths, strict=True):
            bound_to = f"portvakt/v1/snapshot/{path.name}/{part}".encode()
            plain = self.open("snapshots", bound_to, data[at : at + length])
            if plain is None:
                return None
            opened.append(plain)
            at += length
        return json.loads(opened[0]), opened[1], opened[2]

    def _folder(self, name: str) -> Iterator[bytes]:
        for path in sorted((self.path / name).glob("*.log")):
            yield from (payload for _, payload in self.log(path, f"{name}/{path.stem}"))


if __name__ == "__main__":
    state = State(Path(sys.argv[1]))
    print("root check:", state.root_check())  # noqa: T201 - a program
    for name in ("journal", "devices", "operation_log", "spool", "spool_state"):
        print(f"{name}:", getattr(state, name)())  # noqa: T201
    print("snapshots:", [metadata for metadata, _, _ in state.snapshots()])  # noqa: T201
