"""Printing: tables and colours on a terminal, tab-separated lines in a pipe, JSON where asked for."""

import os
import sys
from collections.abc import Sequence
from datetime import datetime

import typer

GOOD, BAD, FAINT = "green", "bold red", "dim"

Cell = str | tuple[str, str]
"""A text, or a text and the colour it has on a terminal."""


def as_json(value: object) -> None:
    """Print `value`, of types that msgspec encodes, as JSON."""
    import msgspec  # noqa: PLC0415 - only where it is used

    typer.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def as_table(heads: Sequence[str], rows: Sequence[Sequence[Cell]], *, empty: str) -> None:
    """Print `rows`; `empty` is said, on a terminal only, where there are none."""
    if not sys.stdout.isatty():
        for row in [heads, *rows] if rows else []:
            typer.echo("\t".join(_plain(cell) for cell in row))
        return
    if not rows:
        typer.echo(empty)
        return
    from rich import box  # noqa: PLC0415 - only where it is used
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(*heads, box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for row in rows:
        # Text, not markup: names come from devices, and a device may call itself [red].
        table.add_row(*(Text(_plain(cell), style="" if isinstance(cell, str) else cell[1]) for cell in row))
    Console(no_color=bool(os.environ.get("NO_COLOR"))).print(table)


def line(text: str) -> None:
    """Print one line for people."""
    typer.echo(clean(text))


def clean(text: str) -> str:
    """`text` without anything that would move a terminal's cursor: names and reasons come from devices."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def moment(at: datetime | None) -> str:
    """A time as people here read it: local, to the second, with the offset of its zone."""
    return at.astimezone().isoformat(sep=" ", timespec="seconds") if at else "-"


def _plain(cell: Cell) -> str:
    return clean(cell if isinstance(cell, str) else cell[0])


def span(seconds: float) -> str:
    """A length of time in the largest unit that fits it whole: `7 days`, `90 seconds`."""
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= size and seconds % size == 0:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{seconds:g} seconds"
