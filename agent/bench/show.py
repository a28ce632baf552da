"""The figures, for programs and for people."""

import math
import sys
from collections.abc import Mapping, Sequence

import msgspec
from rich import box
from rich.bar import Bar
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from agent.bench.figure import Figure

BAR_CELLS = 40
LEAST_DECADES = 1.0
"""The plot reaches from 1/10 to 10 times, or as far as the figures do."""


def as_json_report(machine: Mapping[str, object], figures: Sequence[Figure]) -> None:
    """`{"machine": …, "results": [Figure…]}` on standard output."""
    report = msgspec.json.encode({"machine": machine, "results": figures})
    sys.stdout.write(msgspec.json.format(report, indent=2).decode() + "\n")


def as_table(machine: Mapping[str, object], figures: Sequence[Figure]) -> None:
    """A table, a plot of the ratios, and what is to be said of each figure."""
    console = Console()
    console.print(_table(figures))
    console.print(_plot(figures))
    for (reference, note), names in _explained(figures).items():
        console.print(Text(f"{', '.join(names)}: the reference is {reference}. {note}".rstrip(), style="dim"))
    console.print(Text("; ".join(f"{name} {value}" for name, value in machine.items()), style="dim"))


def _table(figures: Sequence[Figure]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("figure")
    for head in ("ours", "reference", "ratio", "n"):
        table.add_column(head, justify="right", no_wrap=True)
    for one in figures:
        ratio = "-" if one.ratio is None else f"{one.ratio:g}"
        table.add_row(one.name, f"{one.ours:g} {one.unit}", f"{one.reference:g} {one.unit}", ratio, str(one.n))
    return table


def _plot(figures: Sequence[Figure]) -> Table:
    """A bar for each ratio, on a logarithmic scale: to the left is worse than the reference, to the right better."""
    decades = max([LEAST_DECADES, *(abs(math.log10(one.ratio)) for one in figures if one.ratio)])
    plot = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    plot.add_column("times better than the reference")
    plot.add_column(_scale(decades), no_wrap=True)
    for one in figures:
        plot.add_row(one.name, _bar(one.ratio, decades))
    return plot


def _explained(figures: Sequence[Figure]) -> Mapping[tuple[str, str], Sequence[str]]:
    """The figures by what is to be said of them: p50 and p99 have it in common."""
    explained: dict[tuple[str, str], list[str]] = {}
    for one in figures:
        explained.setdefault((one.reference_name, one.note), []).append(one.name)
    return explained


def _scale(decades: float) -> str:
    """The head over the bars: worse on the left, 1 in the middle, better on the right."""
    most = f"{10**decades:.3g}"
    left = f"1/{most}".ljust(BAR_CELLS // 2)
    return left + "1" + most.rjust(BAR_CELLS // 2 - 1)


def _bar(ratio: float | None, decades: float) -> RenderableType:
    if ratio is None:
        return ""
    length = math.log10(ratio)
    return Bar(
        size=2 * decades,
        begin=decades + min(length, 0.0),
        end=decades + max(length, 0.0),
        width=BAR_CELLS,
        color="green" if length >= 0 else "red",
    )
