"""Sets of pictures in one segment: the bits of an int. Position 0, the first living picture, is the lowest bit.

360 pictures are 45 bytes, and union, difference and count are one operation each.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import chain, compress
from typing import Final, TypeVar

T = TypeVar("T")
_DIGITS: Final = b"01"
_FLAGS: Final = bytes.maketrans(_DIGITS, b"\x00\x01")
_TO_DIGITS: Final = bytes.maketrans(b"\x00\x01", _DIGITS)


@lru_cache(maxsize=1024)
def every(count: int) -> int:
    """All of `count` pictures."""
    return (1 << count) - 1


def between(low: int, high: int) -> int:
    """Those from `low` up to `high`, which is not among them."""
    return every(high) & ~every(low)


def at(positions: Iterable[int]) -> int:
    """Exactly these."""
    bits = 0
    for position in positions:
        bits |= 1 << position
    return bits


def members(bits: int) -> Iterator[int]:
    """The positions, upwards."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


def where(rows: Sequence[T], true: Callable[[T], bool]) -> int:
    """The positions of those of `rows` of which that is `true`."""
    return int(b"0" + bytes(map(true, reversed(rows))).translate(_TO_DIGITS), 2)


def chosen(bits: int, rows: Sequence[T]) -> list[T]:
    """Those of `rows` whose positions are in `bits`, in order."""
    return list(compress(rows, f"{bits:0{len(rows)}b}".encode()[::-1].translate(_FLAGS)))


def edges(
    count: int, captured: Callable[[int], datetime | None], bound: datetime, near: int | None = None
) -> tuple[int, int]:
    """Where `bound` falls among `count` pictures in order of time, by as few looks as can be.

    `captured` gives the time of one, None where it is damaged. `near` is where `bound` would fall if all were equally
    far apart: two looks then, where a search by halves takes nine in an hour's pictures.

    Returns two positions: all before the first were captured before `bound`, all from the second on were not. In
    between are damaged ones, of which nobody can say.
    """
    low, high = 0, count
    likely = [] if near is None else [near - 1, near]
    while low < high:
        middle = min(max(likely.pop(), low), high - 1) if likely else (low + high) // 2
        for probe in chain(range(middle, high), range(middle - 1, low - 1, -1)):
            if (time := captured(probe)) is not None:
                break
        else:
            break
        if time < bound:
            low = probe + 1
        else:
            high = probe
    return low, high
