"""What befalls a process at one of its steps towards the disk: it dies there, or the medium refuses.

Every call of `os` that changes a file under one folder is a step, and every statement of SQLite that may write (its own
writes cannot be reached from here). A death can also take along what was never synced, as a power cut does.
"""

import errno
import os
import re
import signal
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

DEATHS = ("before", "during", "after", "lost")
"""`during`: a write is torn, half done. `lost`: before it, and what was not synced is gone."""
REFUSALS = ("EIO", "ENOSPC", "EROFS")
"""Once; with ` for good` behind it, this step and every one after it."""
SECTOR = 512
WRITES = ("write", "pwrite", "writev")
CALLS = (*WRITES, "open", "fsync", "fdatasync", "ftruncate", "truncate", "rename", "replace", "unlink", "mkdir")
_SQLITE = {"EIO": sqlite3.SQLITE_IOERR_WRITE, "ENOSPC": sqlite3.SQLITE_FULL, "EROFS": sqlite3.SQLITE_READONLY}
_READS = ("SELECT", "PRAGMA USER_VERSION")
_MAKES = os.O_CREAT | os.O_TRUNC


class Fate:
    """Counts the steps, and strikes at one of them. `step` counts from 1; 0: nothing befalls it.

    `deaf`: syncs of paths that match do nothing, as on a card that lies, or in a program that forgot them.
    `chip`: a device under `root`, which has what a write returned from.
    """

    def __init__(self, root: Path, step: int, befalls: str, *, deaf: str = "", chip: str | None = None) -> None:
        self.steps: list[tuple[str, str]] = []
        """What it is, and the path that it touches."""
        self._root = root
        self._strike = step
        self._befalls, _, self._for_good = befalls.partition(" ")
        self._chip = root / chip if chip else None
        self._deaf = re.compile(deaf) if deaf else None
        self._unsynced = _Unsynced() if befalls == "lost" else None

    def install(self) -> None:
        """From here on, in this process."""
        for name in CALLS:
            setattr(os, name, self._watched(name, getattr(os, name)))
        connect = sqlite3.connect
        sqlite3.connect = lambda *args, **more: connect(*args, factory=self._database(), **more)  # type: ignore[assignment]

    def _watched(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            path = _path(args[0])
            writes = name != "open" or args[1] & (os.O_WRONLY | os.O_RDWR | _MAKES)
            if not writes or not path.is_relative_to(self._root):
                return real(*args, **kwargs)

            def done() -> Any:
                if name in {"fsync", "fdatasync"} and self._deaf and self._deaf.search(str(path)):
                    return None
                if self._unsynced and path != self._chip:
                    self._unsynced.note(name, path, args)
                return real(*args, **kwargs)

            return self._step(_kind(name, path, args), path, done, lambda: _torn(name, real, path, args))

        return call

    def _step(self, kind: str, path: Path, whole: Callable[[], Any], half: Callable[[], Any]) -> Any:
        self.steps.append((kind, str(path.relative_to(self._root))))
        strikes = len(self.steps) == self._strike or (self._for_good and 0 < self._strike < len(self.steps))
        if not strikes:
            return whole()
        if self._befalls in REFUSALS:
            if kind == "sql":
                error = sqlite3.OperationalError(f"{self._befalls} it is")
                error.sqlite_errorcode = _SQLITE[self._befalls]
                error.sqlite_errorname = self._befalls
                raise error
            code = getattr(errno, self._befalls)
            raise OSError(code, os.strerror(code))
        if self._befalls == "during":
            half()
        if self._befalls == "after":
            with suppress(OSError):  # a folder that is there already
                whole()
        if self._unsynced:
            self._unsynced.lose()
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("outlived it")

    def _database(self) -> type[sqlite3.Connection]:
        fate = self

        class Watched(sqlite3.Connection):
            path = Path()

            def __init__(self, database: Any, *args: Any, **more: Any) -> None:
                super().__init__(database, *args, **more)
                self.path = Path(database)

            def execute(self, statement: str, *values: Any) -> Any:
                run = super().execute
                return self._step(statement, lambda: run(statement, *values))

            def executescript(self, statements: str) -> Any:
                run = super().executescript
                return self._step(statements, lambda: run(statements))

            def _step(self, statement: str, run: Callable[[], Any]) -> Any:
                if statement.upper().startswith(_READS):
                    return run()
                return fate._step("sql", self.path, run, lambda: None)

        return Watched


class _Unsynced:
    """What a power cut takes: the bytes of each file that were not synced, and names whose folder was not."""

    def __init__(self) -> None:
        self._bytes: dict[Path, bytes] = {}
        """What the medium has of a file."""
        self._names: dict[Path, bytes | None] = {}
        """What the medium has under a name that was made, taken over or unlinked; None: nothing."""

    def note(self, name: str, path: Path, args: Any) -> None:
        """A step is about to be taken."""
        if name in {*WRITES, "ftruncate", "truncate"}:
            self._bytes.setdefault(path, path.read_bytes())
        elif name == "open":
            if not path.exists():
                self._names.setdefault(path, None)
            elif args[1] & os.O_TRUNC:
                self._bytes.setdefault(path, path.read_bytes())
        elif name in {"fsync", "fdatasync"} and path.is_dir():
            self._names = {other: data for other, data in self._names.items() if other.parent != path}
        elif name in {"fsync", "fdatasync"}:
            self._bytes.pop(path, None)
        elif name in {"rename", "replace"}:
            target = _path(args[1])
            self._names.setdefault(target, self._durable(target))
            self._names.setdefault(path, self._durable(path))
            if path in self._bytes:
                self._bytes[target] = self._bytes.pop(path)
            else:
                self._bytes.pop(target, None)
        elif name == "unlink":
            self._names.setdefault(path, self._durable(path))
            self._bytes.pop(path, None)

    def lose(self) -> None:
        """The power is gone."""
        for path, data in (self._bytes | self._names).items():
            if data is None:
                path.unlink(missing_ok=True)
            elif path.parent.exists():
                path.write_bytes(data)

    def _durable(self, path: Path) -> bytes | None:
        if path in self._bytes:
            return self._bytes[path]
        return path.read_bytes() if path.exists() else None


def _path(where: Any) -> Path:
    return Path(f"/proc/self/fd/{where}").readlink() if isinstance(where, int) else Path(where)


def _kind(name: str, path: Path, args: Any) -> str:
    """An `open` that makes nothing changes nothing; but it can be refused."""
    if name == "open" and (args[1] & os.O_TRUNC or not path.exists()):
        return "create"
    return name


def _torn(name: str, real: Callable[..., Any], path: Path, args: Any) -> None:
    """Half of a write; where it overwrites something, the sector at which it stopped is spoilt."""
    if name not in WRITES:
        return
    data = b"".join(args[1]) if name == "writev" else bytes(args[1])
    middle = len(data) // 2
    begin = middle + (args[2] if name == "pwrite" else os.lseek(args[0], 0, os.SEEK_CUR))
    overwritten = path.read_bytes()[begin : begin + min(SECTOR, len(data) - middle)]
    torn = data[:middle] + b"\xff" * (len(overwritten) if any(overwritten) else 0)
    real(args[0], [torn] if name == "writev" else torn, *args[2:])
