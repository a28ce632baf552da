"""The search behind `portvakt scan-image`: which canaries lie on a raw medium, and where.

The medium is read as it is, byte by byte: no partition, file system or file is understood, so that what was deleted
is searched as well. Nothing that was compressed or encrypted is found.

An Aho-Corasick automaton looks for all forms of all canaries in one pass; over a few hundred forms that is some thirty
times faster than a `bytes.find` for each. It lets go of the interpreter, so threads search side by side.
"""

import errno
import os
import stat
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ahocorasick_rs import BytesAhoCorasick, Implementation

from agent.canaries import Canary
from agent.errors import Refused

CHUNK: Final = 1 << 20
"""Bytes searched at once. Memory is this for each thread, twice, and what the automaton takes."""
KEPT: Final = 100
"""Places kept for each canary; all are counted."""
_SMALL: Final = 2000
"""Forms up to which the quickest automaton fits into some tens of megabytes."""

Hit = tuple[int, int]
"""Number of a form, and the offset where it begins."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a form of a canary begins, in bytes from the start of the image, and which form it is."""

    offset: int
    encoding: str


@dataclass(slots=True)
class Finding:
    """What the image holds of one canary."""

    canary: Canary
    count: int = 0
    places: list[Place] = field(default_factory=list)
    """The first `KEPT`, in the order of their offsets."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What was searched, and what was found in it: one finding a canary, in the order of the file."""

    bytes: int
    findings: tuple[Finding, ...]

    @property
    def found(self) -> bool:
        return any(finding.count for finding in self.findings)


def scan(image: Path, canaries: Sequence[Canary], *, progress: Callable[[int, int], object] = lambda *_: None) -> Scan:
    """Search all of `image`, a file or a block device; `progress` is told the bytes searched, and of how many.

    Raises:
        Refused: `invalid`; the image is neither file nor block device, is empty, or cannot be read to its end.
        OSError: it cannot be opened.
    """
    fd = os.open(image, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _scan(fd, image, canaries, progress)
    finally:
        os.close(fd)


def _scan(fd: int, image: Path, canaries: Sequence[Canary], progress: Callable[[int, int], object]) -> Scan:
    mode = os.fstat(fd).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISBLK(mode)):
        raise Refused("invalid", f"{image} is neither a file nor a block device")
    size = os.lseek(fd, 0, os.SEEK_END)  # the status of a block device does not tell its size
    if not size:
        raise Refused("invalid", f"{image} is empty")
    forms = [(number, form) for number, canary in enumerate(canaries) for form in canary.forms]
    automaton = BytesAhoCorasick(
        [form.pattern for _, form in forms],
        implementation=Implementation.DFA if len(forms) <= _SMALL else Implementation.ContiguousNFA,
    )
    # A form that begins in one chunk may end in the next.
    overlap = max(len(form.pattern) for _, form in forms) - 1

    blank = bytes(CHUNK + overlap)

    def search(start: int) -> list[Hit]:
        """The forms that begin in the chunk at `start`."""
        length = min(CHUNK + overlap, size - start)
        if _is_hole(fd, start, length):
            return []
        data = _read(fd, image, start, length)
        if data == blank[: len(data)]:
            return []  # no form is blank, and most of a medium is
        hits = automaton.find_matches_as_indexes(data, overlapping=True)
        return [(number, start + at) for number, at, _ in hits if at < CHUNK]

    findings = tuple(Finding(canary) for canary in canaries)
    for start, hits in _in_order(search, range(0, size, CHUNK)):
        for number, at in sorted(hits, key=lambda hit: hit[1]):
            owner, form = forms[number]
            finding = findings[owner]
            finding.count += 1
            if len(finding.places) < KEPT:
                finding.places.append(Place(at, form.encoding))
        progress(min(start + CHUNK, size), size)
    return Scan(size, findings)


def _is_hole(fd: int, start: int, length: int) -> bool:
    """Whether a sparse file has nothing there; reading a hole costs more than searching data."""
    try:
        return os.lseek(fd, start, os.SEEK_DATA) >= start + length
    except OSError as error:
        return error.errno == errno.ENXIO  # no data up to the end; else it cannot be told


def _read(fd: int, image: Path, start: int, length: int) -> bytes:
    try:
        data = os.pread(fd, length, start)
    except OSError as error:
        hint = "copy it with ddrescue, and search the copy"
        raise Refused("invalid", f"{image} cannot be read near byte {start}: {error.strerror}", hint=hint) from error
    if len(data) != length:
        raise Refused("invalid", f"{image} became shorter while it was read")
    return data


def _in_order(search: Callable[[int], list[Hit]], starts: Sequence[int]) -> Iterator[tuple[int, list[Hit]]]:
    """Each start and what its search returned, in order; a few searches run ahead."""
    threads = os.cpu_count() or 1
    ahead: deque[tuple[int, Future[list[Hit]]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for start in starts:
            ahead.append((start, pool.submit(search, start)))
            if len(ahead) > 2 * threads:
                first, future = ahead.popleft()
                yield first, future.result()
        for first, future in ahead:
            yield first, future.result()
