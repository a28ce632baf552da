"""A medium that fails on request: a directory and two root slots, with a cache between them and whoever writes.

What the tests of the key ring run against. A file system that keeps what it was given hides every missing sync; here
what was not synced is lost, kept or torn when the power goes, and a sync that failed leaves a cache that lies.
"""

import errno
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from privacy.errors import StoreBroken
from privacy.keystore.contract import Held
from privacy.records import Tier

CUTS = ("before", "during")
"""When the power goes: before a step, or with half of it done."""
FAULTS = ("EIO", "ENOSPC", "EIO late", "EIO for good", "ENOSPC for good")
"""How a step is refused. `late`: half of it is done, and what the cache shows is not on the medium."""
OUTCOMES = ("kept", "lost", "head", "tail", "killed")
"""What becomes of the cache. `head`, `tail`: that half of each file got out. `killed`: the process ended, no more."""


class PowerCut(BaseException):
    """Nobody catches it."""


class Medium:
    """Counts the steps towards the disk, and strikes at one. Counts from 1; 0: nothing befalls it."""

    def __init__(self, root: Path) -> None:
        self.keys = root / "keys"
        self.slots = Slots(self)
        self.steps: list[str] = []
        self.struck = False
        self.history: set[bytes] = set()
        """All that was ever in a file, as stale cells of a card may keep it."""
        self.drawn: list[bytes] = []
        self._random = random.Random(7)
        self._strike = 0
        self._befalls = ""
        self._durable: dict[Path, bytes] = {}
        self._renamed: dict[Path, bytes] = {}
        """Durable bytes, under a name that is not yet."""
        self._dirty: set[Path] = set()
        self._opened: dict[int, Path] = {}

    def random_bytes(self, count: int) -> bytes:
        self.drawn.append(self._random.randbytes(count))
        return self.drawn[-1]

    def arm(self, strike: int, befalls: str) -> None:
        self.steps, self.struck = [], False
        self._strike, self._befalls = strike, befalls

    def mend(self) -> None:
        self._strike = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """In this block, whatever goes to the disk goes through here."""
        watched = ("open", "write", "fsync", "fdatasync", "ftruncate", "replace", "mkdir", "posix_fadvise")
        real = {name: getattr(os, name) for name in watched}
        with patch.multiple(os, **{name: self._watched(name, real[name]) for name in watched}):
            yield

    def power_returns(self, outcome: str) -> None:
        """The cache is gone, but what the medium got of it."""
        if outcome != "killed":
            for path in [*self.keys.iterdir()] if self.keys.exists() else []:
                left = self._after(path, outcome)
                if left is None:
                    path.unlink()
                else:
                    _put(path, left)
            self._durable = {path: path.read_bytes() for path in self.keys.glob("*")}
            self._renamed, self._dirty = {}, set()
            self.slots.power_returns(outcome)
        self.mend()

    def step(self, name: str, whole: Callable[[], Any], half: Callable[[], Any]) -> Any:
        """Take the step `whole`, unless it is the one that something befalls."""
        self.steps.append(name)
        if not self._strike or not (
            len(self.steps) == self._strike or (len(self.steps) > self._strike and self._befalls.endswith("for good"))
        ):
            return whole()
        self.struck = True
        if self._befalls in {"during", "EIO late"}:
            half()
        if self._befalls in CUTS:
            raise PowerCut(f"step {self._strike}: {name}")
        code = getattr(errno, self._befalls.split()[0])
        raise OSError(code, os.strerror(code))

    def _watched(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **kwargs: getattr(self, f"_{name}")(real, *args, **kwargs)

    def _open(self, real: Callable[..., int], path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        where = Path(path)
        if self.keys not in {where.parent, where}:
            handle = real(path, flags, *args, **kwargs)
            self._opened.pop(handle, None)  # an old one of the same number
            return handle

        def whole() -> int:
            handle = real(path, flags, *args, **kwargs)
            self._opened[handle] = where
            if flags & os.O_TRUNC:
                self._dirty.add(where)
            return handle

        return self.step("open", whole, lambda: None)

    def _write(self, real: Callable[..., int], handle: int, data: Any) -> int:
        path = self._opened[handle]
        self._dirty.add(path)
        data = bytes(data)

        def whole() -> int:
            # One byte short now and then, as the system is free to be.
            written = real(handle, data[: max(1, len(data) - len(self.steps) % 2)])
            self.history.add(path.read_bytes())
            return written

        return self.step("write", whole, lambda: real(handle, data[: len(data) // 2]))

    def _ftruncate(self, real: Callable[..., None], handle: int, size: int) -> None:
        self._dirty.add(self._opened[handle])
        self.step("ftruncate", lambda: real(handle, size), lambda: None)

    def _fsync(self, _real: Callable[..., None], handle: int) -> None:
        path = self._opened.get(handle)

        def whole() -> None:
            if path == self.keys:
                self._durable.update(self._renamed)
                self._renamed = {}
            elif path in self._dirty:
                self._durable[path] = path.read_bytes()
                self._dirty.discard(path)

        def fails() -> None:
            if path in self._dirty and self._befalls not in CUTS:
                # The kernel marks the pages clean, and some of them are not on the medium.
                self._durable[path] = self._after(path, "head") or b""
                self._dirty.discard(path)

        self.step("fsync", whole, fails)

    _fdatasync = _fsync

    def _posix_fadvise(self, _real: Callable[..., None], handle: int, *_: int) -> None:
        path = self._opened[handle]
        if path not in self._dirty:
            _put(path, self._medium(path) or b"")

    def _replace(self, real: Callable[..., None], source: Any, target: Any, **kwargs: Any) -> None:
        old, new = Path(source), Path(target)

        def whole() -> None:
            real(source, target, **kwargs)
            self._renamed[new] = self._durable.pop(old, b"")
            if old in self._dirty:
                self._dirty.add(new)
            self._dirty.discard(old)

        self.step("replace", whole, lambda: None)

    def _mkdir(self, real: Callable[..., None], path: Any, *args: Any, **kwargs: Any) -> None:
        self.step("mkdir", lambda: real(path, *args, **kwargs), lambda: None)

    def _medium(self, path: Path, *, named: bool = True) -> bytes | None:
        """What the medium itself holds; `named`: if a new name counts that was not synced."""
        return self._renamed[path] if named and path in self._renamed else self._durable.get(path)

    def _after(self, path: Path, outcome: str) -> bytes | None:
        """What is left of a file when the cache is gone; None: not even its name."""
        old = self._medium(path, named=outcome != "lost")
        if path not in self._dirty or outcome == "lost":
            return old
        new, old = path.read_bytes(), old or b""
        middle = len(new) // 2
        return {
            "kept": new,
            "head": new[:middle] + old[middle:],
            "tail": old[:middle].ljust(middle, b"\0") + new[middle:],
        }[outcome]


class Slots:
    """A KeyStore in memory, with a cache of its own."""

    tier = Tier.HARDWARE_SLOT
    secret_bytes = 32
    where = "two slots in memory"

    def __init__(self, medium: Medium) -> None:
        self._medium = medium
        self.visible: dict[int, Held | None] = {0: None, 1: None}
        self.durable: dict[int, Held | None] = {0: None, 1: None}
        self._written: set[int] = set()

    def read(self, slot: int) -> Held | None:
        return self.visible[slot]

    def write(self, slot: int, held: Held) -> None:
        self._set(slot, held, "slot write")

    def destroy(self, slot: int) -> None:
        self._set(slot, None, "slot destroy")

    def secrets(self) -> Iterator[Held]:
        """Every secret that somebody with the medium could read, now or after a power cut."""
        return (held for held in [*self.visible.values(), *self.durable.values()] if held)

    def power_returns(self, outcome: str) -> None:
        for slot in self._written:
            if outcome == "kept":
                self.durable[slot] = self.visible[slot]
            elif outcome in {"head", "tail"}:
                self.durable[slot] = None
        self.visible = dict(self.durable)
        self._written = set()

    def _set(self, slot: int, held: Held | None, name: str) -> None:
        def half() -> None:
            self.visible[slot] = held
            self._written.add(slot)

        def whole() -> None:
            half()
            self.durable[slot] = held
            self._written.discard(slot)

        try:
            self._medium.step(name, whole, half)
        except OSError as error:
            raise StoreBroken(f"cannot write {self.where}: {error.strerror}") from error


def _put(path: Path, data: bytes) -> None:
    """Make `data` all of the file. Not by truncating it first, for which a real file system goes to its medium."""
    if path.read_bytes() != data:
        with path.open("r+b") as file:
            file.write(data)
            file.truncate()
