"""The medium under a measurement: syncs as slow as a card's, or none at all where a vault is only being built."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, sleep

CARD_SYNC_SECONDS = 0.002
"""What a sync costs on a good SD card; a disk in a data centre takes less, and one hour is not like another."""


@contextmanager
def syncs_of_at_least(seconds: float) -> Iterator[list[float]]:
    """Every fsync and fdatasync of this process is carried out, and lasts `seconds` at the least.

    Yields what each of them took by itself, in seconds.
    """
    took: list[float] = []
    fsync, fdatasync = os.fsync, os.fdatasync

    def after(began: float) -> None:
        took.append(perf_counter() - began)
        if (rest := seconds - took[-1]) > 0:
            sleep(rest)

    def slow_fsync(handle: int) -> None:
        began = perf_counter()
        fsync(handle)
        after(began)

    def slow_fdatasync(handle: int) -> None:
        began = perf_counter()
        fdatasync(handle)
        after(began)

    os.fsync, os.fdatasync = slow_fsync, slow_fdatasync  # type: ignore[assignment]
    try:
        yield took
    finally:
        os.fsync, os.fdatasync = fsync, fdatasync


@contextmanager
def no_syncs() -> Iterator[None]:
    """No sync is carried out: for a vault whose power will not be cut while it is built."""
    fsync, fdatasync = os.fsync, os.fdatasync
    os.fsync = os.fdatasync = lambda _handle: None  # type: ignore[assignment]
    try:
        yield
    finally:
        os.fsync, os.fdatasync = fsync, fdatasync


class Hollow:
    """Has images lie there as holes that take no room, as long as `on`; metadata and thumbnails are written.

    A reader of headers finds them as far apart as in a vault that is full.
    """

    def __init__(self) -> None:
        self.on = True

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Around whatever appends records by `os.writev`."""
        writev = os.writev

        def hollow(handle: int, parts: list[bytes]) -> int:
            if not self.on:
                return writev(handle, parts)
            *written, image = parts
            length = writev(handle, written)
            os.ftruncate(handle, os.fstat(handle).st_size + len(image))
            return length + len(image)

        os.writev = hollow  # type: ignore[assignment]
        try:
            yield
        finally:
            os.writev = writev


def forget_cached(paths: Iterable[Path]) -> None:
    """Have the kernel drop what it has in memory of these files: their next reader waits for the medium."""
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(handle)
