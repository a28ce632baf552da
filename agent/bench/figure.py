"""What a suite measures, and what comes out."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from agent.errors import AgentError

DIGITS = 4
"""Significant digits that are printed; no clock here is better than that."""


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One figure, as it is printed."""

    name: str
    """Fixed, so that figures can be followed from release to release."""
    ours: float
    reference: float
    reference_name: str
    ratio: float | None
    """How many times better than the reference ours is, whatever the unit; None where one of them is 0."""
    unit: str
    n: int
    """How many times ours was measured."""
    note: str


def figure(  # noqa: PLR0913 - the columns of the table, each by name
    name: str,
    ours: float,
    reference: float,
    *,
    reference_name: str,
    unit: str,
    n: int,
    note: str = "",
    more_is_better: bool = False,
) -> Figure:
    """One figure, with its ratio."""
    better, worse = (ours, reference) if more_is_better else (reference, ours)
    return Figure(
        name=name,
        ours=_rounded(ours),
        reference=_rounded(reference),
        reference_name=reference_name,
        ratio=_rounded(better / worse) if better > 0 and worse > 0 else None,
        unit=unit,
        n=n,
        note=note,
    )


@dataclass(frozen=True, slots=True)
class Measurement:
    """Something that is measured in one go, and gives one or several figures."""

    names: tuple[str, ...]
    """Of its figures."""
    run: Callable[[Path], Awaitable[Sequence[Figure]]]
    """Gets an empty folder. Ends every process that it started, also when it is cancelled.

    Raises:
        Unmeasurable: something that it needs is missing, or did not do what it should.
    """


class Unmeasurable(AgentError):
    """A figure could not be measured."""


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
