"""Runs `house.py`, listens to what it says, and keeps the book of all keys."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.forensics.image import Medium
from tests.privacy.format_records import blocks, expand, kek, two_keys

ROOT = Path(__file__).parents[2]
WAITS = {"step", "planted", "done", "recovered"}
"""When it says so, it waits for an answer."""


@dataclass
class KeyBook:
    """Every key that was ever drawn, and those that live."""

    drawn: set[bytes] = field(default_factory=set)
    living: set[bytes] = field(default_factory=set)
    """In the key table."""
    root: bytes = b""
    pictures: dict[str, bytes] = field(default_factory=dict)
    """Record ids, by the names of the pictures."""

    def copy(self) -> "KeyBook":
        return KeyBook(set(self.drawn), set(self.living), self.root, dict(self.pictures))

    @property
    def dead(self) -> set[bytes]:
        """What should be nowhere; slots' secrets among it, of which one lives."""
        return self.drawn - self.living - {self.root}

    def derived(self, generations: int) -> set[bytes]:
        """What the dead lead to: KEKs, table keys, both halves of picture keys, and what those are made with."""
        keks = {kek(generation, key) for key in self.dead for generation in range(1, generations + 1)}
        twos = {two for key in self.dead if len(key) == 32 for two in two_keys(key)}
        # In a page the halves lie apart.
        halves = {blocks(two, record) for two in twos for record in self.pictures.values()}
        return keks | {expand(key, b"key-table") for key in keks} | twos | halves


@dataclass
class Told:
    """What a house has said so far."""

    keys: KeyBook
    receipts: list[str] = field(default_factory=list)
    public: dict[str, Any] = field(default_factory=dict)
    shown: list[bytes] = field(default_factory=list)


class Neighbour:
    """The program, with one house at a time in it."""

    def __init__(self) -> None:
        self._program = subprocess.Popen(
            [sys.executable, "-m", "tests.forensics.house"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )

    def close(self) -> None:
        self._program.communicate(timeout=30)

    def run(self, told: Told, do: str, medium: Medium, **more: Any) -> Iterator[list[Any]]:
        """Yield each `step`, `admitted`, `planted`, `done`, `recovered`; the house waits until the next is asked for.

        Raises:
            AssertionError: the house ended with an error; it is on stderr.
        """
        self._send({"do": do, "namespace": str(medium.namespace), "state": str(medium.point / "state"), **more})
        heard = self._words()
        try:
            for words in heard:
                about, *what = words
                match about:
                    case "drawn":
                        told.keys.drawn.add(bytes.fromhex(what[0]))
                    case "living":
                        told.keys.living = {bytes.fromhex(key) for key in what[0]}
                        told.keys.root = bytes.fromhex(what[1])
                    case "picture":
                        told.keys.pictures[what[0]] = bytes.fromhex(what[1])[16:]
                    case "receipts":
                        told.receipts, told.public = what
                    case "shown":
                        told.shown.append(bytes.fromhex(what[0]))
                    case "ended":
                        assert what == [0], f"the house ended with {what[0]}"
                    case _:
                        yield words
        finally:
            for _ in heard:
                """Nobody listens any more: it goes on to its end, and lets go of the medium."""

    def _words(self) -> Iterator[list[Any]]:
        assert self._program.stdout
        while True:
            words: list[Any] = json.loads(self._program.stdout.readline())
            try:
                yield words
            finally:
                if words[0] in WAITS:
                    self._answer()
            if words[0] == "ended":
                return

    def _send(self, request: dict[str, Any]) -> None:
        assert self._program.stdin
        self._program.stdin.write(json.dumps(request).encode() + b"\n")
        self._program.stdin.flush()

    def _answer(self) -> None:
        assert self._program.stdin
        self._program.stdin.write(b"\n")
        self._program.stdin.flush()


@contextmanager
def neighbour() -> Iterator[Neighbour]:
    made = Neighbour()
    try:
        yield made
    finally:
        made.close()
