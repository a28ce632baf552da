"""A ZIP archive that is written as a stream: nothing of it is kept, but a line for each file."""

import hashlib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import IO, Final

from privacy.export_manifest import FileLine

FOLDED: Final = 6
"""How hard text is compressed."""
AS_IT_IS: Final = 0
"""For pictures, which are compressed already: deflated as one piece, so that a reader of a stream finds the end."""


class _Sink:
    """What `zipfile` writes to: bytes that wait to be taken."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def write(self, data: bytes) -> int:
        self._waiting += data
        return len(data)

    def flush(self) -> None:
        """Nothing waits elsewhere."""

    def close(self) -> None:
        """Nothing is open."""

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def take(self) -> bytes:
        data, self._waiting = bytes(self._waiting), bytearray()
        return data


class Entry:
    """A file of the archive that is being written."""

    def __init__(self, handle: IO[bytes]) -> None:
        self._handle = handle
        self._sha256 = hashlib.sha256()
        self._size = 0

    def write(self, data: bytes) -> None:
        self._handle.write(data)
        self._sha256.update(data)
        self._size += len(data)

    def line(self, path: str) -> FileLine:
        return FileLine(path=path, size=self._size, sha256=self._sha256.hexdigest())


class ZipStream:
    """Files go in, bytes come out. All are dated `made`."""

    def __init__(self, made: datetime) -> None:
        self._made = made.astimezone(UTC).timetuple()[:6]
        self._sink = _Sink()
        self._zip = zipfile.ZipFile(self._sink, "w", zipfile.ZIP_DEFLATED)
        self.files: list[FileLine] = []

    @property
    def waiting(self) -> int:
        """Bytes that can be taken."""
        return self._sink.waiting

    def take(self) -> bytes:
        """All that was written since the last time."""
        return self._sink.take()

    def put(self, path: str, data: bytes, level: int = FOLDED) -> None:
        """A whole file."""
        with self.entry(path, level) as entry:
            entry.write(data)

    @contextmanager
    def entry(self, path: str, level: int = FOLDED) -> Iterator[Entry]:
        """A file, piece by piece; no other can be begun meanwhile."""
        info = zipfile.ZipInfo(path, self._made)
        info.compress_type = zipfile.ZIP_DEFLATED
        info._compresslevel = level  # type: ignore[attr-defined]  # noqa: SLF001 - it has no public name before Python 3.13
        info.external_attr = 0o600 << 16
        with self._zip.open(info, "w") as handle:
            entry = Entry(handle)
            yield entry
        self.files.append(entry.line(path))

    def close(self) -> None:
        """Write the directory, which is the end of it."""
        self._zip.close()
